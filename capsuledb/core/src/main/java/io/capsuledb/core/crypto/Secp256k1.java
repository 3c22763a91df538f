package io.capsuledb.core.crypto;

import java.util.Optional;

/**
 * ECDSA and key arithmetic on the curve secp256k1 (SEC 2, section 2.4.1).
 *
 * <p>Two implementations agree byte for byte: libsecp256k1, and Bouncy Castle where that cannot be
 * loaded. Both are thread-safe. A private key is 32 bytes big endian, between 1 and the group's
 * order less one; anything else where a private key is asked for is the caller's mistake and an
 * {@link IllegalArgumentException}.
 */
public sealed interface Secp256k1 permits NativeSecp256k1, BouncyCastleSecp256k1 {

  /** Length in bytes of a signature: r, then s, each 32 bytes big endian. */
  int SIGNATURE_BYTES = 64;

  /** Length in bytes of a private key and of a tweak. */
  int SCALAR_BYTES = 32;

  /**
   * The fastest implementation that works here. Found out once per process; {@link #description}
   * says which it is and, if it is the slow one, why and what to do about it.
   */
  static Secp256k1 best() {
    return BestSecp256k1.INSTANCE;
  }

  /** Whether {@code scalar} is a private key: 32 bytes, neither zero nor the order or more. */
  static boolean isPrivateKey(SecretBytes scalar) {
    return GroupOrder.isPrivateKey(scalar.expose());
  }

  /**
   * Signs {@code digest}: 64 bytes, deterministic (RFC 6979 with HMAC-SHA-256) and with s in the
   * lower half, so that one digest and one key give one signature.
   */
  byte[] sign(Hash32 digest, SecretBytes privateKey);

  /**
   * Whether the 64 bytes of {@code signature} at {@code signatureOffset} are a signature of {@code
   * digest} by {@code key}. Signatures with r or s out of range, or s in the upper half, are none;
   * nor are fewer than 64 bytes.
   */
  boolean verify(Hash32 digest, byte[] signature, int signatureOffset, PublicKey key);

  /** The public key of a private key. */
  PublicKey publicKey(SecretBytes privateKey);

  /**
   * The private key {@code privateKey} + {@code tweak} modulo the group's order (BIP 32, CKDpriv).
   *
   * @param tweak 32 bytes big endian; secret, since it gives one of the two keys from the other
   * @return empty if the tweak is not below the order, or the sum is zero
   */
  default Optional<SecretBytes> tweakPrivateKey(SecretBytes privateKey, SecretBytes tweak) {
    byte[] key = CurveArguments.privateKey(privateKey);
    if (!GroupOrder.isReduced(CurveArguments.tweak(tweak))) {
      return Optional.empty();
    }
    byte[] sum = GroupOrder.add(key, tweak.expose());
    return GroupOrder.isZero(sum) ? Optional.empty() : Optional.of(SecretBytes.own(sum));
  }

  /**
   * The public key {@code key} + {@code tweak} · G (BIP 32, CKDpub): the one that belongs to the
   * private key that {@link #tweakPrivateKey} gives.
   *
   * @param tweak 32 bytes big endian
   * @return empty if the tweak is not below the order, or the sum is the point at infinity
   */
  Optional<PublicKey> tweakPublicKey(PublicKey key, SecretBytes tweak);

  /** Which implementation this is, in one line; for a fallback also why, and the remedy. */
  String description();
}
