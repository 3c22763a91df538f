package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.function.Predicate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Any bytes in, a block or a typed rejection out: nothing is thrown, nothing hangs, and whatever is
 * accepted can be read in every way.
 */
class BlockDamageTest {

  /** Decodes and, if that worked, uses everything; returns whether it did. */
  private static boolean entriesHold(byte[] payload) {
    return holds(
        EntriesBlock.decode(payload),
        block -> {
          List<Entry> entries = new ArrayList<>();
          EntryCursor cursor = block.cursor();
          for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
            entries.add(cursor.entry());
          }
          assertThat(entries).hasSize(block.count());
          Entry before = null;
          for (Entry entry : entries) {
            assertThat(before == null || Entry.ENTRY_ORDER.compare(before, entry) < 0).isTrue();
            before = entry;
            assertThat(block.find(entry.key(), entry.version().time())).isNotNull();
          }
          int back = 0;
          for (boolean more = cursor.seekToLast(); more; more = cursor.previous()) {
            back++;
          }
          assertThat(back).isEqualTo(block.count());
          BlockSummary summary = block.summary();
          if (payload[BlockLayout.COMPRESSION_OFFSET] == 0) {
            // Canonical: what is accepted is what its own entries encode to.
            byte[] saltKey = Arrays.copyOfRange(payload, 8, 40);
            EncodedBlock again = Samples.encode(entries, saltKey, Compression.NONE);
            assertThat(again.payload()).isEqualTo(payload);
            assertThat(again.summary()).isEqualTo(summary);
          }
          return summary;
        });
  }

  private static boolean indexHolds(byte[] payload) {
    return holds(
        IndexBlock.decode(payload),
        index -> {
          for (int i = 0; i < index.count(); i++) {
            BlockSummary summary = index.descriptor(i).summary();
            assertThat(index.covers(i, summary.firstKey())).isTrue();
            assertThat(index.blockFor(summary.lastKey())).isBetween(0, i);
            index.mayContain(summary.firstKey());
          }
          return index.tableRoot();
        });
  }

  private static boolean valueHolds(byte[] payload) {
    return holds(ValueBlock.decode(payload), value -> value);
  }

  private static boolean pointerHolds(byte[] bytes) {
    return holds(
        ValuePointer.decode(bytes),
        pointer -> {
          assertThat(pointer.encode()).isEqualTo(bytes);
          return pointer;
        });
  }

  private static <T> boolean holds(Decoded<T> decoded, Function<T, Object> use) {
    return switch (decoded) {
      case Decoded.Accepted<T>(T value) -> {
        assertThat(use.apply(value)).isNotNull();
        yield true;
      }
      case Decoded.Rejected<T>(var rejection) -> {
        assertThat(rejection.detail()).isNotBlank();
        yield false;
      }
    };
  }

  private static void flipAndCut(byte[] payload, Predicate<byte[]> holds) {
    assertThat(holds.test(payload)).isTrue();
    int accepted = 0;
    for (int bit = 0; bit < Byte.SIZE * payload.length; bit++) {
      byte[] flipped = payload.clone();
      flipped[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
      accepted += holds.test(flipped) ? 1 : 0;
    }
    // Salts and values are any bytes at all; the rest is not.
    assertThat(accepted).isLessThan(Byte.SIZE * payload.length);
    for (int length = 0; length < payload.length; length++) {
      assertThat(holds.test(Arrays.copyOf(payload, length))).as("cut to %d", length).isFalse();
    }
    assertThat(holds.test(Arrays.copyOf(payload, payload.length + 1))).isFalse();
  }

  @Test
  void everyFlippedBitAndEveryCut() {
    Random random = new Random(21);
    for (Compression compression : Compression.values()) {
      for (int round = 0; round < 3; round++) {
        List<Entry> entries;
        do {
          entries = Samples.entries(random, 60);
        } while (entries.stream().anyMatch(e -> e.key().length + e.value().length > 400));
        flipAndCut(
            Samples.encode(entries, Samples.bytes(random, 32), compression).payload(),
            BlockDamageTest::entriesHold);
        flipAndCut(Samples.index(entries, random, new ArrayList<>()), BlockDamageTest::indexHolds);
      }
      byte[] value = new byte[300];
      Arrays.fill(value, 100, 300, (byte) 'v');
      flipAndCut(ValueBlock.encode(value, compression), BlockDamageTest::valueHolds);
    }
  }

  @Test
  void anyBytes() {
    fuzz(100_000);
  }

  @Test
  @Tag("long")
  void aMillionBytes() {
    fuzz(1_000_000);
  }

  private static void fuzz(int inputs) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<byte[]> samples = new ArrayList<>();
    int rejected = 0;
    for (int i = 0; i < inputs; i++) {
      if (i % 10_000 == 0) {
        samples = samples(random);
      }
      byte[] input = mutate(samples.get(random.nextInt(samples.size())), random);
      try {
        rejected += entriesHold(input) ? 0 : 1;
        rejected += indexHolds(input) ? 0 : 1;
        rejected += valueHolds(input) ? 0 : 1;
        rejected += pointerHolds(input) ? 0 : 1;
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("seed " + seed + ", input " + i, e);
      }
    }
    assertThat(rejected).isGreaterThan(3 * inputs);
  }

  private static List<byte[]> samples(Random random) {
    List<byte[]> samples = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      List<Entry> entries = Samples.entries(random, 40);
      samples.add(Samples.encode(entries, random).payload());
      samples.add(Samples.encode(entries.subList(0, 1), random).payload());
      samples.add(Samples.index(entries, random, new ArrayList<>()));
    }
    samples.removeIf(sample -> sample.length > 20_000);
    samples.add(ValueBlock.encode(new byte[500], Compression.LZ4));
    samples.add(ValuePointer.to(Samples.hash(random), new byte[3]).encode());
    return samples;
  }

  private static byte[] mutate(byte[] sample, Random random) {
    byte[] input;
    switch (random.nextInt(8)) {
      case 0 -> {
        input = Samples.bytes(random, random.nextInt(300));
        if (input.length > 8) {
          // Past the header, so that what is behind it is read.
          System.arraycopy(sample, 0, input, 0, Math.min(4, sample.length));
          if (random.nextBoolean()) {
            input[2] = 0;
            LittleEndian.putInt(input, 4, input.length - 8);
          }
        }
      }
      case 1 -> input = Arrays.copyOf(sample, random.nextInt(2 * sample.length));
      default -> input = sample.clone();
    }
    int edits = random.nextInt(4);
    for (int e = 0; e < edits && input.length > 0; e++) {
      int at = random.nextInt(random.nextBoolean() ? Math.min(input.length, 120) : input.length);
      input[at] =
          switch (random.nextInt(5)) {
            case 0 -> (byte) random.nextInt();
            case 1 -> (byte) (input[at] ^ 1 << random.nextInt(8));
            case 2 -> (byte) 0xFF;
            case 3 -> (byte) (input[at] + 1);
            default -> 0;
          };
    }
    return input;
  }
}
