package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A batch of operations as the payload of a DATA record: grows while operations are appended, and
 * is reused after it was sealed. One thread at a time.
 */
final class BatchCodec {

  /** What an operation does, told to {@link #decode}'s visitor in order. */
  interface Visitor {
    void put(byte[] key, ValueType type, byte[] value, long expiryAtMs);

    void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs);

    void delete(byte[] key);

    void clear();
  }

  private static final int INITIAL_BYTES = 4 << 10;

  /** Buffers that grew beyond this are not kept for reuse. */
  private static final int KEPT_BYTES = 2 << 20;

  private byte[] buffer = new byte[INITIAL_BYTES];
  private int length = BatchLayout.OPERATIONS_OFFSET;
  private int count;

  BatchCodec() {
    buffer[BatchLayout.FORMAT_OFFSET] = BatchLayout.FORMAT;
  }

  /** Operations appended since the last reset. */
  int count() {
    return count;
  }

  /** Encoded bytes, the batch header included. */
  int length() {
    return length;
  }

  /** The encoded batch, valid up to {@link #length()}; completes the header. */
  byte[] encoded() {
    LittleEndian.putInt(buffer, BatchLayout.COUNT_OFFSET, count);
    return buffer;
  }

  void reset() {
    if (buffer.length > KEPT_BYTES) {
      buffer = new byte[INITIAL_BYTES];
      buffer[BatchLayout.FORMAT_OFFSET] = BatchLayout.FORMAT;
    }
    length = BatchLayout.OPERATIONS_OFFSET;
    count = 0;
  }

  /** Most bytes an operation on this key and value takes. */
  static int bound(int keyLength, int valueLength) {
    return 1 + Long.BYTES + 2 * Varint.MAX_BYTES + keyLength + valueLength;
  }

  void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
    int kind = expiryAtMs == 0 ? BatchLayout.PUT : BatchLayout.PUT_EXPIRING;
    write(kind | type.number() << BatchLayout.TYPE_SHIFT, key, value, expiryAtMs);
  }

  void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
    int kind = expiryAtMs == 0 ? BatchLayout.MERGE : BatchLayout.MERGE_EXPIRING;
    write(kind | operator.number() << BatchLayout.TYPE_SHIFT, key, operand, expiryAtMs);
  }

  private void write(int first, byte[] key, byte[] value, long expiryAtMs) {
    reserve(bound(key.length, value.length));
    int at = length;
    buffer[at++] = (byte) first;
    if (expiryAtMs != 0) {
      LittleEndian.putLong(buffer, at, expiryAtMs);
      at += Long.BYTES;
    }
    at = bytes(key, at);
    length = bytes(value, at);
    count++;
  }

  void delete(byte[] key) {
    reserve(bound(key.length, 0));
    int at = length;
    buffer[at++] = BatchLayout.DELETE;
    length = bytes(key, at);
    count++;
  }

  void clear() {
    reserve(bound(0, 0));
    buffer[length++] = BatchLayout.CLEAR;
    count++;
  }

  /** Appends every operation of another batch. */
  void append(BatchCodec other) {
    int bytes = other.length - BatchLayout.OPERATIONS_OFFSET;
    reserve(bytes);
    System.arraycopy(other.buffer, BatchLayout.OPERATIONS_OFFSET, buffer, length, bytes);
    length += bytes;
    count += other.count;
  }

  private int bytes(byte[] source, int offset) {
    int at = Varint.put(buffer, offset, source.length);
    System.arraycopy(source, 0, buffer, at, source.length);
    return at + source.length;
  }

  private void reserve(int bytes) {
    long needed = (long) length + bytes;
    if (needed > buffer.length) {
      if (needed > RecordLayout.MAX_PLAINTEXT_BYTES) {
        throw new IllegalStateException("a batch beyond the bound of a record");
      }
      long size = Math.min(Math.max(needed, 2L * buffer.length), RecordLayout.MAX_PLAINTEXT_BYTES);
      buffer = Arrays.copyOf(buffer, (int) size);
    }
  }

  /**
   * Decodes a batch. Takes any bytes. The visitor is called for each operation until the first
   * malformed one; whoever must not act on half a batch decodes twice.
   *
   * @return what is malformed, or null
   */
  static @Nullable Rejection decode(byte[] payload, Visitor visitor) {
    if (payload.length < BatchLayout.OPERATIONS_OFFSET) {
      return malformed("batch has " + payload.length + " bytes");
    }
    if (payload[BatchLayout.FORMAT_OFFSET] != BatchLayout.FORMAT) {
      return malformed("batch format " + payload[BatchLayout.FORMAT_OFFSET]);
    }
    for (int i = BatchLayout.RESERVED_OFFSET; i < BatchLayout.COUNT_OFFSET; i++) {
      if (payload[i] != 0) {
        return malformed("batch byte " + i + " is not zero");
      }
    }
    int count = LittleEndian.getInt(payload, BatchLayout.COUNT_OFFSET);
    if (count < 1 || count > payload.length) {
      return malformed("batch of " + count + " operations in " + payload.length + " bytes");
    }
    int at = BatchLayout.OPERATIONS_OFFSET;
    for (int i = 0; i < count; i++) {
      at = decodeOperation(payload, at, visitor);
      if (at < 0) {
        return malformed("operation " + i + " of " + count);
      }
    }
    return at == payload.length ? null : malformed("bytes after the last operation");
  }

  /** Returns the offset after the operation, or -1 if it is malformed. */
  private static int decodeOperation(byte[] payload, int offset, Visitor visitor) {
    if (offset >= payload.length) {
      return -1;
    }
    int kind = payload[offset] & BatchLayout.KIND_MASK;
    int typeNumber = (payload[offset] & 0xFF) >>> BatchLayout.TYPE_SHIFT;
    boolean isPut = kind == BatchLayout.PUT || kind == BatchLayout.PUT_EXPIRING;
    boolean isMerge = kind == BatchLayout.MERGE || kind == BatchLayout.MERGE_EXPIRING;
    MergeOperator operator = isMerge ? MergeOperator.ofNumber(typeNumber) : null;
    if (isMerge ? operator == null : typeNumber >= (isPut ? ValueType.count() : 1)) {
      return -1;
    }
    int at = offset + 1;
    if (kind == BatchLayout.CLEAR) {
      visitor.clear();
      return at;
    }
    if (!isPut && !isMerge && kind != BatchLayout.DELETE) {
      return -1;
    }
    long expiryAtMs = 0;
    if (kind == BatchLayout.PUT_EXPIRING || kind == BatchLayout.MERGE_EXPIRING) {
      if (payload.length - at < Long.BYTES) {
        return -1;
      }
      expiryAtMs = LittleEndian.getLong(payload, at);
      if (expiryAtMs <= 0) {
        return -1;
      }
      at += Long.BYTES;
    }
    int keyLength = Varint.get(payload, at, payload.length);
    if (keyLength < 0 || keyLength > CapsuleDb.MAX_KEY_BYTES) {
      return -1;
    }
    at += Varint.bytes(keyLength);
    if (keyLength > payload.length - at) {
      return -1;
    }
    byte[] key = Arrays.copyOfRange(payload, at, at + keyLength);
    at += keyLength;
    if (kind == BatchLayout.DELETE) {
      visitor.delete(key);
      return at;
    }
    int valueLength = Varint.get(payload, at, payload.length);
    int most = isMerge ? MergeOperator.MAX_OPERAND_BYTES : CapsuleDb.MAX_VALUE_BYTES;
    if (valueLength < 0 || valueLength > most) {
      return -1;
    }
    at += Varint.bytes(valueLength);
    if (valueLength > payload.length - at) {
      return -1;
    }
    byte[] value = Arrays.copyOfRange(payload, at, at + valueLength);
    if (operator != null) {
      byte[] canonical = operator.canonical(value);
      if (canonical == null || !Arrays.equals(canonical, value)) {
        return -1;
      }
      visitor.merge(key, operator, value, expiryAtMs);
    } else {
      visitor.put(key, ValueType.ofNumber(typeNumber), value, expiryAtMs);
    }
    return at + valueLength;
  }

  /** How many operations a batch that was decoded before has. */
  static int count(byte[] payload) {
    return LittleEndian.getInt(payload, BatchLayout.COUNT_OFFSET);
  }

  private static Rejection malformed(String detail) {
    return Rejection.of(Reason.PAYLOAD, detail);
  }
}
