package io.capsuledb.host.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.bench.engine.EngineBench;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures the embedded engine beside RocksDB. */
@Command(
    name = "engine",
    header = "Measure the embedded engine beside RocksDB itself, in one run.",
    description = {
      "",
      "Both get the same keys and values, memtable and cache sizes, and both writes are on stable",
      "storage when they return. Every byte of this engine is encrypted, hashed and signed for; none",
      "of RocksDB's is. Latencies are of one call: of a whole batch for writes.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule bench engine",
      "  capsule bench engine --keys 10000000 --json",
      "  capsule bench engine --only seek-random,space"
    })
final class BenchEngineCommand implements Callable<Integer> {

  private static final int MEBI = 20;

  @Option(
      names = "--keys",
      paramLabel = "N",
      description = "Different keys, 1000 to 1,000,000,000; 1,000,000 if not given.")
  private long keys = 1_000_000;

  @Option(
      names = "--size",
      paramLabel = "BYTES",
      description = "Length of values, 8 to 1,048,576; 100 if not given.")
  private int size = 100;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Keys of one durable write, 1 to 10,000; 100 if not given.")
  private int batch = 100;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that write or read at once, 1 to 256; 4 if not given.")
  private int threads = 4;

  @Option(
      names = "--reads",
      paramLabel = "N",
      description = "Reads of each measurement, 100 to 1,000,000,000; 200,000 if not given.")
  private long reads = 200_000;

  @Option(
      names = "--memtable-mb",
      paramLabel = "N",
      description = "Size of a memtable, 1 to 1024; 64 if not given.")
  private int memtableMb = 64;

  @Option(
      names = "--cache-mb",
      paramLabel = "N",
      description = "Size of the cache of blocks, 1 to 65,536; 64 if not given.")
  private int cacheMb = 64;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Where directories are made, and deleted again; the current one if not given.")
  private Path directory = Path.of("");

  @Option(
      names = "--only",
      paramLabel = "NAME[,NAME]",
      split = ",",
      description = "Measure only these of the lines that are printed, and space.")
  private List<String> only = EngineBench.WORKLOADS;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchEngineCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    check("--keys", keys, 1000, 1_000_000_000);
    check("--size", size, 8, 1 << MEBI);
    check("--batch", batch, 1, 10_000);
    check("--threads", threads, 1, 256);
    check("--reads", reads, 100, 1_000_000_000);
    check("--memtable-mb", memtableMb, 1, 1024);
    check("--cache-mb", cacheMb, 1, 1 << 16);
    for (String workload : only) {
      if (!EngineBench.WORKLOADS.contains(workload)) {
        throw new InvalidRequestException(
            "--only names "
                + workload
                + "; allowed are "
                + String.join(", ", EngineBench.WORKLOADS));
      }
    }
    PrintStream err = context.streams().err();
    EngineBench.Report report =
        new EngineBench(
                new EngineBench.Options(
                    directory.toAbsolutePath(),
                    keys,
                    size,
                    batch,
                    threads,
                    reads,
                    (long) memtableMb << MEBI,
                    (long) cacheMb << MEBI,
                    Set.copyOf(only)),
                new SystemClock(),
                step -> err.println("bench: " + step))
            .run();
    if (json) {
      printJson(report);
    } else {
      printTable(report);
    }
    return ExitCodes.OK;
  }

  private static void check(String option, long value, long least, long most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }

  private void printTable(EngineBench.Report report) {
    PrintStream out = context.streams().out();
    out.println(
        String.format(
            Locale.ROOT,
            "%,d keys of 16 and values of %,d bytes, batches of %d, %d threads;"
                + " latencies in ms, amplification in bytes for each byte",
            keys,
            size,
            batch,
            threads));
    String line = "%-19s %12s %9s %9s %7s %7s %12s %9s %9s %7s %7s %7s";
    out.println(
        String.format(
            Locale.ROOT,
            line,
            "",
            "capsule/s",
            "p50",
            "p99",
            "written",
            "read",
            "rocksdb/s",
            "p50",
            "p99",
            "written",
            "read",
            "ratio"));
    for (EngineBench.Row row : report.rows()) {
      EngineBench.Sample ours = row.capsule();
      EngineBench.Sample theirs = row.rocksdb();
      out.println(
          String.format(
              Locale.ROOT,
              line,
              row.workload(),
              String.format(Locale.ROOT, "%,.0f", ours.rate()),
              millis(ours.p50Micros()),
              millis(ours.p99Micros()),
              amplification(ours.writeAmplification()),
              amplification(ours.readAmplification()),
              String.format(Locale.ROOT, "%,.0f", theirs.rate()),
              millis(theirs.p50Micros()),
              millis(theirs.p99Micros()),
              amplification(theirs.writeAmplification()),
              amplification(theirs.readAmplification()),
              String.format(Locale.ROOT, "%.2f", row.ratio())));
    }
    if (report.capsuleSpace() == 0) {
      return;
    }
    out.println(
        String.format(
            Locale.ROOT,
            "space after everything was merged: capsule %.2f, rocksdb %.2f bytes for each live one",
            report.capsuleSpace(),
            report.rocksdbSpace()));
  }

  private static String millis(double micros) {
    return String.format(Locale.ROOT, "%.3f", micros / 1e3);
  }

  private static String amplification(double value) {
    return value == 0 ? "-" : String.format(Locale.ROOT, "%.1f", value);
  }

  private void printJson(EngineBench.Report report) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeNumberField("keys", keys);
          fields.writeNumberField("valueBytes", size);
          fields.writeNumberField("batch", batch);
          fields.writeNumberField("threads", threads);
          fields.writeArrayFieldStart("measurements");
          for (EngineBench.Row row : report.rows()) {
            fields.writeStartObject();
            fields.writeStringField("workload", row.workload());
            sample(fields, "capsule", row.capsule());
            sample(fields, "rocksdb", row.rocksdb());
            fields.writeNumberField("ratio", row.ratio());
            fields.writeEndObject();
          }
          fields.writeEndArray();
          if (report.capsuleSpace() != 0) {
            fields.writeNumberField("capsuleSpaceAmplification", report.capsuleSpace());
            fields.writeNumberField("rocksdbSpaceAmplification", report.rocksdbSpace());
          }
        });
  }

  private static void sample(JsonGenerator fields, String name, EngineBench.Sample sample)
      throws IOException {
    fields.writeObjectFieldStart(name);
    fields.writeNumberField("operationsPerSecond", sample.rate());
    fields.writeNumberField("p50Micros", sample.p50Micros());
    fields.writeNumberField("p99Micros", sample.p99Micros());
    fields.writeNumberField("operations", sample.operations());
    fields.writeNumberField("writeAmplification", sample.writeAmplification());
    fields.writeNumberField("readAmplification", sample.readAmplification());
    fields.writeEndObject();
  }
}
