package io.capsuledb.host.client;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;

/**
 * Turns error replies into the failures a caller can tell apart, by their prefix: those of
 * CapsuleDB are the codes of {@link CapsuleException}, the others are Redis' own.
 */
public final class ReplyErrors {

  private ReplyErrors() {}

  /**
   * Passes a reply through.
   *
   * @throws CapsuleException if it is an error
   */
  public static Reply orThrow(Reply reply) {
    if (reply instanceof Reply.Failure(String message)) {
      throw failure(message);
    }
    return reply;
  }

  /** The failure an error reply stands for. */
  public static CapsuleException failure(String message) {
    int space = message.indexOf(' ');
    String prefix = space < 0 ? message : message.substring(0, space);
    String said = "the server answered: " + message;
    if (message.startsWith("ERR UNAVAILABLE ")) {
      return new UnavailableException(said);
    }
    return switch (prefix) {
      case "NOAUTH", "WRONGPASS", "NOPERM", "DENIED" -> new DeniedException(said);
      case "OOM", "LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN" ->
          new UnavailableException(said);
      case "STORAGE", "MISCONF" -> new StorageException(said);
      case "UNKNOWN" -> new OutcomeUnknownException(said);
      case "INTEGRITY" -> new IntegrityException(rejection(message.substring(prefix.length())));
      default -> new InvalidRequestException(said);
    };
  }

  /** Reads back what {@link Rejection#toString} wrote. */
  private static Rejection rejection(String text) {
    String detail = text.strip();
    for (Rejection.Reason reason : Rejection.Reason.values()) {
      if (detail.startsWith(reason.name() + ":")) {
        return new Rejection(
            reason, detail.substring(reason.name().length() + 1).strip() + " (says the server)");
      }
    }
    return new Rejection(Rejection.Reason.PAYLOAD, detail + " (says the server)");
  }
}
