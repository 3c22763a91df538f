package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import org.jspecify.annotations.Nullable;

/**
 * How an operation ended.
 *
 * @param type OK, FAIL or INFO
 * @param value what was answered; what was asked for if nothing was
 * @param applied false: it was answered, and changed nothing because its condition did not hold
 * @param error why it failed
 */
public record Answer(OpType type, Term value, boolean applied, @Nullable String error) {

  static Answer ok(Term value) {
    return new Answer(OpType.OK, value, true, null);
  }

  static Answer notApplied(Term value) {
    return new Answer(OpType.OK, value, false, null);
  }

  static Answer fail(Term value, String error) {
    return new Answer(OpType.FAIL, value, true, error);
  }
}
