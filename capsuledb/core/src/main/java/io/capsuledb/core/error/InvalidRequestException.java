package io.capsuledb.core.error;

/** The request itself is wrong; repeating it unchanged can never succeed. */
public final class InvalidRequestException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  public InvalidRequestException(String message) {
    super(message);
  }

  public InvalidRequestException(String message, Throwable cause) {
    super(message, cause);
  }

  @Override
  public String code() {
    return "INVALID";
  }
}
