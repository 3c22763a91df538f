package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigInteger;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** The limb arithmetic against BigInteger, mostly close to where it could go wrong. */
class GroupOrderPropertyTest {

  private static final BigInteger N = CurveSamples.N;

  @Property(tries = 2000)
  void sumsLikeBigInteger(@ForAll("scalars") BigInteger a, @ForAll("scalars") BigInteger b) {
    BigInteger x = a.mod(N);
    BigInteger y = b.mod(N);
    assertThat(GroupOrder.add(CurveSamples.bytes32(x), CurveSamples.bytes32(y)))
        .isEqualTo(CurveSamples.bytes32(x.add(y).mod(N)));
  }

  @Property(tries = 2000)
  void knowsItsRange(@ForAll("scalars") BigInteger a, @ForAll("scalars") BigInteger b) {
    byte[] x = CurveSamples.bytes32(a);
    assertThat(GroupOrder.isReduced(x)).isEqualTo(a.compareTo(N) < 0);
    assertThat(GroupOrder.isPrivateKey(x)).isEqualTo(a.compareTo(N) < 0 && a.signum() > 0);
    assertThat(GroupOrder.isZero(x)).isEqualTo(a.signum() == 0);

    byte[] signature = new byte[3 + 64 + 2];
    System.arraycopy(x, 0, signature, 3, 32);
    System.arraycopy(CurveSamples.bytes32(b), 0, signature, 3 + 32, 32);
    boolean valid =
        a.signum() > 0 && a.compareTo(N) < 0 && b.signum() > 0 && b.compareTo(N.shiftRight(1)) <= 0;
    assertThat(GroupOrder.isLowSignature(signature, 3)).isEqualTo(valid);
  }

  @Property(tries = 50)
  void onlyThirtyTwoBytesAreAScalar(@ForAll byte[] bytes) {
    if (bytes.length != 32) {
      assertThat(GroupOrder.isPrivateKey(bytes)).isFalse();
      assertThat(GroupOrder.isReduced(bytes)).isFalse();
    }
  }

  @Provide
  Arbitrary<BigInteger> scalars() {
    return CurveSamples.scalars();
  }
}
