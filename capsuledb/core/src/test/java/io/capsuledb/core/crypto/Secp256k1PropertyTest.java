package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.math.ec.ECCurve;
import org.bouncycastle.math.ec.ECPoint;

/** The native implementation and Bouncy Castle are one function. */
class Secp256k1PropertyTest {

  private static final Secp256k1 NATIVE = Secp256k1.best();
  private static final Secp256k1 JAVA = new BouncyCastleSecp256k1("under test");
  private static final ECCurve CURVE = CustomNamedCurves.getByName("secp256k1").getCurve();

  @Property(tries = 500)
  void bothSignAlikeAndVerifyEachOther(
      @ForAll("digests") Hash32 digest, @ForAll("privateKeys") SecretBytes key) {
    byte[] signature = NATIVE.sign(digest, key);
    assertThat(JAVA.sign(digest, key)).isEqualTo(signature);
    assertThat(NATIVE).isInstanceOf(NativeSecp256k1.class);

    PublicKey publicKey = NATIVE.publicKey(key);
    assertThat(JAVA.publicKey(key)).isEqualTo(publicKey);
    assertThat(PublicKey.decode(publicKey.bytes(), 0)).isEqualTo(Decoded.accept(publicKey));

    byte[] embedded = new byte[5 + 64 + 7];
    System.arraycopy(signature, 0, embedded, 5, 64);
    for (Secp256k1 curve : new Secp256k1[] {NATIVE, JAVA}) {
      assertThat(curve.verify(digest, signature, 0, publicKey)).isTrue();
      assertThat(curve.verify(digest, embedded, 5, publicKey)).isTrue();
      assertThat(curve.verify(digest, embedded, 4, publicKey)).isFalse();
      assertThat(curve.verify(digest, embedded, 13, publicKey)).isFalse();
      assertThat(curve.verify(digest, embedded, -1, publicKey)).isFalse();
      assertThat(curve.verify(digest, embedded, Integer.MAX_VALUE, publicKey)).isFalse();
    }
  }

  @Property(tries = 300)
  void anyChangedBitOfASignatureOrDigestIsRefusedByBoth(
      @ForAll("digests") Hash32 digest,
      @ForAll("privateKeys") SecretBytes key,
      @ForAll @IntRange(max = 64 * 8 - 1) int signatureBit,
      @ForAll @IntRange(max = 32 * 8 - 1) int digestBit) {
    PublicKey publicKey = NATIVE.publicKey(key);
    byte[] signature = NATIVE.sign(digest, key);
    byte[] bent = flip(signature, signatureBit);
    Hash32 other = Hash32.of(flip(digest.toBytes(), digestBit));
    for (Secp256k1 curve : new Secp256k1[] {NATIVE, JAVA}) {
      assertThat(curve.verify(digest, bent, 0, publicKey)).isFalse();
      assertThat(curve.verify(other, signature, 0, publicKey)).isFalse();
    }
  }

  @Property(tries = 300)
  void theHighTwinOfASignatureIsNone(
      @ForAll("digests") Hash32 digest, @ForAll("privateKeys") SecretBytes key) {
    PublicKey publicKey = NATIVE.publicKey(key);
    byte[] twin = NATIVE.sign(digest, key);
    BigInteger s = new BigInteger(1, Arrays.copyOfRange(twin, 32, 64));
    System.arraycopy(CurveSamples.bytes32(CurveSamples.N.subtract(s)), 0, twin, 32, 32);
    assertThat(NATIVE.verify(digest, twin, 0, publicKey)).isFalse();
    assertThat(JAVA.verify(digest, twin, 0, publicKey)).isFalse();
  }

  @Property(tries = 500)
  void bothGiveTheSameAnswerToAnySignature(
      @ForAll("digests") Hash32 digest,
      @ForAll("scalars") BigInteger r,
      @ForAll("scalars") BigInteger s,
      @ForAll("privateKeys") SecretBytes key) {
    byte[] signature = new byte[64];
    System.arraycopy(CurveSamples.bytes32(r), 0, signature, 0, 32);
    System.arraycopy(CurveSamples.bytes32(s), 0, signature, 32, 32);
    PublicKey publicKey = NATIVE.publicKey(key);
    assertThat(NATIVE.verify(digest, signature, 0, publicKey))
        .isEqualTo(JAVA.verify(digest, signature, 0, publicKey));
  }

