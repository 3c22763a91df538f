package io.capsuledb.core.system;

import io.capsuledb.core.port.Clock;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/** The machine's clocks. */
public final class SystemClock implements Clock {

  /** Loaded when it is first asked: most processes never do. */
  private static final class Threads {
    private static final ThreadMXBean BEAN = ManagementFactory.getThreadMXBean();
    private static final boolean TELLS = BEAN.isCurrentThreadCpuTimeSupported();

    private Threads() {}
  }

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

  @Override
  public long threadCpuNanos() {
    long nanos = Threads.TELLS ? Threads.BEAN.getCurrentThreadCpuTime() : -1;
    return nanos < 0 ? monotonicNanos() : nanos;
  }
}
