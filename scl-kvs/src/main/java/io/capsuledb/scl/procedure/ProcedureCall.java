package io.capsuledb.scl.procedure;

import org.jspecify.annotations.Nullable;

/** A call of a function, which may be run again and again, one after the other. */
public interface ProcedureCall {

  /**
   * Runs it, within the function's limits.
   *
   * @throws io.capsuledb.core.error.UnavailableException if the library was closed meanwhile
   */
  ProcedureOutcome run(ProcedureHost host);

  /**
   * Runs it if that is certain to be short, on a thread that must not be kept waiting: a
   * millisecond or so.
   *
   * @return null if it was given up, or not begun: then everything it did to the host is to be
   *     forgotten, and {@link #run} begins anew
   */
  default @Nullable ProcedureOutcome tryRun(ProcedureHost host) {
    return null;
  }

  /** Stops it, and keeps it from being run again. From any thread. */
  void cancel();
}
