package io.capsuledb.scl.procedure;

import java.util.List;

/** A compiled library. Thread-safe. */
public interface ProcedureLibrary extends AutoCloseable {

  /** What it registered, at least one, in that order. */
  List<ProcedureFunction> functions();

  /**
   * Prepares a call of one of its functions.
   *
   * @param readOnly host functions that write fail
   * @param keys the first argument, an array; not to be modified
   * @param arguments the second argument, an array; not to be modified
   */
  ProcedureCall call(String function, boolean readOnly, List<byte[]> keys, List<byte[]> arguments);

  /** Frees it; calls that are under way go on. */
  @Override
  void close();
}
