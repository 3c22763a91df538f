package io.capsuledb.jepsen.check;

/**
 * One operation on one register.
 *
 * @param begin when it began, in any unit; no two of these and of the ends are equal
 * @param end when it was over; {@link Long#MAX_VALUE}: never, it may take effect at any later time
 * @param required whether it took effect for certain; if not, it may also never have
 * @param kind what it does
 * @param expected what a read returned, or what a compare-and-set found
 * @param written what a write or a compare-and-set leaves
 * @param tag names it in findings
 */
public record RegisterOperation(
    long begin, long end, boolean required, Kind kind, long expected, long written, String tag) {

  /** The value of a register that nothing was written to, or that was deleted. */
  public static final long ABSENT = Long.MIN_VALUE;

  /** What an operation does. */
  public enum Kind {
    READ,
    WRITE,
    CAS
  }

  /** Whether it may happen where the register holds {@code state}. */
  boolean fits(long state) {
    return kind == Kind.WRITE || state == expected;
  }

  /** What the register holds after it. */
  long after(long state) {
    return kind == Kind.READ ? state : written;
  }
}
