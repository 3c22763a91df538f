package io.capsuledb.host.launch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import javax.crypto.KEM;
import javax.crypto.SecretKey;

/**
 * Results, sealed to a client: DHKEM with X25519 (RFC 9180, 4.1), HKDF-SHA-256, AES-256-GCM.
 *
 * <p>A box is the 32 bytes of the encapsulation and the ciphertext. The key is HKDF-SHA-256 of the
 * shared secret, with {@code "capsuledb/v1/launch/result-key"} and the context as info, and seals
 * this one message: its nonce is zero. The context, which is associated data too, is capsule, job,
 * share (4 bytes, little endian) and whether the result is good (1 byte).
 */
public final class ResultBox {

  private static final String CURVE = "X25519";
  private static final int ENCAPSULATION_BYTES = 32;
  private static final int SECRET_BYTES = 32;
  private static final byte[] KEY_TAG =
      "capsuledb/v1/launch/result-key".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] SIGNATURE_TAG =
      "capsuledb/v1/launch/result".getBytes(StandardCharsets.US_ASCII);

  private ResultBox() {}

  /** Which result: what keeps one from being shown as another. */
  public record Context(CapsuleName capsule, Octets job, int share, boolean good) {

    private byte[] bytes() {
      byte[] tail = new byte[Integer.BYTES + 1];
      LittleEndian.putInt(tail, 0, share);
      tail[Integer.BYTES] = (byte) (good ? 1 : 0);
      return Octets.own(capsule.toBytes()).then(job).then(Octets.own(tail)).toArray();
    }
  }

  /** A new key pair. */
  public static KeyPair newKey() {
    try {
      return KeyPairGenerator.getInstance(CURVE).generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has X25519", e);
    }
  }

  /** A public key from its SubjectPublicKeyInfo. */
  public static Decoded<PublicKey> publicKey(Octets encoded) {
    try {
      return Decoded.accept(
          KeyFactory.getInstance(CURVE)
              .generatePublic(new X509EncodedKeySpec(encoded.toArray(), CURVE)));
    } catch (GeneralSecurityException e) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "no key of X25519: " + e.getMessage());
    }
  }

  /** A private key from its PKCS #8. */
  public static Decoded<PrivateKey> privateKey(SecretBytes encoded) {
    try {
      return Decoded.accept(
          KeyFactory.getInstance(CURVE)
              .generatePrivate(new PKCS8EncodedKeySpec(encoded.expose(), CURVE)));
    } catch (GeneralSecurityException e) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "no key of X25519: " + e.getMessage());
    }
  }

  /** Seals a result. */
  public static Octets seal(PublicKey to, Context context, SecretBytes plain) {
    try {
      KEM.Encapsulated made =
          KEM.getInstance("DHKEM").newEncapsulator(to).encapsulate(0, SECRET_BYTES, "Generic");
      try (SecretBytes key = key(made.key(), context)) {
        return Octets.own(made.encapsulation())
            .then(Boxes.seal(key, Octets.own(context.bytes()), plain));
      }
    } catch (InvalidKeyException e) {
      throw Octets.malformed(Reason.FIELD_OUT_OF_RANGE, "no key of X25519: " + e.getMessage());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has DHKEM", e);
    }
  }

  /** Opens a box; DECRYPTION if it was not sealed to this key in this context. Takes any bytes. */
  public static Decoded<SecretBytes> open(PrivateKey own, Context context, Octets box) {
    if (box.length() < ENCAPSULATION_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "a result of " + box.length() + " bytes");
    }
    try {
      SecretKey shared =
          KEM.getInstance("DHKEM")
              .newDecapsulator(own)
              .decapsulate(box.slice(0, ENCAPSULATION_BYTES).toArray(), 0, SECRET_BYTES, "Generic");
      try (SecretBytes key = key(shared, context)) {
        return Boxes.open(key, Octets.own(context.bytes()), box.from(ENCAPSULATION_BYTES));
      }
    } catch (GeneralSecurityException e) {
      return Decoded.reject(Reason.DECRYPTION, "a result that is not for this key");
    }
  }

  private static SecretBytes key(SecretKey shared, Context context) {
    try (SecretBytes input = SecretBytes.own(shared.getEncoded())) {
      byte[] info = Octets.copyOf(KEY_TAG).then(Octets.own(context.bytes())).toArray();
      return Hkdf.sha256(input, new byte[0], info, SECRET_BYTES);
    }
  }

  /** What a worker signs. */
  public static Hash32 digest(Context context, Octets box) {
    return Hashes.tagged(SIGNATURE_TAG, context.bytes(), box.toArray());
  }
}
