package io.capsuledb.replication.session;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * Bounds of a {@link Messenger}. Immutable.
 *
 * @param session deadlines of each session
 * @param maxLinks most links at once, made here and by peers
 * @param maxHalfOpen most links of peers that have not proved who they are; one more and the oldest
 *     of them goes
 * @param redialMs after the first failure a peer is dialled again in about this time, then in twice
 *     that, and so on
 * @param maxRedialMs but never later
 */
public record MessengerOptions(
    SessionOptions session, int maxLinks, int maxHalfOpen, long redialMs, long maxRedialMs) {

  /** 1024 links, 128 half open, 50 ms to 5 s. */
  public static final MessengerOptions DEFAULT =
      new MessengerOptions(SessionOptions.DEFAULT, 1024, 128, 50, 5_000);

  /** Checks the ranges. */
  public MessengerOptions {
    check("maxLinks", maxLinks, 1, 65_536);
    check("maxHalfOpen", maxHalfOpen, 1, maxLinks);
    check("redialMs", redialMs, 1, 600_000);
    check("maxRedialMs", maxRedialMs, redialMs, 3_600_000);
  }

  private static void check(String option, long value, long least, long most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }
}
