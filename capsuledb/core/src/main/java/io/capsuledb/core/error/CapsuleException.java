package io.capsuledb.core.error;

/**
 * The root of every failure CapsuleDB reports to a caller.
 *
 * <p>The family is small on purpose: a new member is added only where a caller would act
 * differently. Each member has a {@linkplain #code() stable code} that never changes meaning; it is
 * what RESP error replies, CLI exit codes and logs are made from. Messages say what happened, to
 * what, and what to do; they never contain keys, values or secrets.
 */
public abstract sealed class CapsuleException extends RuntimeException
    permits InvalidRequestException,
        UnavailableException,
        OutcomeUnknownException,
        IntegrityException,
        StorageException,
        DeniedException {

  private static final long serialVersionUID = 1L;

  CapsuleException(String message) {
    super(message);
  }

  CapsuleException(String message, Throwable cause) {
    super(message, cause);
  }

  /** The stable, upper-case name of the failure class, for example {@code INTEGRITY}. */
  public abstract String code();
}
