package io.capsuledb.core.crypto;

import java.math.BigInteger;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Tuple;

/** Numbers that curve arithmetic could trip over, and random ones. */
final class CurveSamples {

  static final BigInteger N =
      new BigInteger("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16);

  static final BigInteger P =
      new BigInteger("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16);

  private static final BigInteger MAX = BigInteger.ONE.shiftLeft(256).subtract(BigInteger.ONE);

  private CurveSamples() {}

  /** Any 256-bit number; near 0, n/2, n, p and 2²⁵⁶ half of the time. */
  static Arbitrary<BigInteger> scalars() {
    Arbitrary<BigInteger> near =
        Arbitraries.of(BigInteger.ZERO, N.shiftRight(1), N, P, MAX)
            .flatMap(
                base ->
                    Arbitraries.integers()
                        .between(-3, 3)
                        .map(
                            delta ->
                                base.add(BigInteger.valueOf(delta)).max(BigInteger.ZERO).min(MAX)));
    Arbitrary<BigInteger> any =
        Arbitraries.longs().map(seed -> new BigInteger(256, new Random(seed)));
    Arbitrary<BigInteger> sparse =
        Arbitraries.integers().between(0, 255).map(bit -> BigInteger.ONE.shiftLeft(bit));
    return Arbitraries.frequencyOf(Tuple.of(2, near), Tuple.of(2, any), Tuple.of(1, sparse));
  }

  /** Private keys: 1 to n - 1. */
  static Arbitrary<SecretBytes> privateKeys() {
    return scalars()
        .map(
            scalar ->
                SecretBytes.own(
                    bytes32(scalar.mod(N.subtract(BigInteger.ONE)).add(BigInteger.ONE))));
  }

  /** Any digest. */
  static Arbitrary<Hash32> digests() {
    return scalars().map(scalar -> Hash32.of(bytes32(scalar)));
  }

  static byte[] bytes32(BigInteger value) {
    byte[] bytes = value.toByteArray();
    byte[] result = new byte[32];
    int length = Math.min(bytes.length, 32);
    System.arraycopy(bytes, bytes.length - length, result, 32 - length, length);
    return result;
  }
}
