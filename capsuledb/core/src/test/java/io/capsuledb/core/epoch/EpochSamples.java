package io.capsuledb.core.epoch;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Sync.Position;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Epochs that a seed determines, and the ones the golden bytes are of. */
final class EpochSamples {

  static final Rts RTS = new Rts(7, 1, 3, 0x10000010L, 1000);

  static final Eoe EOE = new Eoe(7, 1, 0x10000010L, filled(0x40));

  static final Sync SYNC =
      new Sync(
          7,
          1,
          3,
          0x10000010L,
          0,
          GoldenCapsule.COMPACTOR,
          filled(0x60),
          List.of(
              new Position(
                  GoldenCapsule.FIRST_WRITER,
                  RosterEntry.Role.WORKER,
                  Sync.State.LIVE,
                  new ChainHead(9, filled(0x80))),
              new Position(
                  GoldenCapsule.COMPACTOR,
                  RosterEntry.Role.COMPACTOR,
                  Sync.State.LIVE,
                  new ChainHead(40, filled(0xa0))),
              new Position(
                  GoldenCapsule.SECOND_WRITER,
                  RosterEntry.Role.WORKER,
                  Sync.State.GONE,
                  ChainHead.NONE)));

  private EpochSamples() {}

  /** Thirty-two bytes that count up. */
  private static Hash32 filled(int from) {
    byte[] bytes = new byte[Hash32.BYTES];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return Hash32.of(bytes);
  }

  static Hash32 hash(Random random) {
    byte[] bytes = new byte[Hash32.BYTES];
    random.nextBytes(bytes);
    bytes[0] |= 1;
    return Hash32.of(bytes);
  }

  private static long positive(Random random) {
    return 1 + (random.nextLong() >>> (1 + random.nextInt(60))) % (Long.MAX_VALUE - 1);
  }

  private static int positiveInt(Random random) {
    return 1 + random.nextInt(Integer.MAX_VALUE - 1);
  }

  private static long cutTime(Random random) {
    return 1 + random.nextLong(RecordLayout.MAX_LAMPORT);
  }

  static Rts rts(long seed) {
    Random random = new Random(seed);
    return new Rts(
        positive(random),
        positiveInt(random),
        positive(random),
        cutTime(random),
        positiveInt(random));
  }

  static Eoe eoe(long seed) {
    Random random = new Random(seed);
    return new Eoe(positive(random), positiveInt(random), cutTime(random), hash(random));
  }

  static Sync sync(long seed, int positions) {
    Random random = new Random(seed);
    List<Position> list = new ArrayList<>();
    long writer = 0;
    for (int i = 0; i < positions; i++) {
      writer += 1 + random.nextLong(1L << 40);
      list.add(
          new Position(
              writer,
              RosterEntry.Role.ofNumber(1 + random.nextInt(4)),
              Sync.State.ofNumber(1 + random.nextInt(3)),
              random.nextInt(5) == 0
                  ? ChainHead.NONE
                  : new ChainHead(positive(random), hash(random))));
    }
    return new Sync(
        positive(random),
        positiveInt(random),
        positive(random),
        cutTime(random),
        random.nextInt(3),
        random.nextBoolean() ? 0 : 1 + random.nextLong(RosterEntry.MAX_WRITER),
        random.nextBoolean() ? Hash32.ZERO : hash(random),
        list);
  }
}
