package io.capsuledb.engine.lsm;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.engine.block.BlockDescriptor;
import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.block.EncodedBlock;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.EntriesBlockBuilder;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.IndexBlockBuilder;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** The short way to blocks against a cache that drops what it likes. */
class NearBlocksPropertyTest {

  /** More than there are places, and many hashes begin alike. */
  private static final int BLOCKS = 200;

  private static final long FEW_BYTES = 1;

  private static byte[] key(int number) {
    return ByteBuffer.allocate(4).putInt(number).array();
  }

  private static byte[] payload(int number) {
    EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.NONE);
    builder.add(
        new Entry(key(number), new Version(number + 1, 1, 0), EntryKind.VALUE, 0, 0, new byte[3]));
    return builder.finish(new byte[32]).payload();
  }

  /** An index of which the hashes have few different beginnings, and differ somewhere. */
  private static IndexBlock index(Random random) {
    IndexBlockBuilder builder = new IndexBlockBuilder(new byte[16], Compression.NONE);
    for (int i = 0; i < BLOCKS; i++) {
      EntriesBlockBuilder entries = new EntriesBlockBuilder(Compression.NONE);
      entries.add(new Entry(key(i), new Version(i + 1, 1, 0), EntryKind.VALUE, 0, 0, new byte[3]));
      EncodedBlock block = entries.finish(new byte[32]);
      byte[] hash = new byte[Hash32.BYTES];
      hash[0] = (byte) random.nextInt(70);
      ByteBuffer.wrap(hash).putInt(8 * random.nextInt(1, 4), i + 1);
      builder.addKey(key(i));
      builder.addBlock(
          new BlockDescriptor(Hash32.of(hash), block.payload().length, block.summary()));
    }
    return IndexBlock.decode(builder.finish()).orThrow();
  }

  @Property(tries = 50)
  void whatIsNearIsTheBlockThatWasAskedForAndInTheCache(@ForAll long seed) {
    Random random = new Random(seed);
    IndexBlock index = index(random);
    NearBlocks near = new NearBlocks(FEW_BYTES);
    Map<Integer, EntriesBlock> cache = new HashMap<>();
    int found = 0;
    for (int step = 0; step < 3_000; step++) {
      int number = random.nextInt(random.nextInt(4) == 0 ? BLOCKS : 20);
      EntriesBlock block = near.get(index, number);
      if (block != null) {
        found++;
        assertThat(block).isSameAs(cache.get(number));
        continue;
      }
      switch (random.nextInt(4)) {
        case 0 -> {
          // It leaves, and nobody may find it here afterwards.
          EntriesBlock gone = cache.remove(number);
          if (gone != null) {
            near.remove(index.record(number).bits(), gone);
          }
        }
        case 1 -> {
          // It leaves between being found in the cache and being put here.
          EntriesBlock gone = cache.remove(number);
          if (gone != null) {
            near.remove(index.record(number).bits(), gone);
            near.put(index, number, gone, () -> cache.containsKey(number));
          }
        }
        default -> {
          EntriesBlock cached =
              cache.computeIfAbsent(number, n -> EntriesBlock.decode(payload(n)).orThrow());
          near.put(index, number, cached, () -> cache.containsKey(number));
        }
      }
      assertThat(near.count()).isLessThanOrEqualTo(cache.size());
    }
    assertThat(found).isGreaterThan(300);
  }

  @Property(tries = 1)
  void theCacheIsToldOfEveryFewUses(@ForAll long seed) {
    IndexBlock index = index(new Random(seed));
    NearBlocks near = new NearBlocks(FEW_BYTES);
    EntriesBlock block = EntriesBlock.decode(payload(0)).orThrow();
    near.put(index, 0, block, () -> true);
    int told = 0;
    for (int i = 0; i < 10 * NearBlocks.TOLD; i++) {
      told += near.get(index, 0) == null ? 1 : 0;
    }
    assertThat(told).isEqualTo(10);
  }
}
