package io.capsuledb.core.error;

/** The request may or may not have taken effect; only a later read can tell. */
public final class OutcomeUnknownException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  public OutcomeUnknownException(String message) {
    super(message);
  }

  public OutcomeUnknownException(String message, Throwable cause) {
    super(message, cause);
  }

  @Override
  public String code() {
    return "UNKNOWN";
  }
}
