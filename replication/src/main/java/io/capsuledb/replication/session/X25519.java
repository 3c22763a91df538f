package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.SecretBytes;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.NamedParameterSpec;
import java.security.spec.XECPrivateKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.util.Optional;
import javax.crypto.KeyAgreement;

/**
 * Diffie-Hellman on Curve25519 (RFC 7748, section 6.1) by the JDK. Keys come from bytes the caller
 * drew, so that everything above is a function of its arguments. Thread-safe.
 */
final class X25519 {

  static final int BYTES = 32;

  private static final byte[] BASE_POINT = new byte[BYTES];

  static {
    BASE_POINT[0] = 9;
  }

  private X25519() {}

  /** The public key of a private key: 32 bytes. */
  static byte[] publicKey(SecretBytes privateKey) {
    try (SecretBytes point =
        agree(privateKey, BASE_POINT)
            .orElseThrow(() -> new AssertionError("a multiple of the base point is never zero"))) {
      return point.expose().clone();
    }
  }

  /** The shared secret; empty if the peer's 32 bytes are a point of small order. */
  static Optional<SecretBytes> agree(SecretBytes privateKey, byte[] peer) {
    try {
      KeyFactory factory = KeyFactory.getInstance("X25519");
      PrivateKey own =
          factory.generatePrivate(
              new XECPrivateKeySpec(NamedParameterSpec.X25519, privateKey.expose()));
      PublicKey other =
          factory.generatePublic(new XECPublicKeySpec(NamedParameterSpec.X25519, u(peer)));
      KeyAgreement agreement = KeyAgreement.getInstance("X25519");
      agreement.init(own);
      agreement.doPhase(other, true);
      return Optional.of(SecretBytes.own(agreement.generateSecret()));
    } catch (InvalidKeyException e) {
      // RFC 7748, section 6.1: the all-zero secret of a point of small order is no secret.
      return Optional.empty();
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java platform has X25519", e);
    }
  }

  /** The coordinate: little endian, and the top bit does not count (RFC 7748, section 5). */
  private static BigInteger u(byte[] peer) {
    byte[] bigEndian = new byte[BYTES];
    for (int i = 0; i < BYTES; i++) {
      bigEndian[i] = peer[BYTES - 1 - i];
    }
    bigEndian[0] &= 0x7f;
    return new BigInteger(1, bigEndian);
  }
}
