package io.capsuledb.host.cli;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.bench.LaunchBench;
import io.capsuledb.host.terminal.JsonLine;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures launches of programs. */
@Command(
    name = "launch",
    header = "Measure launches of programs on simulated enclaves.",
    description = {
      "",
      "Starts a cluster with enclaves, all processes on loopback, and measures: the time from a launch",
      "to a program's first instruction, and what it is made of; how many quotes are judged in a",
      "second; a rotation of keys while all workers write; RESET of a worker against its restart.",
      "Everything runs on this machine: with as few processors as workers they take them from each",
      "other, and simulated enclaves have no cost of real ones.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule bench launch",
      "  capsule bench launch --workers 1,4 --json"
    })
final class BenchLaunchCommand implements Callable<Integer> {

  @Option(
      names = "--workers",
      split = ",",
      paramLabel = "N",
      description = "Numbers of workers, 1 to 16 each; 1,2,4,8 if not given.")
  private List<Integer> workers = List.of(1, 2, 4, 8);

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "Where the processes' directories are made, in DIR/launch, which must be new;"
              + " the current one if not given.")
  private Path directory = Path.of("");

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchLaunchCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    List<LaunchBench.Figure> figures =
        new LaunchBench(
                new LaunchBench.Options(directory.toAbsolutePath(), workers),
                new SystemClock(),
                new SystemEntropy(),
                line -> context.streams().err().println("bench: " + line))
            .run();
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            fields.writeArrayFieldStart("figures");
            for (LaunchBench.Figure figure : figures) {
              fields.writeStartObject();
              fields.writeStringField("what", figure.what());
              fields.writeNumberField("value", figure.value());
              fields.writeStringField("unit", figure.unit());
              fields.writeEndObject();
            }
            fields.writeEndArray();
          });
    } else {
      for (LaunchBench.Figure figure : figures) {
        context
            .streams()
            .out()
            .println(
                String.format(
                    Locale.ROOT,
                    "%-66s %12s %s",
                    figure.what(),
                    String.format(Locale.ROOT, "%,.1f", figure.value()),
                    figure.unit()));
      }
    }
    return ExitCodes.OK;
  }
}
