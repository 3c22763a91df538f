package io.capsuledb.core.error;

/** The caller is not allowed to do this. */
public final class DeniedException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  public DeniedException(String message) {
    super(message);
  }

  public DeniedException(String message, Throwable cause) {
    super(message, cause);
  }

  @Override
  public String code() {
    return "DENIED";
  }
}
