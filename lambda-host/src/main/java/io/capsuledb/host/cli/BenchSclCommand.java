package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.bench.SclBench;
import io.capsuledb.host.terminal.JsonLine;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures several workers on one capsule. */
@Command(
    name = "scl",
    header = "Measure several workers on the same data, with replicas and a router.",
    description = {
      "",
      "Starts three replicas, a router and workers, each a process of its own on loopback, and",
      "measures: SET and GET of 1, 2, 4 and 8 workers together; one client with 1 to 4096 SETs",
      "under way, which become one record; how long after a SET another worker has it; how long a",
      "forced epoch takes (CAPSULE.SYNC); INCR of a key of one's own and of one that all workers",
      "want; and how long a worker takes to come back that missed a million operations. Everything",
      "runs on this machine: with as few processors as workers they take them from each other.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule bench scl",
      "  capsule bench scl --quick",
      "  capsule bench scl --only throughput --workers 1,4",
      "  capsule bench scl --only catch-up --missed 1000000 --json"
    })
final class BenchSclCommand implements Callable<Integer> {

  private static final int QUICK_OPERATIONS = 20_000;
  private static final int QUICK_SAMPLES = 50;
  private static final int QUICK_MISSED = 50_000;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "PART",
      description =
          "throughput, batches, visibility, epochs, transactions, catch-up; all if not given.")
  private List<String> only = List.of();

  @Option(
      names = "--workers",
      split = ",",
      paramLabel = "N",
      description = "Numbers of workers for throughput, 1 to 16 each; 1,2,4,8 if not given.")
  private List<Integer> workers = List.of(1, 2, 4, 8);

  @Option(
      names = "--operations",
      paramLabel = "N",
      description = "SETs of each measurement of throughput; 200,000 if not given.")
  private int operations = 200_000;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "Repetitions where a time is measured; 500 if not given.")
  private int samples = 500;

  @Option(
      names = "--missed",
      paramLabel = "N",
      description = "SETs that a worker misses before it comes back; 1,000,000 if not given.")
  private int missed = 1_000_000;

  @Option(
      names = "--epoch-ms",
      paramLabel = "N",
      description = "Milliseconds between two consistent cuts; 1000 if not given.")
  private int epochMs = 1_000;

  @Option(names = "--quick", description = "Few of everything: for a first impression.")
  private boolean quick;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Where the processes' directories are made; the current one if not given.")
  private Path directory = Path.of("");

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchSclCommand(CommandContext context) {
    this.context = context;
  }

  private static SclBench.Part part(String word) {
    for (SclBench.Part part : SclBench.Part.values()) {
      if (name(part).equals(word)) {
        return part;
      }
    }
    throw new InvalidRequestException(
        "--only: there is no part '"
            + word
            + "': allowed are throughput, batches, visibility, epochs, transactions, catch-up");
  }

  private static String name(SclBench.Part part) {
    return part.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  @Override
  public Integer call() {
    Set<SclBench.Part> parts = EnumSet.allOf(SclBench.Part.class);
    if (!only.isEmpty()) {
      parts = EnumSet.noneOf(SclBench.Part.class);
      for (String word : only) {
        parts.add(part(word));
      }
    }
    SclBench.Options options =
        new SclBench.Options(
            directory.toAbsolutePath(),
            workers,
            parts,
            quick ? QUICK_OPERATIONS : operations,
            quick ? QUICK_SAMPLES : samples,
            quick ? QUICK_MISSED : missed,
            epochMs);
    List<SclBench.Figure> figures =
        new SclBench(
                options,
                new SystemClock(),
                line -> context.streams().err().println("bench: " + line))
            .run();
    if (json) {
      printJson(figures);
    } else {
      printTable(figures);
    }
    return ExitCodes.OK;
  }

  private void printTable(List<SclBench.Figure> figures) {
    PrintStream out = context.streams().out();
    for (SclBench.Figure figure : figures) {
      out.println(
          String.format(
              Locale.ROOT,
              "%-58s %14s %s",
              figure.what(),
              String.format(
                  Locale.ROOT, figure.value() >= 1000 ? "%,.0f" : "%,.2f", figure.value()),
              figure.unit()));
    }
  }

  private void printJson(List<SclBench.Figure> figures) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeArrayFieldStart("figures");
          for (SclBench.Figure figure : figures) {
            fields.writeStartObject();
            fields.writeStringField("part", name(figure.part()));
            fields.writeStringField("what", figure.what());
            fields.writeNumberField("value", figure.value());
            fields.writeStringField("unit", figure.unit());
            fields.writeEndObject();
          }
          fields.writeEndArray();
        });
  }
}
