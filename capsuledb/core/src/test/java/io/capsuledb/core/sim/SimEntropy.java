package io.capsuledb.core.sim;

import io.capsuledb.core.port.Entropy;
import java.util.SplittableRandom;

/**
 * Entropy that a seed determines: the same seed and the same sequence of calls give the same bytes.
 * For tests only. Thread-safe; with several threads the order of their calls decides who gets what.
 */
public final class SimEntropy implements Entropy {

  private final SplittableRandom random;

  public SimEntropy(long seed) {
    random = new SplittableRandom(seed);
  }

  @Override
  public synchronized void fill(byte[] target) {
    random.nextBytes(target);
  }

  /** An independent stream, itself determined by the seed and the calls so far. */
  public synchronized SimEntropy fork() {
    return new SimEntropy(random.nextLong());
  }
}
