package io.capsuledb.scl.procedure;

import io.capsuledb.core.error.CapsuleException;
import org.jspecify.annotations.Nullable;

/** How a run of a procedure ended. */
public sealed interface ProcedureOutcome {

  /** It returned. */
  record Returned(ProcedureValue value) implements ProcedureOutcome {}

  /**
   * It threw, or went over a limit.
   *
   * @param detail one line for people
   * @param cause what a host function failed with, if that is what was not caught
   */
  record Failed(String detail, @Nullable CapsuleException cause) implements ProcedureOutcome {}

  /** {@link ProcedureCall#cancel} was called. */
  record Cancelled() implements ProcedureOutcome {}
}
