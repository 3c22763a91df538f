package io.capsuledb.host.load;

/**
 * What a load did.
 *
 * @param sets writes that were acknowledged
 * @param gets reads that were answered
 * @param misses those of them that found no key
 * @param deletes deletions that were acknowledged
 * @param errors operations the server answered with an error
 * @param malformed lines that were no operation
 * @param bytes bytes of the file that were read
 * @param seconds how long it took
 */
public record LoadSummary(
    long sets,
    long gets,
    long misses,
    long deletes,
    long errors,
    long malformed,
    long bytes,
    double seconds) {

  /** Operations that were answered, errors included. */
  public long operations() {
    return sets + gets + deletes + errors;
  }

  /** Operations a second. */
  public double rate() {
    return seconds > 0 ? operations() / seconds : 0;
  }
}
