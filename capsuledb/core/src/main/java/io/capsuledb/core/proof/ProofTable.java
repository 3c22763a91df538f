package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A table as a proof shows it: what the state says of it, and perhaps some of its blocks.
 * Immutable; its arrays are shared and never modified.
 */
public final class ProofTable {

  private final int run;
  private final byte[] firstKey;
  private final byte[] lastKey;
  private final long entries;
  private final Hash32 root;
  private final @Nullable PrunedTree<ProofBlock> blocks;

  /**
   * A table. Keeps the arrays.
   *
   * @param run number of its run, 0 for the newest
   * @param entries how many it has, 1 or more
   * @param root Merkle root over its blocks
   * @param blocks some of them, or null if the table is only named
   */
  public ProofTable(
      int run,
      byte[] firstKey,
      byte[] lastKey,
      long entries,
      Hash32 root,
      @Nullable PrunedTree<ProofBlock> blocks) {
    this.run = run;
    this.firstKey = firstKey;
    this.lastKey = lastKey;
    this.entries = entries;
    this.root = root;
    this.blocks = blocks;
  }

  int run() {
    return run;
  }

  byte[] firstKey() {
    return firstKey;
  }

  byte[] lastKey() {
    return lastKey;
  }

  long entries() {
    return entries;
  }

  Hash32 root() {
    return root;
  }

  @Nullable PrunedTree<ProofBlock> blocks() {
    return blocks;
  }

  /** What commits to the table in the state. */
  Hash32 leaf() {
    return StateCommitment.tableLeaf(run, firstKey, lastKey, entries, root);
  }

  /** Whether a key is from first to last key. */
  boolean covers(byte[] key) {
    return Arrays.compareUnsigned(firstKey, key) <= 0 && Arrays.compareUnsigned(key, lastKey) <= 0;
  }
}
