package io.capsuledb.host.cli;

import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Prints what a function printed. */
@Command(
    name = "logs",
    header = "Print what a function of a running server printed lately.",
    footer = {"", "Examples:", "  capsule fn logs transfer"})
final class FnLogsCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(paramLabel = "NAME", description = "The function.")
  private String name = "";

  private final CommandContext context;

  FnLogsCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    try (RespClient client = connect.open(context)) {
      Reply reply =
          client.query(RespClient.ascii("CAPSULE.FNLOG"), name.getBytes(StandardCharsets.UTF_8));
      if (reply instanceof Reply.Sequence(List<Reply> lines)) {
        for (Reply line : lines) {
          if (line instanceof Reply.Sequence(List<Reply> parts)
              && parts.size() == 2
              && parts.get(0) instanceof Reply.Count(long atMs)) {
            context.streams().out().println(Instant.ofEpochMilli(atMs) + " " + parts.get(1).text());
          }
        }
      }
    }
    return ExitCodes.OK;
  }
}
