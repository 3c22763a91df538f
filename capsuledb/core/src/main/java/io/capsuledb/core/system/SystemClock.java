package io.capsuledb.core.system;

import io.capsuledb.core.port.Clock;

/** The machine's clocks. */
public final class SystemClock implements Clock {

  /** A view of the machine's clocks. */
  public SystemClock() {}

  @Override
  public long wallMs() {
    return System.currentTimeMillis();
  }

  @Override
  public long monotonicNanos() {
    return System.nanoTime();
  }
}
