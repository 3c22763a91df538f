package io.capsuledb.host.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.bench.replication.ReplicationBench;
import io.capsuledb.host.bench.replication.Sample;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures durable writes on replicas, beside Redis and etcd where those are installed. */
@Command(
    name = "replication",
    header = "Measure durable writes on replicas, and of Redis and etcd beside them, in one run.",
    description = {
      "",
      "Starts replicas as processes of their own on loopback, on empty directories of one disk. A",
      "write counts when a quorum of them has signed that it is on disk. Redis runs with",
      "'appendfsync always', two replicas and WAIT 1; etcd with three members and TLS; each is left",
      "out if its program (redis-server; etcd and openssl) is not on the PATH. Then one replica is",
      "emptied while the others serve, and its rebuild and what writers feel of it are measured.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule bench replication",
      "  capsule bench replication --replicas 3 --outstanding 64 --sizes 100 --seconds 10",
      "  capsule bench replication --no-peers --json"
    })
final class BenchReplicationCommand implements Callable<Integer> {

  private static final double MEGA = 1e6;

  @Option(
      names = "--replicas",
      paramLabel = "N",
      split = ",",
      description = "Numbers of replicas, 1 to 7; 1,3,5 if not given.")
  private List<Integer> replicas = List.of(1, 3, 5);

  @Option(
      names = "--outstanding",
      paramLabel = "N",
      split = ",",
      description = "Writes under way at once, 1 to 1000; 1,16,256 if not given.")
  private List<Integer> outstanding = List.of(1, 16, 256);

