package io.capsuledb.host.attest.pki;

import io.capsuledb.host.attest.encoding.Octets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The hashes that evidence uses. */
public final class Digests {

  private Digests() {}

  /** SHA-256 of the parts, one after the other. */
  public static Octets sha256(Octets... parts) {
    return digest("SHA-256", parts);
  }

  /** SHA-384 of the parts, one after the other. */
  public static Octets sha384(Octets... parts) {
    return digest("SHA-384", parts);
  }

  /** SHA-512 of the parts, one after the other. */
  public static Octets sha512(Octets... parts) {
    return digest("SHA-512", parts);
  }

  private static Octets digest(String algorithm, Octets... parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance(algorithm);
      for (Octets part : parts) {
        digest.update(part.buffer());
      }
      return Octets.own(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has " + algorithm, e);
    }
  }
}
