package io.capsuledb.engine.bench;

import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.block.EncodedBlock;
import io.capsuledb.engine.block.EntriesBlockBuilder;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/** What the benchmarks put into blocks: always the same. */
final class Corpus {

  /** Raw size at which a block is full. */
  static final int BLOCK_BYTES = 16 << 10;

  private static final String[] CITIES = {"Lisbon", "Osaka", "Quito", "Turku", "Accra", "Leipzig"};
  private static final String[] NAMES = {"Ada", "Kofi", "Mei", "Ines", "Olu", "Sven", "Yara"};

  private Corpus() {}

  static byte[] key(int number) {
    return "user:%010d".formatted(number).getBytes(StandardCharsets.US_ASCII);
  }

  /**
   * A value of 100 bytes, 50 of them random and then again; or a small JSON object.
   *
   * @param values {@code half-random} or {@code json}
   */
  private static byte[] value(String values, Random random) {
    return switch (values) {
      case "half-random" -> {
        byte[] half = new byte[50];
        random.nextBytes(half);
        byte[] value = Arrays.copyOf(half, 100);
        System.arraycopy(half, 0, value, 50, 50);
        yield value;
      }
      case "json" ->
          String.format(
                  Locale.ROOT,
                  "{\"id\":%d,\"name\":\"%s\",\"city\":\"%s\",\"active\":%b,\"balance\":%.2f,"
                      + "\"updated\":\"2026-%02d-%02dT%02d:%02d:%02dZ\"}",
                  random.nextInt(1_000_000),
                  NAMES[random.nextInt(NAMES.length)],
                  CITIES[random.nextInt(CITIES.length)],
                  random.nextBoolean(),
                  random.nextDouble() * 10_000,
                  1 + random.nextInt(12),
                  1 + random.nextInt(28),
                  random.nextInt(24),
                  random.nextInt(60),
                  random.nextInt(60))
              .getBytes(StandardCharsets.US_ASCII);
      default -> throw new IllegalArgumentException("values: half-random or json");
    };
  }

  /** The entries of one full block, keys 0, 2, 4, … so that half of all keys are absent. */
  static List<Entry> entries(String values) {
    Random random = new Random(42);
    EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.NONE);
    List<Entry> entries = new ArrayList<>();
    while (builder.sizeBytes() < BLOCK_BYTES) {
      Version version = new Version(1_000_000 + random.nextInt(100_000), 0x0123456789abcdefL, 0);
      Entry entry =
          new Entry(key(2 * entries.size()), version, EntryKind.VALUE, 0, 0, value(values, random));
      builder.add(entry);
      entries.add(entry);
    }
    return entries;
  }

  static EncodedBlock block(List<Entry> entries, Compression compression) {
    EntriesBlockBuilder builder = new EntriesBlockBuilder(compression);
    entries.forEach(builder::add);
    byte[] saltKey = new byte[32];
    new Random(43).nextBytes(saltKey);
    return builder.finish(saltKey);
  }

  /** The body of a block as it is before compression. */
  static byte[] body(String values) {
    byte[] payload = block(entries(values), Compression.NONE).payload();
    return Arrays.copyOfRange(payload, 8, payload.length);
  }
}
