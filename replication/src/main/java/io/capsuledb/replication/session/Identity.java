package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;

/**
 * Who this side is: a secp256k1 key pair. Thread-safe. The private key stays the caller's, to be
 * cleared after the last session.
 */
public final class Identity {

  private final SecretBytes privateKey;
  private final PublicKey key;

  private Identity(SecretBytes privateKey) {
    this.privateKey = privateKey;
    key = Secp256k1.best().publicKey(privateKey);
  }

  /**
   * The identity of a private key.
   *
   * @throws IllegalArgumentException if it is none
   */
  public static Identity of(SecretBytes privateKey) {
    return new Identity(privateKey);
  }

  /** The public half. */
  public PublicKey key() {
    return key;
  }

  byte[] sign(Hash32 digest) {
    return Secp256k1.best().sign(digest, privateKey);
  }
}
