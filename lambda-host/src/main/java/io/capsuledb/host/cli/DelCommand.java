package io.capsuledb.host.cli;

import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.terminal.JsonLine;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Deletes keys. */
@Command(
    name = "del",
    header = "Delete keys on a running server and print how many there were.",
    footer = {"", "Example:", "  capsule del greeting session"})
final class DelCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(arity = "1..*", paramLabel = "KEY", description = "The keys.")
  private List<String> keys = List.of();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  DelCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    byte[][] command = new byte[keys.size() + 1][];
    command[0] = RespClient.ascii("DEL");
    for (int i = 0; i < keys.size(); i++) {
      command[i + 1] = keys.get(i).getBytes(StandardCharsets.UTF_8);
    }
    long deleted;
    try (RespClient client = connect.open(context)) {
      deleted = client.update(command) instanceof Reply.Count(long value) ? value : 0;
    }
    if (json) {
      JsonLine.print(
          context.streams().out(), fields -> fields.writeNumberField("deleted", deleted));
    } else {
      context.streams().out().println(deleted);
    }
    return ExitCodes.OK;
  }
}
