package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;

/** Random entries of every kind and shape, and blocks of them. */
final class Samples {

  private Samples() {}

  static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  static Hash32 hash(Random random) {
    return Hash32.of(bytes(random, Hash32.BYTES));
  }

  /** Keys that share prefixes, of few different bytes, often empty, rarely very long. */
  static byte[] key(Random random) {
    int length =
        switch (random.nextInt(12)) {
          case 0 -> 0;
          case 1 -> random.nextInt(300);
          default -> random.nextInt(7);
        };
    byte[] key = new byte[length];
    for (int i = 0; i < length; i++) {
      key[i] =
          switch (random.nextInt(4)) {
            case 0 -> 0;
            case 1 -> (byte) 0xFF;
            case 2 -> 'a';
            default -> 'b';
          };
    }
    return key;
  }

  private static long time(Random random) {
    return switch (random.nextInt(20)) {
      case 0 -> 0;
      case 1 -> RecordLayout.MAX_LAMPORT;
      case 2 -> random.nextLong(RecordLayout.MAX_LAMPORT);
      default -> 1_000_000 + random.nextInt(30);
    };
  }

  private static long writer(Random random, int writers) {
    return 0x0123456789abcdefL * (1 + random.nextInt(writers)) & (1L << 62) - 1;
  }

  static Entry entry(Random random, byte[] key, int writers) {
    Version version =
        new Version(
            time(random),
            writer(random, writers),
            random.nextInt(10) == 0 ? Integer.MAX_VALUE : random.nextInt(3));
    EntryKind kind =
        switch (random.nextInt(3)) {
          case 0 -> EntryKind.TOMBSTONE;
          case 1 -> EntryKind.POINTER;
          default -> EntryKind.VALUE;
        };
    long expiryAtMs =
        switch (random.nextInt(6)) {
          case 0 -> 1 + random.nextLong(Long.MAX_VALUE - 1);
          case 1 -> 1_893_456_000_000L;
          default -> 0;
        };
    byte[] value =
        switch (kind) {
          case TOMBSTONE -> new byte[0];
          case POINTER ->
              new ValuePointer(
                      hash(random), random.nextInt(BlockLayout.MAX_VALUE_BYTES + 1), hash(random))
                  .encode();
          case VALUE, OPERAND -> bytes(random, random.nextInt(random.nextInt(10) == 0 ? 3000 : 40));
        };
    return new Entry(key, version, kind, random.nextInt(16), expiryAtMs, value);
  }

  /** Sorted entries without doubles: 1 to about {@code most}. */
  static List<Entry> entries(Random random, int most) {
    TreeSet<Entry> sorted = new TreeSet<>(Entry.ENTRY_ORDER);
    int count = 1 + random.nextInt(most);
    int writers = random.nextInt(4) == 0 ? 40 : 1 + random.nextInt(3);
    byte[] key = key(random);
    // Some blocks hold many versions of few keys.
    int versions = random.nextInt(3) == 0 ? 30 : 2;
    for (int i = 0; i < count; i++) {
      if (random.nextInt(versions) == 0) {
        key = random.nextInt(200) == 0 ? bytes(random, BlockLayout.MAX_KEY_BYTES) : key(random);
      }
      sorted.add(entry(random, key, writers));
    }
    return new ArrayList<>(sorted);
  }

  static Compression compression(Random random) {
    return random.nextBoolean() ? Compression.LZ4 : Compression.NONE;
  }

  static EncodedBlock encode(List<Entry> entries, byte[] saltKey, Compression compression) {
    EntriesBlockBuilder builder = new EntriesBlockBuilder(compression);
    entries.forEach(builder::add);
    return builder.finish(saltKey);
  }

  static EncodedBlock encode(List<Entry> entries, Random random) {
    return encode(entries, bytes(random, 32), compression(random));
  }

  /** A table: entries in blocks, each of a few of them; blocks may split versions of a key. */
  static byte[] index(List<Entry> entries, Random random, List<EncodedBlock> blocks) {
    IndexBlockBuilder builder = new IndexBlockBuilder(bytes(random, 16), compression(random));
    int at = 0;
    while (at < entries.size()) {
      int to = Math.min(entries.size(), at + 1 + random.nextInt(8));
      List<Entry> part = entries.subList(at, to);
      EncodedBlock block = encode(part, random);
      blocks.add(block);
      part.forEach(entry -> builder.addKey(entry.key()));
      builder.addBlock(new BlockDescriptor(hash(random), block.payload().length, block.summary()));
      at = to;
    }
    return builder.finish();
  }
}
