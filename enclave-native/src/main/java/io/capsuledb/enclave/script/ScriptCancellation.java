package io.capsuledb.enclave.script;

import org.jspecify.annotations.Nullable;

/**
 * Stops a call from another thread. One object for one call; thread-safe. A call that is inside a
 * host function is stopped when that returns.
 */
public final class ScriptCancellation {

  private boolean cancelled;
  private @Nullable ScriptHeap running;

  /** Creates one that nobody has cancelled. */
  public ScriptCancellation() {}

  /** Stops the call, or keeps it from beginning. */
  public synchronized void cancel() {
    cancelled = true;
    if (running != null) {
      running.cancel();
    }
  }

  /** Whether {@link #cancel} was called: for host functions that wait. */
  public synchronized boolean isCancelled() {
    return cancelled;
  }

  /** Says whether the call may begin; from then to {@link #end} the heap can be cancelled. */
  synchronized boolean begin(ScriptHeap heap) {
    if (!cancelled) {
      running = heap;
    }
    return !cancelled;
  }

  synchronized void end(ScriptHeap heap) {
    running = null;
    if (cancelled) {
      heap.clearCancel();
    }
  }
}
