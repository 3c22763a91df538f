package io.capsuledb.host.bench.replication;

/**
 * What a load did.
 *
 * @param operations durable writes
 * @param seconds they took
 * @param p50Micros median of the time from the beginning of a write until it was known durable
 * @param p99Micros 99th percentile of it
 * @param p999Micros 99.9th percentile of it
 */
public record Sample(
    long operations, double seconds, double p50Micros, double p99Micros, double p999Micros) {

  /** Writes a second. */
  public double rate() {
    return operations / seconds;
  }
}