  @Property(tries = 500)
  void tweakingThePrivateKeyTweaksThePublicKey(
      @ForAll("privateKeys") SecretBytes key, @ForAll("scalars") BigInteger tweakNumber) {
    SecretBytes tweak = SecretBytes.own(CurveSamples.bytes32(tweakNumber));
    PublicKey publicKey = NATIVE.publicKey(key);
    Optional<PublicKey> expected = NATIVE.tweakPrivateKey(key, tweak).map(NATIVE::publicKey);
    assertThat(NATIVE.tweakPublicKey(publicKey, tweak)).isEqualTo(expected);
    assertThat(JAVA.tweakPublicKey(publicKey, tweak)).isEqualTo(expected);
    assertThat(expected.isPresent())
        .isEqualTo(
            tweakNumber.compareTo(CurveSamples.N) < 0
                && tweakNumber.add(new BigInteger(1, key.expose())).mod(CurveSamples.N).signum()
                    != 0);
  }

  @Property(tries = 200)
  void aTweakThatCancelsTheKeyGivesNone(@ForAll("privateKeys") SecretBytes key) {
    BigInteger negative = CurveSamples.N.subtract(new BigInteger(1, key.expose()));
    SecretBytes tweak = SecretBytes.own(CurveSamples.bytes32(negative));
    PublicKey publicKey = NATIVE.publicKey(key);
    assertThat(NATIVE.tweakPrivateKey(key, tweak)).isEmpty();
    assertThat(NATIVE.tweakPublicKey(publicKey, tweak)).isEmpty();
    assertThat(JAVA.tweakPublicKey(publicKey, tweak)).isEmpty();
  }

  @Property(tries = 200)
  void aTweakThatEqualsTheKeyDoublesIt(@ForAll("privateKeys") SecretBytes key) {
    Optional<PublicKey> doubled = NATIVE.tweakPrivateKey(key, key).map(NATIVE::publicKey);
    assertThat(NATIVE.tweakPublicKey(NATIVE.publicKey(key), key)).isEqualTo(doubled);
    assertThat(JAVA.tweakPublicKey(NATIVE.publicKey(key), key)).isEqualTo(doubled);
  }

  @Property(tries = 500)
  void decodingAPublicKeyAgreesWithBouncyCastle(
      @ForAll("scalars") BigInteger x, @ForAll @IntRange(max = 5) int prefix, @ForAll long seed) {
    byte[] bytes = new byte[2 + 33 + 3];
    new Random(seed).nextBytes(bytes);
    bytes[2] = (byte) prefix;
    System.arraycopy(CurveSamples.bytes32(x), 0, bytes, 3, 32);
    byte[] exact = Arrays.copyOfRange(bytes, 2, 35);
    switch (PublicKey.decode(bytes, 2)) {
      case Decoded.Accepted<PublicKey>(PublicKey key) -> {
        ECPoint point = CURVE.decodePoint(exact);
        assertThat(key.bytes()).isEqualTo(exact);
        assertThat(key.uncompressed()).isEqualTo(point.getEncoded(false));
      }
      case Decoded.Rejected<PublicKey>(Rejection rejection) -> {
        assertThat(rejection.reason()).isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
        assertThatThrownBy(() -> CURVE.decodePoint(prefix == 0 ? new byte[33] : exact))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }

  @Property(tries = 100)
  void aPublicKeyNeedsThirtyThreeBytes(
      @ForAll("privateKeys") SecretBytes key, @ForAll @IntRange(max = 32) int length) {
    byte[] cut = Arrays.copyOf(NATIVE.publicKey(key).bytes(), length);
    assertThat(PublicKey.decode(cut, 0))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            rejected ->
                assertThat(rejected.rejection().reason()).isEqualTo(Rejection.Reason.TRUNCATED));
  }

  @Provide
  Arbitrary<BigInteger> scalars() {
    return CurveSamples.scalars();
  }

  @Provide
  Arbitrary<Hash32> digests() {
    return CurveSamples.digests();
  }

  @Provide
  Arbitrary<SecretBytes> privateKeys() {
    return CurveSamples.privateKeys();
  }

  private static byte[] flip(byte[] bytes, int bit) {
    byte[] flipped = bytes.clone();
    flipped[bit / 8] ^= (byte) (1 << bit % 8);
    return flipped;
  }
}
