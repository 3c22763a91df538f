package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.Hash32;

/**
 * The name of a capsule: SHA-256 of its signed metadata. Whoever has the name can check the
 * metadata, and with it everything else.
 *
 * @param hash the SHA-256
 */
public record CapsuleName(Hash32 hash) {

  /** The 32 bytes, as a fresh array. */
  public byte[] toBytes() {
    return hash.toBytes();
  }

  /** Lower-case hex. */
  @Override
  public String toString() {
    return hash.toString();
  }
}
