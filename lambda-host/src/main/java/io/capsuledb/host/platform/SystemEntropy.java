package io.capsuledb.host.platform;

import io.capsuledb.core.port.Entropy;
import java.security.SecureRandom;

/** The operating system's random generator, by way of the JDK. */
public final class SystemEntropy implements Entropy {

  private final SecureRandom random = new SecureRandom();

  @Override
  public void fill(byte[] target) {
    random.nextBytes(target);
  }
}
