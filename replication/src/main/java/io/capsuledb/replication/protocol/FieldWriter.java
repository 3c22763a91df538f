package io.capsuledb.replication.protocol;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import java.util.Arrays;

/** Writes fields one after the other; grows as needed. What {@link FieldReader} reads. */
final class FieldWriter {

  private byte[] bytes;
  private int at;

  /**
   * An empty one.
   *
   * @param expected how many bytes there will probably be
   */
  FieldWriter(int expected) {
    bytes = new byte[expected];
  }

  /** Where the next {@code length} bytes go; {@link #bytes} may be another array afterwards. */
  private int room(int length) {
    if (length > bytes.length - at) {
      bytes = Arrays.copyOf(bytes, Math.max(at + length, 2 * bytes.length));
    }
    int offset = at;
    at += length;
    return offset;
  }

  void putByte(int value) {
    int offset = room(1);
    bytes[offset] = (byte) value;
  }

  void putShort(int value) {
    int offset = room(Short.BYTES);
    LittleEndian.putShort(bytes, offset, value);
  }

  void putInt(int value) {
    int offset = room(Integer.BYTES);
    LittleEndian.putInt(bytes, offset, value);
  }

  void putLong(long value) {
    int offset = room(Long.BYTES);
    LittleEndian.putLong(bytes, offset, value);
  }

  void put(Hash32 hash) {
    int offset = room(Hash32.BYTES);
    hash.copyTo(bytes, offset);
  }

  void reserved(int length) {
    room(length);
  }

  void put(byte[] source) {
    int offset = room(source.length);
    System.arraycopy(source, 0, bytes, offset, source.length);
  }

  /** A length of four bytes, then the bytes. */
  void put(Blob blob) {
    putInt(blob.length());
    put(blob.bytes());
  }

  /** What was written. */
  byte[] toBytes() {
    return at == bytes.length ? bytes : Arrays.copyOf(bytes, at);
  }
}
