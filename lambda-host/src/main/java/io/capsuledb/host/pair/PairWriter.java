package io.capsuledb.host.pair;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Writes the body of a message, field after field. */
final class PairWriter {

  private static final int NONE = -1;

  private byte[] bytes = new byte[64];
  private int length;

  /** Makes room, perhaps in another array; answers where it begins. */
  private int grow(int by) {
    int at = length;
    length = Math.addExact(length, by);
    if (length > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(length, (int) Math.min(2L * bytes.length, 1L << 30)));
    }
    return at;
  }

  PairWriter u8(int value) {
    int at = grow(1);
    bytes[at] = (byte) value;
    return this;
  }

  PairWriter u32(int value) {
    int at = grow(Integer.BYTES);
    LittleEndian.putInt(bytes, at, value);
    return this;
  }

  PairWriter u64(long value) {
    int at = grow(Long.BYTES);
    LittleEndian.putLong(bytes, at, value);
    return this;
  }

  PairWriter hash(Hash32 hash) {
    byte[] value = hash.toBytes();
    int at = grow(value.length);
    System.arraycopy(value, 0, bytes, at, value.length);
    return this;
  }

  /** Bytes with their length before them; null is a length of its own. */
  PairWriter bytes(byte @Nullable [] value) {
    if (value == null) {
      return u32(NONE);
    }
    u32(value.length);
    int at = grow(value.length);
    System.arraycopy(value, 0, bytes, at, value.length);
    return this;
  }

  PairWriter text(String value) {
    return bytes(value.getBytes(StandardCharsets.UTF_8));
  }

  /** What another writer has written, without a length. */
  PairWriter raw(PairWriter other) {
    int at = grow(other.length);
    System.arraycopy(other.bytes, 0, bytes, at, other.length);
    return this;
  }

  int length() {
    return length;
  }

  byte[] toBytes() {
    return Arrays.copyOf(bytes, length);
  }
}
