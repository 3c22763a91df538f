package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.StateCommitment;
import java.util.Arrays;

/**
 * What can be said of an entries block without reading it. Immutable; its arrays are shared and
 * never modified. Two are equal when they say the same, which is how a block is checked against its
 * descriptor.
 */
public final class BlockSummary {

  private final Hash32 contentRoot;
  private final byte[] firstKey;
  private final byte[] lastKey;
  private final int entries;
  private final int tombstones;
  private final int expiring;
  private final long minTime;
  private final long maxTime;

  /** A summary. Keeps the arrays. */
  public BlockSummary(
      Hash32 contentRoot,
      byte[] firstKey,
      byte[] lastKey,
      int entries,
      int tombstones,
      int expiring,
      long minTime,
      long maxTime) {
    this.contentRoot = contentRoot;
    this.firstKey = firstKey;
    this.lastKey = lastKey;
    this.entries = entries;
    this.tombstones = tombstones;
    this.expiring = expiring;
    this.minTime = minTime;
    this.maxTime = maxTime;
  }

  /** Root of the Merkle tree over the leaves of the entries. */
  public Hash32 contentRoot() {
    return contentRoot;
  }

  /** Key of the first entry; not to be modified. */
  public byte[] firstKey() {
    return firstKey;
  }

  /** Key of the last entry; not to be modified. */
  public byte[] lastKey() {
    return lastKey;
  }

  /** How many entries there are: 1 or more. */
  public int entries() {
    return entries;
  }

  /** How many of them are tombstones. */
  public int tombstones() {
    return tombstones;
  }

  /** How many of them expire some day. */
  public int expiring() {
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

  /** What commits to the block in the tree of its table; see {@link StateCommitment#blockLeaf}. */
  public Hash32 leaf() {
    return StateCommitment.blockLeaf(firstKey, lastKey, entries, contentRoot);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof BlockSummary summary
        && contentRoot.equals(summary.contentRoot)
        && Arrays.equals(firstKey, summary.firstKey)
        && Arrays.equals(lastKey, summary.lastKey)
        && entries == summary.entries
        && tombstones == summary.tombstones
        && expiring == summary.expiring
        && minTime == summary.minTime
        && maxTime == summary.maxTime;
  }

  @Override
  public int hashCode() {
    return contentRoot.hashCode();
  }

  /** Counts and times: keys are never printed. */
  @Override
  public String toString() {
    return entries
        + " entries, "
        + tombstones
        + " tombstones, "
        + expiring
        + " expiring, times "
        + minTime
        + " to "
        + maxTime;
  }
}
