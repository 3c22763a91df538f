package io.capsuledb.jepsen.resp;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A reply of a server, in version 2 of the protocol. */
public sealed interface Reply {

  /** A status, such as OK or QUEUED. */
  record Status(String text) implements Reply {}

  /** An error. */
  record Fault(String message) implements Reply {}

  /** A number. */
  record Int(long value) implements Reply {}

  /** A string, or null if there is none. */
  record Bulk(@Nullable String text) implements Reply {}

  /** An array, or null if there is none: a transaction that did not happen. */
  record Many(@Nullable List<Reply> items) implements Reply {}

  /**
   * The string that this is, or null.
   *
   * @throws ServerFaultException if it is an error
   */
  default @Nullable String text() throws ServerFaultException {
    return switch (this) {
      case Bulk(String text) -> text;
      case Status(String text) -> text;
      default -> throw unexpected();
    };
  }

  /**
   * The number that this is.
   *
   * @throws ServerFaultException if it is an error
   */
  default long number() throws ServerFaultException {
    if (this instanceof Int(long value)) {
      return value;
    }
    throw unexpected();
  }

  /**
   * The items of the array that this is, or null.
   *
   * @throws ServerFaultException if it is an error, or one of its items is
   */
  default @Nullable List<Reply> array() throws ServerFaultException {
    if (!(this instanceof Many(List<Reply> items))) {
      throw unexpected();
    }
    if (items != null) {
      for (Reply item : items) {
        item.check();
      }
    }
    return items;
  }

  /**
   * Does nothing if this is no error.
   *
   * @throws ServerFaultException if it is one
   */
  default void check() throws ServerFaultException {
    if (this instanceof Fault) {
      throw unexpected();
    }
  }

  private ServerFaultException unexpected() {
    return new ServerFaultException(
        this instanceof Fault(String message) ? message : "unexpected reply " + this);
  }
}
