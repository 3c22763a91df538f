package io.capsuledb.host.bench;

/**
 * What one measurement found.
 *
 * @param operations replies that were received
 * @param seconds from the first command to the last reply
 * @param p50Micros half of the replies took no longer, in microseconds
 * @param p99Micros 99 of 100 replies took no longer, in microseconds
 * @param misses GETs that found nothing
 */
public record Sample(
    long operations, double seconds, double p50Micros, double p99Micros, long misses) {

  /** Operations a second. */
  public double rate() {
    return operations / seconds;
  }
}
