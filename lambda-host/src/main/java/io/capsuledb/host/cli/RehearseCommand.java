package io.capsuledb.host.cli;

import io.capsuledb.host.terminal.Streams;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/**
 * Does what users do, on nothing of theirs, so that the JVM can record it when the product is built
 * and start faster ever after.
 */
@Command(name = "rehearse", hidden = true, header = "Used by the build.")
final class RehearseCommand implements Callable<Integer> {

  private final CommandContext context;

  RehearseCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    run("--help");
    run("version");
    run("version", "--json");
    run("get", "--connect", "127.0.0.1:1", "a");
    run("put", "--connect", "127.0.0.1:1", "a", "b");
    return ExitCodes.OK;
  }

  private void run(String... arguments) {
    PrintStream nowhere =
        new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
    CapsuleCli.run(
        arguments,
        new Streams(InputStream.nullInputStream(), nowhere, nowhere, false),
        context.environment());
  }
}
