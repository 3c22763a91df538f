package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.golden.GoldenCapsule;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Blocks of format 1: made again, read, and as documented. */
class BlockGoldenTest {

  /** 2030-01-01T00:00:00Z. */
  private static final long EXPIRY_MS = 1_893_456_000_000L;

  private static final byte[] LONG_VALUE = bytes("x".repeat(300));

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] ascending(int from, int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) (from + i);
    }
    return bytes;
  }

  private static Entry entry(
      String key, long time, long writer, int index, EntryKind kind, int type, byte[] value) {
    long expiryAtMs = type == 1 ? EXPIRY_MS : 0;
    return new Entry(bytes(key), new Version(time, writer, index), kind, type, expiryAtMs, value);
  }

  private static List<Entry> fourEntries() {
    long first = GoldenCapsule.FIRST_WRITER;
    long second = GoldenCapsule.SECOND_WRITER;
    byte[] pointer = ValuePointer.to(Hash32.of(ascending(0x20, 32)), LONG_VALUE).encode();
    return List.of(
        entry("color", 105, second, 0, EntryKind.VALUE, 0, bytes("blue")),
        entry("color", 100, first, 0, EntryKind.TOMBSTONE, 0, new byte[0]),
        entry("count", 400, first, 1, EntryKind.VALUE, 1, bytes("one")),
        entry("image", 103, second, 2, EntryKind.POINTER, 0, pointer));
  }

  /** Enough for three restarts, and similar enough to be compressed. */
  private static List<Entry> fortyEntries() {
    List<Entry> entries = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      entries.add(
          entry(
              "sensor:%03d".formatted(i),
              1000 + i,
              GoldenCapsule.FIRST_WRITER,
              0,
              EntryKind.VALUE,
              0,
              bytes("{\"celsius\":%d}".formatted(i))));
    }
    return entries;
  }

  private static EncodedBlock entriesBlock() {
    return Samples.encode(fourEntries(), ascending(0, 32), Compression.NONE);
  }

  private static byte[] index() {
    IndexBlockBuilder builder = new IndexBlockBuilder(ascending(0, 16), Compression.NONE);
    fourEntries().forEach(entry -> builder.addKey(entry.key()));
    builder.addBlock(
        new BlockDescriptor(Hash32.of(ascending(0x40, 32)), 474, entriesBlock().summary()));
    return builder.finish();
  }

  private static List<Entry> read(String file) {
    List<Entry> entries = new ArrayList<>();
    EntryCursor cursor = EntriesBlock.decode(Golden.bytes(file)).orThrow().cursor();
    for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
      entries.add(cursor.entry());
    }
    return entries;
  }

  /** Only what is not compressed: libraries may find a better compression of the same bytes. */
  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(entriesBlock().payload()).isEqualTo(Golden.bytes("block-entries.hex"));
    assertThat(index()).isEqualTo(Golden.bytes("block-index.hex"));
    assertThat(ValueBlock.encode(bytes("hello"), Compression.LZ4))
        .isEqualTo(Golden.bytes("block-value.hex"));
  }

  @Test
  void theBytesAreRead() {
    assertThat(read("block-entries.hex")).isEqualTo(fourEntries());
    assertThat(read("block-entries-lz4.hex")).isEqualTo(fortyEntries());
    IndexBlock index = IndexBlock.decode(Golden.bytes("block-index.hex")).orThrow();
    assertThat(index.count()).isEqualTo(1);
    assertThat(index.descriptor(0))
        .isEqualTo(
            new BlockDescriptor(Hash32.of(ascending(0x40, 32)), 474, entriesBlock().summary()));
    for (String key : List.of("color", "count", "image")) {
      assertThat(index.mayContain(bytes(key))).as(key).isTrue();
    }
    assertThat(index.mayContain(bytes("colour"))).isFalse();
    assertThat(ValueBlock.decode(Golden.bytes("block-value.hex")).orThrow())
        .isEqualTo(bytes("hello"));
    ValuePointer pointer = ValuePointer.decode(fourEntries().get(3).value()).orThrow();
    assertThat(ValueBlock.decode(Golden.bytes("block-value-lz4.hex"), pointer).orThrow())
        .isEqualTo(LONG_VALUE);
  }

  @Test
  void theDocumentShowsThem() {
    for (String file : List.of("block-entries.hex", "block-index.hex", "block-value-lz4.hex")) {
      assertThat(Golden.listed("block.md", file)).as(file).isEqualTo(Golden.bytes(file));
    }
    EntriesBlock block = EntriesBlock.decode(Golden.bytes("block-entries.hex")).orThrow();
    IndexBlock index = IndexBlock.decode(Golden.bytes("block-index.hex")).orThrow();
    String document = Golden.document("block.md");
    assertThat(document)
        .contains(
            "`" + HexFormat.of().formatHex(block.saltOf(0)) + "`",
            "`" + HexFormat.of().formatHex(block.saltOf(3)) + "`",
            "`" + block.contentRoot() + "`",
            "`" + index.descriptor(0).summary().leaf() + "`",
            "`" + index.tableRoot() + "`");
    for (int i = 0; i < block.count(); i++) {
      assertThat(document).contains("`" + block.leaf(i) + "`");
    }
    assertThat(Arrays.copyOf(Golden.bytes("block-entries-lz4.hex"), 3))
        .isEqualTo(new byte[] {1, 1, 1});
  }
}
