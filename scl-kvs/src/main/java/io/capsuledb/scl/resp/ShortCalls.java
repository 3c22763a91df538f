package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Clock;
import java.util.concurrent.TimeUnit;

/**
 * How much of an event loop's time calls of procedures may take: those that are hardly longer than
 * another command all of it, and longer ones a part, however many of them arrive at once. What is
 * beyond runs on the pool.
 *
 * <p>CPU time is what counts: a call that lost the processor to somebody else in its midst was not
 * long. Asking for it costs as much as a short call, so it is asked for only when a call looked
 * long, and before that now and then: what the loop did between, {@link #KNOWN_NANOS} at most, then
 * counts for the call as well.
 *
 * <p>Invariant: in any span of time, calls that used more CPU time than {@link #FREE_NANOS} used at
 * most one {@link #SHARE}th of it, {@link #SAVED_NANOS}, and one call.
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

  /** Most that one call counts for: it was not allowed more. */
  static final long MOST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** For so long it is enough to have known the thread's CPU time, in nanoseconds. */
  static final long KNOWN_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

  private final Clock clock;
  private long leftNanos = SAVED_NANOS;
  private long lookedNanos;
  private long cpuNanos;
  private long cpuKnownNanos;
  private boolean looked;

  ShortCalls(Clock clock) {
    this.clock = clock;
  }

  /** Whether a call may be tried on the loop, at this moment of the monotonic clock. */
  boolean allow(long nowNanos) {
    if (leftNanos < SAVED_NANOS) {
      long since = looked ? Math.max(0, nowNanos - lookedNanos) : 0;
      leftNanos = Math.min(SAVED_NANOS, leftNanos + since / SHARE);
    }
    lookedNanos = nowNanos;
    if (leftNanos <= 0) {
      looked = true;
      return false;
    }
    if (!looked || nowNanos - cpuKnownNanos > KNOWN_NANOS) {
      cpuNanos = clock.threadCpuNanos();
      cpuKnownNanos = nowNanos;
    }
    looked = true;
    return true;
  }

  /** Notes that a call that was allowed took so long, by the monotonic clock. */
  void took(long nanos) {
    if (nanos <= FREE_NANOS) {
      return;
    }
    long cpu = clock.threadCpuNanos();
    long used = Math.min(nanos, cpu - cpuNanos);
    cpuNanos = cpu;
    cpuKnownNanos = lookedNanos + nanos;
    if (used > FREE_NANOS) {
      leftNanos -= Math.min(used, MOST_NANOS);
    }
  }
}
