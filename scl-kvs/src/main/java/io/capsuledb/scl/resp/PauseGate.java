package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Clock;
import java.util.concurrent.TimeUnit;

/**
 * CLIENT PAUSE: for a while no connection executes writes, or no commands on keys at all. Other
 * commands go on, so that CLIENT UNPAUSE can be sent.
 *
 * <p>Thread-safe.
 */
final class PauseGate {

  enum Mode {
    NONE,
    WRITE,
    ALL
  }

  /** Longest pause. */
  static final long MAX_PAUSE_MS = TimeUnit.HOURS.toMillis(1);

  private final Clock clock;
  private volatile Mode mode = Mode.NONE;
  private volatile long untilNanos;

  PauseGate(Clock clock) {
    this.clock = clock;
  }

  /** Pauses; of two pauses the stricter mode and the later end count. */
  synchronized void pause(Mode wanted, long durationMs) {
    long until = clock.monotonicNanos() + TimeUnit.MILLISECONDS.toNanos(durationMs);
    boolean active = active() != Mode.NONE;
    if (!active || until - untilNanos > 0) {
      untilNanos = until;
    }
    if (!active || wanted == Mode.ALL) {
      mode = wanted;
    }
  }

  synchronized void unpause() {
    mode = Mode.NONE;
  }

  /** What is paused now. */
  Mode active() {
    Mode now = mode;
    return now != Mode.NONE && untilNanos - clock.monotonicNanos() > 0 ? now : Mode.NONE;
  }

  /** Milliseconds until the pause ends by itself, at least 1. */
  long remainingMs() {
    return Math.max(1, TimeUnit.NANOSECONDS.toMillis(untilNanos - clock.monotonicNanos()) + 1);
  }

  /** Whether a command has to wait. */
  boolean holds(CommandTable.Command command, MultiState multi) {
    if (mode == Mode.NONE) {
      return false;
    }
    Mode now = active();
    if (command.exec()) {
      return multi.queued().stream().anyMatch(queued -> holds(now, queued.command()));
    }
    return holds(now, command);
  }

  private static boolean holds(Mode now, CommandTable.Command command) {
    return switch (now) {
      case NONE -> false;
      case WRITE -> command.writes();
      case ALL -> command.writes() || command.reads();
    };
  }
}
