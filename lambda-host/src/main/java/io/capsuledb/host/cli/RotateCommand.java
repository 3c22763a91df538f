package io.capsuledb.host.cli;

import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.JsonLine;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Begins a new key generation on a running server. */
@Command(
    name = "rotate",
    header = "Begin a new key generation on a running server, and print its number.",
    description = {
      "",
      "What is written from then on is encrypted and signed under new keys. Everything written",
      "before stays readable; nothing more under the old keys counts. See docs/keys.md.",
      "The server opens its owner key for it: if that is protected, it must have been started",
      "with --passphrase-file or CAPSULE_PASSPHRASE.",
      ""
    },
    footer = {"", "Example:", "  capsule rotate --json"})
final class RotateCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  RotateCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    long generation;
    try (RespClient client = connect.open(context)) {
      generation =
          client.update(new byte[][] {RespClient.ascii("CAPSULE.ROTATE")})
                  instanceof Reply.Count(long value)
              ? value
              : 0;
    }
    if (json) {
      JsonLine.print(
          context.streams().out(), fields -> fields.writeNumberField("generation", generation));
    } else {
      context.streams().out().println(generation);
    }
    return ExitCodes.OK;
  }
}
