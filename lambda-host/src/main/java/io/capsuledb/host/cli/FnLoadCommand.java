package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.client.RespClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Loads a library. */
@Command(
    name = "load",
    header = "Load a library into a running server; done when it is durable.",
    footer = {"", "Examples:", "  capsule fn load bank.js --replace"})
final class FnLoadCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(
      paramLabel = "FILE",
      description = "JavaScript; its first line is: #!js name=LIBRARY engine=duktape")
  private Path file = Path.of("");

  @Option(names = "--replace", description = "Replace the library if it is there.")
  private boolean replace;

  private final CommandContext context;

  FnLoadCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    byte[] code;
    try {
      code = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InvalidRequestException("cannot read the library from " + file, e);
    }
    byte[] function = RespClient.ascii("FUNCTION");
    byte[] load = RespClient.ascii("LOAD");
    try (RespClient client = connect.open(context)) {
      String name =
          (replace
                  ? client.update(function, load, RespClient.ascii("REPLACE"), code)
                  : client.update(function, load, code))
              .text();
      context.streams().out().println(name);
    }
    return ExitCodes.OK;
  }
}
