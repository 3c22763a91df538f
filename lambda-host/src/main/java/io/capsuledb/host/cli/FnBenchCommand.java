package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.bench.FcallLoad;
import io.capsuledb.host.client.RespClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures a function. */
@Command(
    name = "bench",
    header = "Call a function of a running server again and again, and print calls per second.",
    footer = {"", "Examples:", "  capsule fn bench transfer --key alice --key bob 0"})
final class FnBenchCommand implements Callable<Integer> {

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

  @Option(names = "--clients", paramLabel = "N", description = "Connections; 50 if not given.")
  private int clients = 50;

  @Option(
      names = "--pipeline",
      paramLabel = "N",
      description = "Calls a connection sends before it waits; 1 if not given.")
  private int pipeline = 1;

  @Option(
      names = "--each-ms",
      paramLabel = "N",
      description = "How long is measured, 40 to 60,000; 2000 if not given.")
  private long eachMs = 2_000;

  private final CommandContext context;

  FnBenchCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (clients < 1 || clients > 1000 || pipeline < 1 || pipeline > 1024) {
      throw new InvalidRequestException("--clients may be 1 to 1000, and --pipeline 1 to 1024");
    }
    if (eachMs < 40 || eachMs > 60_000) {
      throw new InvalidRequestException("--each-ms is " + eachMs + "; allowed is 40 to 60000");
    }
    List<RespClient> open = new ArrayList<>();
    try {
      for (int i = 0; i < clients; i++) {
        open.add(connect.open(context));
      }
      double rate =
          new FcallLoad(open, FnCallCommand.command(name, keys, arguments), pipeline)
              .perSecond(eachMs, new SystemClock());
      context.streams().out().println(String.format(Locale.ROOT, "%,.0f calls/s", rate));
    } finally {
      open.forEach(RespClient::close);
    }
    return ExitCodes.OK;
  }
}
