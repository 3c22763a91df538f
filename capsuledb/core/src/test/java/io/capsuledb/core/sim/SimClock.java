package io.capsuledb.core.sim;

import io.capsuledb.core.port.Clock;
import java.time.Duration;

/**
 * A clock that moves only when the test says so. Invariant: monotonic time never goes back; wall
 * time may. Thread-safe.
 */
public final class SimClock implements Clock {

  /** Where wall time starts unless told: 2026-01-01T00:00:00Z, in milliseconds since 1970. */
  public static final long START_WALL_MS = 1_767_225_600_000L;

  private static final long NANOS_PER_MS = 1_000_000;

  private long wallOriginMs;
  private final long monotonicOriginNanos;
  private long elapsedNanos;

  /** A clock at {@link #START_WALL_MS} whose monotonic origin is 1 s, so that 0 is never "now". */
  public SimClock() {
    this(START_WALL_MS, 1_000_000_000L);
  }

  public SimClock(long wallMs, long monotonicNanos) {
    this.wallOriginMs = wallMs;
    this.monotonicOriginNanos = monotonicNanos;
  }

  @Override
  public synchronized long wallMs() {
    return wallOriginMs + elapsedNanos / NANOS_PER_MS;
  }

  @Override
  public synchronized long monotonicNanos() {
    return monotonicOriginNanos + elapsedNanos;
  }

  /** Lets time pass: both clocks move on together. */
  public void advance(Duration duration) {
    advanceNanos(duration.toNanos());
  }

  /** Lets {@code ms} milliseconds pass. */
  public void advanceMs(long ms) {
    advanceNanos(Math.multiplyExact(ms, NANOS_PER_MS));
  }

  /** Lets {@code nanos} nanoseconds pass. */
  public synchronized void advanceNanos(long nanos) {
    if (nanos < 0) {
      throw new IllegalArgumentException("time does not run backwards: " + nanos + " ns");
    }
    elapsedNanos = Math.addExact(elapsedNanos, nanos);
  }

  /** Steps wall time alone by {@code deltaMs}, also backwards, as an administrator or NTP would. */
  public synchronized void jumpWallMs(long deltaMs) {
    wallOriginMs = Math.addExact(wallOriginMs, deltaMs);
  }

  /** Sets wall time alone. */
  public synchronized void setWallMs(long wallMs) {
    wallOriginMs = wallMs - elapsedNanos / NANOS_PER_MS;
  }
}
