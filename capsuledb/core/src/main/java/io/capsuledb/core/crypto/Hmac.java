package io.capsuledb.core.crypto;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * HMAC (RFC 2104) over the JDK's digests. Written out because the JDK's own Mac keeps its key in an
 * object that cannot be cleared. Thread-safe.
 */
public final class Hmac {

  private static final int INNER_PAD = 0x36;
  private static final int OUTER_PAD = 0x5c;

  private Hmac() {}

  /** HMAC-SHA-256 of the joined parts: 32 bytes. */
  public static byte[] sha256(byte[] key, byte[]... parts) {
    return compute("SHA-256", 64, key, parts);
  }

  /** HMAC-SHA-512 of the joined parts: 64 bytes. */
  public static byte[] sha512(byte[] key, byte[]... parts) {
    return compute("SHA-512", 128, key, parts);
  }

  private static byte[] compute(String algorithm, int blockBytes, byte[] key, byte[][] parts) {
    MessageDigest digest = digest(algorithm);
    byte[] block = new byte[blockBytes];
    if (key.length > blockBytes) {
      byte[] shortened = digest.digest(key);
      System.arraycopy(shortened, 0, block, 0, shortened.length);
      Arrays.fill(shortened, (byte) 0);
    } else {
      System.arraycopy(key, 0, block, 0, key.length);
    }
    mask(block, INNER_PAD);
    digest.update(block);
    for (byte[] part : parts) {
      digest.update(part);
    }
    byte[] inner = digest.digest();
    mask(block, INNER_PAD ^ OUTER_PAD);
    digest.update(block);
    byte[] result = digest.digest(inner);
    Arrays.fill(block, (byte) 0);
    Arrays.fill(inner, (byte) 0);
    return result;
  }

  private static void mask(byte[] block, int pad) {
    for (int i = 0; i < block.length; i++) {
      block[i] ^= (byte) pad;
    }
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has " + algorithm, e);
    }
  }
}
