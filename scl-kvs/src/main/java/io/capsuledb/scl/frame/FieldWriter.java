package io.capsuledb.scl.frame;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.seal.ChainHead;
import java.util.Arrays;

/** Writes fields one after the other. One thread. */
final class FieldWriter {

  private static final int FIRST_BYTES = 256;

  private byte[] bytes = new byte[FIRST_BYTES];
  private int at;

  private int room(int length) {
    if (length > bytes.length - at) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, at + length));
    }
    int offset = at;
    at += length;
    return offset;
  }

  FieldWriter u8(int value) {
    bytes[room(1)] = (byte) value;
    return this;
  }

  FieldWriter u32(int value) {
    int offset = room(Integer.BYTES);
    LittleEndian.putInt(bytes, offset, value);
    return this;
  }

  FieldWriter u64(long value) {
    int offset = room(Long.BYTES);
    LittleEndian.putLong(bytes, offset, value);
    return this;
  }

  FieldWriter head(ChainHead head) {
    u64(head.sequence());
    int offset = room(Hash32.BYTES);
    head.hash().copyTo(bytes, offset);
    return this;
  }

  FieldWriter bytes(byte[] source) {
    u32(source.length);
    int offset = room(source.length);
    System.arraycopy(source, 0, bytes, offset, source.length);
    return this;
  }

  byte[] toBytes() {
    return Arrays.copyOf(bytes, at);
  }
}
