package io.capsuledb.core.keys;

/** What keeps the entropy in a key file secret. */
public enum Protection {
  /** A passphrase that somebody knows. */
  PASSPHRASE(1),
  /**
   * Nothing: the passphrase is a well-known one. For trying things out; whoever opens such a file
   * should say so each time.
   */
  DEVELOPMENT(2);

  private final int code;

  Protection(int code) {
    this.code = code;
  }

  /** The number it has in a key file. */
  int code() {
    return code;
  }
}
