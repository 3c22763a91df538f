package io.capsuledb.scl.resp;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How often each command ran on one event loop. Written by that loop alone, so without locked
 * instructions; read by anybody, a moment late.
 */
final class CommandCounters {

  private final AtomicLongArray calls;
  private final AtomicLong failures = new AtomicLong();

  CommandCounters(int commands) {
    this.calls = new AtomicLongArray(commands);
  }

  /** A command ran. */
  void called(int id) {
    calls.setOpaque(id, calls.getPlain(id) + 1);
  }

  /** Adds what was counted elsewhere. */
  void add(CommandCounters other) {
    for (int i = 0; i < calls.length(); i++) {
      calls.setOpaque(i, calls.getPlain(i) + other.calls(i));
    }
    failures.setOpaque(failures.getPlain() + other.failures());
  }

  /** A command was answered with an error. */
  void failed() {
    failures.setOpaque(failures.getPlain() + 1);
  }

  long calls(int id) {
    return calls.getOpaque(id);
  }

  long failures() {
    return failures.getOpaque();
  }

  /** Starts again at zero; a call that is being counted meanwhile may survive. */
  void reset() {
    for (int i = 0; i < calls.length(); i++) {
      calls.setOpaque(i, 0);
    }
    failures.setOpaque(0);
  }
}
