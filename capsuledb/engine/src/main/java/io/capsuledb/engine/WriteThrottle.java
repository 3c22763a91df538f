package io.capsuledb.engine;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.engine.lsm.Tree;
import java.util.function.BooleanSupplier;

/**
 * Slows writers down as flush and compaction fall behind, smoothly, so that they rarely have to
 * stop.
 *
 * <p>Under pressure p between 0 and 1, each byte written costs the writers time: as if they shared
 * a pipe of {@link #FREE_BYTES_PER_SECOND} × (1 − p)², and never less than {@link
 * #LEAST_BYTES_PER_SECOND}. At p = 1, or when there is no memtable to write to, they wait.
 */
final class WriteThrottle {

  private static final double FREE_BYTES_PER_SECOND = 256 << 20;
  private static final double LEAST_BYTES_PER_SECOND = 1 << 20;
  private static final double NANOS_PER_SECOND = 1e9;

  /** Shorter delays add up until they are worth a wait: no thread sleeps more precisely. */
  private static final long MIN_DELAY_NANOS = 4_000_000L;

  /** Longest delay at once. */
  private static final long MAX_DELAY_NANOS = 250_000_000L;

  /** A writer that waited so long for room is told to come back later. */
  private static final long MAX_WAIT_NANOS = 60_000_000_000L;

  private final Tree tree;
  private final Clock clock;
  private final Telemetry telemetry;
  private final BooleanSupplier failed;

  /** Before this moment nobody begins. Set under the engine's lock. */
  private volatile long openAtNanos;

  WriteThrottle(Tree tree, Clock clock, Telemetry telemetry, BooleanSupplier failed) {
    this.tree = tree;
    this.clock = clock;
    this.telemetry = telemetry;
    this.failed = failed;
    this.openAtNanos = clock.monotonicNanos();
  }

  /** Waits until a transaction that writes may begin. Not under the engine's lock. */
  void await() {
    double pressure = tree.pressure();
    if (pressure <= 0 && tree.hasRoom()) {
      return;
    }
    long begin = clock.monotonicNanos();
    Scheduler.Gate gate = tree.room();
    long delayNanos = Math.min(openAtNanos - begin, MAX_DELAY_NANOS);
    if (delayNanos < MIN_DELAY_NANOS && tree.hasRoom()) {
      return;
    }
    if (delayNanos > 0) {
      gate.await(
          () ->
              tree.pressure() <= 0
                  || clock.monotonicNanos() - openAtNanos >= 0
                  || failed.getAsBoolean(),
          delayNanos);
    }
    boolean room = gate.await(() -> tree.hasRoom() || failed.getAsBoolean(), MAX_WAIT_NANOS);
    telemetry.observe(
        Telemetry.Distribution.WRITE_DELAY_SECONDS,
        (clock.monotonicNanos() - begin) / NANOS_PER_SECOND);
    if (!room) {
      throw new UnavailableException(
          "flush and compaction are too far behind to take more writes; repeat later");
    }
  }

  /** Bytes were written. Under the engine's lock. */
  void written(long bytes) {
    double pressure = tree.pressure();
    if (pressure > 0) {
      double free = 1 - pressure;
      double rate = Math.max(LEAST_BYTES_PER_SECOND, FREE_BYTES_PER_SECOND * free * free);
      long now = clock.monotonicNanos();
      openAtNanos = Math.max(openAtNanos - now, 0) + now + (long) (bytes / rate * NANOS_PER_SECOND);
    }
  }
}
