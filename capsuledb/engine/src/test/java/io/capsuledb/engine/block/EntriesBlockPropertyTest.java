package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** A block against the list it was made of, and against a TreeMap. */
class EntriesBlockPropertyTest {

  private static Entry put(byte[] key, long time, byte[] value) {
    return new Entry(key, new Version(time, 1, 0), EntryKind.VALUE, 0, 0, value);
  }

  @Property(tries = 500)
  void whatWasAddedIsThere(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 200);
    EncodedBlock encoded = Samples.encode(entries, random);
    EntriesBlock block = EntriesBlock.decode(encoded.payload()).orThrow();
    assertThat(block.count()).isEqualTo(entries.size());
    assertThat(block.summary()).isEqualTo(encoded.summary());
    List<Entry> forward = new ArrayList<>();
    List<Entry> backward = new ArrayList<>();
    EntryCursor cursor = block.cursor();
    assertThat(cursor.valid()).isFalse();
    for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
      forward.add(cursor.entry());
    }
    for (boolean more = cursor.seekToLast(); more; more = cursor.previous()) {
      backward.addFirst(cursor.entry());
    }
    assertThat(forward).isEqualTo(entries);
    assertThat(backward).isEqualTo(entries);
    BlockSummary summary = encoded.summary();
    assertThat(summary.tombstones())
        .isEqualTo(entries.stream().filter(e -> e.kind() == EntryKind.TOMBSTONE).count());
    assertThat(summary.expiring())
        .isEqualTo(entries.stream().filter(e -> e.expiryAtMs() != 0).count());
    assertThat(summary.minTime())
        .isEqualTo(entries.stream().mapToLong(e -> e.version().time()).min().orElseThrow());
    assertThat(summary.maxTime())
        .isEqualTo(entries.stream().mapToLong(e -> e.version().time()).max().orElseThrow());
  }

  @Property(tries = 500)
  void findAgreesWithATreeMap(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 200);
    EntriesBlock block = EntriesBlock.decode(Samples.encode(entries, random).payload()).orThrow();
    TreeMap<Entry, Integer> model = new TreeMap<>(Entry.ENTRY_ORDER);
    for (int i = 0; i < entries.size(); i++) {
      model.put(entries.get(i), i);
    }
    for (int i = 0; i < 300; i++) {
      Entry known = entries.get(random.nextInt(entries.size()));
      byte[] key = random.nextBoolean() ? known.key() : Samples.key(random);
      long maxTime =
          switch (random.nextInt(3)) {
            case 0 -> Long.MAX_VALUE;
            case 1 -> known.version().time();
            default -> known.version().time() - 1;
          };
      Entry newest =
          new Entry(
              key,
              new Version(maxTime, -1, Integer.MAX_VALUE),
              EntryKind.TOMBSTONE,
              0,
              0,
              new byte[0]);
      Entry expected = model.ceilingKey(newest);
      if (expected != null && !Arrays.equals(expected.key(), key)) {
        expected = null;
      }
      assertThat(block.find(key, maxTime)).isEqualTo(expected);
      assertThat(block.position(key, maxTime))
          .isEqualTo(expected == null ? -1 : model.get(expected));
    }
  }

  @Property(tries = 300)
  void cursorsWalkLikeATreeMap(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 100);
    EntriesBlock block = EntriesBlock.decode(Samples.encode(entries, random).payload()).orThrow();
    TreeMap<Entry, Entry> model = new TreeMap<>(Entry.ENTRY_ORDER);
    entries.forEach(entry -> model.put(entry, entry));
    EntryCursor cursor = block.cursor();
    Entry at = null;
    for (int i = 0; i < 300; i++) {
      boolean valid;
      switch (random.nextInt(10)) {
        case 0 -> {
          valid = cursor.seekToFirst();
          at = model.firstKey();
        }
        case 1 -> {
          valid = cursor.seekToLast();
          at = model.lastKey();
        }
        case 2, 3 -> {
          byte[] key =
              random.nextBoolean()
                  ? Samples.key(random)
                  : entries.get(random.nextInt(entries.size())).key();
          valid = cursor.seek(key);
          at =
              model.ceilingKey(
                  new Entry(
                      key,
                      new Version(Long.MAX_VALUE, -1, Integer.MAX_VALUE),
                      EntryKind.TOMBSTONE,
                      0,
                      0,
                      new byte[0]));
        }
        case 4, 5, 6 -> {
          valid = cursor.next();
          at = at == null ? null : model.higherKey(at);
        }
        default -> {
          valid = cursor.previous();
          at = at == null ? null : model.lowerKey(at);
        }
      }
      assertThat(valid).isEqualTo(at != null).isEqualTo(cursor.valid());
      if (at == null) {
        assertThatThrownBy(cursor::entry).isInstanceOf(IllegalStateException.class);
      } else {
        assertThat(cursor.entry()).isEqualTo(at);
      }
    }
  }

  @Property(tries = 200)
  void everyEntryIsProvedByItsSaltAndPathAlone(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 60);
    EncodedBlock encoded = Samples.encode(entries, random);
    EntriesBlock block = EntriesBlock.decode(encoded.payload()).orThrow();
    MerkleTree tree = block.tree();
    Hash32 root = encoded.summary().contentRoot();
    assertThat(tree.root()).isEqualTo(root).isEqualTo(block.contentRoot());
    int position = random.nextInt(entries.size());
    Entry entry = entries.get(position);
    byte[] salt = block.saltOf(position);
    Hash32 leaf = EntryLeaf.hash(salt, entry);
    assertThat(leaf).isEqualTo(block.leaf(position));
    List<Hash32> path = tree.path(position);
    assertThat(MerkleTree.check(root, entries.size(), position, leaf, path)).isTrue();

    Version version = entry.version();
    byte[] longer = Arrays.copyOf(entry.key(), entry.key().length + 1);
    int otherType = entry.typeNumber() ^ 1;
    long otherExpiry = entry.expiryAtMs() ^ 1;
    Version otherVersion = new Version(version.time(), version.writer(), version.index() ^ 1);
    byte[] value = entry.value();
    for (Entry forged :
        List.of(
            new Entry(longer, version, entry.kind(), entry.typeNumber(), entry.expiryAtMs(), value),
            new Entry(entry.key(), version, entry.kind(), otherType, entry.expiryAtMs(), value),
            new Entry(entry.key(), version, entry.kind(), entry.typeNumber(), otherExpiry, value),
            new Entry(
                entry.key(),
                otherVersion,
                entry.kind(),
                entry.typeNumber(),
                entry.expiryAtMs(),
                value))) {
      assertThat(EntryLeaf.hash(salt, forged)).isNotEqualTo(leaf);
    }
    salt[random.nextInt(salt.length)] ^= 1;
    assertThat(EntryLeaf.hash(salt, entry)).isNotEqualTo(leaf);
  }

  @Property(tries = 200)
  void theEstimateIsNear(@ForAll long seed) {
    Random random = new Random(seed);
    EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.NONE);
    long time = random.nextLong(1L << 50);
    for (int i = 0; builder.sizeBytes() < 16 << 10; i++) {
      byte[] key = "user:%08d:name".formatted(i).getBytes(StandardCharsets.UTF_8);
      builder.add(put(key, time + random.nextInt(1000), Samples.bytes(random, 100)));
    }
    int estimated = builder.sizeBytes();
    int actual = builder.finish(new byte[32]).payload().length;
    assertThat(estimated).isBetween((int) (actual * 0.97), (int) (actual * 1.03));
  }

  @Test
  void extremesFit() {
    EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.LZ4);
    byte[] longKey = new byte[BlockLayout.MAX_KEY_BYTES];
    byte[] longValue = new byte[BlockLayout.MAX_VALUE_BYTES];
    Entry small = put(new byte[0], 7, new byte[0]);
    Entry large = put(longKey, 7, longValue);
    Entry older = put(longKey, 6, Samples.bytes(new Random(1), 15 << 20));
    Entry oldest = put(longKey, 5, longValue);
    for (Entry entry : List.of(small, large, older)) {
      builder.add(entry);
    }
    assertThat(builder.fits(oldest)).isFalse();
    assertThatThrownBy(() -> builder.add(oldest)).isInstanceOf(IllegalStateException.class);
    EntriesBlock block = EntriesBlock.decode(builder.finish(new byte[32]).payload()).orThrow();
    assertThat(block.find(longKey, 6)).isEqualTo(older);
    assertThat(block.find(longKey, Long.MAX_VALUE)).isEqualTo(large);
    assertThat(block.find(new byte[0], 7)).isEqualTo(small);
    assertThat(block.find(new byte[0], 6)).isNull();
  }

  @Test
  void builderRefusesWhatIsOutOfOrderOrBounds() {
    EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.NONE);
    assertThatThrownBy(() -> builder.finish(new byte[32]))
        .isInstanceOf(IllegalStateException.class);
    Entry entry = put(new byte[] {2}, 5, new byte[0]);
    builder.add(entry);
    for (Entry early :
        List.of(entry, put(new byte[] {1}, 9, new byte[0]), put(new byte[] {2}, 6, new byte[0]))) {
      assertThatThrownBy(() -> builder.add(early)).isInstanceOf(IllegalStateException.class);
    }
    byte[] key = {3};
    byte[] nothing = {};
    for (Entry outside :
        List.of(
            put(key, -1, nothing),
            put(key, (1L << 62) + 1, nothing),
            put(new byte[BlockLayout.MAX_KEY_BYTES + 1], 1, nothing),
            put(key, 1, new byte[BlockLayout.MAX_VALUE_BYTES + 1]),
            new Entry(key, new Version(1, 1L << 62, 0), EntryKind.VALUE, 0, 0, nothing),
            new Entry(key, new Version(1, 1, -1), EntryKind.VALUE, 0, 0, nothing))) {
      assertThatThrownBy(() -> builder.add(outside)).isInstanceOf(IllegalArgumentException.class);
    }
    assertThatThrownBy(() -> builder.finish(new byte[31]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(builder.finish(new byte[32]).summary().entries()).isEqualTo(1);
    assertThat(builder.count()).isZero();
  }
}
