package io.capsuledb.scl.procedure;

import io.capsuledb.core.error.UnavailableException;
import org.jspecify.annotations.Nullable;

/**
 * Runs procedures: a port, so that the server knows no script engine. Implementations are
 * thread-safe; calls run on the calling thread, which is never an event loop.
 */
public interface ProcedureEngine {

  /** Why nothing can be loaded, as a sentence for people; null if something can. */
  @Nullable String unavailable();

  /**
   * Compiles a library and has it register its functions.
   *
   * @param name of the library: what errors call its source
   * @param source JavaScript; line numbers of errors are those of this text
   * @throws io.capsuledb.core.error.InvalidRequestException that says what is wrong with the
   *     source, with its line
   * @throws UnavailableException with {@link #unavailable}
   */
  ProcedureLibrary load(String name, String source);

  /**
   * An engine that runs nothing.
   *
   * @param reason what {@link #unavailable} answers
   */
  static ProcedureEngine off(String reason) {
    return new ProcedureEngine() {
      @Override
      public String unavailable() {
        return reason;
      }

      @Override
      public ProcedureLibrary load(String name, String source) {
        throw new UnavailableException(reason);
      }
    };
  }
}
