package io.capsuledb.scl.session;

import io.capsuledb.core.capsule.RosterEntry;

/**
 * A place in a capsule: everything of a chain up to a record.
 *
 * @param writer whose chain, 1 to {@link RosterEntry#MAX_WRITER}
 * @param sequence the record's sequence number, from 1
 */
public record Position(long writer, long sequence) {

  /** Checks the ranges. */
  public Position {
    if (writer < 1 || writer > RosterEntry.MAX_WRITER || sequence < 1) {
      throw new IllegalArgumentException(
          "no position: writer " + Long.toHexString(writer) + ", sequence " + sequence);
    }
  }
}
