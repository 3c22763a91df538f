package io.capsuledb.core.port;

/** Time, as trusted code sees it. Implementations are thread-safe. */
public interface Clock {

  /** Wall-clock milliseconds since 1970. May jump, also backwards: never use it to order events. */
  long wallMs();

  /** Monotonic nanoseconds from an arbitrary origin: for durations and deadlines. */
  long monotonicNanos();
}
