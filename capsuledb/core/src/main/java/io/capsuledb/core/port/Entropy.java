package io.capsuledb.core.port;

/** Unpredictable bytes. Implementations are thread-safe. */
public interface Entropy {

  /** Fills {@code target} with bytes fit for making keys. */
  void fill(byte[] target);
}
