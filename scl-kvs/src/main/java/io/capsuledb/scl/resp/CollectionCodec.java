package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;

/**
 * Lists and sets as one value each. A list keeps its order; the elements of a set are sorted as
 * unsigned bytes and different from each other. Either way there is one encoding of one collection,
 * and the decoder takes no other. Elements are read in place: nothing is copied or allocated per
 * element. See docs/format/collections.md.
 */
final class CollectionCodec {

  private CollectionCodec() {}

  /**
   * Checks a stored collection as a whole, in one pass.
   *
   * @param type LIST or SET
   */
  static Decoded<Elements> decode(ValueType type, byte[] buffer, int offset, int length) {
    if (length < CollectionLayout.HEADER_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, type + " of " + length + " bytes");
    }
    if (length > CapsuleDb.MAX_VALUE_BYTES) {
      return Decoded.reject(Reason.TOO_LARGE, type + " of " + length + " bytes");
    }
    int format = buffer[offset + CollectionLayout.FORMAT_OFFSET] & 0xff;
    if (format != CollectionLayout.FORMAT) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, type + " of format " + format);
    }
    int count = LittleEndian.getInt(buffer, offset + CollectionLayout.COUNT_OFFSET);
    if (count < 1 || count > CollectionLayout.MAX_ELEMENTS) {
      return Decoded.reject(
          Reason.TOO_LARGE, type + " of " + Integer.toUnsignedString(count) + " elements");
    }
    int end = offset + length;
    int at = offset + CollectionLayout.HEADER_BYTES;
    int previousStart = 0;
    int previousEnd = 0;
    for (int i = 0; i < count; i++) {
      int elementLength = Varint.get(buffer, at, end);
      if (elementLength < 0) {
        return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "length of element " + i);
      }
      int start = at + Varint.bytes(elementLength);
      if (elementLength > end - start) {
        return Decoded.reject(Reason.TRUNCATED, "element " + i + " of " + elementLength + " bytes");
      }
      at = start + elementLength;
      if (type == ValueType.SET
          && i > 0
          && Arrays.compareUnsigned(buffer, previousStart, previousEnd, buffer, start, at) >= 0) {
        return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "order of element " + i);
      }
      previousStart = start;
      previousEnd = at;
    }
    if (at != end) {
      return Decoded.reject(Reason.TRAILING_BYTES, (end - at) + " bytes after a " + type);
    }
    return Decoded.accept(new Elements(buffer, offset, end, count));
  }

  /**
   * A cursor over the elements of a collection that {@link #decode} accepted. It begins before the
   * first one. Not thread-safe.
   */
  static final class Elements {
    private final byte[] buffer;
    private final int end;
    private final int count;
    private int start;
    private int next;

    private Elements(byte[] buffer, int offset, int end, int count) {
      this.buffer = buffer;
      this.end = end;
      this.count = count;
      this.start = offset + CollectionLayout.HEADER_BYTES;
      this.next = start;
    }

    /** A cursor over nothing, for a key that does not exist. */
    static Elements none() {
      return new Elements(
          new byte[CollectionLayout.HEADER_BYTES], 0, CollectionLayout.HEADER_BYTES, 0);
    }

    /** How many elements there are: at least one in every stored collection. */
    int count() {
      return count;
    }

    /** Moves to the next element; false if there is none. */
    boolean advance() {
      if (next == end) {
        return false;
      }
      int length = Varint.get(buffer, next, end);
      start = next + Varint.bytes(length);
      next = start + length;
      return true;
    }

    /** Moves over some elements, at most as many as are left. */
    Elements skip(int elements) {
      for (int i = 0; i < elements; i++) {
        advance();
      }
      return this;
    }

    /** The array that holds the current element; not to be modified. */
    byte[] buffer() {
      return buffer;
    }

    /** Where the bytes of the current element begin in {@link #buffer}. */
    int start() {
      return start;
    }

    /** Bytes of the current element. */
    int length() {
      return next - start;
    }
  }

  /** Builds a collection from its first element to its last. */
  static final class Builder {
    private byte[] bytes;
    private int length = CollectionLayout.HEADER_BYTES;
    private int count;

    /**
     * Begins an empty collection.
     *
     * @param expectedBytes how long it will be, about
     */
    Builder(long expectedBytes) {
      long room = Math.max(expectedBytes, CollectionLayout.HEADER_BYTES);
      this.bytes = new byte[(int) Math.min(room, CapsuleDb.MAX_VALUE_BYTES)];
    }

    int count() {
      return count;
    }

    /**
     * Appends an element.
     *
     * @throws CommandException if the collection would be too large
     */
    void add(byte[] source, int offset, int size) {
      reserve(1, (long) Varint.bytes(size) + size);
      length = Varint.put(bytes, length, size);
      System.arraycopy(source, offset, bytes, length, size);
      length += size;
    }

    /** Appends the element a cursor stands on. */
    void add(Elements current) {
      add(current.buffer, current.start, current.length());
    }

    /**
     * Appends the next elements after a cursor's position, without moving it over them one by one.
     */
    void addNext(Elements cursor, int elements) {
      int from = cursor.next;
      if (elements == cursor.count) {
        cursor.next = cursor.end;
      } else {
        cursor.skip(elements);
      }
      int size = cursor.next - from;
      reserve(elements, size);
      System.arraycopy(cursor.buffer, from, bytes, length, size);
      length += size;
    }

    private void reserve(int elements, long size) {
      count += elements;
      if (count > CollectionLayout.MAX_ELEMENTS || length + size > CapsuleDb.MAX_VALUE_BYTES) {
        throw Refusals.collectionTooLarge();
      }
      int needed = (int) (length + size);
      if (needed > bytes.length) {
        int grown = Math.min(2 * bytes.length, CapsuleDb.MAX_VALUE_BYTES);
        bytes = Arrays.copyOf(bytes, Math.max(needed, grown));
      }
    }

    /** The encoded collection, which must not be empty. */
    byte[] build() {
      if (count == 0) {
        throw new IllegalStateException("an empty collection is not stored");
      }
      bytes[CollectionLayout.FORMAT_OFFSET] = CollectionLayout.FORMAT;
      LittleEndian.putInt(bytes, CollectionLayout.COUNT_OFFSET, count);
      return length == bytes.length ? bytes : Arrays.copyOf(bytes, length);
    }
  }
}
