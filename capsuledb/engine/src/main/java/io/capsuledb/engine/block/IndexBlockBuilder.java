package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.record.RecordLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes the index of one table: add every key and every block in their order, then finish. Without
 * compression, the same keys, blocks and seed always give the same bytes. One thread at a time.
 */
public final class IndexBlockBuilder {

  /** Length of the key of the filter's hash. */
  public static final int FILTER_SEED_BYTES = 16;

  private final Compression compression;
  private final KeyFilter.Builder filter;
  private final List<BlockDescriptor> blocks = new ArrayList<>();
  private long descriptorBytes;

  /**
   * A builder for one table.
   *
   * @param filterSeed 16 random bytes, the key of the filter's hash
   */
  public IndexBlockBuilder(byte[] filterSeed, Compression compression) {
    this.compression = compression;
    this.filter = new KeyFilter.Builder(filterSeed);
  }

  /** Adds a key of the table to its filter; adding it again, for an older version, is the same. */
  public void addKey(byte[] key) {
    filter.add(key);
  }

  /**
   * Appends a block.
   *
   * @throws IllegalStateException if it does not come after the block before
   * @throws IllegalArgumentException if it says of itself what cannot be
   */
  public void addBlock(BlockDescriptor block) {
    BlockSummary summary = block.summary();
    checkBounds(block);
    if (!blocks.isEmpty()
        && Arrays.compareUnsigned(blocks.getLast().summary().lastKey(), summary.firstKey()) > 0) {
      throw new IllegalStateException("blocks out of order: " + summary);
    }
    descriptorBytes += encodedBytes(summary);
    blocks.add(block);
  }

  private static void checkBounds(BlockDescriptor block) {
    BlockSummary summary = block.summary();
    if (block.record().isZero()
        || block.storedBytes() > RecordLayout.MAX_RECORD_BYTES
        || summary.entries() < 1
        || summary.tombstones() < 0
        || summary.tombstones() > summary.entries()
        || summary.expiring() < 0
        || summary.expiring() > summary.entries()
        || summary.minTime() < 0
        || summary.minTime() > summary.maxTime()
        || summary.maxTime() > RecordLayout.MAX_LAMPORT
        || summary.firstKey().length > BlockLayout.MAX_KEY_BYTES
        || summary.lastKey().length > BlockLayout.MAX_KEY_BYTES
        || Arrays.compareUnsigned(summary.firstKey(), summary.lastKey()) > 0) {
      throw new IllegalArgumentException("a block beyond the bounds of an index: " + block);
    }
  }

  private static int encodedBytes(BlockSummary summary) {
    return BlockLayout.DESCRIPTOR_KEYS
        + Varint.bytes(summary.firstKey().length)
        + summary.firstKey().length
        + Varint.bytes(summary.lastKey().length)
        + summary.lastKey().length;
  }

  /** Blocks added so far. */
  public int count() {
    return blocks.size();
  }

  /** How many bytes the index would have now, before compression; at most a little fewer. */
  public long sizeBytes() {
    return BlockLayout.BODY_OFFSET
        + BlockLayout.INDEX_DESCRIPTORS_OFFSET
        + descriptorBytes
        + filter.sizeBytes();
  }

  /** What commits to the blocks added: what {@link IndexBlock#tableRoot} of the index will be. */
  public Hash32 tableRoot() {
    return MerkleTree.root(blocks.stream().map(block -> block.summary().leaf()).toList());
  }

  /**
   * The payload of the index of what was added. Call once.
   *
   * @throws IllegalStateException if no key or no block was added, or if the index would be larger
   *     than a record can be
   */
  public byte[] finish() {
    if (blocks.isEmpty()) {
      throw new IllegalStateException("an index without blocks");
    }
    byte[] encodedFilter = filter.finish();
    byte[] framed =
        BlockFrame.allocate(
            BlockLayout.INDEX_DESCRIPTORS_OFFSET + descriptorBytes + encodedFilter.length);
    int start = BlockLayout.BODY_OFFSET;
    LittleEndian.putInt(framed, start + BlockLayout.INDEX_COUNT_OFFSET, blocks.size());
    LittleEndian.putInt(
        framed, start + BlockLayout.INDEX_FILTER_LENGTH_OFFSET, encodedFilter.length);
    int at = start + BlockLayout.INDEX_DESCRIPTORS_OFFSET;
    for (BlockDescriptor block : blocks) {
      at = put(block, framed, at);
    }
    System.arraycopy(encodedFilter, 0, framed, at, encodedFilter.length);
    return BlockFrame.encode(BlockKind.INDEX, framed, compression);
  }

  private static int put(BlockDescriptor block, byte[] target, int at) {
    BlockSummary summary = block.summary();
    block.record().copyTo(target, at + BlockLayout.DESCRIPTOR_RECORD);
    summary.contentRoot().copyTo(target, at + BlockLayout.DESCRIPTOR_CONTENT_ROOT);
    LittleEndian.putLong(target, at + BlockLayout.DESCRIPTOR_MIN_TIME, summary.minTime());
    LittleEndian.putLong(target, at + BlockLayout.DESCRIPTOR_MAX_TIME, summary.maxTime());
    LittleEndian.putInt(target, at + BlockLayout.DESCRIPTOR_STORED_BYTES, block.storedBytes());
    LittleEndian.putInt(target, at + BlockLayout.DESCRIPTOR_ENTRIES, summary.entries());
    LittleEndian.putInt(target, at + BlockLayout.DESCRIPTOR_TOMBSTONES, summary.tombstones());
    LittleEndian.putInt(target, at + BlockLayout.DESCRIPTOR_EXPIRING, summary.expiring());
    int next = putKey(summary.firstKey(), target, at + BlockLayout.DESCRIPTOR_KEYS);
    return putKey(summary.lastKey(), target, next);
  }

  private static int putKey(byte[] key, byte[] target, int offset) {
    int at = Varint.put(target, offset, key.length);
    System.arraycopy(key, 0, target, at, key.length);
    return at + key.length;
  }
}
