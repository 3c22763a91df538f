package io.capsuledb.scl.procedure;

/** A call of a function, which may be run again and again, one after the other. */
public interface ProcedureCall {

  /**
   * Runs it, within the function's limits.
   *
   * @throws io.capsuledb.core.error.UnavailableException if the library was closed meanwhile
   */
  ProcedureOutcome run(ProcedureHost host);

  /** Stops it, and keeps it from being run again. From any thread. */
  void cancel();
}
