package io.capsuledb.core.system;

import io.capsuledb.core.port.Entropy;
import java.security.SecureRandom;

/** The operating system's generator. */
public final class SystemEntropy implements Entropy {

  private final SecureRandom random = new SecureRandom();

  /** A generator, seeded by the operating system. */
  public SystemEntropy() {}

  @Override
  public void fill(byte[] target) {
    random.nextBytes(target);
  }
}
