package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import java.io.IOException;

/** Faults made of two steps. */
final class Faults {

  /** A step that may fail. */
  interface Step {

    void run() throws IOException;
  }

  private Faults() {}

  /** A fault that a majority survives. */
  static Fault minor(String description, Step begin, Step end) {
    return new Steps(description, false, begin, end);
  }

  /** A fault with which service may stop. */
  static Fault major(String description, Step begin, Step end) {
    return new Steps(description, true, begin, end);
  }

  private record Steps(String describe, boolean stopsService, Step first, Step last)
      implements Fault {

    @Override
    public void begin() throws IOException {
      first.run();
    }

    @Override
    public void end() throws IOException {
      last.run();
    }
  }
}
