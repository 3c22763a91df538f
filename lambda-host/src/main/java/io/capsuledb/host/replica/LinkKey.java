package io.capsuledb.host.replica;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.replication.session.Identity;

/** The key of one who talks to replicas and is known to nobody: drawn anew for each process. */
public final class LinkKey implements AutoCloseable {

  private static final int PRIVATE_KEY_BYTES = 32;

  /** Nearly every draw is a private key. */
  private static final int DRAWS = 8;

  private final SecretBytes privateKey;
  private final Identity identity;

  private LinkKey(SecretBytes privateKey, Identity identity) {
    this.privateKey = privateKey;
    this.identity = identity;
  }

  /** Draws a key. */
  public static LinkKey draw(Entropy entropy) {
    for (int i = 0; i < DRAWS; i++) {
      byte[] bytes = new byte[PRIVATE_KEY_BYTES];
      entropy.fill(bytes);
      SecretBytes drawn = SecretBytes.own(bytes);
      try {
        return new LinkKey(drawn, Identity.of(drawn));
      } catch (IllegalArgumentException e) {
        drawn.close();
      }
    }
    throw new UnavailableException("the system's entropy gives no private key");
  }

  /** What links are made with. */
  public Identity identity() {
    return identity;
  }

  /** Clears the key; no link may be in use. */
  @Override
  public void close() {
    privateKey.close();
  }
}
