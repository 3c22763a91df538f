package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.engine.block.IndexBlock;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a manifest says about a table: a sorted sequence of entries in consecutive BLOCK records of
 * one chain, the last of which is the index that names the others by hash. Immutable.
 */
public final class TableDescriptor {

  private final Hash32 index;
  private final long writer;
  private final long firstSequence;
  private final int records;
  private final byte[] firstKey;
  private final byte[] lastKey;
  private final long entries;
  private final long tombstones;
  private final long expiring;
  private final long minTime;
  private final long maxTime;
  private final long bytes;
  private final long separateBytes;
  private final Hash32 root;

  TableDescriptor(
      Hash32 index,
      long writer,
      long firstSequence,
      int records,
      byte[] firstKey,
      byte[] lastKey,
      long entries,
      long tombstones,
      long expiring,
      long minTime,
      long maxTime,
      long bytes,
      long separateBytes,
      Hash32 root) {
    this.index = index;
    this.writer = writer;
    this.firstSequence = firstSequence;
    this.records = records;
    this.firstKey = firstKey;
    this.lastKey = lastKey;
    this.entries = entries;
    this.tombstones = tombstones;
    this.expiring = expiring;
    this.minTime = minTime;
    this.maxTime = maxTime;
    this.bytes = bytes;
    this.separateBytes = separateBytes;
    this.root = root;
  }

  /** Hash of the record with the index. */
  public Hash32 index() {
    return index;
  }

  /** Whose chain the records are in. */
  public long writer() {
    return writer;
  }

  /** Sequence number of the first of them. */
  public long firstSequence() {
    return firstSequence;
  }

  /** Sequence number of the last of them: the index. */
  public long lastSequence() {
    return firstSequence + records - 1;
  }

  /** How many there are, the index included. */
  public int records() {
    return records;
  }

  /** Smallest key; not to be modified. */
  public byte[] firstKey() {
    return firstKey;
  }

  /** Largest key; not to be modified. */
  public byte[] lastKey() {
    return lastKey;
  }

  /** Versions of keys. */
  public long entries() {
    return entries;
  }

  /** Those that are deletions. */
  public long tombstones() {
    return tombstones;
  }

  /** Those with an expiry. */
  public long expiring() {
    return expiring;
  }

  /** Smallest Lamport time of a version. */
  public long minTime() {
    return minTime;
  }

  /** Largest Lamport time of a version. */
  public long maxTime() {
    return maxTime;
  }

  /** Bytes of its records as stored. */
  public long bytes() {
    return bytes;
  }

  /** Bytes of the values it points to. */
  public long separateBytes() {
    return separateBytes;
  }

  /** Merkle root over its entries. */
  public Hash32 root() {
    return root;
  }

  /** What the index of the table says otherwise, or null. */
  @Nullable String disagreement(IndexBlock other) {
    String what =
        other.count() + 1 != records
            ? "records"
            : other.entries() != entries
                ? "entries"
                : other.tombstones() != tombstones
                    ? "tombstones"
                    : other.expiring() != expiring
                        ? "expiring entries"
                        : other.minTime() != minTime || other.maxTime() != maxTime
                            ? "times"
                            : !Arrays.equals(other.firstKey(), firstKey)
                                    || !Arrays.equals(other.lastKey(), lastKey)
                                ? "range of keys"
                                : null;
    return what == null ? null : disagreed(what);
  }

  static String disagreed(String what) {
    return "its " + what + " are not those its index has";
  }

  /** Whether a key is in the range of keys. */
  boolean covers(byte[] key) {
    return Arrays.compareUnsigned(key, firstKey) >= 0 && Arrays.compareUnsigned(key, lastKey) <= 0;
  }

  /** Whether the ranges of keys have one in common. */
  boolean overlaps(TableDescriptor other) {
    return Arrays.compareUnsigned(firstKey, other.lastKey) <= 0
        && Arrays.compareUnsigned(other.firstKey, lastKey) <= 0;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TableDescriptor that
        && index.equals(that.index)
        && writer == that.writer
        && firstSequence == that.firstSequence
        && records == that.records
        && Arrays.equals(firstKey, that.firstKey)
        && Arrays.equals(lastKey, that.lastKey)
        && entries == that.entries
        && tombstones == that.tombstones
        && expiring == that.expiring
        && minTime == that.minTime
        && maxTime == that.maxTime
        && bytes == that.bytes
        && separateBytes == that.separateBytes
        && root.equals(that.root);
  }

  @Override
  public int hashCode() {
    return index.hashCode();
  }

  @Override
  public String toString() {
    return "table " + index + " of " + entries + " entries in " + records + " records";
  }
}
