package io.capsuledb.core.seal;

import io.capsuledb.core.crypto.Hash32;

/**
 * The newest record of a chain that somebody holds, all before it included.
 *
 * @param sequence 0 if none is held
 * @param hash the record's hash; zero at sequence 0
 */
public record ChainHead(long sequence, Hash32 hash) {

  /** Of a chain nothing is held of. */
  public static final ChainHead NONE = new ChainHead(0, Hash32.ZERO);

  /** Checks the fields. */
  public ChainHead {
    if (sequence < 0 || (sequence == 0) != hash.isZero()) {
      throw new IllegalArgumentException("no head: sequence " + sequence + ", hash " + hash);
    }
  }
}
