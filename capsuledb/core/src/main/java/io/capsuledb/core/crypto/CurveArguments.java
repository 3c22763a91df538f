package io.capsuledb.core.crypto;

/** What both curve implementations ask of their arguments. */
final class CurveArguments {

  private CurveArguments() {}

  /** The exposed bytes of a valid private key. */
  static byte[] privateKey(SecretBytes key) {
    byte[] bytes = key.expose();
    if (!GroupOrder.isPrivateKey(bytes)) {
      throw new IllegalArgumentException(
          "a secp256k1 private key is 32 bytes, not zero and below the group's order");
    }
    return bytes;
  }

  /** The exposed bytes of a tweak of the right length. */
  static byte[] tweak(SecretBytes tweak) {
    byte[] bytes = tweak.expose();
    if (bytes.length != Secp256k1.SCALAR_BYTES) {
      throw new IllegalArgumentException("a tweak has 32 bytes, not " + bytes.length);
    }
    return bytes;
  }

  /** Whether there is, at {@code offset}, a signature whose r and s are in range and low. */
  static boolean isSignature(byte[] bytes, int offset) {
    return offset >= 0
        && offset <= bytes.length - Secp256k1.SIGNATURE_BYTES
        && GroupOrder.isLowSignature(bytes, offset);
  }
}
