package io.capsuledb.jepsen.nemesis;

import java.io.IOException;

/** Something that goes wrong for a while. Used by one thread. */
public interface Fault {

  /** What it does and to whom, in words. */
  String describe();

  /**
   * Whether clients may rightly be refused, or wait, while it lasts: it hits a majority, or the
   * server itself.
   */
  boolean stopsService();

  /**
   * Begins.
   *
   * @throws IOException if it cannot do what it was asked
   */
  void begin() throws IOException;

  /**
   * Ends, and puts right what it did.
   *
   * @throws IOException if it cannot
   */
  void end() throws IOException;
}
