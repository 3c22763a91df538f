package io.capsuledb.core.error;

/** The store failed; the engine accepts nothing more until it is reopened. */
public final class StorageException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  public StorageException(String message) {
    super(message);
  }

  public StorageException(String message, Throwable cause) {
    super(message, cause);
  }

  @Override
  public String code() {
    return "STORAGE";
  }
}
