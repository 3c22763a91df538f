package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;

/** What became of a source. */
public sealed interface Loaded<T> {

  /** It can be run. */
  record Ready<T>(T script) implements Loaded<T> {}

  /** It cannot, because of {@code outcome}: a syntax error, say, with its line. */
  record Failed<T>(ScriptOutcome outcome) implements Loaded<T> {}

  /**
   * The program or library.
   *
   * @throws InvalidRequestException that says why there is none
   */
  default T orThrow() {
    return switch (this) {
      case Ready<T>(T script) -> script;
      case Failed<T>(ScriptOutcome outcome) ->
          throw new InvalidRequestException(outcome.describe());
    };
  }
}
