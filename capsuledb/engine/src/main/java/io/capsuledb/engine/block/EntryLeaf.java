package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.StateCommitment;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;

/**
 * The hash that commits to one entry in the Merkle tree of its block; see {@link
 * StateCommitment#entryLeaf}.
 */
public final class EntryLeaf {

  /** Length of a salt. */
  public static final int SALT_BYTES = StateCommitment.SALT_BYTES;

  private EntryLeaf() {}

  /**
   * The leaf of {@code entry} under the salt it has in its block.
   *
   * @throws IllegalArgumentException if the salt has not 16 bytes, or the entry is a POINTER whose
   *     value is no encoded pointer
   */
  public static Hash32 hash(byte[] salt, Entry entry) {
    if (salt.length != SALT_BYTES) {
      throw new IllegalArgumentException("a salt has 16 bytes, not " + salt.length);
    }
    return hash(salt, 0, entry);
  }

  static Hash32 hash(byte[] salts, int saltOffset, Entry entry) {
    byte[] value = entry.value();
    int valueOffset = 0;
    int shownLength = value.length;
    int valueLength = shownLength;
    if (entry.kind() == EntryKind.POINTER) {
      valueLength = ValuePointer.lengthAt(value, 0);
      if (valueLength < 0) {
        throw new IllegalArgumentException("an entry whose pointer is malformed");
      }
      valueOffset = ValuePointer.HASH_OFFSET;
      shownLength = Hash32.BYTES;
    }
    return StateCommitment.entryLeaf(
        salts,
        saltOffset,
        entry.kind().number(),
        entry.typeNumber(),
        entry.version().time(),
        entry.version().writer(),
        entry.version().index(),
        entry.expiryAtMs(),
        entry.key(),
        valueLength,
        value,
        valueOffset,
        shownLength);
  }
}
