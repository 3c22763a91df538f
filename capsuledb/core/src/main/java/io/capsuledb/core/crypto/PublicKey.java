package io.capsuledb.core.crypto;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * A secp256k1 public key: a point of the curve other than infinity, written in its compressed form
 * (SEC 1, section 2.3.3). Immutable; compares by value; prints as lower-case hex.
 *
 * <p>Invariant: {@code uncompressed} is 4 ‖ x ‖ y with y² = x³ + 7 (mod p). Both coordinates are
 * kept because verifying from them saves a square root each time.
 */
public final class PublicKey {

  /** Length in bytes of the compressed form. */
  public static final int BYTES = 33;

  static final int UNCOMPRESSED_BYTES = 65;

  private static final int COORDINATE_BYTES = 32;
  private static final int EVEN_PREFIX = 2;
  private static final int ODD_PREFIX = 3;
  private static final int UNCOMPRESSED_PREFIX = 4;

  private static final BigInteger P =
      new BigInteger("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16);
  private static final BigInteger SEVEN = BigInteger.valueOf(7);

  /** (p + 1) / 4: since p ≡ 3 (mod 4), raising a square to it gives its root. */
  private static final BigInteger ROOT_EXPONENT = P.add(BigInteger.ONE).shiftRight(2);

  private final byte[] uncompressed;

  private PublicKey(byte[] uncompressed) {
    this.uncompressed = uncompressed;
  }

  /**
   * Decodes the 33 bytes of {@code bytes} at {@code offset}; more may follow.
   *
   * @return the key, or TRUNCATED, or FIELD_OUT_OF_RANGE if they are not a point of the curve
   * @throws IndexOutOfBoundsException if {@code offset} is negative
   */
  public static Decoded<PublicKey> decode(byte[] bytes, int offset) {
    if (offset < 0) {
      throw new IndexOutOfBoundsException(offset);
    }
    if (bytes.length - offset < BYTES) {
      return Decoded.reject(
          Rejection.Reason.TRUNCATED,
          "a public key has 33 bytes, here are " + Math.max(0, bytes.length - offset));
    }
    int prefix = bytes[offset];
    if (prefix != EVEN_PREFIX && prefix != ODD_PREFIX) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE,
          "a compressed public key starts with 2 or 3, not " + (prefix & 0xff));
    }
    BigInteger x = new BigInteger(1, bytes, offset + 1, COORDINATE_BYTES);
    if (x.compareTo(P) >= 0) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE, "the public key's x is not a field element");
    }
    BigInteger ySquared = x.multiply(x).mod(P).multiply(x).add(SEVEN).mod(P);
    BigInteger y = ySquared.modPow(ROOT_EXPONENT, P);
    if (!y.multiply(y).mod(P).equals(ySquared)) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE, "the public key is not a point of the curve");
    }
    // y is never zero: the group's order is odd, so no point has order two.
    if (y.testBit(0) != (prefix == ODD_PREFIX)) {
      y = P.subtract(y);
    }
    byte[] uncompressed = new byte[UNCOMPRESSED_BYTES];
    uncompressed[0] = UNCOMPRESSED_PREFIX;
    System.arraycopy(bytes, offset + 1, uncompressed, 1, COORDINATE_BYTES);
    byte[] yBytes = y.toByteArray();
    int significant = Math.min(yBytes.length, COORDINATE_BYTES);
    System.arraycopy(
        yBytes,
        yBytes.length - significant,
        uncompressed,
        UNCOMPRESSED_BYTES - significant,
        significant);
    return Decoded.accept(new PublicKey(uncompressed));
  }

  /** Takes ownership of 4 ‖ x ‖ y, which a curve implementation has just computed. */
  static PublicKey ofUncompressed(byte[] uncompressed) {
    if (uncompressed.length != UNCOMPRESSED_BYTES || uncompressed[0] != UNCOMPRESSED_PREFIX) {
      throw new IllegalArgumentException("not an uncompressed point");
    }
    return new PublicKey(uncompressed);
  }

  /** 4 ‖ x ‖ y: the array itself, not a copy, and not to be modified. */
  byte[] uncompressed() {
    return uncompressed;
  }

  /** A copy of the 33 bytes of the compressed form. */
  public byte[] bytes() {
    byte[] bytes = new byte[BYTES];
    copyTo(bytes, 0);
    return bytes;
  }

  /**
   * Writes the 33 bytes of the compressed form.
   *
   * @throws IndexOutOfBoundsException if {@code target} has no room for them at {@code offset}
   */
  public void copyTo(byte[] target, int offset) {
    boolean odd = (uncompressed[UNCOMPRESSED_BYTES - 1] & 1) == 1;
    System.arraycopy(uncompressed, 1, target, offset + 1, COORDINATE_BYTES);
    target[offset] = (byte) (odd ? ODD_PREFIX : EVEN_PREFIX);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PublicKey key && Arrays.equals(uncompressed, key.uncompressed);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(uncompressed);
  }

  /** The compressed form in hex. */
  @Override
  public String toString() {
    return HexFormat.of().formatHex(bytes());
  }
}
