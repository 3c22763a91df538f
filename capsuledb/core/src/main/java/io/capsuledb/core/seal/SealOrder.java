package io.capsuledb.core.seal;

import io.capsuledb.core.capsule.RosterEntry;

/**
 * The payload of a SEAL record, in clear: one step in sealing a writer; docs/consistency.md. The
 * ballot is the term with the index of the writer whose record this is.
 *
 * @param kind which step
 * @param writer who is sealed
 * @param term from 1
 * @param last the final head in a {@link Kind#FINAL}, {@link ChainHead#NONE} if the writer is left
 *     with nothing; NONE in a {@link Kind#PREPARE}
 */
public record SealOrder(Kind kind, long writer, long term, ChainHead last) {

  /** The steps; the numbers are part of the format. */
  public enum Kind {
    /** Promise, and say what you hold. */
    PREPARE(1),
    /** This is the final head. */
    FINAL(2);

    private final int number;

    Kind(int number) {
      this.number = number;
    }

    /** The number in the format. */
    public int number() {
      return number;
    }
  }

  /** Checks the ranges. */
  public SealOrder {
    if (writer < 1
        || writer > RosterEntry.MAX_WRITER
        || term < 1
        || (kind == Kind.PREPARE && !last.equals(ChainHead.NONE))) {
      throw new IllegalArgumentException(
          kind + " of writer " + Long.toHexString(writer) + " in term " + term);
    }
  }
}
