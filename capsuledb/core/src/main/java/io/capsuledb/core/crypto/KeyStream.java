package io.capsuledb.core.crypto;

import java.security.GeneralSecurityException;
import java.util.Objects;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * The AES-256 key stream in counter mode (NIST SP 800-38A) with an initial counter of zero: many
 * pseudo-random bytes out of one random key, any sixteen of which may be shown without showing the
 * others. Thread-safe: nothing is kept.
 */
public final class KeyStream {

  /** Length in bytes of a key. */
  public static final int KEY_BYTES = 32;

  /** The unit of {@link #block}. */
  public static final int BLOCK_BYTES = 16;

  private KeyStream() {}

  /**
   * The first {@code length} bytes of the stream.
   *
   * @throws IllegalArgumentException if {@code key} has not 32 bytes
   */
  public static byte[] bytes(byte[] key, int length) {
    return stream(key, 0, length);
  }

  /**
   * Bytes [16 index, 16 index + 16) of the stream.
   *
   * @throws IllegalArgumentException if {@code key} has not 32 bytes
   */
  public static byte[] block(byte[] key, int index) {
    return stream(key, Objects.checkIndex(index, Integer.MAX_VALUE), BLOCK_BYTES);
  }

  private static byte[] stream(byte[] key, int counter, int length) {
    if (key.length != KEY_BYTES) {
      throw new IllegalArgumentException("a stream key has 32 bytes, not " + key.length);
    }
    byte[] initial = new byte[BLOCK_BYTES];
    for (int i = 0; i < Integer.BYTES; i++) {
      initial[BLOCK_BYTES - 1 - i] = (byte) (counter >>> (Byte.SIZE * i));
    }
    try {
      Cipher cipher = Cipher.getInstance("AES/CTR/NoPadding", "SunJCE");
      cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(initial));
      byte[] stream = cipher.doFinal(new byte[length]);
      if (stream.length != length) {
        throw new IllegalStateException("AES-CTR wrote " + stream.length + " of " + length);
      }
      return stream;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java platform has no AES/CTR", e);
    }
  }
}
