package io.capsuledb.host.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.bench.Bench;
import io.capsuledb.host.bench.Sample;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures this server, beside Redis where that is installed. */
@Command(
    name = "bench",
    header = "Measure this machine: durable SET and GET of this server, and of Redis beside it.",
    description = {
      "",
      "Starts both servers for itself, on empty directories of the same disk; Redis with",
      "'appendfsync always', because this server too answers when a write is durable. Redis is left",
      "out if the program redis-server is not on the PATH.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule bench",
      "  capsule bench --quick --json",
      "  capsule bench --dir /mnt/disk --pipelines 1,16,64 --sizes 100"
    })
final class BenchCommand implements Callable<Integer> {

  private static final int QUICK_REQUESTS = 40_000;
  private static final int REQUESTS = 200_000;
  private static final int ROUNDS = 3;

  @Option(names = "--quick", description = "One round of 40,000 requests: for a first impression.")
  private boolean quick;

  @Option(
      names = "--clients",
      paramLabel = "N",
      description = "Clients at once, 1 to 1000; 50 if not given.")
  private int clients = 50;

  @Option(
      names = "--requests",
      paramLabel = "N",
      description =
          "Requests of one measurement with pipeline 1, and up to four times as many with more;"
              + " 200,000 if not given.")
  private @Nullable Integer requests;

  @Option(
      names = "--pipelines",
      paramLabel = "N",
      split = ",",
      description = "Commands a client sends before it waits; 1,16 if not given.")
  private List<Integer> pipelines = List.of(1, 16);

  @Option(
      names = "--sizes",
      paramLabel = "BYTES",
      split = ",",
      description = "Lengths of values; 100,1024 if not given.")
  private List<Integer> sizes = List.of(100, 1024);

  @Option(
      names = "--keys",
      paramLabel = "N",
      description = "How many different keys there are; 100,000 if not given.")
  private int keys = 100_000;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "How often to repeat; the median counts; 3 if not given.")
  private @Nullable Integer rounds;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Where the servers' directories are made; the current one if not given.")
  private Path directory = Path.of("");

  @Option(names = "--no-redis", description = "Leave Redis out.")
  private boolean noRedis;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Integer givenRequests = requests;
    Integer givenRounds = rounds;
    Bench.Options options =
        new Bench.Options(
            directory.toAbsolutePath(),
            noRedis ? null : context.onPath("redis-server"),
            clients,
            givenRequests != null ? givenRequests : quick ? QUICK_REQUESTS : REQUESTS,
            pipelines,
            sizes,
            keys,
            givenRounds != null ? givenRounds : quick ? 1 : ROUNDS);
    PrintStream err = context.streams().err();
    Bench.Report report =
        new Bench(options, new SystemClock(), step -> err.println("bench: " + step)).run();
    if (report.fileSystem().equals("tmpfs")) {
      err.println("bench: this was a file system in memory: choose a disk with --dir");
    }
    if (json) {
      printJson(report);
    } else {
      printTable(report);
    }
    return ExitCodes.OK;
  }

  private void printTable(Bench.Report report) {
    PrintStream out = context.streams().out();
    out.println(report.clients() + " clients, on " + report.fileSystem() + "; latencies in ms");
    String line = "%-4s %8s %6s %12s %8s %8s %12s %8s %8s %7s";
    out.println(
        String.format(
            Locale.ROOT,
            line,
            "",
            "pipeline",
            "bytes",
            "capsule/s",
            "p50",
            "p99",
            "redis/s",
            "p50",
            "p99",
            "ratio"));
    for (Bench.Row row : report.rows()) {
      Sample ours = row.ours();
      Sample redis = row.redis();
      out.println(
          String.format(
              Locale.ROOT,
              line,
              row.operation(),
              row.pipeline(),
              row.valueBytes(),
              String.format(Locale.ROOT, "%,.0f", ours.rate()),
              millis(ours.p50Micros()),
              millis(ours.p99Micros()),
              redis == null ? "-" : String.format(Locale.ROOT, "%,.0f", redis.rate()),
              redis == null ? "-" : millis(redis.p50Micros()),
              redis == null ? "-" : millis(redis.p99Micros()),
              redis == null ? "-" : String.format(Locale.ROOT, "%.2f", row.ratio())));
    }
  }

  private static String millis(double micros) {
    return String.format(Locale.ROOT, "%.3f", micros / 1e3);
  }

  private void printJson(Bench.Report report) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeNumberField("clients", report.clients());
          fields.writeStringField("fileSystem", report.fileSystem());
          fields.writeArrayFieldStart("measurements");
          for (Bench.Row row : report.rows()) {
            fields.writeStartObject();
            fields.writeStringField("operation", row.operation());
            fields.writeNumberField("pipeline", row.pipeline());
            fields.writeNumberField("valueBytes", row.valueBytes());
            sample(fields, "capsule", row.ours());
            Sample redis = row.redis();
            if (redis != null) {
              sample(fields, "redis", redis);
              fields.writeNumberField("ratio", row.ratio());
            }
            fields.writeEndObject();
          }
          fields.writeEndArray();
        });
  }

  private static void sample(JsonGenerator fields, String name, Sample sample) throws IOException {
    fields.writeObjectFieldStart(name);
    fields.writeNumberField("operationsPerSecond", sample.rate());
    fields.writeNumberField("p50Micros", sample.p50Micros());
    fields.writeNumberField("p99Micros", sample.p99Micros());
    fields.writeNumberField("operations", sample.operations());
    fields.writeNumberField("misses", sample.misses());
    fields.writeEndObject();
  }
}
