package io.capsuledb.engine.lsm;

import io.capsuledb.core.port.Clock;
import java.util.concurrent.atomic.LongAdder;

/**
 * Whether clients keep the tree busy at the moment, so that work that can wait does.
 *
 * <p>Operations are counted, and looked at once in a window of time: more than {@link
 * #BUSY_PER_SECOND} in the last whole window is busy. That is far below what a machine can do, and
 * far above what an idle server's probes ask for. Agents look at it several times a second.
 *
 * <p>Thread-safe; counting costs a few nanoseconds and contends with nobody.
 */
final class ForegroundLoad {

  static final long BUSY_PER_SECOND = 2_000;

  private static final long WINDOW_NANOS = 100_000_000L;

  /** A tree that was not busy for so long is quiet. */
  private static final long QUIET_NANOS = 10_000_000_000L;

  private static final long NANOS_PER_SECOND = 1_000_000_000L;

  private final Clock clock;
  private final LongAdder operations = new LongAdder();

  // Guarded by this:
  private long windowBegan;
  private long operationsBefore;
  private boolean busy;
  private boolean everBusy;
  private long lastBusy;

  ForegroundLoad(Clock clock) {
    this.clock = clock;
    this.windowBegan = clock.monotonicNanos();
  }

  /** A client read or wrote a key. */
  void operation() {
    operations.increment();
  }

  /** Whether the last whole window was busy. */
  synchronized boolean isBusy() {
    long now = clock.monotonicNanos();
    long elapsed = now - windowBegan;
    if (elapsed >= WINDOW_NANOS) {
      long total = operations.sum();
      busy = total - operationsBefore > (double) BUSY_PER_SECOND * elapsed / NANOS_PER_SECOND;
      operationsBefore = total;
      windowBegan = now;
      if (busy) {
        everBusy = true;
        lastBusy = now;
      }
    }
    return busy;
  }

  /** Whether no window was busy for a while: whatever is done now, nobody is likely to notice. */
  synchronized boolean isQuiet() {
    return !isBusy() && (!everBusy || clock.monotonicNanos() - lastBusy >= QUIET_NANOS);
  }
}
