package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.SecretBytes;

/**
 * A writer that the application vouches for and that has written nothing. Owned by whoever is to
 * write; {@link #close} clears the key unless it was taken.
 */
public final class NewWriter implements AutoCloseable {

  private final RosterEntry entry;
  private final byte[] roster;
  private final SecretBytes signingKey;
  private boolean taken;

  /**
   * A writer.
   *
   * @param entry who it is
   * @param roster the signed payload of its first record; not copied
   * @param signingKey its private key; owned by this
   */
  public NewWriter(RosterEntry entry, byte[] roster, SecretBytes signingKey) {
    this.entry = entry;
    this.roster = roster;
    this.signingKey = signingKey;
  }

  /** Who it is. */
  public RosterEntry entry() {
    return entry;
  }

  /** The payload of its first record, not a copy. */
  public byte[] roster() {
    return roster;
  }

  /** The private key, which is the caller's from here on. */
  public SecretBytes takeSigningKey() {
    if (taken) {
      throw new IllegalStateException("the key was taken");
    }
    taken = true;
    return signingKey;
  }

  /** A copy of the private key; to be closed by the caller. */
  public SecretBytes copySigningKey() {
    return SecretBytes.copyOf(signingKey.expose());
  }

  @Override
  public void close() {
    if (!taken) {
      signingKey.close();
    }
  }

  @Override
  public String toString() {
    return "NewWriter[" + entry + ", roster of " + roster.length + " bytes]";
  }
}
