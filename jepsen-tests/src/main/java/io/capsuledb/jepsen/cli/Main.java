package io.capsuledb.jepsen.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The program: {@code capsule jepsen} and {@code capsule soak}. */
public final class Main {

  private Main() {}

  @Command(
      name = "capsule",
      mixinStandardHelpOptions = true,
      subcommands = {JepsenCommand.class, SoakCommand.class},
      header = "The consistency testbed.",
      synopsisSubcommandLabel = "COMMAND")
  private static final class Root {}

  /** Runs it. */
  public static void main(String[] arguments) {
    System.exit(execute(arguments));
  }

  /** Runs it and returns the exit code. */
  static int execute(String... arguments) {
    return execute(writer(System.out), writer(System.err), arguments);
  }

  private static PrintWriter writer(PrintStream stream) {
    return new PrintWriter(stream, true, stream.charset());
  }

  /** Runs it with other writers than the process's own, and returns the exit code. */
  static int execute(PrintWriter out, PrintWriter err, String... arguments) {
    return new CommandLine(new Root())
        .setOut(out)
        .setErr(err)
        .setExecutionExceptionHandler(
            (failure, line, _) -> {
              line.getErr()
                  .println("capsule " + line.getCommandName() + ": " + failure.getMessage());
              if (!(failure instanceof IllegalArgumentException)
                  && !(failure instanceof java.io.IOException)) {
                failure.printStackTrace(line.getErr());
              }
              return failure instanceof IllegalArgumentException
                  ? JepsenCommand.USAGE
                  : JepsenCommand.IMPOSSIBLE;
            })
        .execute(arguments);
  }
}
