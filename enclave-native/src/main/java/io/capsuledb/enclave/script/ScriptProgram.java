package io.capsuledb.enclave.script;

import java.util.List;

/**
 * A source that is run as a whole, each time in an untouched global environment. Its result is what
 * it gave to {@code psl_return}. Thread-safe: every run has a heap of its own.
 */
public final class ScriptProgram implements AutoCloseable {

  private final HeapPool heaps;

  ScriptProgram(HeapPool heaps) {
    this.heaps = heaps;
  }

  /**
   * Runs it.
   *
   * @param arguments what the script finds in {@code args}, which is not defined if there are none
   * @throws io.capsuledb.core.error.UnavailableException if no heap came free
   */
  public ScriptOutcome run(List<ScriptValue> arguments, HostFunctions host, ScriptCall call) {
    return heaps.call(
        ScriptHeap.WHOLE_PROGRAM, CallArguments.of(arguments), heaps.limits(), host, call);
  }

  HeapPool heaps() {
    return heaps;
  }

  /** Frees its heaps; runs that are under way go on. */
  @Override
  public void close() {
    heaps.close();
  }
}
