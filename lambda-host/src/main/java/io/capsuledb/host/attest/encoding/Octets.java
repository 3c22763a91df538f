package io.capsuledb.host.attest.encoding;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Immutable bytes and views into them.
 *
 * <p>Invariants: nobody writes the array behind it; a view lies inside its array; every access
 * outside a view is an {@link IntegrityException} with reason {@code TRUNCATED}, never another
 * exception, so that a reader of untrusted bytes needs no second check.
 */
public final class Octets {

  /** No bytes. */
  public static final Octets EMPTY = new Octets(new byte[0], 0, 0);

  private final byte[] bytes;
  private final int from;
  private final int length;

  private Octets(byte[] bytes, int from, int length) {
    this.bytes = bytes;
    this.from = from;
    this.length = length;
  }

  /** A copy of {@code bytes}. */
  public static Octets copyOf(byte[] bytes) {
    return new Octets(bytes.clone(), 0, bytes.length);
  }

  /** Takes ownership of {@code bytes}: the caller never writes to them again. */
  public static Octets own(byte[] bytes) {
    return new Octets(bytes, 0, bytes.length);
  }

  /**
   * Bytes from hexadecimal digits of either case.
   *
   * @throws IntegrityException if it is not hexadecimal
   */
  public static Octets ofHex(String text) {
    try {
      return own(HexFormat.of().parseHex(text.toLowerCase(Locale.ROOT)));
    } catch (IllegalArgumentException e) {
      IntegrityException failure = malformed(Reason.FIELD_OUT_OF_RANGE, "not hexadecimal");
      failure.initCause(e);
      throw failure;
    }
  }

  /** The failure of a reader of untrusted bytes. */
  public static IntegrityException malformed(Reason reason, String detail) {
    return new IntegrityException(Rejection.of(reason, detail));
  }

  /** Number of bytes. */
  public int length() {
    return length;
  }

  /**
   * A view of {@code count} bytes from {@code offset}.
   *
   * @throws IntegrityException if there are fewer
   */
  public Octets slice(long offset, long count) {
    if (offset < 0 || count < 0 || offset > length || count > length - offset) {
      throw malformed(
          Reason.TRUNCATED, count + " bytes at " + offset + " are not within " + length);
    }
    return new Octets(bytes, from + (int) offset, (int) count);
  }

  /** A view of everything from {@code offset}. */
  public Octets from(int offset) {
    return slice(offset, (long) length - offset);
  }

  /** The unsigned byte at {@code offset}. */
  public int unsignedByte(int offset) {
    if (offset < 0 || offset >= length) {
      throw malformed(Reason.TRUNCATED, "byte " + offset + " is not within " + length);
    }
    return bytes[from + offset] & 0xFF;
  }

  /** The little-endian unsigned 16-bit integer at {@code offset}. */
  public int unsignedShort(int offset) {
    return unsignedByte(offset) | unsignedByte(offset + 1) << 8;
  }

  /** The little-endian unsigned 32-bit integer at {@code offset}. */
  public long unsignedInt(int offset) {
    return unsignedShort(offset) | (long) unsignedShort(offset + 2) << 16;
  }

  /** The little-endian 64-bit integer at {@code offset}. */
  public long bits64(int offset) {
    return unsignedInt(offset) | unsignedInt(offset + 4) << 32;
  }

  /** Whether all bytes are zero. */
  public boolean isZero() {
    int any = 0;
    for (int i = 0; i < length; i++) {
      any |= bytes[from + i];
    }
    return any == 0;
  }

  /** Whether this begins with {@code prefix}. */
  public boolean startsWith(Octets prefix) {
    return prefix.length <= length && slice(0, prefix.length).equals(prefix);
  }

  /** A copy of the bytes. */
  public byte[] toArray() {
    return Arrays.copyOfRange(bytes, from, from + length);
  }

  /** A read-only buffer over the bytes, for digests and signatures. */
  public ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes, from, length).slice().asReadOnlyBuffer();
  }

  /** This followed by {@code other}. */
  public Octets then(Octets other) {
    byte[] joined = Arrays.copyOfRange(bytes, from, from + length + other.length);
    System.arraycopy(other.bytes, other.from, joined, length, other.length);
    return own(joined);
  }

  /** This with zeros appended up to {@code size} bytes. */
  public Octets paddedTo(int size) {
    return length >= size ? this : own(Arrays.copyOfRange(toArray(), 0, size));
  }

  /** The bytes in reverse order. */
  public Octets reversed() {
    byte[] reversed = new byte[length];
    for (int i = 0; i < length; i++) {
      reversed[i] = bytes[from + length - 1 - i];
    }
    return own(reversed);
  }

  /** Lower-case hexadecimal digits. */
  public String hex() {
    return HexFormat.of().formatHex(bytes, from, from + length);
  }

  /** Compares by value, in time that depends on the lengths only. */
  @Override
  public boolean equals(@Nullable Object other) {
    if (!(other instanceof Octets octets) || octets.length != length) {
      return false;
    }
    int difference = 0;
    for (int i = 0; i < length; i++) {
      difference |= bytes[from + i] ^ octets.bytes[octets.from + i];
    }
    return difference == 0;
  }

  @Override
  public int hashCode() {
    int hash = 1;
    for (int i = 0; i < length; i++) {
      hash = 31 * hash + bytes[from + i];
    }
    return hash;
  }

  @Override
  public String toString() {
    return hex();
  }
}
