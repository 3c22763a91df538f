package io.capsuledb.core.sim;

import java.util.Arrays;
import java.util.stream.Collectors;

/** A property with a name does not hold. */
public final class Violation extends AssertionError {

  private static final long serialVersionUID = 1;

  private final String property;

  /**
   * One.
   *
   * @param property its name, as docs/testbed.md lists it
   * @param what was seen, in pieces
   */
  public Violation(String property, Object... what) {
    super(property + ": " + Arrays.stream(what).map(String::valueOf).collect(Collectors.joining()));
    this.property = property;
  }

  /** The property's name. */
  public String property() {
    return property;
  }

  /** The property that a failure is about: its own, that of a cause, or the failure's class. */
  public static String propertyOf(Throwable failure) {
    for (Throwable at = failure; at != null; at = at.getCause()) {
      if (at instanceof Violation violation) {
        return violation.property;
      }
    }
    Throwable at = failure;
    while (at.getCause() != null) {
      at = at.getCause();
    }
    return at.getClass().getSimpleName();
  }
}
