package io.capsuledb.engine.lsm;

import io.capsuledb.core.port.Clock;
import java.util.TreeMap;

/**
 * How far back reads are answered: a window of wall-clock time, and every snapshot that somebody
 * holds. What was replaced before the <i>floor</i> that follows from both may be dropped. Thread-
 * safe.
 */
final class Retention {

  private final Clock clock;
  private final long windowMs;
  private final Moments moments;
  private final TreeMap<Long, Integer> pins = new TreeMap<>();

  /** The largest floor that something was dropped by. */
  private long floorTime;

  Retention(Clock clock, long windowMs, Manifest recovered) {
    this.clock = clock;
    this.windowMs = windowMs;
    this.moments = new Moments(windowMs, recovered.moments());
    this.floorTime = recovered.floorTime();
  }

  synchronized void note(long lamport) {
    if (windowMs > 0) {
      moments.note(lamport, clock.wallMs());
    }
  }

  /**
   * Holds what reads as of a Lamport time need, until {@link #unpin}.
   *
   * @return whether it could: not if it is below the floor already
   */
  synchronized boolean pin(long time) {
    if (time < floorTime) {
      return false;
    }
    pins.merge(time, 1, Integer::sum);
    return true;
  }

  synchronized void unpin(long time) {
    pins.compute(time, (t, count) -> count == null || count == 1 ? null : count - 1);
  }

  /**
   * Raises the floor as far as window and snapshots allow, for somebody about to drop.
   *
   * @param coveredTime not above this
   */
  synchronized long raiseFloor(long coveredTime) {
    long floor = windowMs == 0 ? coveredTime : moments.floor(clock.wallMs());
    floor = Math.min(floor, coveredTime);
    if (!pins.isEmpty()) {
      floor = Math.min(floor, pins.firstKey());
    }
    floorTime = Math.max(floorTime, floor);
    return floorTime;
  }

  synchronized long floorTime() {
    return floorTime;
  }

  /** The moments not later than a Lamport time. */
  synchronized java.util.List<Manifest.Moment> momentsUpTo(long time) {
    return moments.list().stream().filter(moment -> moment.lamport() <= time).toList();
  }
}
