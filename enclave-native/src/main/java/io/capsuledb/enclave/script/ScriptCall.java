package io.capsuledb.enclave.script;

import org.jspecify.annotations.Nullable;

/**
 * How one call is made, beside its arguments.
 *
 * @param readOnly host functions that write fail
 * @param replay makes it repeatable, or null
 * @param cancellation stops it from another thread, or null
 */
public record ScriptCall(
    boolean readOnly, @Nullable ScriptReplay replay, @Nullable ScriptCancellation cancellation) {

  /** May write, has a clock that goes, runs to its end. */
  public static final ScriptCall PLAIN = new ScriptCall(false, null, null);

  /** The same, read-only. */
  public ScriptCall asReadOnly() {
    return new ScriptCall(true, replay, cancellation);
  }

  /** The same, repeatable. */
  public ScriptCall withReplay(ScriptReplay value) {
    return new ScriptCall(readOnly, value, cancellation);
  }

  /** The same, with a way to stop it. */
  public ScriptCall withCancellation(ScriptCancellation value) {
    return new ScriptCall(readOnly, replay, value);
  }
}
