package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.enclave.ring.RingBenchmark;
import io.capsuledb.enclave.script.ScriptBenchmark;
import io.capsuledb.host.bench.ProcedureBench;
import io.capsuledb.host.terminal.JsonLine;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures the script engine inside this process, and the ring beside other ways to talk. */
@Command(
    name = "procedures",
    header = "Measure procedures: calls in this process, heaps, and the shared-memory ring.",
    description = {
      "",
      "Calls go through the Java API on one thread, each with the reset that isolates it from the",
      "next. The ring's round trips go between two threads, and so do those of the Unix socket, the",
      "TCP connection and the pipes beside it; the ring needs two free processors to show what it",
      "can do. FCALL is measured on a server of its own with 50 clients, beside redis-server where it is",
      "installed, with the same as a Lua function; both are durable before they reply.",
      ""
    },
    footer = {"", "Examples:", "  capsule bench procedures", "  capsule bench procedures --json"})
final class BenchProceduresCommand implements Callable<Integer> {

  @Option(
      names = "--each-ms",
      paramLabel = "N",
      description = "How long each figure is measured for, 40 to 60,000; 2000 if not given.")
  private long eachMs = 2_000;

  @Option(
      names = "--message-bytes",
      paramLabel = "N",
      description = "Length of the ring's messages, 1 to 16,384; 64 if not given.")
  private int messageBytes = 64;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "Where the servers' directories are made; the temporary directory if not given.")
  private Path directory = Path.of(System.getProperty("java.io.tmpdir", "."));

  @Option(names = "--no-redis", description = "Leave Redis out.")
  private boolean noRedis;

  @Option(names = "--no-servers", description = "Measure only inside this process.")
  private boolean noServers;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchProceduresCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (eachMs < 40 || eachMs > 60_000) {
      throw new InvalidRequestException("--each-ms is " + eachMs + "; allowed is 40 to 60000");
    }
    RingBenchmark ring = new RingBenchmark(messageBytes, eachMs);
    ScriptBenchmark scripts = new ScriptBenchmark(new SystemClock(), new SystemEntropy(), eachMs);
    context.streams().err().println("bench: calls in this process");
    ScriptBenchmark.Report report = scripts.run();
    context.streams().err().println("bench: round trips");
    List<RingBenchmark.Row> rows = ring.run();
    List<ProcedureBench.Row> calls =
        noServers
            ? List.of()
            : new ProcedureBench(
                    directory,
                    noRedis ? null : context.onPath("redis-server"),
                    eachMs,
                    new SystemClock(),
                    line -> context.streams().err().println("bench: " + line))
                .run();
    if (json) {
      printJson(report, rows, calls);
    } else {
      printTable(report, rows);
      printCalls(calls);
    }
    return ExitCodes.OK;
  }

  private void printTable(ScriptBenchmark.Report report, List<RingBenchmark.Row> rows) {
    PrintStream out = context.streams().out();
    figure(out, "empty call, with reset", report.emptyCallsPerSecond(), 0, "calls/s");
    figure(out, "get and put, with reset", report.getPutCallsPerSecond(), 0, "calls/s");
    figure(out, "object in and out, with reset", report.jsonCallsPerSecond(), 0, "calls/s");
    figure(out, "reset of a heap", report.resetMicros(), 2, "us");
    figure(out, "new heap", report.creationMicros(), 1, "us");
    figure(out, "compiling a small program", report.compileMicros(), 1, "us");
    figure(out, "idle heap", (double) report.heapBytes(), 0, "bytes");
    figure(out, "idle heap and snapshot", (double) report.heapWithSnapshotBytes(), 0, "bytes");
    out.println();
    out.println(
        String.format(
            Locale.ROOT,
            "%-24s %11s %11s %14s %14s",
            "round trips, " + messageBytes + " bytes",
            "p50 us",
            "p99 us",
            "per second",
            "ring faster by"));
    for (RingBenchmark.Row row : rows) {
      out.println(
          String.format(
              Locale.ROOT,
              "%-24s %11.2f %11.2f %,14.0f %14.1f",
              row.kind(),
              row.p50Micros(),
              row.p99Micros(),
              row.perSecond(),
              row.p50Micros() / rows.getFirst().p50Micros()));
    }
  }

  private void printCalls(List<ProcedureBench.Row> calls) {
    PrintStream out = context.streams().out();
    if (calls.isEmpty()) {
      return;
    }
    out.println();
    out.println(
        String.format(
            Locale.ROOT,
            "%-24s %9s %14s %14s %7s",
            "FCALL, 50 clients",
            "pipeline",
            "capsule/s",
            "redis lua/s",
            "ratio"));
    for (ProcedureBench.Row row : calls) {
      out.println(
          String.format(
              Locale.ROOT,
              "%-24s %9d %,14.0f %14s %7s",
              row.function(),
              row.pipeline(),
              row.ours(),
              row.redis() == 0 ? "-" : String.format(Locale.ROOT, "%,.0f", row.redis()),
              row.redis() == 0
                  ? "-"
                  : String.format(Locale.ROOT, "%.2f", row.ours() / row.redis())));
    }
  }

  private static void figure(
      PrintStream out, String what, double value, int decimals, String unit) {
    out.println(
        String.format(
            Locale.ROOT,
            "%-30s %16s %s",
            what,
            String.format(Locale.ROOT, decimals == 0 ? "%,.0f" : "%,.2f", value),
            unit));
  }

  private void printJson(
      ScriptBenchmark.Report report, List<RingBenchmark.Row> rows, List<ProcedureBench.Row> calls) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeNumberField("emptyCallsPerSecond", report.emptyCallsPerSecond());
          fields.writeNumberField("getPutCallsPerSecond", report.getPutCallsPerSecond());
          fields.writeNumberField("objectCallsPerSecond", report.jsonCallsPerSecond());
          fields.writeNumberField("resetMicros", report.resetMicros());
          fields.writeNumberField("creationMicros", report.creationMicros());
          fields.writeNumberField("compileMicros", report.compileMicros());
          fields.writeNumberField("heapBytes", report.heapBytes());
          fields.writeNumberField("heapWithSnapshotBytes", report.heapWithSnapshotBytes());
          fields.writeNumberField("messageBytes", messageBytes);
          fields.writeArrayFieldStart("roundTrips");
          for (RingBenchmark.Row row : rows) {
            fields.writeStartObject();
            fields.writeStringField("kind", row.kind());
            fields.writeNumberField("p50Micros", row.p50Micros());
            fields.writeNumberField("p99Micros", row.p99Micros());
            fields.writeNumberField("perSecond", row.perSecond());
            fields.writeEndObject();
          }
          fields.writeEndArray();
          fields.writeArrayFieldStart("calls");
          for (ProcedureBench.Row row : calls) {
            fields.writeStartObject();
            fields.writeStringField("function", row.function());
            fields.writeNumberField("pipeline", row.pipeline());
            fields.writeNumberField("perSecond", row.ours());
            fields.writeNumberField("redisPerSecond", row.redis());
            fields.writeEndObject();
          }
          fields.writeEndArray();
        });
  }
}
