package io.capsuledb.jepsen.history;

import java.util.Comparator;

/**
 * Which write a value is of, as the server tells: of two writes to a key the one of the higher
 * version counts.
 *
 * @param lamport its Lamport time
 * @param writer who wrote it, in hexadecimal digits; decides between equal times, as a number
 *     without a sign
 */
public record Version(long lamport, String writer) implements Comparable<Version> {

  private static final int HEXADECIMAL = 16;
  private static final Comparator<Version> ORDER =
      Comparator.comparingLong(Version::lamport)
          .thenComparing(
              version -> Long.parseUnsignedLong(version.writer, HEXADECIMAL),
              Long::compareUnsigned);

  /**
   * Checks.
   *
   * @throws IllegalArgumentException if the time is negative or the writer is no number
   */
  public Version {
    if (lamport < 0) {
      throw new IllegalArgumentException("no version: its time is " + lamport);
    }
    // Throws if it is none.
    Long.parseUnsignedLong(writer, HEXADECIMAL);
  }

  @Override
  public int compareTo(Version other) {
    return ORDER.compare(this, other);
  }

  @Override
  public String toString() {
    return lamport + "@" + writer;
  }
}
