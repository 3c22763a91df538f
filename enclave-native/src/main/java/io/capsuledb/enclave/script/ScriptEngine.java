package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import org.jspecify.annotations.Nullable;

/**
 * Runs JavaScript (ES5.1, and what Duktape 2.7 has beyond) inside native heaps with hard limits.
 * Thread-safe. Calls run on the calling thread, which needs 512 KiB of stack; a virtual thread is
 * pinned meanwhile.
 */
public final class ScriptEngine {

  private final ScriptEngineOptions options;
  private final Clock clock;
  private final Entropy entropy;

  private ScriptEngine(ScriptEngineOptions options, Clock clock, Entropy entropy) {
    this.options = options;
    this.clock = clock;
    this.entropy = entropy;
  }

  /** Why there is no engine in this process, as a sentence for people; null if there is one. */
  public static @Nullable String unavailable() {
    String failure = EngineLoader.failure();
    return failure == null ? null : "procedures are off: " + failure;
  }

  /**
   * The engine.
   *
   * @param clock what scripts see of time
   * @param entropy where their random numbers come from
   * @throws UnavailableException with {@link #unavailable}
   */
  public static ScriptEngine open(ScriptEngineOptions options, Clock clock, Entropy entropy) {
    String reason = unavailable();
    if (reason != null) {
      throw new UnavailableException(reason);
    }
    return new ScriptEngine(options, clock, entropy);
  }

  /**
   * Compiles a program.
   *
   * @param limits of each run
   */
  public Loaded<ScriptProgram> compile(ScriptSource source, ScriptLimits limits) {
    HeapPool heaps = new HeapPool(source, ScriptHeap.PROGRAM, limits, options, clock, entropy);
    return switch (heaps.first()) {
      case ScriptOutcome.Ok _ -> new Loaded.Ready<>(new ScriptProgram(heaps));
      case ScriptOutcome failed -> new Loaded.Failed<>(failed);
    };
  }

  /**
   * Compiles a library and runs it once, so that it registers its functions with {@code
   * register_function(name, function, {flags, timeoutMs, heapBytes, description})}.
   *
   * @param limits of each call, where the function has none of its own
   * @throws InvalidRequestException if it registers something wrong, or nothing
   */
  public Loaded<ScriptLibrary> load(ScriptSource source, ScriptLimits limits) {
    HeapPool heaps = new HeapPool(source, ScriptHeap.LIBRARY, limits, options, clock, entropy);
    switch (heaps.first()) {
      case ScriptOutcome.Ok(ScriptValue registrations) -> {
        boolean loaded = false;
        try {
          ScriptLibrary library = new ScriptLibrary(heaps, registrations);
          if (library.functions().isEmpty()) {
            throw new InvalidRequestException("the library registers no function");
          }
          loaded = true;
          return new Loaded.Ready<>(library);
        } finally {
          if (!loaded) {
            heaps.close();
          }
        }
      }
      case ScriptOutcome failed -> {
        return new Loaded.Failed<>(failed);
      }
    }
  }
}
