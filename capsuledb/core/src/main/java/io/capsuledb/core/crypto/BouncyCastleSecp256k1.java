package io.capsuledb.core.crypto;

import java.math.BigInteger;
import java.util.Optional;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.signers.ECDSASigner;
import org.bouncycastle.crypto.signers.HMacDSAKCalculator;
import org.bouncycastle.math.ec.ECPoint;
import org.bouncycastle.math.ec.FixedPointCombMultiplier;

/**
 * The pure Java implementation: about four times slower than libsecp256k1, and without its
 * constant-time arithmetic. Has no state of its own, so it is thread-safe.
 */
final class BouncyCastleSecp256k1 implements Secp256k1 {

  private static final X9ECParameters CURVE = CustomNamedCurves.getByName("secp256k1");
  private static final ECDomainParameters DOMAIN = new ECDomainParameters(CURVE);
  private static final BigInteger HALF_ORDER = CURVE.getN().shiftRight(1);

  private final String reason;

  /** An implementation that says it is used because of {@code reason}. */
  BouncyCastleSecp256k1(String reason) {
    this.reason = reason;
  }

  @Override
  public byte[] sign(Hash32 digest, SecretBytes privateKey) {
    ECDSASigner signer = new ECDSASigner(new HMacDSAKCalculator(new SHA256Digest()));
    signer.init(true, new ECPrivateKeyParameters(scalar(privateKey), DOMAIN));
    BigInteger[] signature = signer.generateSignature(digest.shared());
    BigInteger s = signature[1];
    byte[] bytes = new byte[SIGNATURE_BYTES];
    write(signature[0], bytes, 0);
    write(s.compareTo(HALF_ORDER) > 0 ? CURVE.getN().subtract(s) : s, bytes, SCALAR_BYTES);
    return bytes;
  }

  @Override
  public boolean verify(Hash32 digest, byte[] signature, int signatureOffset, PublicKey key) {
    if (!CurveArguments.isSignature(signature, signatureOffset)) {
      return false;
    }
    ECDSASigner verifier = new ECDSASigner();
    verifier.init(false, new ECPublicKeyParameters(point(key), DOMAIN));
    return verifier.verifySignature(
        digest.shared(),
        new BigInteger(1, signature, signatureOffset, SCALAR_BYTES),
        new BigInteger(1, signature, signatureOffset + SCALAR_BYTES, SCALAR_BYTES));
  }

  @Override
  public PublicKey publicKey(SecretBytes privateKey) {
    return publicKey(multiplyBase(scalar(privateKey)));
  }

  @Override
  public Optional<PublicKey> tweakPublicKey(PublicKey key, SecretBytes tweak) {
    byte[] scalar = CurveArguments.tweak(tweak);
    if (!GroupOrder.isReduced(scalar)) {
      return Optional.empty();
    }
    ECPoint sum = multiplyBase(new BigInteger(1, scalar)).add(point(key));
    return sum.isInfinity() ? Optional.empty() : Optional.of(publicKey(sum));
  }

  @Override
  public String description() {
    return "Bouncy Castle (pure Java, several times slower): " + reason;
  }

  private static BigInteger scalar(SecretBytes privateKey) {
    return new BigInteger(1, CurveArguments.privateKey(privateKey));
  }

  private static ECPoint multiplyBase(BigInteger scalar) {
    return new FixedPointCombMultiplier().multiply(CURVE.getG(), scalar);
  }

  private static ECPoint point(PublicKey key) {
    return CURVE.getCurve().decodePoint(key.uncompressed());
  }

  private static PublicKey publicKey(ECPoint point) {
    return PublicKey.ofUncompressed(point.getEncoded(false));
  }

  private static void write(BigInteger value, byte[] target, int offset) {
    byte[] bytes = value.toByteArray();
    int significant = Math.min(bytes.length, SCALAR_BYTES);
    System.arraycopy(
        bytes,
        bytes.length - significant,
        target,
        offset + SCALAR_BYTES - significant,
        significant);
  }
}
