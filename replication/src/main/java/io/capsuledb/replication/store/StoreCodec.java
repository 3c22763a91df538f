package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** Makes and reads the keys and values that {@link StoreLayout} describes. Thread-safe. */
final class StoreCodec {

  private static final VarHandle LONG_BE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT_LE =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  /** What a value in "hashes" says. */
  record Position(long writer, long sequence) {

    /** As errors name it: the writer in hexadecimal, the sequence number in decimal. */
    @Override
    public String toString() {
      return describe(writer, sequence);
    }
  }

  private StoreCodec() {}

  static String describe(long writer, long sequence) {
    return "writer "
        + HexFormat.of().toHexDigits(writer)
        + " sequence "
        + Long.toUnsignedString(sequence);
  }

  static byte[] recordKey(byte[] capsule, long writer, long sequence) {
    byte[] key = Arrays.copyOf(capsule, StoreLayout.RECORD_KEY_BYTES);
    LONG_BE.set(key, StoreLayout.RECORD_KEY_WRITER, writer);
    LONG_BE.set(key, StoreLayout.RECORD_KEY_SEQUENCE, sequence);
    return key;
  }

  /** What the keys of all records of a writer begin with. */
  static byte[] writerPrefix(byte[] capsule, long writer) {
    return Arrays.copyOf(recordKey(capsule, writer, 0), StoreLayout.RECORD_KEY_SEQUENCE);
  }

  static Position recordPosition(byte[] recordKey) {
    return new Position(
        (long) LONG_BE.get(recordKey, StoreLayout.RECORD_KEY_WRITER),
        (long) LONG_BE.get(recordKey, StoreLayout.RECORD_KEY_SEQUENCE));
  }

  static byte[] hashKey(byte[] capsule, Hash32 hash) {
    byte[] key = Arrays.copyOf(capsule, StoreLayout.HASH_KEY_BYTES);
    hash.copyTo(key, StoreLayout.HASH_KEY_HASH);
    return key;
  }

  static Hash32 hashOfKey(byte[] hashKey) {
    return Hash32.copyOf(hashKey, StoreLayout.HASH_KEY_HASH);
  }

  static byte[] positionBody(long writer, long sequence) {
    byte[] body = new byte[StoreLayout.HASH_VALUE_BYTES];
    LONG_BE.set(body, StoreLayout.HASH_VALUE_WRITER, writer);
    LONG_BE.set(body, StoreLayout.HASH_VALUE_SEQUENCE, sequence);
    return body;
  }

  /** The position in the body of a value in "hashes", or null if its length is wrong. */
  static @Nullable Position position(byte[] body) {
    if (body.length != StoreLayout.HASH_VALUE_BYTES) {
      return null;
    }
    return new Position(
        (long) LONG_BE.get(body, StoreLayout.HASH_VALUE_WRITER),
        (long) LONG_BE.get(body, StoreLayout.HASH_VALUE_SEQUENCE));
  }

  static byte[] formatBody(int format) {
    byte[] body = new byte[StoreLayout.FORMAT_VALUE_BYTES];
    INT_LE.set(body, 0, format);
    return body;
  }

  /** The format number in its body, or -1 if the body's length is wrong. */
  static int format(byte[] body) {
    return body.length == StoreLayout.FORMAT_VALUE_BYTES ? (int) INT_LE.get(body, 0) : -1;
  }

  /** The value to store {@code body} as under {@code key}. */
  static byte[] seal(byte[] key, byte[] body) {
    byte[] value = Arrays.copyOf(body, body.length + StoreLayout.CHECKSUM_BYTES);
    INT_LE.set(value, body.length, checksum(key, body, body.length));
    return value;
  }

  /** The body that {@code value} was made of for {@code key}, or null if it is damaged. */
  static byte @Nullable [] open(byte[] key, byte[] value) {
    return open(key, value, value.length);
  }

  /** The same of a value that is the first {@code valueLength} bytes of {@code value}. */
  static byte @Nullable [] open(byte[] key, byte[] value, int valueLength) {
    int length = valueLength - StoreLayout.CHECKSUM_BYTES;
    if (length < 0 || (int) INT_LE.get(value, length) != checksum(key, value, length)) {
      return null;
    }
    return Arrays.copyOf(value, length);
  }

  private static int checksum(byte[] key, byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(key, 0, key.length);
    crc.update(bytes, 0, length);
    return (int) crc.getValue();
  }

  /**
   * The first key after all that begin with {@code prefix}, or null if there is none (the prefix is
   * all ones).
   */
  static byte @Nullable [] successor(byte[] prefix) {
    byte[] next = prefix.clone();
    for (int i = next.length - 1; i >= 0; i--) {
      if (++next[i] != 0) {
        return next;
      }
    }
    return null;
  }
}
