package io.capsuledb.core.error;

/**
 * Stored or received bytes are not what their hashes, chain or signatures say they are. The {@link
 * Rejection} is the evidence: which check failed, and on what.
 */
public final class IntegrityException extends CapsuleException {

  private static final long serialVersionUID = 1L;

  private final transient Rejection rejection;

  public IntegrityException(Rejection rejection) {
    super(rejection.toString());
    this.rejection = rejection;
  }

  /** What failed, and where. */
  public Rejection rejection() {
    return rejection;
  }

  @Override
  public String code() {
    return "INTEGRITY";
  }
}
