package io.capsuledb.host.platform;

import io.capsuledb.core.port.Clock;

/** The machine's clocks. */
public final class SystemClock implements Clock {

  /** The only one needed: it has no state. */
  public static final SystemClock INSTANCE = new SystemClock();

  private SystemClock() {}

  @Override
  public long wallMs() {
    return System.currentTimeMillis();
  }

  @Override
  public long monotonicNanos() {
    return System.nanoTime();
  }
}
