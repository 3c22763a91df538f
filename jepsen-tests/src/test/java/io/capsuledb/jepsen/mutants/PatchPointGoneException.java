package io.capsuledb.jepsen.mutants;

/** The code that a mutation changes is not there: the mutation has to be looked at again. */
final class PatchPointGoneException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  PatchPointGoneException(String message) {
    super(message);
  }
}
