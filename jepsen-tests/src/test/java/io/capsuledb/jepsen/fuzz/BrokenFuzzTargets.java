package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.sim.FuzzTarget;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Decoders that do what none may, by name only: what finds it, and says whose it is, is tested. */
final class BrokenFuzzTargets {

  static final String CRASHES = "broken-crashes";
  static final String HANGS = "broken-hangs";
  static final String HOARDS = "broken-hoards";
  static final String DIES = "broken-dies";

  /** Each is broken for inputs that begin with this. */
  static final byte BAD = 'B';

  private static final int HOARDED_BYTES = 1 << 20;

  /** Reachable for ever, so that memory is short for everybody in the process. */
  private static final List<byte[]> HOARD = new ArrayList<>();

  private BrokenFuzzTargets() {}

  private static FuzzTarget broken(String name, Consumer<byte[]> bad) {
    return FuzzTarget.of(
        name,
        List.of(new byte[] {'A', 'A'}, new byte[] {BAD, 'A'}),
        bytes -> {
          if (bytes.length > 0 && bytes[0] == BAD) {
            bad.accept(bytes);
          }
        });
  }

  static List<FuzzTarget> all() {
    return List.of(
        broken(
            CRASHES,
            bytes -> {
              throw new IllegalStateException("broken on purpose");
            }),
        broken(
            HANGS,
            bytes -> {
              while (bytes.length > 0) {
                Thread.onSpinWait();
              }
            }),
        broken(
            HOARDS,
            bytes -> {
              while (bytes.length > 0) {
                HOARD.add(new byte[HOARDED_BYTES]);
              }
            }),
        broken(DIES, bytes -> die()));
  }

  /** As by the kernel when memory is short: nothing in the process can do anything about it. */
  private static void die() {
    try {
      new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid()))
          .start()
          .waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
