package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Values of every type of the protocol, from seeds. */
final class Samples {

  static final Secp256k1 CURVE = Secp256k1.best();

  private Samples() {}

  /** A replica with its key. */
  static final class Replica {
    final PublicKey key;
    private final byte[] secret = new byte[Secp256k1.SCALAR_BYTES];

    /** The replica of a number, 1 to 255. */
    Replica(int number) {
      secret[30] = 0x5a;
      secret[31] = (byte) number;
      try (SecretBytes privateKey = SecretBytes.own(secret.clone())) {
        key = CURVE.publicKey(privateKey);
      }
    }

    byte[] sign(Hash32 digest) {
      try (SecretBytes privateKey = SecretBytes.own(secret.clone())) {
        return CURVE.sign(digest, privateKey);
      }
    }

    SignedStatement sign(Statement statement) {
      return StatementCodec.encode(statement, this::sign);
    }
  }

  /** Replicas with the numbers 1 to {@code count}. */
  static List<Replica> replicas(int count) {
    return IntStream.rangeClosed(1, count).mapToObj(Replica::new).toList();
  }

  static List<PublicKey> keys(List<Replica> replicas) {
    return replicas.stream().map(r -> r.key).toList();
  }

  static SampleCapsule capsule(long seed, List<Replica> replicas, int quorum) {
    return new SampleCapsule(seed, keys(replicas), quorum);
  }

  static byte[] bytes(int length, Random random) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  static Hash32 hash(Random random) {
    return Hash32.of(bytes(Hash32.BYTES, random));
  }

  static Blob blob(int most, Random random) {
    return Blob.of(bytes(random.nextInt(most + 1), random));
  }

  static long writer(Random random) {
    return random.nextLong(1, RosterEntry.MAX_WRITER + 1);
  }

  static ChainHead head(long sequence, Random random) {
    return sequence == 0 ? ChainHead.NONE : new ChainHead(sequence, hash(random));
  }

  static SealState seal(ChainHead head, Random random) {
    if (random.nextBoolean()) {
      return SealState.OPEN;
    }
    Ballot promised = new Ballot(random.nextLong(2, Long.MAX_VALUE), writer(random));
    if (random.nextBoolean()) {
      return new SealState(promised, head, Ballot.NONE, ChainHead.NONE);
    }
    Ballot accepted =
        random.nextBoolean() ? promised : new Ballot(promised.term() - 1, writer(random));
    ChainHead last = random.nextBoolean() ? head : head(head.sequence() + 5, random);
    return new SealState(promised, random.nextBoolean() ? head : ChainHead.NONE, accepted, last);
  }

  static Statement statement(
      Statement.Kind kind, CapsuleName capsule, PublicKey replica, int entries, Random random) {
    TreeSet<Long> writers = new TreeSet<>();
    while (writers.size() < (kind == Statement.Kind.SEALED ? 1 : entries)) {
      writers.add(writer(random));
    }
    List<Statement.Entry> list = new ArrayList<>();
    for (long writer : writers) {
      ChainHead head = head(random.nextInt(4) == 0 ? 0 : random.nextLong(1, 1L << 60), random);
      list.add(new Statement.Entry(writer, head, seal(head, random)));
    }
    return new Statement(
        kind,
        capsule,
        replica,
        random.nextInt(Integer.MAX_VALUE),
        random.nextLong(),
        random.nextLong(Long.MAX_VALUE),
        kind == Statement.Kind.FRONTIER ? hash(random) : Hash32.ZERO,
        list);
  }

  static SignedStatement signed(Statement.Kind kind, int entries, Random random) {
    Replica replica = new Replica(1 + random.nextInt(9));
    return replica.sign(
        statement(kind, new CapsuleName(hash(random)), replica.key, entries, random));
  }

  static Membership membership(CapsuleName capsule, int current, int outgoing, Random random) {
    return new Membership(
        capsule,
        1 + random.nextInt(Integer.MAX_VALUE),
        hash(random),
        set(1, current, random),
        set(100, outgoing, random));
  }

  private static ReplicaSet set(int from, int count, Random random) {
    if (count == 0) {
      return ReplicaSet.EMPTY;
    }
    List<PublicKey> keys =
        IntStream.range(from, from + count).mapToObj(i -> new Replica(i).key).toList();
    return new ReplicaSet(keys, count / 2 + 1 + random.nextInt(count - count / 2));
  }

  static SealOrder order(Random random) {
    boolean prepare = random.nextBoolean();
    return new SealOrder(
        prepare ? SealOrder.Kind.PREPARE : SealOrder.Kind.FINAL,
        writer(random),
        random.nextLong(1, Long.MAX_VALUE),
        prepare || random.nextInt(4) == 0 ? ChainHead.NONE : head(1 + random.nextInt(99), random));
  }

  private static List<Blob> blobs(Random random) {
    return Stream.generate(() -> blob(60, random)).limit(random.nextInt(5)).toList();
  }

  private static Checkpoint.Range range(Random random) {
    long from = random.nextLong(1, 1000);
    return new Checkpoint.Range(writer(random), from, from + random.nextInt(1000));
  }

  private static final List<String> TEXTS = List.of("", "gap", "größer als €9", "𝄞 clef");

  /** One message of each type. */
  static List<Message> messages(Random random) {
    long request = random.nextLong();
    CapsuleName capsule = new CapsuleName(hash(random));
    long from = random.nextLong(1, 1000);
    return List.of(
        new Message.Found(request, capsule, blob(200, random)),
        new Message.Append(request, capsule, blobs(random)),
        new Message.ReadRange(
            request, capsule, writer(random), from, from + random.nextInt(99), random.nextInt(999)),
        new Message.ReadHash(request, capsule, hash(random)),
        new Message.AskFrontier(request, capsule, hash(random)),
        new Message.Describe(request, capsule),
        new Message.AskCapsules(request, random.nextBoolean() ? Hash32.ZERO : hash(random)),
        new Message.Install(request, capsule, blob(200, random)),
        new Message.Release(
            request,
            capsule,
            writer(random),
            from,
            Stream.generate(() -> range(random)).limit(random.nextInt(4)).toList()),
        new Message.AskStatus(request),
        new Message.AskEvidence(request, capsule),
        new Message.Accuse(request, capsule, blob(200, random)),
        new Message.Listen(request, capsule, random.nextBoolean()),
        new Message.Relay(request, capsule, blob(200, random)),
        new Message.Done(request),
        new Message.Refused(
            request,
            List.of(Refusal.values()).get(random.nextInt(Refusal.values().length)),
            random.nextBoolean() ? 0 : writer(random),
            random.nextInt(9),
            TEXTS.get(random.nextInt(TEXTS.size()))),
        new Message.Held(request, signed(Statement.Kind.HELD, random.nextInt(4), random)),
        new Message.Sealed(request, signed(Statement.Kind.SEALED, 1, random)),
        new Message.Records(request, blobs(random)),
        new Message.Frontier(request, signed(Statement.Kind.FRONTIER, random.nextInt(4), random)),
        new Message.Described(request, blob(200, random), blobs(random)),
        new Message.Capsules(
            request,
            Stream.generate(() -> hash(random))
                .limit(random.nextInt(4))
                .sorted()
                .map(CapsuleName::new)
                .toList()),
        new Message.Status(
            request,
            TEXTS.stream()
                .limit(random.nextInt(4))
                .map(name -> new Message.Counter(name, random.nextLong()))
                .toList()),
        new Message.Evidence(request, blobs(random)),
        new Message.Listening(request, random.nextInt(1 << 16)),
        new Message.Relayed(request, blob(200, random)));
  }
}
