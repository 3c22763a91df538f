package io.capsuledb.replication.replica;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;

/** Who a replica is: the key pair whose public half capsules name. Thread-safe until closed. */
public final class ReplicaIdentity implements AutoCloseable {

  private final Secp256k1 curve;
  private final SecretBytes privateKey;
  private final PublicKey key;

  /**
   * Takes ownership of the key.
   *
   * @throws IllegalArgumentException if it is none
   */
  public ReplicaIdentity(Secp256k1 curve, SecretBytes privateKey) {
    this.curve = curve;
    this.privateKey = privateKey;
    this.key = curve.publicKey(privateKey);
  }

  /** The public half. */
  public PublicKey key() {
    return key;
  }

  /** Signs a digest: 64 bytes. */
  public byte[] sign(Hash32 digest) {
    return curve.sign(digest, privateKey);
  }

  @Override
  public void close() {
    privateKey.close();
  }

  @Override
  public String toString() {
    return "replica " + key;
  }
}
