package io.capsuledb.scl.frame;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.session.Position;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Messages of every kind, drawn from a seed. */
final class SampleMessages {

  static final SampleCapsule CAPSULE = new SampleCapsule(9, List.of(), 0);

  private static final List<CapsuleRecord> RECORDS = records();

  private SampleMessages() {}

  private static List<CapsuleRecord> records() {
    List<CapsuleRecord> records = new ArrayList<>();
    try (SampleCapsule.Chain chain = CAPSULE.chain(77, Role.WORKER)) {
      records.add(chain.first());
      for (int i = 1; i <= 4; i++) {
        records.add(chain.next(RecordType.DATA, new byte[] {(byte) i}));
      }
    }
    return List.copyOf(records);
  }

  static final int KINDS = 10;

  static SclMessage of(int kind, SplittableRandom random) {
    return switch (kind) {
      case 0 -> {
        int from = random.nextInt(RECORDS.size());
        int to = from + random.nextInt(RECORDS.size() - from);
        yield new SclMessage.Records(
            77, from + 1L, to + 1L + random.nextInt(3), RECORDS.subList(from, to + 1));
      }
      case 1 ->
          new SclMessage.Beat(
              1 + random.nextLong(1L << 40),
              head(random),
              random.nextLong(1L << 40),
              random.nextLong(9),
              random.nextBoolean(),
              random.nextBoolean());
      case 2 -> {
        List<SclMessage.Echo> echoes = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
          echoes.add(new SclMessage.Echo(writer(random), random.nextLong(1L << 50)));
        }
        yield new SclMessage.CoordinatorBeat(
            term(random),
            writer(random),
            head(random),
            random.nextBoolean(),
            random.nextLong(1L << 30),
            echoes);
      }
      case 3 -> new SclMessage.Join(term(random), head(random), locks(random));
      case 4 ->
          new SclMessage.End(
              term(random),
              writer(random),
              random.nextBoolean(),
              head(random),
              random.nextLong(1L << 60));
      case 5 -> new SclMessage.LockRequest(term(random), head(random), locks(random));
      case 6 -> {
        List<Position> released = new ArrayList<>();
        for (int i = random.nextInt(5); i > 0; i--) {
          released.add(new Position(writer(random), term(random)));
        }
        yield new SclMessage.Grant(term(random), locks(random), released);
      }
      case 7 -> new SclMessage.Recall(term(random), locks(random));
      case 8 -> new SclMessage.Release(term(random), head(random), locks(random));
      default -> new SclMessage.Claim(term(random), writer(random));
    };
  }

  private static long term(SplittableRandom random) {
    return 1 + random.nextLong(1L << 40);
  }

  private static long writer(SplittableRandom random) {
    return 1 + random.nextLong((1L << 62) - 1);
  }

  private static ChainHead head(SplittableRandom random) {
    if (random.nextInt(4) == 0) {
      return ChainHead.NONE;
    }
    Hash32 hash = Hashes.sha256(new byte[] {(byte) random.nextInt()});
    return new ChainHead(term(random), hash);
  }

  private static List<LockGrant> locks(SplittableRandom random) {
    List<LockGrant> locks = new ArrayList<>();
    for (int i = random.nextInt(5); i > 0; i--) {
      locks.add(
          new LockGrant(
              random.nextLong(),
              random.nextBoolean() ? LockMode.SHARED : LockMode.EXCLUSIVE,
              term(random)));
    }
    return locks;
  }
}
