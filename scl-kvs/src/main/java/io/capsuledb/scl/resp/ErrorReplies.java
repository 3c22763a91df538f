package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.nio.charset.StandardCharsets;

/** The texts of error replies that do not belong to one command. */
final class ErrorReplies {

  static final String INTERNAL = "ERR internal error, see the server's log";

  static final String MAX_CLIENTS = "ERR max number of clients reached";

  static final String AUTHENTICATION_REQUIRED = "NOAUTH Authentication required.";

  static final String BUSY = "ERR UNAVAILABLE the server is busy, try again";

  static final String SHUTTING_DOWN = "ERR UNAVAILABLE the server is shutting down";

  /** What a client is told of a command that took effect here and is not durable in time. */
  static final String NOT_DURABLE_IN_TIME =
      "UNKNOWN not durable in time: what the command did or saw may still become durable, or be"
          + " lost if this server stops; read again later";

  /** As much of a command as an error repeats, in characters. */
  private static final int MAX_ECHO_CHARS = 128;

  private ErrorReplies() {}

  /** What a client is told of an engine's failure. */
  static String of(CapsuleException failure) {
    return switch (failure) {
      case InvalidRequestException e ->
          isWrongType(e) ? Refusals.WRONG_TYPE : "ERR " + e.getMessage();
      case UnavailableException e -> "ERR UNAVAILABLE " + e.getMessage();
      case OutcomeUnknownException e -> "UNKNOWN " + e.getMessage();
      case IntegrityException e -> "INTEGRITY " + e.getMessage();
      case StorageException e -> "STORAGE " + e.getMessage();
      case DeniedException e -> "NOPERM " + e.getMessage();
    };
  }

  /** Whether a key turned out to have a value that what was asked for does not apply to. */
  static boolean isWrongType(InvalidRequestException failure) {
    return String.valueOf(failure.getMessage()).startsWith("WRONGTYPE");
  }

  /** What a client is told when the engine stopped before its last replies could leave. */
  static String outcomeUnknown(CapsuleException failure) {
    return of(failure)
        + " (the outcome of commands without a reply is unknown: read after the server is back)";
  }

  /** In the words of Redis 7, trailing space included. */
  static CommandException unknownCommand(byte[][] arguments) {
    StringBuilder begin = new StringBuilder();
    for (int i = 1; i < arguments.length && begin.length() < MAX_ECHO_CHARS; i++) {
      String argument = echo(arguments[i], MAX_ECHO_CHARS - begin.length());
      begin.append('\'').append(argument).append("' ");
    }
    return new CommandException(
        "ERR unknown command '"
            + echo(arguments[0], MAX_ECHO_CHARS)
            + "', with args beginning with: "
            + begin);
  }

  /** The beginning of an argument as a C string, that is up to a zero byte. */
  private static String echo(byte[] argument, int maxBytes) {
    int length = 0;
    while (length < argument.length && length < maxBytes && argument[length] != 0) {
      length++;
    }
    return new String(argument, 0, length, StandardCharsets.UTF_8);
  }
}
