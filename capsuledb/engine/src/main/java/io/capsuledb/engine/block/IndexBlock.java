package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.record.RecordLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The index of a table out of the payload of a BLOCK record: where its entries blocks are and what
 * is in them, and a filter of all its keys. Read in place.
 *
 * <p>Invariants, established by {@link #decode}: the key ranges of the blocks ascend and overlap at
 * most in one key, versions of which end one block and begin the next; every number is in its range
 * and no block counts more tombstones or expiring entries than it has entries.
 *
 * <p>Immutable and thread-safe.
 */
public final class IndexBlock {

  private final byte[] bytes;
  private final KeyFilter filter;

  /** Where each descriptor begins. */
  private final int[] descriptors;

  private final int[] firstKeys;
  private final int[] firstLengths;
  private final int[] lastKeys;
  private final int[] lastLengths;

  /** Over the last keys; set when all descriptors are read. */
  private @Nullable KeyFences fences;

  private long entries;
  private long tombstones;
  private long expiring;
  private long storedBytes;
  private long minTime = Long.MAX_VALUE;
  private long maxTime;

  private IndexBlock(byte[] bytes, KeyFilter filter, int count) {
    this.bytes = bytes;
    this.filter = filter;
    this.descriptors = new int[count];
    this.firstKeys = new int[count];
    this.firstLengths = new int[count];
    this.lastKeys = new int[count];
    this.lastLengths = new int[count];
  }

  /** Decodes a payload and checks all of it. Takes any bytes, and keeps them. */
  public static Decoded<IndexBlock> decode(byte[] payload) {
    return BlockFrame.decode(payload, BlockKind.INDEX).then(IndexBlock::decode);
  }

  private static Decoded<IndexBlock> decode(BlockFrame frame) {
    byte[] bytes = frame.bytes();
    int start = frame.start();
    int length = frame.end() - start;
    if (length < BlockLayout.INDEX_DESCRIPTORS_OFFSET) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "index in " + length + " bytes, at least " + BlockLayout.INDEX_DESCRIPTORS_OFFSET);
    }
    int count = LittleEndian.getInt(bytes, start + BlockLayout.INDEX_COUNT_OFFSET);
    int filterLength = LittleEndian.getInt(bytes, start + BlockLayout.INDEX_FILTER_LENGTH_OFFSET);
    if (count < 1 || filterLength < 0) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "index of " + count + " blocks with a filter of " + filterLength + " bytes");
    }
    long least =
        BlockLayout.INDEX_DESCRIPTORS_OFFSET
            + (long) BlockLayout.MIN_DESCRIPTOR_BYTES * count
            + filterLength;
    if (least > length) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "index of "
              + count
              + " blocks with a filter of "
              + filterLength
              + " bytes in "
              + length
              + " bytes");
    }
    int filterStart = frame.end() - filterLength;
    return KeyFilter.decode(bytes, filterStart, filterLength)
        .then(
            filter -> {
              IndexBlock index = new IndexBlock(bytes, filter, count);
              String malformed =
                  index.read(start + BlockLayout.INDEX_DESCRIPTORS_OFFSET, filterStart);
              return malformed == null
                  ? Decoded.accept(index)
                  : Decoded.reject(Reason.PAYLOAD, malformed);
            });
  }

  /** Reads all descriptors and returns what is malformed, or null. */
  private @Nullable String read(int offset, int limit) {
    int at = offset;
    for (int i = 0; i < descriptors.length; i++) {
      if (limit - at < BlockLayout.MIN_DESCRIPTOR_BYTES) {
        return "descriptor " + i + ": its length";
      }
      descriptors[i] = at;
      String malformed = readNumbers(at);
      if (malformed != null) {
        return "descriptor " + i + ": " + malformed;
      }
      at += BlockLayout.DESCRIPTOR_KEYS;
      firstLengths[i] = keyLength(at, limit);
      if (firstLengths[i] < 0) {
        return "descriptor " + i + ": its first key";
      }
      firstKeys[i] = at + Varint.bytes(firstLengths[i]);
      at = firstKeys[i] + firstLengths[i];
      lastLengths[i] = keyLength(at, limit);
      if (lastLengths[i] < 0) {
        return "descriptor " + i + ": its last key";
      }
      lastKeys[i] = at + Varint.bytes(lastLengths[i]);
      at = lastKeys[i] + lastLengths[i];
      if (compare(firstKeys[i], firstLengths[i], lastKeys[i], lastLengths[i]) > 0
          || (i > 0
              && compare(lastKeys[i - 1], lastLengths[i - 1], firstKeys[i], firstLengths[i]) > 0)) {
        return "descriptor " + i + ": its order";
      }
    }
    if (at != limit) {
      return "bytes after the last descriptor";
    }
    fences = KeyFences.between(firstKey(), lastKey(), count(), this::compareLast);
    for (int i = 0; i < descriptors.length; i++) {
      fences.set(i, bytes, lastKeys[i], lastKeys[i] + lastLengths[i]);
    }
    return null;
  }

  private @Nullable String readNumbers(int at) {
    int blockEntries = LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_ENTRIES);
    int blockTombstones = LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_TOMBSTONES);
    int blockExpiring = LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_EXPIRING);
    int blockBytes = LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_STORED_BYTES);
    long min = LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MIN_TIME);
    long max = LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MAX_TIME);
    if (blockEntries < 1
        || blockTombstones < 0
        || blockTombstones > blockEntries
        || blockExpiring < 0
        || blockExpiring > blockEntries) {
      return "its counts";
    }
    if (blockBytes < 1 || blockBytes > RecordLayout.MAX_RECORD_BYTES) {
      return "its size";
    }
    if (min < 0 || min > max || max > RecordLayout.MAX_LAMPORT) {
      return "its times";
    }
    if (Hash32.copyOf(bytes, at + BlockLayout.DESCRIPTOR_RECORD).isZero()) {
      return "its record";
    }
    entries += blockEntries;
    tombstones += blockTombstones;
    expiring += blockExpiring;
    storedBytes += blockBytes;
    minTime = Math.min(minTime, min);
    maxTime = Math.max(maxTime, max);
    return null;
  }

  /** The length of the key whose varint is at {@code at}, if that many bytes follow; else -1. */
  private int keyLength(int at, int limit) {
    int length = Varint.get(bytes, at, limit);
    return length >= 0
            && length <= BlockLayout.MAX_KEY_BYTES
            && length <= limit - at - Varint.bytes(length)
        ? length
        : -1;
  }

  private int compare(int leftOffset, int leftLength, int rightOffset, int rightLength) {
    return Arrays.compareUnsigned(
        bytes, leftOffset, leftOffset + leftLength, bytes, rightOffset, rightOffset + rightLength);
  }

  /** How many entries blocks the table has: 1 or more. */
  public int count() {
    return descriptors.length;
  }

  /** Entries in all blocks. */
  public long entries() {
    return entries;
  }

  /** Tombstones in all blocks. */
  public long tombstones() {
    return tombstones;
  }

  /** Entries that expire some day, in all blocks. */
  public long expiring() {
    return expiring;
  }

  /** Sum of the blocks' stored bytes, without this index. */
  public long storedBytes() {
    return storedBytes;
  }

  /** Smallest Lamport time of a version in the table. */
  public long minTime() {
    return minTime;
  }

  /** Largest Lamport time of a version in the table. */
  public long maxTime() {
    return maxTime;
  }

  /** Smallest key in the table: a copy. */
  public byte[] firstKey() {
    return key(firstKeys[0], firstLengths[0]);
  }

  /** Greatest key in the table: a copy. */
  public byte[] lastKey() {
    int last = count() - 1;
    return key(lastKeys[last], lastLengths[last]);
  }

  private byte[] key(int offset, int length) {
    return Arrays.copyOfRange(bytes, offset, offset + length);
  }

  /** About how much memory the index takes. */
  public int sizeBytes() {
    return bytes.length + 5 * Integer.BYTES * count() + Objects.requireNonNull(fences).sizeBytes();
  }

  /** False if the table holds no version of the key for sure; else it holds one most likely. */
  public boolean mayContain(byte[] key) {
    return filter.mayContain(key);
  }

  /**
   * The first block whose last key is {@code key} or greater, where a search for the key and a
   * cursor that seeks it begin; -1 if every key in the table is smaller.
   *
   * <p>The block holds nothing of the key unless it {@link #covers} it. Older versions of the key
   * may be in the blocks after it, as long as they cover it too.
   */
  public int blockFor(byte[] key) {
    int block = Objects.requireNonNull(fences).firstAtOrAfter(key);
    return block < count() ? block : -1;
  }

  private int compareLast(int block, byte[] key) {
    return compare(lastKeys[block], lastLengths[block], key);
  }

  /**
   * Whether {@code key} is from first to last key of a block.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= block &lt; {@link #count}
   */
  public boolean covers(int block, byte[] key) {
    return compare(firstKeys[block], firstLengths[block], key) <= 0
        && compare(lastKeys[block], lastLengths[block], key) >= 0;
  }

  private int compare(int offset, int length, byte[] key) {
    return Arrays.compareUnsigned(bytes, offset, offset + length, key, 0, key.length);
  }

  /**
   * Hash of the record that holds a block.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= block &lt; {@link #count}
   */
  public Hash32 record(int block) {
    return Hash32.copyOf(bytes, descriptors[block] + BlockLayout.DESCRIPTOR_RECORD);
  }

  /**
   * Eight bytes of the hash that {@link #record} gives, without making an object of it.
   *
   * @param part which ones, from 0 to 3
   */
  public long recordBits(int block, int part) {
    return LittleEndian.getLong(
        bytes, descriptors[block] + BlockLayout.DESCRIPTOR_RECORD + Long.BYTES * part);
  }

  /**
   * All that the index says of a block.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= block &lt; {@link #count}
   */
  public BlockDescriptor descriptor(int block) {
    int at = descriptors[block];
    return new BlockDescriptor(
        record(block),
        LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_STORED_BYTES),
        new BlockSummary(
            Hash32.copyOf(bytes, at + BlockLayout.DESCRIPTOR_CONTENT_ROOT),
            key(firstKeys[block], firstLengths[block]),
            key(lastKeys[block], lastLengths[block]),
            LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_ENTRIES),
            LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_TOMBSTONES),
            LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_EXPIRING),
            LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MIN_TIME),
            LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MAX_TIME)));
  }

  /**
   * Whether a block has as many entries, and from key to key and time to time, as its descriptor
   * says: then blocks are in order, whatever else may be wrong with them.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= number &lt; {@link #count}
   */
  public boolean describes(int number, EntriesBlock block) {
    int at = descriptors[number];
    return block.spans(
            LittleEndian.getInt(bytes, at + BlockLayout.DESCRIPTOR_ENTRIES),
            LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MIN_TIME),
            LittleEndian.getLong(bytes, at + BlockLayout.DESCRIPTOR_MAX_TIME))
        && block.beginsWith(bytes, firstKeys[number], firstKeys[number] + firstLengths[number])
        && block.endsWith(bytes, lastKeys[number], lastKeys[number] + lastLengths[number]);
  }

  /** The tree over the leaves of all descriptors, computed anew: for proofs. */
  public MerkleTree tree() {
    return MerkleTree.of(leaves());
  }

  /** The root of {@link #tree}, computed anew. */
  public Hash32 tableRoot() {
    return MerkleTree.root(leaves());
  }

  private List<Hash32> leaves() {
    List<Hash32> leaves = new ArrayList<>(count());
    for (int i = 0; i < count(); i++) {
      leaves.add(descriptor(i).summary().leaf());
    }
    return leaves;
  }
}
