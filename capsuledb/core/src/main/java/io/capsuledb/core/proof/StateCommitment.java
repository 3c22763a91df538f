package io.capsuledb.core.proof;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The hashes by which a CHECKPOINT commits to everything in the tree, down to the roots of its
 * tables. Specified in docs/format/manifest.md.
 */
public final class StateCommitment {

  private static final byte[] TABLE_TAG =
      "capsuledb/v1/table-leaf".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] STATE_TAG =
      "capsuledb/v1/state-root".getBytes(StandardCharsets.US_ASCII);

  private StateCommitment() {}

  /**
   * The leaf of a table: SHA-256("capsuledb/v1/table-leaf" ‖ run u32 ‖ first key's length u32 ‖
   * first key ‖ last key's length u32 ‖ last key ‖ entries u64 ‖ table root).
   *
   * @param run number of the run the table is in, 0 for the newest
   * @param root Merkle root over the table's blocks
   */
  public static Hash32 tableLeaf(
      int run, byte[] firstKey, byte[] lastKey, long entries, Hash32 root) {
    byte[] head = new byte[2 * Integer.BYTES];
    LittleEndian.putInt(head, 0, run);
    LittleEndian.putInt(head, Integer.BYTES, firstKey.length);
    byte[] middle = new byte[Integer.BYTES];
    LittleEndian.putInt(middle, 0, lastKey.length);
    byte[] tail = new byte[Long.BYTES + Hash32.BYTES];
    LittleEndian.putLong(tail, 0, entries);
    root.copyTo(tail, Long.BYTES);
    return Hashes.tagged(TABLE_TAG, head, firstKey, middle, lastKey, tail);
  }

  /**
   * The root over a state: SHA-256("capsuledb/v1/state-root" ‖ covered Lamport time u64 ‖ newest
   * CLEAR's time u64, writer u64 and index u32 ‖ runs u32 ‖ tables u32 ‖ Merkle root over the
   * tables' leaves).
   *
   * @param tableLeaves of all tables, newest run first, in the order of their keys
   */
  public static Hash32 stateRoot(
      long coveredTime,
      long clearTime,
      long clearWriter,
      int clearIndex,
      int runs,
      List<Hash32> tableLeaves) {
    return stateRoot(
        coveredTime,
        clearTime,
        clearWriter,
        clearIndex,
        runs,
        tableLeaves.size(),
        MerkleTree.root(tableLeaves));
  }

  /** The same from the Merkle root over the tables' leaves, for whoever checks a path to it. */
  public static Hash32 stateRoot(
      long coveredTime,
      long clearTime,
      long clearWriter,
      int clearIndex,
      int runs,
      int tables,
      Hash32 tablesRoot) {
    byte[] preimage = new byte[3 * Long.BYTES + 3 * Integer.BYTES + Hash32.BYTES];
    LittleEndian.putLong(preimage, 0, coveredTime);
    LittleEndian.putLong(preimage, 8, clearTime);
    LittleEndian.putLong(preimage, 16, clearWriter);
    LittleEndian.putInt(preimage, 24, clearIndex);
    LittleEndian.putInt(preimage, 28, runs);
    LittleEndian.putInt(preimage, 32, tables);
    tablesRoot.copyTo(preimage, 36);
    return Hashes.tagged(STATE_TAG, preimage);
  }
}
