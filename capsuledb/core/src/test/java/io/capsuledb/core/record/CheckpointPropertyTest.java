package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.Checkpoint.Range;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CheckpointPropertyTest {

  /** A checkpoint of {@code ranges} ranges that a seed determines. */
  static Checkpoint random(long seed, int ranges) {
    Random random = new Random(seed);
    List<Range> released = new ArrayList<>();
    long writer = 1L + random.nextInt(5);
    long sequence = 1;
    for (int i = 0; i < ranges; i++) {
      if (random.nextInt(3) == 0) {
        writer += 1L + random.nextInt(1000);
        sequence = 1;
      }
      long from = sequence + random.nextInt(3);
      long to = from + random.nextInt(4);
      released.add(new Range(writer, from, to));
      sequence = to + 1;
    }
    boolean releasesOnly = random.nextInt(4) == 0;
    return new Checkpoint(
        releasesOnly ? Hash32.ZERO : hash(random),
        releasesOnly || random.nextBoolean() ? Hash32.ZERO : hash(random),
        random.nextLong(RecordLayout.MAX_LAMPORT + 1),
        released);
  }

  private static Hash32 hash(Random random) {
    byte[] bytes = new byte[Hash32.BYTES];
    random.nextBytes(bytes);
    return Hash32.of(bytes);
  }

  private static Reason reason(byte[] bytes) {
    return CheckpointCodec.decode(bytes)
            instanceof Decoded.Rejected<Checkpoint>(Rejection rejection)
        ? rejection.reason()
        : null;
  }

  @Property(tries = 300)
  void whatIsEncodedIsDecoded(@ForAll long seed, @ForAll @IntRange(max = 40) int ranges) {
    Checkpoint checkpoint = random(seed, ranges);
    byte[] bytes = CheckpointCodec.encode(checkpoint);
    assertThat(CheckpointCodec.decode(bytes).orThrow()).isEqualTo(checkpoint);
    for (int length = 0; length < bytes.length; length++) {
      assertThat(reason(Arrays.copyOf(bytes, length))).isEqualTo(Reason.TRUNCATED);
    }
    assertThat(reason(Arrays.copyOf(bytes, bytes.length + 1))).isEqualTo(Reason.TRAILING_BYTES);
  }

  /** Every bit is of a field: a flipped one makes another checkpoint or none. */
  @Property(tries = 30)
  void everyBitCounts(@ForAll long seed, @ForAll @IntRange(max = 5) int ranges) {
    Checkpoint checkpoint = random(seed, ranges);
    byte[] bytes = CheckpointCodec.encode(checkpoint);
    for (int bit = 0; bit < bytes.length * 8; bit++) {
      byte[] flipped = bytes.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      if (CheckpointCodec.decode(flipped)
          instanceof Decoded.Accepted<Checkpoint>(Checkpoint other)) {
        assertThat(other).as("bit %d", bit).isNotEqualTo(checkpoint);
        assertThat(CheckpointCodec.encode(other)).isEqualTo(flipped);
        assertThat(bit / 8).isGreaterThanOrEqualTo(CheckpointLayout.MANIFEST_OFFSET);
      }
    }
  }

  @Property(tries = 100)
  void itReleasesWhatARangeNames(@ForAll long seed, @ForAll @IntRange(max = 30) int ranges) {
    Checkpoint checkpoint = random(seed, ranges);
    Random random = new Random(seed);
    for (int i = 0; i < 200; i++) {
      long writer =
          ranges > 0 && random.nextInt(4) > 0
              ? checkpoint.released().get(random.nextInt(ranges)).writer()
              : random.nextInt(100);
      long sequence = random.nextInt(70);
      assertThat(checkpoint.releases(writer, sequence))
          .isEqualTo(
              checkpoint.released().stream().anyMatch(range -> range.contains(writer, sequence)));
    }
  }

  @Test
  void rangesAreOrderedApartAndNotEmpty() {
    long most = RosterEntry.MAX_WRITER;
    for (List<Range> allowed :
        List.of(
            List.<Range>of(),
            List.of(new Range(1, 1, 1), new Range(1, 2, 2), new Range(2, 1, 9)),
            List.of(new Range(most, Long.MAX_VALUE, Long.MAX_VALUE)),
            List.of(new Range(1, 1, Long.MAX_VALUE), new Range(2, 1, Long.MAX_VALUE)))) {
      Checkpoint checkpoint = new Checkpoint(Hash32.ZERO, Hash32.ZERO, 0, allowed);
      assertThat(CheckpointCodec.decode(CheckpointCodec.encode(checkpoint)).orThrow())
          .isEqualTo(checkpoint);
    }
    for (List<Range> refused :
        List.of(
            List.of(new Range(0, 1, 1)),
            List.of(new Range(-1, 1, 1)),
            List.of(new Range(most + 1, 1, 1)),
            List.of(new Range(1, 0, 1)),
            List.of(new Range(1, 2, 1)),
            List.of(new Range(1, 1, -1)),
            List.of(new Range(1, 1, 2), new Range(1, 2, 3)),
            List.of(new Range(1, 1, Long.MAX_VALUE), new Range(1, 2, 2)),
            List.of(new Range(1, 5, 5), new Range(1, 1, 1)),
            List.of(new Range(1, 5, 5), new Range(1, 5, 5)),
            List.of(new Range(2, 1, 1), new Range(1, 1, 1)))) {
      assertThatThrownBy(() -> new Checkpoint(Hash32.ZERO, Hash32.ZERO, 0, refused))
          .isInstanceOf(IllegalArgumentException.class);
      byte[] bytes =
          CheckpointCodec.encode(
              new Checkpoint(Hash32.ZERO, Hash32.ZERO, 0, someRanges(refused.size())));
      for (int i = 0; i < refused.size(); i++) {
        put(bytes, i, refused.get(i));
      }
      assertThat(reason(bytes)).as("%s", refused).isEqualTo(Reason.FIELD_OUT_OF_RANGE);
    }
  }

  private static List<Range> someRanges(int count) {
    List<Range> ranges = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      ranges.add(new Range(1, i, i));
    }
    return ranges;
  }

  private static void put(byte[] bytes, int index, Range range) {
    int at = CheckpointLayout.RANGES_OFFSET + index * CheckpointLayout.RANGE_BYTES;
    var view = java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    view.putLong(at, range.writer());
    view.putLong(at + 8, range.fromSequence());
    view.putLong(at + 16, range.toSequence());
  }

  @Test
  void theOtherFieldsHaveTheirBounds() {
    Hash32 some = hash(new Random(1));
    assertThatThrownBy(() -> new Checkpoint(Hash32.ZERO, some, 0, List.of()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Checkpoint(some, some, -1, List.of()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Checkpoint(some, some, RecordLayout.MAX_LAMPORT + 1, List.of()))
        .isInstanceOf(IllegalArgumentException.class);
    List<Range> most = someRanges(CheckpointLayout.MAX_RANGES);
    Checkpoint largest = new Checkpoint(some, some, RecordLayout.MAX_LAMPORT, most);
    byte[] bytes = CheckpointCodec.encode(largest);
    assertThat(CheckpointCodec.decode(bytes).orThrow()).isEqualTo(largest);
    List<Range> more = new ArrayList<>(most);
    more.addAll(Collections.nCopies(1, new Range(2, 1, 1)));
    assertThatThrownBy(() -> new Checkpoint(some, some, 0, more))
        .isInstanceOf(IllegalArgumentException.class);
    for (int count : new int[] {CheckpointLayout.MAX_RANGES + 1, Integer.MAX_VALUE, -1}) {
      byte[] announced = bytes.clone();
      io.capsuledb.core.bytes.LittleEndian.putInt(announced, CheckpointLayout.COUNT_OFFSET, count);
      assertThat(reason(announced)).isEqualTo(Reason.TOO_LARGE);
    }
    for (int at = 0; at < CheckpointLayout.MANIFEST_OFFSET; at++) {
      byte[] other = bytes.clone();
      other[at]++;
      assertThat(reason(other)).isEqualTo(at == 0 ? Reason.UNKNOWN_FORMAT : Reason.RESERVED_BITS);
    }
    byte[] rootless = bytes.clone();
    Hash32.ZERO.copyTo(rootless, CheckpointLayout.MANIFEST_OFFSET);
    assertThat(reason(rootless)).isEqualTo(Reason.FIELD_OUT_OF_RANGE);
  }

  @Test
  void aWholeCheckpointRecordIsReadByThoseWithoutKeys() {
    Capsules capsule = new Capsules(47);
    byte[] payload = CheckpointCodec.encode(random(3, 5));
    try (RecordSealer sealer = capsule.sealer(9)) {
      CapsuleRecord first = capsule.introduce(sealer, 1, List.of());
      CapsuleRecord sealed =
          sealer.seal(RecordType.CHECKPOINT, 0, 2, List.of(), payload, 0, payload.length);
      CapsuleRecord decoded = RecordCodec.decode(capsule.name, sealed.bytes().clone()).orThrow();
      ChainVerifier verifier = capsule.verifier();
      assertThat(verifier.link(first)).isNull();
      assertThat(verifier.link(decoded)).isNull();
      assertThat(CheckpointCodec.decode(decoded.payload()).orThrow()).isEqualTo(random(3, 5));
      assertThatThrownBy(
              () -> sealer.seal(RecordType.CHECKPOINT, 0, 3, List.of(first.hash()), payload, 0, 1))
          .isInstanceOf(IllegalStateException.class);
    }
  }
}
