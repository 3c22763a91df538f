package io.capsuledb.core.bytes;

/**
 * Unsigned integers of 31 bits in one to five bytes, or of 63 bits in one to nine: seven bits each,
 * least significant first, the top bit of a byte set where more follow. Only the shortest encoding
 * of a number is accepted.
 */
public final class Varint {

  /** Longest encoding of 31 bits. */
  public static final int MAX_BYTES = 5;

  /** Longest encoding of 63 bits. */
  public static final int MAX_LONG_BYTES = 9;

  private Varint() {}

  /** How many bytes {@code value} takes. */
  public static int bytes(int value) {
    return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : value < 1 << 28 ? 4 : 5;
  }

  /** Writes {@code value}, 0 or more, and returns the offset after it. */
  public static int put(byte[] target, int offset, int value) {
    int at = offset;
    int rest = value;
    while (rest > 0x7F) {
      target[at++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    target[at++] = (byte) rest;
    return at;
  }

  /**
   * Reads a number.
   *
   * @param limit where the readable bytes end
   * @return the value, or -1 if the bytes end early, encode more than 31 bits, or are not the
   *     shortest encoding; {@link #bytes} of the value is how far to advance
   */
  public static int get(byte[] source, int offset, int limit) {
    long value = 0;
    for (int i = 0; i < MAX_BYTES; i++) {
      if (offset + i >= limit) {
        return -1;
      }
      int next = source[offset + i] & 0xFF;
      value |= (long) (next & 0x7F) << (7 * i);
      if (next < 0x80) {
        boolean shortest = i == 0 || next != 0;
        return shortest && value <= Integer.MAX_VALUE ? (int) value : -1;
      }
    }
    return -1;
  }

  /** How many bytes {@code value}, 0 or more, takes. */
  public static int longBytes(long value) {
    return (Long.SIZE - Long.numberOfLeadingZeros(value | 1) + 6) / 7;
  }

  /** Writes {@code value}, 0 or more, and returns the offset after it. */
  public static int putLong(byte[] target, int offset, long value) {
    int at = offset;
    long rest = value;
    while (rest > 0x7F) {
      target[at++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    target[at++] = (byte) rest;
    return at;
  }

  /**
   * Reads a number of 63 bits.
   *
   * @param limit where the readable bytes end
   * @return the value, or -1 if the bytes end early, encode more than 63 bits, or are not the
   *     shortest encoding; {@link #longBytes} of the value is how far to advance
   */
  public static long getLong(byte[] source, int offset, int limit) {
    long value = 0;
    for (int i = 0; i < MAX_LONG_BYTES && offset + i < limit; i++) {
      int next = source[offset + i];
      value |= (next & 0x7FL) << (7 * i);
      if (next >= 0) {
        return i == 0 || next != 0 ? value : -1;
      }
    }
    return -1;
  }
}
