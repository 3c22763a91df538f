package io.capsuledb.host.cli;

import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Calls a function. */
@Command(
    name = "call",
    header = "Call a function of a running server and print what it returns.",
    footer = {"", "Examples:", "  capsule fn call transfer --key alice --key bob 10"})
final class FnCallCommand implements Callable<Integer> {

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(index = "0", paramLabel = "NAME", description = "The function.")
  private String name = "";

  @Parameters(
      index = "1..*",
      arity = "0..*",
      paramLabel = "ARG",
      description = "What the function gets as args.")
  private List<String> arguments = new ArrayList<>();

  @Option(names = "--key", paramLabel = "K", description = "What it gets as keys; repeatable.")
  private List<String> keys = new ArrayList<>();

  private final CommandContext context;

  FnCallCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    try (RespClient client = connect.open(context)) {
      context.streams().out().println(line(client.update(command(name, keys, arguments))));
    }
    return ExitCodes.OK;
  }

  /** FCALL of a function. */
  static byte[][] command(String name, List<String> keys, List<String> arguments) {
    List<String> words = new ArrayList<>(List.of("FCALL", name, Integer.toString(keys.size())));
    words.addAll(keys);
    words.addAll(arguments);
    return words.stream().map(word -> word.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
  }

  /** A reply in one line. */
  static String line(Reply reply) {
    return switch (reply) {
      case Reply.Text _, Reply.Bulk _ -> reply.text();
      case Reply.Failure(String message) -> "error: " + message;
      case Reply.Count(long value) -> Long.toString(value);
      case Reply.Absent _ -> "null";
      case Reply.Sequence(List<Reply> elements) ->
          elements.stream().map(FnCallCommand::line).toList().toString();
    };
  }
}
