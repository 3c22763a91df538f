package io.capsuledb.core.port;

/** Time, as trusted code sees it. Implementations are thread-safe. */
public interface Clock {

  /** Wall-clock milliseconds since 1970. May jump, also backwards: never use it to order events. */
  long wallMs();

  /** Monotonic nanoseconds from an arbitrary origin: for durations and deadlines. */
  long monotonicNanos();

  /**
   * CPU time that the calling thread has used, in nanoseconds from an arbitrary origin of that
   * thread: what others had the processor for meanwhile does not count. Asking costs about as much
   * as a short command; where it cannot be told, {@link #monotonicNanos}.
   */
  default long threadCpuNanos() {
    return monotonicNanos();
  }
}