  @Option(
      names = "--sizes",
      paramLabel = "BYTES",
      split = ",",
      description = "Lengths of values; 100,1024,65536 if not given.")
  private List<Integer> sizes = List.of(100, 1024, 65_536);

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description =
          "How long each measurement takes, after a third of that to warm up; 3 if not given.")
  private int seconds = 3;

  @Option(
      names = "--rebuild-mb",
      paramLabel = "N",
      description = "MiB of values that a replica loses; 256 if not given, 0 for no rebuild.")
  private int rebuildMb = 256;

  @Option(
      names = "--heal-mb-per-second",
      paramLabel = "N",
      description =
          "Most MiB a second that a replica fetches, as of 'capsule replica'; 64 if not given, 0"
              + " for no limit.")
  private int healMbPerSecond = 64;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "Where directories are made, and deleted again; the current one if not given.")
  private Path directory = Path.of("");

  @Option(names = "--no-peers", description = "Leave Redis and etcd out.")
  private boolean noPeers;

  @Option(
      names = "--in-process",
      hidden = true,
      description = "Replicas in this process: for a try, not for figures.")
  private boolean inProcess;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  BenchReplicationCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    ReplicationBench.Options options =
        new ReplicationBench.Options(
            directory.toAbsolutePath(),
            replicas,
            outstanding,
            sizes,
            seconds,
            rebuildMb,
            healMbPerSecond,
            noPeers
                ? ReplicationBench.Peers.NONE
                : new ReplicationBench.Peers(
                    context.onPath("redis-server"),
                    context.onPath("etcd"),
                    context.onPath("openssl")),
            inProcess);
    PrintStream err = context.streams().err();
    ReplicationBench.Report report =
        new ReplicationBench(options, new SystemClock(), step -> err.println("bench: " + step))
            .run();
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

  private void printTable(ReplicationBench.Report report) {
    PrintStream out = context.streams().out();
    out.println("durable writes, on " + report.fileSystem() + "; latencies in ms");
    report.notes().forEach(out::println);
    String line = "%-8s %8s %11s %7s %12s %9s %9s %9s %8s %8s";
    out.println(
        String.format(
            Locale.ROOT,
            line,
            "",
            "replicas",
            "outstanding",
            "bytes",
            "writes/s",
            "p50",
            "p99",
            "p99.9",
            "x redis",
            "x etcd"));
    for (ReplicationBench.Row row : report.rows()) {
      Sample sample = row.sample();
      boolean ours = row.target().equals("capsule");
      out.println(
          String.format(
              Locale.ROOT,
              line,
              row.target(),
              row.replicas(),
              row.outstanding(),
              row.valueBytes(),
              String.format(Locale.ROOT, "%,.0f", sample.rate()),
              millis(sample.p50Micros()),
              millis(sample.p99Micros()),
              millis(sample.p999Micros()),
              ours ? ratio(report.ratio(row, "redis")) : "",
              ours ? ratio(report.ratio(row, "etcd")) : ""));
    }
    ReplicationBench.Rebuild rebuild = report.rebuild();
    if (rebuild != null) {
      out.println(
          String.format(
              Locale.ROOT,
              "rebuild of 1 of %d replicas: %.1f MB, %,d records in %.1f s: %.1f MB/s, %,.0f"
                  + " records/s",
              rebuild.replicas(),
              (double) rebuild.bytes() / MEGA,
              rebuild.records(),
              rebuild.seconds(),
              (double) rebuild.bytes() / MEGA / rebuild.seconds(),
              (double) rebuild.records() / rebuild.seconds()));
      out.println(
          String.format(
              Locale.ROOT,
              "writers meanwhile: %,.0f/s, p99 %s; before: %,.0f/s, p99 %s; %.2f of the throughput",
              rebuild.during().rate(),
              millis(rebuild.during().p99Micros()),
              rebuild.before().rate(),
              millis(rebuild.before().p99Micros()),
              rebuild.during().rate() / rebuild.before().rate()));
    }
  }

  private static String millis(double micros) {
    return String.format(Locale.ROOT, "%.3f", micros / 1e3);
  }

  private static String ratio(double ratio) {
    return ratio == 0 ? "-" : String.format(Locale.ROOT, "%.2f", ratio);
  }

  private void printJson(ReplicationBench.Report report) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeStringField("fileSystem", report.fileSystem());
          fields.writeArrayFieldStart("notes");
          for (String note : report.notes()) {
            fields.writeString(note);
          }
          fields.writeEndArray();
          fields.writeArrayFieldStart("measurements");
          for (ReplicationBench.Row row : report.rows()) {
            fields.writeStartObject();
            fields.writeStringField("target", row.target());
            fields.writeNumberField("replicas", row.replicas());
            fields.writeNumberField("outstanding", row.outstanding());
            fields.writeNumberField("valueBytes", row.valueBytes());
            sample(fields, row.sample());
            if (row.target().equals("capsule")) {
              ratioField(fields, "ratioToRedis", report.ratio(row, "redis"));
              ratioField(fields, "ratioToEtcd", report.ratio(row, "etcd"));
            }
            fields.writeEndObject();
          }
          fields.writeEndArray();
          ReplicationBench.Rebuild rebuild = report.rebuild();
          if (rebuild != null) {
            fields.writeObjectFieldStart("rebuild");
            fields.writeNumberField("replicas", rebuild.replicas());
            fields.writeNumberField("bytes", rebuild.bytes());
            fields.writeNumberField("records", rebuild.records());
            fields.writeNumberField("seconds", rebuild.seconds());
            fields.writeObjectFieldStart("before");
            sample(fields, rebuild.before());
            fields.writeEndObject();
            fields.writeObjectFieldStart("during");
            sample(fields, rebuild.during());
            fields.writeEndObject();
            fields.writeEndObject();
          }
        });
  }

  private static void ratioField(JsonGenerator fields, String name, double ratio)
      throws IOException {
    if (ratio != 0) {
      fields.writeNumberField(name, ratio);
    }
  }

  private static void sample(JsonGenerator fields, Sample sample) throws IOException {
    fields.writeNumberField("writesPerSecond", sample.rate());
    fields.writeNumberField("p50Micros", sample.p50Micros());
    fields.writeNumberField("p99Micros", sample.p99Micros());
    fields.writeNumberField("p999Micros", sample.p999Micros());
    fields.writeNumberField("writes", sample.operations());
  }
}
