package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * How the engine keeps heaps.
 *
 * @param heapsPerSource heaps of one program or library, and so calls of it at once: 1 to 1024
 * @param loadMs CPU time in milliseconds to compile a source, and to run a library's own code: 1 to
 *     60,000
 */
public record ScriptEngineOptions(int heapsPerSource, long loadMs) {

  /**
   * Checks both.
   *
   * @throws InvalidRequestException that names the option, the value and what is allowed
   */
  public ScriptEngineOptions {
    check("heapsPerSource", heapsPerSource, 1, 1024);
    check("loadMs", loadMs, 1, 60_000);
  }

  /** Two heaps for each processor, half a second to load. */
  public static ScriptEngineOptions defaults() {
    return new ScriptEngineOptions(
        Math.clamp(2L * Runtime.getRuntime().availableProcessors(), 1, 1024), 500);
  }

  private static void check(String option, long value, long least, long most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }
}
