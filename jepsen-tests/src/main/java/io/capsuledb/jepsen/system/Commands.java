package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs other programs to their end. */
final class Commands {

  private static final long LIMIT_SECONDS = 600;

  private Commands() {}

  /** How a program ended. */
  record Outcome(int exitCode, String output) {}

  /**
   * Runs a program that has to end with 0.
   *
   * @return what it printed
   * @throws IOException if it cannot be started or ends otherwise, with what it printed
   */
  static String run(List<String> command) throws IOException {
    Outcome outcome = outcome(command, Map.of());
    if (outcome.exitCode != 0) {
      throw new IOException(
          String.join(" ", command)
              + " ended with "
              + outcome.exitCode
              + ": "
              + outcome.output.strip());
    }
    return outcome.output;
  }

  /** Runs a program; standard output and errors in one. */
  static Outcome outcome(List<String> command, Map<String, String> environment) throws IOException {
    Path output = Files.createTempFile("testbed", ".out");
    try {
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .redirectOutput(output.toFile());
      builder.environment().putAll(environment);
      Process process = builder.start();
      if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IOException(String.join(" ", command) + " did not end");
      }
      return new Outcome(
          process.exitValue(), Files.readString(output, StandardCharsets.ISO_8859_1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } finally {
      Files.deleteIfExists(output);
    }
  }

  /** Whether a program can be found. */
  static boolean exists(String program) {
    for (String directory :
        (System.getenv().getOrDefault("PATH", "") + ":/usr/sbin:/sbin").split(":", -1)) {
      if (!directory.isEmpty() && Files.isExecutable(Path.of(directory, program))) {
        return true;
      }
    }
    return false;
  }
}
