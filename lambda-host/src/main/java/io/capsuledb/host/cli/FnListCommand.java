package io.capsuledb.host.cli;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** Lists libraries and functions. */
@Command(
    name = "list",
    header = "List the libraries of a running server and their functions.",
    footer = {"", "Examples:", "  capsule fn list"})
final class FnListCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  private final CommandContext context;

  FnListCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    PrintStream out = context.streams().out();
    try (RespClient client = connect.open(context)) {
      for (Reply library : elements(list(client))) {
        String version = FnCallCommand.line(field(library, "version"));
        out.println(
            field(library, "library_name").text()
                + (version.isEmpty()
                    ? ""
                    : "  version "
                        + version
                        + ", loaded by "
                        + field(library, "loaded_by").text()));
        for (Reply function : elements(field(library, "functions"))) {
          out.println(
              "  "
                  + field(function, "name").text()
                  + (elements(field(function, "flags")).isEmpty() ? "" : "  no-writes")
                  + "  "
                  + field(function, "description").text());
        }
      }
    }
    return ExitCodes.OK;
  }

  /** With all there is to know, as far as this user may know it. */
  private static Reply list(RespClient client) {
    byte[][] command = {RespClient.ascii("FUNCTION"), RespClient.ascii("LIST")};
    try {
      return client.query(command[0], command[1], RespClient.ascii("WITHCODE"));
    } catch (DeniedException notAnAdministrator) {
      return client.query(command);
    }
  }

  private static List<Reply> elements(Reply reply) {
    return reply instanceof Reply.Sequence(List<Reply> elements) ? elements : List.of();
  }

  /** The value of a field, in a map that came as a flat array. */
  private static Reply field(Reply map, String name) {
    List<Reply> parts = elements(map);
    for (int i = 0; i + 1 < parts.size(); i += 2) {
      if (parts.get(i).text().equals(name)) {
        return parts.get(i + 1);
      }
    }
    return new Reply.Text("");
  }
}
