package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the golden bytes of this module are of, made anew from fixed seeds. The keys are published:
 * they protect nothing. A coordinator's chain is a ROSTER (1) and a SEAL (2), which makes head 3 of
 * a worker final; three replicas, quorum two.
 */
final class GoldenProtocol {

  static final long COORDINATOR = 0x0123456789abcdefL;
  static final long WORKER = 0x3fedcba987654321L;

  private static final List<Samples.Replica> REPLICAS = Samples.replicas(4);

  final SampleCapsule capsule = Samples.capsule(4, REPLICAS.subList(0, 3), 2);
  final SealOrder order =
      new SealOrder(SealOrder.Kind.FINAL, WORKER, 2, new ChainHead(3, ascending(0x40)));
  final CapsuleRecord seal;
  final Membership membership =
      new Membership(
          capsule.name,
          1,
          capsule.name.hash(),
          new ReplicaSet(Samples.keys(REPLICAS.subList(1, 4)), 2),
          new ReplicaSet(Samples.keys(REPLICAS.subList(0, 3)), 2));

  GoldenProtocol() {
    try (SampleCapsule.Chain chain = capsule.chain(COORDINATOR, RosterEntry.Role.COORDINATOR)) {
      chain.first();
      seal = chain.next(RecordType.SEAL, SealOrderCodec.encode(order));
    }
  }

  static Hash32 ascending(int from) {
    byte[] bytes = new byte[Hash32.BYTES];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return Hash32.of(bytes);
  }

  private SignedStatement says(
      Samples.Replica replica, Statement.Kind kind, long number, List<Statement.Entry> entries) {
    return replica.sign(
        new Statement(
            kind,
            capsule.name,
            replica.key,
            0,
            0x1122334455667788L,
            number,
            kind == Statement.Kind.FRONTIER ? ascending(0x80) : Hash32.ZERO,
            entries));
  }

  private Statement.Entry sealer() {
    return new Statement.Entry(COORDINATOR, new ChainHead(2, seal.hash()), SealState.OPEN);
  }

  /** The first replica's frontier: the coordinator's chain, and the worker's, which is sealed. */
  SignedStatement frontier() {
    Ballot ballot = new Ballot(2, COORDINATOR);
    ChainHead one = new ChainHead(1, ascending(0x20));
    return says(
        REPLICAS.get(0),
        Statement.Kind.FRONTIER,
        7,
        List.of(
            sealer(),
            new Statement.Entry(WORKER, one, new SealState(ballot, one, ballot, order.last()))));
  }

  /** The first and second replica hold the coordinator's chain. */
  Certificate certificate() {
    return new Certificate(
        Blob.of(capsule.signedMetadata),
        List.of(),
        COORDINATOR,
        new ChainHead(2, seal.hash()),
        List.of(
            says(REPLICAS.get(0), Statement.Kind.HELD, 5, List.of(sealer())),
            says(REPLICAS.get(1), Statement.Kind.HELD, 6, List.of(sealer()))),
        List.of());
  }

  /** The first replica's frontier lacks the coordinator's chain, which it said it holds. */
  byte[] contradiction() {
    return ContradictionProof.of(
            says(
                REPLICAS.get(0),
                Statement.Kind.FRONTIER,
                8,
                List.of(frontier().statement().entries().get(1))),
            frontier(),
            Samples.CURVE)
        .encode();
  }

  Message append() {
    return new Message.Append(41, capsule.name, List.of(Blob.of(seal.bytes())));
  }

  /** All of it by file. */
  Map<String, byte[]> files() {
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("statement.hex", frontier().encoded().bytes());
    files.put("membership.hex", MembershipCodec.encode(membership, capsule.owner::signAsOwner));
    files.put("seal-order.hex", SealOrderCodec.encode(order));
    files.put("certificate.hex", CertificateCodec.encode(certificate()));
    files.put("message-append.hex", MessageCodec.encode(append()));
    files.put("contradiction.hex", contradiction());
    return files;
  }
}
