package io.capsuledb.host.attest.pki;

import io.capsuledb.host.attest.encoding.Octets;
import java.nio.ByteBuffer;
import java.security.PublicKey;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Signatures that were found good before: of one platform's quotes most signatures are the same
 * each time, and verifying is most of the work.
 *
 * <p>Invariants: only good signatures are kept, under a hash of curve, key, signature and message,
 * so that an answer from here is the answer that verifying again would give, at any time and under
 * any policy; at most {@link #CAPACITY} are kept, the least recently used go first. Thread-safe.
 */
public final class VerifiedSignatures {

  static final int CAPACITY = 1024;

  // Guarded by this.
  private final Map<Octets, Boolean> good =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Octets, Boolean> eldest) {
          return size() > CAPACITY;
        }
      };

  /** As {@link Curve#verify}. */
  public boolean verify(Curve curve, PublicKey key, Octets message, Octets signature) {
    Octets encoded = Octets.own(key.getEncoded());
    // Lengths first, so that no two different inputs are one string of bytes.
    byte[] lengths = new byte[2 * Integer.BYTES];
    ByteBuffer.wrap(lengths).putInt(encoded.length()).putInt(signature.length());
    Octets name = Digests.sha256(Octets.own(lengths), encoded, signature, message);
    synchronized (this) {
      if (good.get(name) != null) {
        return true;
      }
    }
    boolean verified = curve.verify(key, message, signature);
    if (verified) {
      synchronized (this) {
        good.put(name, true);
      }
    }
    return verified;
  }
}
