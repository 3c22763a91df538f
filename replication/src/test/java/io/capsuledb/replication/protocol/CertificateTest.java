package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import io.capsuledb.replication.protocol.Statement.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class CertificateTest {

  private static final List<Samples.Replica> REPLICAS = Samples.replicas(8);
  private static final SampleCapsule CAPSULE = Samples.capsule(21, REPLICAS.subList(0, 5), 3);
  private static final long WRITER = 77;
  private static final List<CapsuleRecord> CHAIN = chain(CAPSULE, 12);
  private static final CertificateVerifier VERIFIER = new CertificateVerifier(Samples.CURVE);

  private static List<CapsuleRecord> chain(SampleCapsule capsule, int length) {
    List<CapsuleRecord> chain = new ArrayList<>();
    try (SampleCapsule.Chain writer = capsule.chain(WRITER, RosterEntry.Role.COORDINATOR)) {
      chain.add(writer.first());
      while (chain.size() < length) {
        // Records of all types are between heads, also those that are never stubs.
        boolean seal = chain.size() % 3 == 0;
        chain.add(
            writer.next(
                seal ? RecordType.SEAL : RecordType.DATA,
                seal
                    ? SealOrderCodec.encode(
                        new SealOrder(SealOrder.Kind.PREPARE, 5, 1, ChainHead.NONE))
                    : new byte[chain.size()]));
      }
    }
    return chain;
  }

  private static ChainHead head(int sequence) {
    return new ChainHead(sequence, CHAIN.get(sequence - 1).hash());
  }

  private static SignedStatement says(
      int replica, Kind kind, int membership, ChainHead head, SealState seal) {
    Samples.Replica signer = REPLICAS.get(replica);
    List<Statement.Entry> entries = new ArrayList<>();
    if (kind != Kind.SEALED) {
      entries.add(new Statement.Entry(5, ChainHead.NONE, SealState.OPEN));
    }
    entries.add(new Statement.Entry(WRITER, head, seal));
    return signer.sign(
        new Statement(
            kind, CAPSULE.name, signer.key, membership, replica, 9, Hash32.ZERO, entries));
  }

  private static SignedStatement holds(int replica, int sequence) {
    return says(
        replica, replica % 2 == 0 ? Kind.HELD : Kind.FRONTIER, 0, head(sequence), SealState.OPEN);
  }

  private static Certificate certificate(int claim, int farthest, SignedStatement... statements) {
    return certificate(List.of(), claim, farthest, statements);
  }

  private static Certificate certificate(
      List<Blob> memberships, int claim, int farthest, SignedStatement... statements) {
    return new Certificate(
        Blob.of(CAPSULE.signedMetadata),
        memberships,
        WRITER,
        head(claim),
        List.of(statements),
        headers(claim, farthest));
  }

  private static List<Blob> headers(int claim, int farthest) {
    return CHAIN.subList(claim, farthest).stream()
        .map(r -> Blob.of(RecordCodec.headerOf(r)))
        .toList();
  }

  private static CertificateVerdict verdict(Certificate certificate) {
    byte[] bytes = CertificateCodec.encode(certificate);
    Certificate decoded = CertificateCodec.decode(bytes).orThrow();
    assertThat(decoded).isEqualTo(certificate);
    assertThat(CertificateCodec.encode(decoded)).isEqualTo(bytes);
    return VERIFIER.verify(bytes, CAPSULE.metadata.ownerKey(), CAPSULE.name);
  }

  private static void assertRefused(Certificate certificate, String check) {
    CertificateVerdict verdict = verdict(certificate);
    assertThat(verdict.proven()).as(verdict.toString()).isFalse();
    assertThat(verdict.checks().getLast().name()).as(verdict.toString()).isEqualTo(check);
    assertThat(verdict.checks().getLast().held()).isFalse();
  }

  private static void assertProven(Certificate certificate) {
    CertificateVerdict verdict = verdict(certificate);
    assertThat(verdict.proven()).as(verdict.toString()).isTrue();
    assertThat(verdict.checks().getLast().name()).isEqualTo("quorum");
  }

  @Test
  void aQuorumAtTheClaimOrBeyondProves() {
    CertificateVerdict verdict = verdict(certificate(4, 9, holds(0, 4), holds(3, 9), holds(1, 6)));
    assertThat(verdict.proven()).as(verdict.toString()).isTrue();
    assertThat(verdict.capsule()).isEqualTo(CAPSULE.name);
    assertThat(verdict.writer()).isEqualTo(WRITER);
    assertThat(verdict.claim()).isEqualTo(head(4));
    assertThat(verdict.membership()).isZero();
    assertThat(verdict.checks())
        .allMatch(CertificateVerdict.Check::held)
        .extracting(CertificateVerdict.Check::name)
        .containsExactly(
            "metadata",
            "capsule",
            "membership",
            "chain",
            "statement",
            "statement",
            "statement",
            "quorum");
    // Owner or name alone are enough; neither is not.
    byte[] bytes =
        CertificateCodec.encode(certificate(4, 4, holds(0, 4), holds(3, 4), holds(1, 4)));
    assertThat(VERIFIER.verify(bytes, CAPSULE.metadata.ownerKey(), null).proven()).isTrue();
    assertThat(VERIFIER.verify(bytes, null, CAPSULE.name).proven()).isTrue();
    assertThatIllegalArgumentException().isThrownBy(() -> VERIFIER.verify(bytes, null, null));
    assertThat(VERIFIER.verify(bytes, REPLICAS.get(0).key, null).rejection().reason())
        .isEqualTo(Reason.MISPLACED);
    assertThat(VERIFIER.verify(bytes, null, new CapsuleName(Hash32.ZERO)).rejection().reason())
        .isEqualTo(Reason.MISPLACED);
  }

  @Test
  void fewerThanAQuorumDoNot() {
    assertRefused(certificate(4, 4), "quorum");
    assertRefused(certificate(4, 4, holds(0, 4), holds(1, 4)), "quorum");
    SignedStatement good = holds(1, 4);
    List<SignedStatement> useless =
        List.of(
            holds(2, 3), // not as far
            holds(6, 4), // no replica of the capsule
            says(2, Kind.SEALED, 0, head(4), SealState.OPEN),
            says(2, Kind.HELD, 1, head(4), SealState.OPEN), // in another membership
            says(2, Kind.HELD, 0, new ChainHead(4, Samples.hash(new Random(1))), SealState.OPEN),
            holds(2, 5), // not shown to be on the chain
            stranger(),
            forged());
    for (SignedStatement third : useless) {
      CertificateVerdict verdict = verdict(certificate(4, 4, holds(0, 4), good, third));
      assertThat(verdict.proven()).as(verdict.toString()).isFalse();
      assertThat(verdict.checks())
          .filteredOn(check -> check.name().equals("statement") && !check.held())
          .hasSize(1);
      // Among enough others it does no harm.
      assertProven(certificate(4, 4, holds(0, 4), good, third, holds(3, 4), holds(4, 4)));
    }
  }

  private static SignedStatement stranger() {
    Samples.Replica signer = REPLICAS.get(2);
    return signer.sign(
        new Statement(
            Kind.HELD,
            new CapsuleName(Hash32.ZERO),
            signer.key,
            0,
            0,
            0,
            Hash32.ZERO,
            List.of(new Statement.Entry(WRITER, head(4), SealState.OPEN))));
  }

  private static SignedStatement forged() {
    return StatementCodec.encode(holds(2, 4).statement(), REPLICAS.get(0)::sign);
  }

  @Test
  void aReplicaCountsOnce() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> certificate(4, 5, holds(0, 4), holds(1, 4), holds(1, 5)));
    byte[] bytes =
        CertificateCodec.encode(certificate(4, 4, holds(0, 4), holds(1, 4), holds(2, 4)));
    // The last statement once more in place of the first.
    int length = holds(0, 4).encoded().length();
    byte[] twice = bytes.clone();
    System.arraycopy(bytes, bytes.length - length, twice, bytes.length - 3 * length - 8, length);
    assertThat(CertificateCodec.decode(twice)).isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void theChainHasToLeadToTheHeads() {
    SignedStatement[] all = {holds(0, 4), holds(1, 9), holds(2, 9)};
    assertProven(certificate(4, 9, all));
    // Nothing beyond the farthest head, nothing missing before it.
    assertRefused(certificate(4, 10, all), "chain");
    assertThat(verdict(certificate(4, 8, all)).proven()).isFalse();
    List<Blob> headers = headers(4, 9);
    for (int i = 0; i < headers.size(); i++) {
      List<Blob> gap = new ArrayList<>(headers);
      gap.set(i, Blob.of(RecordCodec.headerOf(CHAIN.get(0))));
      assertRefused(
          new Certificate(
              Blob.of(CAPSULE.signedMetadata), List.of(), WRITER, head(4), List.of(all), gap),
          "chain");
    }
    // The claim of a record that is on no chain with the heads.
    assertRefused(
        new Certificate(
            Blob.of(CAPSULE.signedMetadata),
            List.of(),
            WRITER,
            new ChainHead(4, Samples.hash(new Random(3))),
            List.of(all),
            headers),
        "chain");
  }

  @Test
  void statementsAcrossFinalHeadsDoNotMix() {
    Ballot two = new Ballot(2, 3);
    Ballot three = new Ballot(3, 3);
    SignedStatement accepted =
        says(2, Kind.HELD, 0, head(4), new SealState(two, head(3), two, head(6)));
    SignedStatement acceptedToo =
        says(1, Kind.HELD, 0, head(5), new SealState(three, head(4), two, head(6)));
    SignedStatement acceptedLater =
        says(1, Kind.HELD, 0, head(5), new SealState(three, head(4), three, head(6)));
    SignedStatement more =
        says(4, Kind.HELD, 0, head(6), new SealState(two, head(6), two, head(6)));
    assertRefused(certificate(4, 4, holds(0, 4), holds(3, 4), accepted), "quorum");
    assertRefused(certificate(4, 6, acceptedLater, accepted, more), "quorum");
    // Of one ballot; but who has not fetched all of the final chain may hold another one.
    assertRefused(certificate(4, 6, acceptedToo, accepted, more), "quorum");
    SignedStatement whole =
        says(2, Kind.HELD, 0, head(6), new SealState(two, head(3), two, head(6)));
    SignedStatement wholeToo =
        says(1, Kind.HELD, 0, head(6), new SealState(three, head(4), two, head(6)));
    assertRefused(certificate(4, 6, acceptedLater, whole, more), "quorum");
    assertProven(certificate(4, 6, wholeToo, whole, more));
  }

  @Test
  void aJointMembershipNeedsAQuorumOfBoth() {
    ReplicaSet old = new ReplicaSet(Samples.keys(REPLICAS.subList(0, 5)), 3);
    ReplicaSet fresh = new ReplicaSet(Samples.keys(REPLICAS.subList(4, 7)), 2);
    Membership joint = new Membership(CAPSULE.name, 1, CAPSULE.name.hash(), fresh, old);
    byte[] first = MembershipCodec.encode(joint, CAPSULE.owner::signAsOwner);
    List<Blob> memberships = List.of(Blob.of(first));
    SignedStatement[] oldOnes = new SignedStatement[3];
    for (int i = 0; i < 3; i++) {
      oldOnes[i] = says(i, Kind.HELD, 1, head(4), SealState.OPEN);
    }
    assertRefused(certificate(memberships, 4, 4, oldOnes), "quorum");
    SignedStatement[] both = Arrays.copyOf(oldOnes, 5);
    both[3] = says(5, Kind.HELD, 1, head(4), SealState.OPEN);
    both[4] = says(6, Kind.HELD, 1, head(4), SealState.OPEN);
    assertProven(certificate(memberships, 4, 4, both));
    // In the membership after it, they are of an older one.
    byte[] second =
        MembershipCodec.encode(
            new Membership(CAPSULE.name, 2, MembershipCodec.hashOf(first), fresh, ReplicaSet.EMPTY),
            CAPSULE.owner::signAsOwner);
    List<Blob> longer = List.of(Blob.of(first), Blob.of(second));
    assertRefused(certificate(longer, 4, 4, both), "quorum");
    assertProven(
        certificate(
            longer,
            4,
            4,
            says(5, Kind.HELD, 2, head(4), SealState.OPEN),
            says(6, Kind.HELD, 2, head(4), SealState.OPEN)));
    assertRefused(certificate(List.of(Blob.of(second)), 4, 4, both), "membership");
  }

  @Test
  void aCapsuleWithoutReplicasHasNoDurability() {
    SampleCapsule alone = Samples.capsule(22, List.of(), 0);
    byte[] bytes =
        CertificateCodec.encode(
            new Certificate(
                Blob.of(alone.signedMetadata), List.of(), WRITER, head(4), List.of(), List.of()));
    CertificateVerdict verdict = VERIFIER.verify(bytes, null, alone.name);
    assertThat(verdict.proven()).isFalse();
    assertThat(verdict.checks().getLast().name()).isEqualTo("membership");
  }

  @Test
  void noByteMayChange() {
    byte[] bytes =
        CertificateCodec.encode(certificate(4, 6, holds(0, 4), holds(1, 6), holds(2, 5)));
    Random random = new Random(4);
    for (int i = 0; i < bytes.length; i++) {
      byte[] flipped = bytes.clone();
      flipped[i] ^= (byte) (1 << random.nextInt(8));
      assertThat(VERIFIER.verify(flipped, CAPSULE.metadata.ownerKey(), null).proven())
          .as("byte %d", i)
          .isFalse();
      assertThat(CertificateCodec.decode(Arrays.copyOf(bytes, i)))
          .as("%d bytes", i)
          .isInstanceOf(Decoded.Rejected.class);
    }
    assertThat(CertificateCodec.decode(Arrays.copyOf(bytes, bytes.length + 1)))
        .isInstanceOf(Decoded.Rejected.class);
  }

  /** With a quorum of true statements among any others it is proven, else not. */
  @Property(tries = 200)
  void exactlyAQuorumCounts(@ForAll long seed) {
    Random random = new Random(seed);
    int claim = 1 + random.nextInt(CHAIN.size());
    List<SignedStatement> statements = new ArrayList<>();
    int good = 0;
    int farthest = claim;
    for (int replica = 0; replica < REPLICAS.size(); replica++) {
      int sequence = 1 + random.nextInt(CHAIN.size());
      if (random.nextInt(4) > 0) {
        statements.add(holds(replica, sequence));
        if (replica < 5 && sequence >= claim) {
          good++;
          farthest = Math.max(farthest, sequence);
        }
      }
    }
    CertificateVerdict verdict =
        verdict(certificate(claim, farthest, statements.toArray(SignedStatement[]::new)));
    assertThat(verdict.proven()).as(verdict.toString()).isEqualTo(good >= 3);
  }
}
