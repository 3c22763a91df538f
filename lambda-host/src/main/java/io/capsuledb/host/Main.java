package io.capsuledb.host;

import io.capsuledb.host.cli.CapsuleCli;
import io.capsuledb.host.terminal.Streams;

/** The program {@code capsule}. */
public final class Main {

  private Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] arguments) {
    System.exit(CapsuleCli.run(arguments, Streams.ofProcess(), System.getenv()));
  }
}
