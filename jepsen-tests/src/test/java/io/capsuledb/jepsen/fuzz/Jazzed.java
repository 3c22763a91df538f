package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.sim.FuzzTarget;
import org.jspecify.annotations.Nullable;

/** What Jazzer calls: its first argument after {@code --target_args} names the target. */
public final class Jazzed {

  private static @Nullable FuzzTarget target;

  private Jazzed() {}

  /** Called once. */
  public static void fuzzerInitialize(String[] arguments) {
    target = FuzzTargets.of(arguments[0]);
  }

  /** Called with every input. */
  public static void fuzzerTestOneInput(byte[] input) {
    java.util.Objects.requireNonNull(target).run(input);
  }
}
