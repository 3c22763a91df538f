package io.capsuledb.replication.replica;

import java.util.concurrent.TimeUnit;

/**
 * Whether the next commit is made on the thread that read from a link what is to be committed, or
 * handed to the thread that commits. The first saves a wake-up, which takes a lone write longer
 * than a sync of a good disk; but while it lasts that thread hears nothing from any link.
 *
 * <p>How long a commit takes is known afterwards. So one that was not quick, on whichever thread,
 * is followed by a pause of {@link #SHARE} times as long in which none is made on a link's thread:
 * of the time of these, slow commits take one part in {@code SHARE} at most, and one commit more,
 * whatever the disk does. A disk that is always quick never pauses.
 *
 * <p>{@code now} is monotonic nanoseconds. Not thread-safe.
 */
final class CommitPace {

  /** A commit that took no longer is as fast as another thread wakes, more or less. */
  static final long QUICK_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** The pause after a commit that was not quick, in units of what it took. */
  static final long SHARE = 32;

  /** A disk that stood still for long may be all right again. */
  static final long MAX_PAUSE_NANOS = TimeUnit.MINUTES.toNanos(1);

  private boolean pausing;
  private long until;

  /** Whether a commit that begins now may be made on a link's thread. */
  boolean isQuick(long now) {
    pausing = pausing && now - until < 0;
    return !pausing;
  }

  /** A commit has ended, on whichever thread. */
  void committed(long now, long tookNanos) {
    if (tookNanos <= QUICK_NANOS) {
      return;
    }
    long pause = tookNanos >= MAX_PAUSE_NANOS / SHARE ? MAX_PAUSE_NANOS : SHARE * tookNanos;
    if (isQuick(now) || now + pause - until > 0) {
      pausing = true;
      until = now + pause;
    }
  }
}
