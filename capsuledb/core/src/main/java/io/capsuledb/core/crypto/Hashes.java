package io.capsuledb.core.crypto;

import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Objects;

/**
 * SHA-256 (FIPS 180-4). Thread-safe: each thread keeps one digest object and reuses it, which
 * halves the cost of hashing a record header.
 */
public final class Hashes {

  private static final ThreadLocal<MessageDigest> SHA_256 =
      ThreadLocal.withInitial(Hashes::newSha256);

  private Hashes() {}

  /** The SHA-256 of {@code data}. */
  public static Hash32 sha256(byte[] data) {
    return sha256(data, 0, data.length);
  }

  /**
   * The SHA-256 of {@code length} bytes of {@code data} from {@code offset} on.
   *
   * @throws IndexOutOfBoundsException if the range is not inside {@code data}
   */
  public static Hash32 sha256(byte[] data, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, data.length);
    MessageDigest digest = SHA_256.get();
    digest.update(data, offset, length);
    return finish(digest);
  }

  /**
   * SHA-256(tag ‖ parts...): the hash of a preimage that starts with its own domain tag. The parts
   * are joined without separators, so all but one of them need a fixed or encoded length.
   */
  public static Hash32 tagged(byte[] tag, byte[]... parts) {
    MessageDigest digest = SHA_256.get();
    digest.update(tag);
    for (byte[] part : parts) {
      digest.update(part);
    }
    return finish(digest);
  }

  /**
   * SHA-256(tag ‖ scope ‖ {@code length} bytes of {@code data} from {@code offset} on), without a
   * copy of the data.
   */
  public static Hash32 tagged(byte[] tag, Hash32 scope, byte[] data, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, data.length);
    MessageDigest digest = SHA_256.get();
    digest.update(tag);
    digest.update(scope.shared());
    digest.update(data, offset, length);
    return finish(digest);
  }

  /** SHA-256(tag ‖ hash). */
  public static Hash32 tagged(byte[] tag, Hash32 hash) {
    MessageDigest digest = SHA_256.get();
    digest.update(tag);
    digest.update(hash.shared());
    return finish(digest);
  }

  /** SHA-256(tag ‖ left ‖ right). */
  public static Hash32 tagged(byte[] tag, Hash32 left, Hash32 right) {
    MessageDigest digest = SHA_256.get();
    digest.update(tag);
    digest.update(left.shared());
    digest.update(right.shared());
    return finish(digest);
  }

  private static Hash32 finish(MessageDigest digest) {
    byte[] hash = new byte[Hash32.BYTES];
    try {
      digest.digest(hash, 0, Hash32.BYTES);
    } catch (DigestException e) {
      throw new AssertionError("a SHA-256 digest fits 32 bytes", e);
    }
    return Hash32.own(hash);
  }

  private static MessageDigest newSha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
