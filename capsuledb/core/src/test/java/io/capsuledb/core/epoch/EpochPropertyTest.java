package io.capsuledb.core.epoch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Sync.Position;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.ChainHead;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The three payloads: one encoding for one value, a typed rejection for everything else. */
class EpochPropertyTest {

  private record Format<T>(
      Function<Long, T> sample, Function<T, byte[]> encode, Function<byte[], Decoded<T>> decode) {

    byte[] bytes(long seed) {
      return encode.apply(sample.apply(seed));
    }

    Reason reason(byte[] bytes) {
      return decode.apply(bytes) instanceof Decoded.Rejected<T>(Rejection rejection)
          ? rejection.reason()
          : null;
    }

    void roundTrip(long seed) {
      T value = sample.apply(seed);
      byte[] bytes = encode.apply(value);
      assertThat(decode.apply(bytes).orThrow()).isEqualTo(value);
      for (int length = 0; length < bytes.length; length++) {
        assertThat(reason(Arrays.copyOf(bytes, length))).isEqualTo(Reason.TRUNCATED);
      }
      assertThat(reason(Arrays.copyOf(bytes, bytes.length + 1))).isEqualTo(Reason.TRAILING_BYTES);
    }

    void everyBit(long seed) {
      T value = sample.apply(seed);
      byte[] bytes = encode.apply(value);
      for (int bit = 0; bit < bytes.length * 8; bit++) {
        byte[] flipped = bytes.clone();
        flipped[bit / 8] ^= (byte) (1 << (bit % 8));
        if (decode.apply(flipped) instanceof Decoded.Accepted<T>(T other)) {
          assertThat(other).as("bit %d", bit).isNotEqualTo(value);
          assertThat(encode.apply(other)).isEqualTo(flipped);
        }
      }
    }

    void fuzz(int inputs) {
      long seed = System.nanoTime();
      Random random = new Random(seed);
      int rejected = 0;
      for (int i = 0; i < inputs; i++) {
        byte[] input = bytes(random.nextInt(50));
        if (random.nextInt(4) == 0) {
          input = Arrays.copyOf(input, random.nextInt(2 * input.length));
        }
        for (int e = random.nextInt(5); e >= 0 && input.length > 0; e--) {
          int at = random.nextInt(random.nextBoolean() ? Math.min(80, input.length) : input.length);
          input[at] = (byte) random.nextInt();
        }
        Decoded<T> decoded;
        try {
          decoded = decode.apply(input);
        } catch (RuntimeException e) {
          throw new AssertionError("seed " + seed + ", input " + i, e);
        }
        if (decoded instanceof Decoded.Accepted<T>(T value)) {
          assertThat(encode.apply(value)).as("seed %d, input %d", seed, i).isEqualTo(input);
        } else {
          rejected++;
        }
      }
      assertThat(rejected).isGreaterThan(inputs / 10);
    }
  }

  private static final Format<Rts> RTS =
      new Format<>(EpochSamples::rts, RtsCodec::encode, RtsCodec::decode);
  private static final Format<Eoe> EOE =
      new Format<>(EpochSamples::eoe, EoeCodec::encode, EoeCodec::decode);
  private static final Format<Sync> SYNC =
      new Format<>(
          seed -> EpochSamples.sync(seed, (int) Math.floorMod(seed, 9L)),
          SyncCodec::encode,
          SyncCodec::decode);

  @Property(tries = 200)
  void whatIsEncodedIsDecoded(@ForAll long seed) {
    RTS.roundTrip(seed);
    EOE.roundTrip(seed);
    SYNC.roundTrip(seed);
  }

  @Property(tries = 30)
  void everyBitCounts(@ForAll long seed) {
    RTS.everyBit(seed);
    EOE.everyBit(seed);
    SYNC.everyBit(seed);
  }

  @Test
  void anyBytes() {
    RTS.fuzz(20_000);
    EOE.fuzz(20_000);
    SYNC.fuzz(40_000);
  }

  @Test
  @Tag("long")
  void anyBytesForLong() {
    RTS.fuzz(1_000_000);
    EOE.fuzz(1_000_000);
    SYNC.fuzz(1_000_000);
  }

  @Property(tries = 100)
  void aPositionIsFoundByItsWriter(@ForAll long seed, @ForAll @IntRange(max = 40) int positions) {
    Sync sync = EpochSamples.sync(seed, positions);
    for (Position position : sync.positions()) {
      assertThat(sync.of(position.writer())).isEqualTo(position);
      assertThat(sync.of(position.writer() - 1))
          .satisfiesAnyOf(
              before -> assertThat(before).isNull(),
              before -> assertThat(before.writer()).isEqualTo(position.writer() - 1));
    }
    assertThat(sync.of(RosterEntry.MAX_WRITER)).isNull();
  }

  @Test
  void fieldsHaveRanges() {
    for (Runnable refused :
        List.<Runnable>of(
            () -> new Rts(0, 1, 1, 1, 1),
            () -> new Rts(1, 0, 1, 1, 1),
            () -> new Rts(1, 1, 0, 1, 1),
            () -> new Rts(1, 1, 1, 0, 1),
            () -> new Rts(1, 1, 1, 1, 0),
            () -> new Eoe(1, 1, 1, Hash32.ZERO),
            () -> new Sync(1, 1, 1, 1, -1, 0, Hash32.ZERO, List.of()),
            () -> new Sync(1, 1, 1, 1, 0, -1, Hash32.ZERO, List.of()),
            () -> new Sync(1, 1, 1, 1, 0, 0, Hash32.ZERO, List.of(at(2), at(1))),
            () -> new Sync(1, 1, 1, 1, 0, 0, Hash32.ZERO, List.of(at(2), at(2))),
            () -> new Sync(1, 1, 1, 1, 0, 0, Hash32.ZERO, List.of(at(0))))) {
      assertThatThrownBy(refused::run).isInstanceOf(IllegalArgumentException.class);
    }
  }

  private static Position at(long writer) {
    return new Position(writer, RosterEntry.Role.WORKER, Sync.State.LIVE, ChainHead.NONE);
  }
}
