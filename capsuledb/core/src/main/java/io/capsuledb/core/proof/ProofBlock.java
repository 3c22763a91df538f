package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A block of entries as a proof shows it: its descriptor, and perhaps some of its entries.
 * Immutable; its arrays are shared and never modified.
 */
public final class ProofBlock {

  private final byte[] firstKey;
  private final byte[] lastKey;
  private final int entries;
  private final Hash32 contentRoot;
  private final @Nullable PrunedTree<ProofEntry> content;

  /**
   * A block. Keeps the arrays.
   *
   * @param entries how many it has, 1 or more
   * @param contentRoot Merkle root over its entries
   * @param content some of them, or null if the block is only named
   */
  public ProofBlock(
      byte[] firstKey,
      byte[] lastKey,
      int entries,
      Hash32 contentRoot,
      @Nullable PrunedTree<ProofEntry> content) {
    this.firstKey = firstKey;
    this.lastKey = lastKey;
    this.entries = entries;
    this.contentRoot = contentRoot;
    this.content = content;
  }

  byte[] firstKey() {
    return firstKey;
  }

  byte[] lastKey() {
    return lastKey;
  }

  int entries() {
    return entries;
  }

  Hash32 contentRoot() {
    return contentRoot;
  }

  @Nullable PrunedTree<ProofEntry> content() {
    return content;
  }

  /** What commits to the block in the tree of its table. */
  Hash32 leaf() {
    return StateCommitment.blockLeaf(firstKey, lastKey, entries, contentRoot);
  }

  /** Whether a key is from first to last key. */
  boolean covers(byte[] key) {
    return Arrays.compareUnsigned(firstKey, key) <= 0 && Arrays.compareUnsigned(key, lastKey) <= 0;
  }
}
