package io.capsuledb.host.launch;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import java.util.Arrays;

/** AES-256-GCM with keys that each seal one message, so that the nonce is always zero. */
final class Boxes {

  private Boxes() {}

  static Octets seal(SecretBytes key, Octets associated, SecretBytes plain) {
    byte[] aad = associated.toArray();
    byte[] clear = plain.expose();
    byte[] sealed = new byte[clear.length + Aead.TAG_BYTES];
    try (Aead aead = Aead.aes256GcmByJdk(key)) {
      aead.seal(new byte[Aead.NONCE_BYTES], aad, 0, aad.length, clear, 0, clear.length, sealed, 0);
    }
    return Octets.own(sealed);
  }

  static Decoded<SecretBytes> open(SecretBytes key, Octets associated, Octets sealed) {
    if (sealed.length() < Aead.TAG_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "a box of " + sealed.length() + " bytes");
    }
    byte[] aad = associated.toArray();
    byte[] box = sealed.toArray();
    byte[] clear = new byte[box.length - Aead.TAG_BYTES];
    int length;
    try (Aead aead = Aead.aes256GcmByJdk(key)) {
      length =
          aead.open(new byte[Aead.NONCE_BYTES], aad, 0, aad.length, box, 0, box.length, clear, 0);
    }
    if (length < 0) {
      Arrays.fill(clear, (byte) 0);
      return Decoded.reject(Reason.DECRYPTION, "it was sealed with another key, or altered");
    }
    return Decoded.accept(SecretBytes.own(clear));
  }
}
