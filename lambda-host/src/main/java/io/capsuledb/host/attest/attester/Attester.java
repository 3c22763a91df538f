package io.capsuledb.host.attest.attester;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.attest.encoding.Octets;

/**
 * Makes evidence: a port to what the hardware, or its simulation, offers. Implementations are
 * thread-safe.
 */
public interface Attester {

  /**
   * Evidence about whoever calls, bound to {@code reportData}.
   *
   * @param reportData 64 bytes
   * @throws UnavailableException if the machine makes none now
   */
  Evidence attest(Octets reportData);

  /** What it is, for logs and for people; simulated ones say {@code insecure-simulated}. */
  String name();

  /**
   * Evidence.
   *
   * @param bytes a quote or a report
   * @param auxiliary certificates that came with it; empty if none
   */
  record Evidence(Octets bytes, Octets auxiliary) {}
}
