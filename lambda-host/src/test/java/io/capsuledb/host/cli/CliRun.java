package io.capsuledb.host.cli;

import io.capsuledb.host.terminal.Streams;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What one run of the command line did: the commands of a test run in the test's own process. */
final class CliRun {

  private final int exitCode;
  private final byte[] out;
  private final String err;

  private CliRun(int exitCode, byte[] out, String err) {
    this.exitCode = exitCode;
    this.out = out;
    this.err = err;
  }

  static CliRun of(String... arguments) {
    return with(Map.of(), new byte[0], arguments);
  }

  static CliRun withInput(String input, String... arguments) {
    return with(Map.of(), input.getBytes(StandardCharsets.UTF_8), arguments);
  }

  static CliRun with(Map<String, String> environment, byte[] input, String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        CapsuleCli.run(
            arguments,
            new Streams(
                new ByteArrayInputStream(input),
                new PrintStream(out, false, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false),
            new HashMap<>(environment));
    return new CliRun(code, out.toByteArray(), err.toString(StandardCharsets.UTF_8));
  }

  int exitCode() {
    return exitCode;
  }

  byte[] bytes() {
    return out;
  }

  String out() {
    return new String(out, StandardCharsets.UTF_8);
  }

  String err() {
    return err;
  }

  @Override
  public String toString() {
    return "exit code " + exitCode + "\nout: " + out() + "\nerr: " + err;
  }
}
