package io.capsuledb.host.attest.simulated;

import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import java.util.function.UnaryOperator;

/**
 * Quotes of a simulated enclave: reports locally to the assertion-generating enclave, which may run
 * in another process, and has that make the quote. Thread-safe if the way there is.
 */
public final class SimulatedAttester implements Attester {

  private final SimulatedCpu cpu;
  private final Octets measurement;
  private final Octets target;
  private final UnaryOperator<Octets> quoting;

  /**
   * An attester of one simulated enclave.
   *
   * @param cpu the machine's simulated CPU
   * @param measurement of the enclave, see {@link CodeMeasurement}
   * @param targetInfo TARGETINFO of the assertion-generating enclave
   * @param quoting the way to {@link SimulatedPlatform#quote}: a report in, a quote out
   */
  public SimulatedAttester(
      SimulatedCpu cpu, Octets measurement, Octets targetInfo, UnaryOperator<Octets> quoting) {
    this.cpu = cpu;
    this.measurement = measurement;
    this.target = targetInfo.slice(0, QuoteLayout.SHA256_BYTES);
    this.quoting = quoting;
  }

  @Override
  public Evidence attest(Octets reportData) {
    if (reportData.length() != QuoteLayout.REPORT_DATA_BYTES) {
      throw new IllegalArgumentException("report data has 64 bytes");
    }
    return new Evidence(quoting.apply(cpu.report(measurement, target, reportData)), Octets.EMPTY);
  }

  @Override
  public String name() {
    return "insecure-simulated";
  }
}
