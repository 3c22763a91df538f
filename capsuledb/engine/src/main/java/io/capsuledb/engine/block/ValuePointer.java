package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;

/**
 * Where a value that is kept apart is, and what it is: 68 bytes, docs/format/block.md.
 *
 * @param record hash of the record that holds the {@link ValueBlock}
 * @param length of the value in bytes, 0 to 16 MiB
 * @param valueHash SHA-256 of the value
 */
public record ValuePointer(Hash32 record, int length, Hash32 valueHash) {

  private static final int RECORD_OFFSET = 0;
  private static final int LENGTH_OFFSET = Hash32.BYTES;
  static final int HASH_OFFSET = LENGTH_OFFSET + Integer.BYTES;

  /** Length of an encoded pointer. */
  public static final int BYTES = HASH_OFFSET + Hash32.BYTES;

  /** Checks the length. */
  public ValuePointer {
    if (length < 0 || length > BlockLayout.MAX_VALUE_BYTES) {
      throw new IllegalArgumentException("a value of " + length + " bytes");
    }
  }

  /** The pointer to {@code value}, whose block is in {@code record}. */
  public static ValuePointer to(Hash32 record, byte[] value) {
    return new ValuePointer(record, value.length, Hashes.sha256(value));
  }

  /** The 68 bytes. */
  public byte[] encode() {
    byte[] bytes = new byte[BYTES];
    record.copyTo(bytes, RECORD_OFFSET);
    LittleEndian.putInt(bytes, LENGTH_OFFSET, length);
    valueHash.copyTo(bytes, HASH_OFFSET);
    return bytes;
  }

  /** Decodes a pointer. Takes any bytes. */
  public static Decoded<ValuePointer> decode(byte[] bytes) {
    if (bytes.length != BYTES) {
      return Decoded.reject(
          bytes.length < BYTES ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "pointer has " + bytes.length + " bytes, not " + BYTES);
    }
    int length = lengthAt(bytes, 0);
    if (length < 0) {
      return Decoded.reject(
          Reason.TOO_LARGE, "pointer to a value beyond " + BlockLayout.MAX_VALUE_BYTES + " bytes");
    }
    return Decoded.accept(
        new ValuePointer(
            Hash32.copyOf(bytes, RECORD_OFFSET), length, Hash32.copyOf(bytes, HASH_OFFSET)));
  }

  /** The length in the pointer encoded at {@code offset}; -1 if it is out of its range. */
  static int lengthAt(byte[] bytes, int offset) {
    int length = LittleEndian.getInt(bytes, offset + LENGTH_OFFSET);
    return length <= BlockLayout.MAX_VALUE_BYTES ? Math.max(length, -1) : -1;
  }
}
