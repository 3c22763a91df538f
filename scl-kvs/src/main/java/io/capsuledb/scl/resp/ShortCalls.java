package io.capsuledb.scl.resp;

import java.util.concurrent.TimeUnit;

/**
 * How much of an event loop's time calls of procedures may take: those that are hardly longer than
 * another command all of it, and longer ones a part, however many of them arrive at once. What is
 * beyond runs on the pool.
 *
 * <p>Invariant: in any span of time, calls that took longer than {@link #FREE_NANOS} took at most
 * one {@link #SHARE}th of it, {@link #SAVED_NANOS}, and one call.
 *
 * <p>One for each loop, and of its thread.
 */
final class ShortCalls {

  /** Up to so long a call is like any other command, in nanoseconds. */
  static final long FREE_NANOS = TimeUnit.MICROSECONDS.toNanos(25);

  /** The part of the time that longer calls may have. */
  static final int SHARE = 4;

  /** How much of it can be saved for later, in nanoseconds. */
  static final long SAVED_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** Most that one call counts for: it was not allowed more, whoever else had the processor. */
  static final long MOST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  private long leftNanos = SAVED_NANOS;
  private long lookedNanos;
  private boolean looked;

  /** Whether a call may be tried on the loop, at this moment. */
  boolean allow(long nowNanos) {
    if (leftNanos < SAVED_NANOS) {
      long since = looked ? Math.max(0, nowNanos - lookedNanos) : 0;
      leftNanos = Math.min(SAVED_NANOS, leftNanos + since / SHARE);
    }
    lookedNanos = nowNanos;
    looked = true;
    return leftNanos > 0;
  }

  /** Notes that a call was tried for so long. */
  void took(long nanos) {
    if (nanos > FREE_NANOS) {
      leftNanos -= Math.min(nanos, MOST_NANOS);
    }
  }
}
