package io.capsuledb.host.attest.pki;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import java.math.BigInteger;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECFieldFp;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EllipticCurve;

/** The curves of attestation keys, with ECDSA over raw signatures and raw points. */
public final class Curve {

  /** NIST P-256, with SHA-256. */
  public static final Curve P256 = new Curve("secp256r1", "SHA256withECDSAinP1363Format", 32);

  /** NIST P-384, with SHA-384. */
  public static final Curve P384 = new Curve("secp384r1", "SHA384withECDSAinP1363Format", 48);

  private final ECParameterSpec parameters;
  private final String algorithm;
  private final int bytes;

  private Curve(String name, String algorithm, int bytes) {
    try {
      AlgorithmParameters standard = AlgorithmParameters.getInstance("EC");
      standard.init(new ECGenParameterSpec(name));
      this.parameters = standard.getParameterSpec(ECParameterSpec.class);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has " + name, e);
    }
    this.algorithm = algorithm;
    this.bytes = bytes;
  }

  /**
   * The public key of the point {@code x || y}, big-endian.
   *
   * @throws io.capsuledb.core.error.IntegrityException if that is no point of the curve
   */
  public PublicKey publicKey(Octets point) {
    if (point.length() != 2 * bytes) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "a point has " + point.length() + " bytes");
    }
    ECPoint affine =
        new ECPoint(
            new BigInteger(1, point.slice(0, bytes).toArray()),
            new BigInteger(1, point.slice(bytes, bytes).toArray()));
    require(affine);
    try {
      return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(affine, parameters));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has EC keys", e);
    }
  }

  /**
   * {@code key} as a key of this curve.
   *
   * @throws io.capsuledb.core.error.IntegrityException if it is another kind of key, or off the
   *     curve
   */
  public ECPublicKey require(PublicKey key) {
    if (!(key instanceof ECPublicKey ec) || !isThis(ec.getParams())) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the key is not on " + this);
    }
    require(ec.getW());
    return ec;
  }

  private boolean isThis(ECParameterSpec other) {
    return other.getCurve().equals(parameters.getCurve())
        && other.getGenerator().equals(parameters.getGenerator())
        && other.getOrder().equals(parameters.getOrder())
        && other.getCofactor() == parameters.getCofactor();
  }

  private void require(ECPoint point) {
    EllipticCurve curve = parameters.getCurve();
    BigInteger p = ((ECFieldFp) curve.getField()).getP();
    BigInteger x = point.getAffineX();
    BigInteger y = point.getAffineY();
    boolean on =
        !point.equals(ECPoint.POINT_INFINITY)
            && x.compareTo(p) < 0
            && y.compareTo(p) < 0
            && y.multiply(y)
                    .subtract(x.multiply(x).add(curve.getA()).multiply(x).add(curve.getB()))
                    .mod(p)
                    .signum()
                == 0;
    if (!on) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "the point is not on " + this);
    }
  }

  /**
   * Whether {@code signature}, which is {@code r || s} in big-endian, is of {@code key} over {@code
   * message}. Values of r and s outside 1 to n-1 are no signatures (CVE-2022-21449).
   */
  public boolean verify(PublicKey key, Octets message, Octets signature) {
    if (signature.length() != 2 * bytes
        || !isScalar(signature.slice(0, bytes))
        || !isScalar(signature.slice(bytes, bytes))) {
      return false;
    }
    try {
      Signature verifier = Signature.getInstance(algorithm);
      verifier.initVerify(key);
      verifier.update(message.buffer());
      return verifier.verify(signature.toArray());
    } catch (GeneralSecurityException _) {
      // What cannot be verified is not signed.
      return false;
    }
  }

  private boolean isScalar(Octets value) {
    BigInteger number = new BigInteger(1, value.toArray());
    return number.signum() > 0 && number.compareTo(parameters.getOrder()) < 0;
  }

  @Override
  public String toString() {
    return "P-" + 8 * bytes;
  }
}
