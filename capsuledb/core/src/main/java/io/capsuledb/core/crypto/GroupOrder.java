package io.capsuledb.core.crypto;

/**
 * Numbers modulo n, the order of the secp256k1 group (SEC 2, section 2.4.1), as 32 bytes big
 * endian. What touches private keys runs in time that does not depend on them; what is applied to
 * signatures, which are public, need not.
 */
final class GroupOrder {

  static final int BYTES = 32;

  private static final int LIMBS = 8;
  private static final long LIMB_MASK = 0xffff_ffffL;

  /** n, most significant 32-bit limb first. */
  private static final long[] N = {
    0xffffffffL,
    0xffffffffL,
    0xffffffffL,
    0xfffffffeL,
    0xbaaedce6L,
    0xaf48a03bL,
    0xbfd25e8cL,
    0xd0364141L
  };

  /** (n - 1) / 2: the largest s of a low-S signature. */
  private static final long[] HALF = {
    0x7fffffffL,
    0xffffffffL,
    0xffffffffL,
    0xffffffffL,
    0x5d576e73L,
    0x57a4501dL,
    0xdfe92f46L,
    0x681b20a0L
  };

  private GroupOrder() {}

  /** Whether 0 &lt; {@code scalar} &lt; n. */
  static boolean isPrivateKey(byte[] scalar) {
    return scalar.length == BYTES && isBelow(scalar, 0, N) && !isZero(scalar, 0);
  }

  /** Whether {@code scalar} &lt; n. */
  static boolean isReduced(byte[] scalar) {
    return scalar.length == BYTES && isBelow(scalar, 0, N);
  }

  static boolean isZero(byte[] scalar) {
    return isZero(scalar, 0);
  }

  /** Whether the 64 bytes at {@code offset} are r ‖ s with 0 &lt; r &lt; n and 0 &lt; s ≤ n/2. */
  static boolean isLowSignature(byte[] bytes, int offset) {
    int s = offset + BYTES;
    return isBelow(bytes, offset, N)
        && !isZero(bytes, offset)
        && (isBelow(bytes, s, HALF) || isEqual(bytes, s, HALF))
        && !isZero(bytes, s);
  }

  /** (a + b) mod n, for a and b below n. */
  static byte[] add(byte[] a, byte[] b) {
    long[] sum = new long[LIMBS];
    long carry = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
      long limb = limb(a, 0, i) + limb(b, 0, i) + carry;
      sum[i] = limb & LIMB_MASK;
      carry = limb >>> 32;
    }
    long[] reduced = new long[LIMBS];
    long borrow = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
      long limb = sum[i] - N[i] - borrow;
      reduced[i] = limb & LIMB_MASK;
      borrow = limb >>> 63;
    }
    // All ones if the sum was n or more: it carried out, or subtracting n did not borrow.
    long takeReduced = -(carry | (borrow ^ 1));
    byte[] result = new byte[BYTES];
    for (int i = 0; i < LIMBS; i++) {
      long limb = (reduced[i] & takeReduced) | (sum[i] & ~takeReduced);
      for (int j = 0; j < 4; j++) {
        result[i * 4 + j] = (byte) (limb >>> (24 - 8 * j));
      }
      sum[i] = 0;
      reduced[i] = 0;
    }
    return result;
  }

  private static boolean isBelow(byte[] bytes, int offset, long[] bound) {
    long borrow = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
      borrow = (limb(bytes, offset, i) - bound[i] - borrow) >>> 63;
    }
    return borrow == 1;
  }

  private static boolean isEqual(byte[] bytes, int offset, long[] other) {
    long difference = 0;
    for (int i = 0; i < LIMBS; i++) {
      difference |= limb(bytes, offset, i) ^ other[i];
    }
    return difference == 0;
  }

  private static boolean isZero(byte[] bytes, int offset) {
    int bits = 0;
    for (int i = 0; i < BYTES; i++) {
      bits |= bytes[offset + i];
    }
    return bits == 0;
  }

  private static long limb(byte[] bytes, int offset, int index) {
    int at = offset + index * 4;
    return (bytes[at] & 0xffL) << 24
        | (bytes[at + 1] & 0xffL) << 16
        | (bytes[at + 2] & 0xffL) << 8
        | (bytes[at + 3] & 0xffL);
  }
}
