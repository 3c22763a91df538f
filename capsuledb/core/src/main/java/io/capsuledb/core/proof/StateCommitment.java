package io.capsuledb.core.proof;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The hashes by which a CHECKPOINT commits to everything in the tree: entries, their blocks, their
 * tables, the state. The only owner of these preimages. Specified in docs/format/manifest.md and
 * docs/format/proof.md.
 */
public final class StateCommitment {

  /** Length of the salt that blinds an entry's leaf. */
  public static final int SALT_BYTES = 16;

  /** Kind of an entry that holds its value. Kinds are persisted and never change meaning. */
  public static final int VALUE = 0;

  /** Kind of an entry that says its key was deleted. */
  public static final int TOMBSTONE = 1;

  /** Kind of an entry whose value is kept apart; its leaf has the value's length and SHA-256. */
  public static final int POINTER = 2;

  private static final byte[] ENTRY_TAG =
      "capsuledb/v1/entry-leaf".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] BLOCK_TAG =
      "capsuledb/v1/block-leaf".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] TABLE_TAG =
      "capsuledb/v1/table-leaf".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] STATE_TAG =
      "capsuledb/v1/state-root".getBytes(StandardCharsets.US_ASCII);

  private StateCommitment() {}

  /**
   * The leaf of an entry. The salt blinds it: whoever has a leaf but not its salt cannot find the
   * entry by guessing.
   *
   * <pre>
   * SHA-256("capsuledb/v1/entry-leaf" ‖ salt (16) ‖ kind u8 ‖ type u8 ‖ time u64 ‖ writer u64 ‖
   *         index u32 ‖ expiry u64 ‖ key length u32 ‖ key ‖ value length u32 ‖ value)
   * </pre>
   *
   * where a POINTER has the length and, in the place of the value, the SHA-256 of the value it
   * points to: where that value is stored is not committed to. A TOMBSTONE has the length 0.
   *
   * @param salts holds the salt at {@code saltOffset}
   * @param valueLength the length to commit to
   * @param value holds, at {@code valueOffset}, the {@code shownLength} bytes to commit to
   */
  public static Hash32 entryLeaf(
      byte[] salts,
      int saltOffset,
      int kind,
      int type,
      long time,
      long writer,
      int index,
      long expiryAtMs,
      byte[] key,
      int valueLength,
      byte[] value,
      int valueOffset,
      int shownLength) {
    byte[] preimage =
        new byte
            [ENTRY_TAG.length
                + SALT_BYTES
                + 2
                + 3 * Long.BYTES
                + 3 * Integer.BYTES
                + key.length
                + shownLength];
    System.arraycopy(ENTRY_TAG, 0, preimage, 0, ENTRY_TAG.length);
    int at = ENTRY_TAG.length;
    System.arraycopy(salts, saltOffset, preimage, at, SALT_BYTES);
    at += SALT_BYTES;
    preimage[at++] = (byte) kind;
    preimage[at++] = (byte) type;
    LittleEndian.putLong(preimage, at, time);
    at += Long.BYTES;
    LittleEndian.putLong(preimage, at, writer);
    at += Long.BYTES;
    LittleEndian.putInt(preimage, at, index);
    at += Integer.BYTES;
    LittleEndian.putLong(preimage, at, expiryAtMs);
    at = putKey(key, preimage, at + Long.BYTES);
    LittleEndian.putInt(preimage, at, valueLength);
    System.arraycopy(value, valueOffset, preimage, at + Integer.BYTES, shownLength);
    return Hashes.sha256(preimage);
  }

  /**
   * The leaf of an entries block: SHA-256("capsuledb/v1/block-leaf" ‖ first key's length u32 ‖
   * first key ‖ last key's length u32 ‖ last key ‖ entries u32 ‖ content root).
   *
   * @param contentRoot Merkle root over the leaves of the block's entries
   */
  public static Hash32 blockLeaf(byte[] firstKey, byte[] lastKey, int entries, Hash32 contentRoot) {
    int rootOffset = BLOCK_TAG.length + 3 * Integer.BYTES + firstKey.length + lastKey.length;
    byte[] preimage = new byte[rootOffset + Hash32.BYTES];
    System.arraycopy(BLOCK_TAG, 0, preimage, 0, BLOCK_TAG.length);
    int at = putKey(firstKey, preimage, BLOCK_TAG.length);
    at = putKey(lastKey, preimage, at);
    LittleEndian.putInt(preimage, at, entries);
    contentRoot.copyTo(preimage, rootOffset);
    return Hashes.sha256(preimage);
  }

  private static int putKey(byte[] key, byte[] target, int offset) {
    LittleEndian.putInt(target, offset, key.length);
    System.arraycopy(key, 0, target, offset + Integer.BYTES, key.length);
    return offset + Integer.BYTES + key.length;
  }

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
