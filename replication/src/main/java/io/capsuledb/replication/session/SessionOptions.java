package io.capsuledb.replication.session;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * Deadlines of a session. Immutable.
 *
 * @param handshakeMs from the link to the proof of both identities
 * @param pingMs a side that sent nothing for so long sends a ping
 * @param idleMs a side that received nothing for so long gives the peer up; at least twice {@code
 *     pingMs}
 */
public record SessionOptions(long handshakeMs, long pingMs, long idleMs) {

  /** Five, three and fifteen seconds: the longest frame needs 2.3 MB/s not to look like silence. */
  public static final SessionOptions DEFAULT = new SessionOptions(5_000, 3_000, 15_000);

  private static final long MAX_MS = 3_600_000;

  /** Checks the ranges. */
  public SessionOptions {
    check("handshakeMs", handshakeMs, 1);
    check("pingMs", pingMs, 1);
    check("idleMs", idleMs, 2 * pingMs);
  }

  private static void check(String option, long value, long least) {
    if (value < least || value > MAX_MS) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + MAX_MS);
    }
  }
}
