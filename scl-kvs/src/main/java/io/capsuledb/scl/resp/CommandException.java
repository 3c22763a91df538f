package io.capsuledb.scl.resp;

/**
 * A command that cannot be carried out, as the client will see it: the message begins with an error
 * prefix such as {@code ERR} or {@code WRONGTYPE}, holds no line break, and echoes no value.
 */
final class CommandException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /** Errors are replies, not defects: no stack trace is taken. */
  CommandException(String message) {
    super(message, null, false, false);
  }
}
