package io.capsuledb.core.crypto;

import java.util.Arrays;

/** HKDF with SHA-256 (RFC 5869): extract, then expand. Thread-safe. */
public final class Hkdf {

  /** Most bytes one call can derive. */
  public static final int MAX_LENGTH = 255 * 32;

  private static final int HASH_BYTES = 32;

  private Hkdf() {}

  /**
   * Derives {@code length} bytes from {@code inputKey}.
   *
   * @param salt not secret; empty stands for 32 zero bytes
   * @param info what the derived bytes are for; different infos give independent bytes
   * @param length from 1 to {@link #MAX_LENGTH}
   * @throws IllegalArgumentException if {@code length} is anything else
   */
  public static SecretBytes sha256(SecretBytes inputKey, byte[] salt, byte[] info, int length) {
    checkLength(length);
    try (SecretBytes pseudorandomKey = extract(inputKey, salt)) {
      return expand(pseudorandomKey, info, length);
    }
  }

  /**
   * The first half: a pseudorandom key of 32 bytes.
   *
   * @param salt not secret; empty stands for 32 zero bytes
   */
  public static SecretBytes extract(SecretBytes inputKey, byte[] salt) {
    return SecretBytes.own(Hmac.sha256(salt, inputKey.expose()));
  }

  /**
   * The second half: {@code length} bytes from a pseudorandom key.
   *
   * @param info what the derived bytes are for; different infos give independent bytes
   * @param length from 1 to {@link #MAX_LENGTH}
   * @throws IllegalArgumentException if {@code length} is anything else
   */
  public static SecretBytes expand(SecretBytes pseudorandomKey, byte[] info, int length) {
    checkLength(length);
    byte[] output = new byte[length];
    byte[] block = new byte[0];
    byte[] counter = new byte[1];
    for (int at = 0; at < length; at += HASH_BYTES) {
      counter[0]++;
      byte[] next = Hmac.sha256(pseudorandomKey.expose(), block, info, counter);
      Arrays.fill(block, (byte) 0);
      block = next;
      System.arraycopy(block, 0, output, at, Math.min(HASH_BYTES, length - at));
    }
    Arrays.fill(block, (byte) 0);
    return SecretBytes.own(output);
  }

  private static void checkLength(int length) {
    if (length < 1 || length > MAX_LENGTH) {
      throw new IllegalArgumentException(
          "HKDF-SHA-256 derives 1 to " + MAX_LENGTH + " bytes, not " + length);
    }
  }
}
