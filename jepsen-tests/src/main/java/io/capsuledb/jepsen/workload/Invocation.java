package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.history.Term;
import org.jspecify.annotations.Nullable;

/**
 * An operation to ask for.
 *
 * @param function which
 * @param key on what; null for a transaction
 * @param value with what
 */
public record Invocation(String function, @Nullable String key, Term value) {

  /** The key of an operation that has one. */
  String on() {
    if (key == null) {
      throw new IllegalStateException(function + " has no key");
    }
    return key;
  }
}
