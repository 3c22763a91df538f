package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import java.nio.charset.StandardCharsets;

/**
 * The hash that commits to one entry in the Merkle tree of its block. The salt blinds it: whoever
 * has a leaf but not its salt cannot find the entry by guessing.
 *
 * <pre>
 * SHA-256("capsuledb/v1/entry-leaf" ‖ salt (16) ‖ kind u8 ‖ type u8 ‖ time u64 ‖ writer u64 ‖
 *         index u32 ‖ expiry u64 ‖ key length u32 ‖ key ‖ value length u32 ‖ value)
 * </pre>
 *
 * where a POINTER has the length and, in the place of the value, the SHA-256 of the value it points
 * to: where that value is stored is not committed to. A TOMBSTONE has the length 0.
 */
public final class EntryLeaf {

  /** Length of a salt. */
  public static final int SALT_BYTES = 16;

  private static final byte[] TAG = "capsuledb/v1/entry-leaf".getBytes(StandardCharsets.US_ASCII);

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
    byte[] key = entry.key();
    byte[] value = entry.value();
    int valueOffset = 0;
    int valueLength = value.length;
    int namedLength = valueLength;
    if (entry.kind() == EntryKind.POINTER) {
      namedLength = ValuePointer.lengthAt(value, 0);
      if (namedLength < 0) {
        throw new IllegalArgumentException("an entry whose pointer is malformed");
      }
      valueOffset = ValuePointer.HASH_OFFSET;
      valueLength = Hash32.BYTES;
    }
    byte[] preimage =
        new byte
            [TAG.length
                + SALT_BYTES
                + 2
                + 3 * Long.BYTES
                + 3 * Integer.BYTES
                + key.length
                + valueLength];
    System.arraycopy(TAG, 0, preimage, 0, TAG.length);
    int at = TAG.length;
    System.arraycopy(salts, saltOffset, preimage, at, SALT_BYTES);
    at += SALT_BYTES;
    preimage[at++] = (byte) entry.kind().number();
    preimage[at++] = (byte) entry.typeNumber();
    LittleEndian.putLong(preimage, at, entry.version().time());
    at += Long.BYTES;
    LittleEndian.putLong(preimage, at, entry.version().writer());
    at += Long.BYTES;
    LittleEndian.putInt(preimage, at, entry.version().index());
    at += Integer.BYTES;
    LittleEndian.putLong(preimage, at, entry.expiryAtMs());
    at += Long.BYTES;
    LittleEndian.putInt(preimage, at, key.length);
    at += Integer.BYTES;
    System.arraycopy(key, 0, preimage, at, key.length);
    at += key.length;
    LittleEndian.putInt(preimage, at, namedLength);
    at += Integer.BYTES;
    System.arraycopy(value, valueOffset, preimage, at, valueLength);
    return Hashes.sha256(preimage);
  }
}
