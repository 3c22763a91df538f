package io.capsuledb.core.crypto;

import io.capsuledb.core.bytes.LittleEndian;
import java.util.Arrays;
import java.util.HexFormat;

/** An immutable 32-byte hash. Compares by value; prints as lower-case hex. */
public final class Hash32 implements Comparable<Hash32> {

  /** Length in bytes. */
  public static final int BYTES = 32;

  /** Thirty-two zero bytes: "there is no such record" where a hash field must hold something. */
  public static final Hash32 ZERO = new Hash32(new byte[BYTES]);

  private final byte[] bytes;

  private Hash32(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Copies 32 bytes from {@code source} at {@code offset}. */
  public static Hash32 copyOf(byte[] source, int offset) {
    return new Hash32(Arrays.copyOfRange(source, offset, offset + BYTES));
  }

  /**
   * Copies {@code source}.
   *
   * @throws IllegalArgumentException if it is not 32 bytes long
   */
  public static Hash32 of(byte[] source) {
    if (source.length != BYTES) {
      throw new IllegalArgumentException("a hash has 32 bytes, not " + source.length);
    }
    return new Hash32(source.clone());
  }

  /** Takes ownership of {@code bytes}: 32 of them, not to be modified from here on. */
  static Hash32 own(byte[] bytes) {
    return new Hash32(bytes);
  }

  /** The bytes themselves, not a copy: not to be modified. */
  byte[] shared() {
    return bytes;
  }

  /**
   * Parses 64 hex digits.
   *
   * @throws IllegalArgumentException if {@code hex} is anything else
   */
  public static Hash32 parse(String hex) {
    return of(HexFormat.of().parseHex(hex));
  }

  public void copyTo(byte[] target, int offset) {
    System.arraycopy(bytes, 0, target, offset, BYTES);
  }

  public byte[] toBytes() {
    return bytes.clone();
  }

  public boolean isZero() {
    return equals(ZERO);
  }

  /** The first eight bytes, as a little-endian number. */
  public long bits() {
    return LittleEndian.getLong(bytes, 0);
  }

  @Override
  public int compareTo(Hash32 other) {
    return Arrays.compareUnsigned(bytes, other.bytes);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Hash32 hash && Arrays.equals(bytes, hash.bytes);
  }

  @Override
  public int hashCode() {
    // Bits of a hash are as good as any hash of them.
    return LittleEndian.getInt(bytes, 0);
  }

  @Override
  public String toString() {
    return HexFormat.of().formatHex(bytes);
  }
}
