package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.host.attest.encoding.Octets;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/** AES-128-CMAC (RFC 4493), which SGX protects its reports with. */
final class AesCmac {

  static final int BYTES = 16;

  private static final int REDUCTION = 0x87;

  private AesCmac() {}

  static Octets mac(SecretBytes key, Octets message) {
    try {
      // One block at a time, chained below: the mode is CMAC's own.
      Cipher aes = Cipher.getInstance("AES/ECB/NoPadding");
      aes.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key.expose(), "AES"));
      byte[] subkey = doubled(aes.doFinal(new byte[BYTES]));
      byte[] bytes = message.toArray();
      int blocks = Math.max(1, (bytes.length + BYTES - 1) / BYTES);
      byte[] last = Arrays.copyOfRange(bytes, (blocks - 1) * BYTES, blocks * BYTES);
      if (bytes.length != blocks * BYTES) {
        last[bytes.length - (blocks - 1) * BYTES] = (byte) 0x80;
        subkey = doubled(subkey);
      }
      byte[] state = new byte[BYTES];
      for (int i = 0; i < blocks - 1; i++) {
        state = aes.doFinal(xor(state, Arrays.copyOfRange(bytes, i * BYTES, (i + 1) * BYTES)));
      }
      return Octets.own(aes.doFinal(xor(xor(state, last), subkey)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has AES", e);
    }
  }

  /** The double of {@code block} in the field of RFC 4493, 2.3. */
  private static byte[] doubled(byte[] block) {
    byte[] result = new byte[BYTES];
    int carry = 0;
    for (int i = BYTES - 1; i >= 0; i--) {
      int value = (block[i] & 0xFF) << 1 | carry;
      result[i] = (byte) value;
      carry = value >>> 8;
    }
    result[BYTES - 1] ^= (byte) (carry * REDUCTION);
    return result;
  }

  private static byte[] xor(byte[] a, byte[] b) {
    byte[] result = new byte[BYTES];
    for (int i = 0; i < BYTES; i++) {
      result[i] = (byte) (a[i] ^ b[i]);
    }
    return result;
  }
}
