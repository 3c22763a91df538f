package io.capsuledb.core.error;

/** Nothing was done and the same request may succeed later (full, overloaded, shutting down). */
public final class UnavailableException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  public UnavailableException(String message) {
    super(message);
  }

  public UnavailableException(String message, Throwable cause) {
    super(message, cause);
  }

  @Override
  public String code() {
    return "UNAVAILABLE";
  }
}
