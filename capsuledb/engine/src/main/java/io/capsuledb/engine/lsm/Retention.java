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

  /** Lamport times that snapshots read as of, and how many do. */
  private final TreeMap<Long, Integer> pins = new TreeMap<>();

  /** The wall clock by which snapshots judge expiry, and how many do. */
  private final TreeMap<Long, Integer> clocks = new TreeMap<>();

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
   * @param nowMs the wall clock by which they judge what has expired
   * @return whether it could: not if the time is below the floor already
   */
  synchronized boolean pin(long time, long nowMs) {
    if (time < floorTime) {
      return false;
    }
    pins.merge(time, 1, Integer::sum);
    clocks.merge(nowMs, 1, Integer::sum);
    return true;
  }

  synchronized void unpin(long time, long nowMs) {
    pins.compute(time, (t, count) -> count == null || count == 1 ? null : count - 1);
    clocks.compute(nowMs, (t, count) -> count == null || count == 1 ? null : count - 1);
  }

  /** What had expired by this wall clock is absent to every reader there is or will be. */
  synchronized long expiredByMs() {
    long nowMs = clock.wallMs();
    return clocks.isEmpty() ? nowMs : Math.min(nowMs, clocks.firstKey());
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

  /** Takes over a floor that another compactor has dropped by, whatever is pinned here. */
  synchronized void adopt(long floor) {
    floorTime = Math.max(floorTime, floor);
  }

  synchronized long floorTime() {
    return floorTime;
  }

  /** The moments not later than a Lamport time. */
  synchronized java.util.List<Manifest.Moment> momentsUpTo(long time) {
    return moments.list().stream().filter(moment -> moment.lamport() <= time).toList();
  }
}
