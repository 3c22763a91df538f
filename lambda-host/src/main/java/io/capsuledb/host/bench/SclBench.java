package io.capsuledb.host.bench;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.host.process.LocalCluster;
import io.capsuledb.host.process.LocalWorkers;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * Measures several workers on one capsule: three replicas, a router and workers, each a process of
 * its own on loopback, on one disk. All of them share the processors with the load.
 */
public final class SclBench {

  private static final int REPLICAS = 3;
  private static final int VALUE_BYTES = 100;
  private static final int KEYS = 100_000;
  private static final int CLIENTS = 48;
  private static final int PIPELINE = 16;
  private static final int MOST_BATCH = 4096;
  private static final int LOAD_PIPELINE = 256;
  private static final int LOAD_CLIENTS = 8;
  private static final int TIMEOUT_MS = 120_000;
  private static final long PART_SECONDS = 1_800;
  private static final long VISIBLE_NANOS = TimeUnit.SECONDS.toNanos(30);
  private static final int SYNC_MS = 60_000;
  private static final Executor THREADS = task -> Thread.ofPlatform().daemon().start(task);

  /** What there is to measure. */
  public enum Part {
    /** SET and GET of all workers together. */
    THROUGHPUT,
    /** SETs of one client, so many at a time. */
    BATCHES,
    /** From a SET at one worker to the value at another. */
    VISIBILITY,
    /** CAPSULE.SYNC. */
    EPOCHS,
    /** INCR of own and of shared keys. */
    TRANSACTIONS,
    /** A worker that was away. */
    CATCH_UP
  }

  /**
   * How to measure.
   *
   * @param directory where the processes' directories are made
   * @param workers how many there are, one measurement for each number
   * @param parts what to measure
   * @param operations of each measurement of throughput
   * @param samples of each measurement of latency
   * @param missed operations that the worker that was away has missed
   * @param missedAlone whether each of them is a record of its own
   * @param epochMs between two consistent cuts
   */
  public record Options(
      Path directory,
      List<Integer> workers,
      Set<Part> parts,
      int operations,
      int samples,
      int missed,
      boolean missedAlone,
      int epochMs) {

    /** Checks the ranges. */
    public Options {
      workers = List.copyOf(workers);
      parts = parts.isEmpty() ? Set.of() : EnumSet.copyOf(parts);
      for (int count : workers) {
        within("workers", count, 1, 16);
      }
      within("operations", operations, 1_000, 100_000_000);
      within("samples", samples, 10, 1_000_000);
      within("missed", missed, 1_000, 100_000_000);
      within("epoch-ms", epochMs, 10, 3_600_000);
    }

    private static void within(String name, int value, int least, int most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            name + " is " + value + ": allowed are " + least + " to " + most);
      }
    }
  }

  /**
   * One figure.
   *
   * @param what it is of
   * @param value in {@code unit}
   */
  public record Figure(Part part, String what, double value, String unit) {}

  private final Options options;
  private final Clock clock;
  private final Consumer<String> report;
  private final List<Figure> figures = new ArrayList<>();

  /**
   * A bench.
   *
   * @param report hears what it does, and figures as they come
   */
  public SclBench(Options options, Clock clock, Consumer<String> report) {
    this.options = options;
    this.clock = clock;
    this.report = report;
  }

  /**
   * Measures everything that was asked for.
   *
   * @throws UnavailableException if a process does not start or does not answer
   */
  public List<Figure> run() {
    int most = options.workers().stream().mapToInt(Integer::intValue).max().orElse(2);
    if (options.parts().contains(Part.THROUGHPUT)) {
      for (int count : options.workers()) {
        with(count, this::throughput);
      }
    }
    if (options.parts().contains(Part.BATCHES)) {
      with(1, this::batches);
    }
    List<Consumer<LocalWorkers>> several = new ArrayList<>();
    if (options.parts().contains(Part.VISIBILITY)) {
      several.add(this::visibility);
    }
    if (options.parts().contains(Part.EPOCHS)) {
      several.add(this::epochs);
    }
    if (options.parts().contains(Part.TRANSACTIONS)) {
      several.add(this::transactions);
    }
    if (!several.isEmpty()) {
      with(Math.clamp(most, 2, 4), workers -> several.forEach(part -> part.accept(workers)));
    }
    if (options.parts().contains(Part.CATCH_UP)) {
      with(2, this::catchUp);
    }
    return List.copyOf(figures);
  }

  private void figure(Part part, String what, double value, String unit) {
    figures.add(new Figure(part, what, value, unit));
    report.accept(String.format(java.util.Locale.ROOT, "%s: %,.2f %s", what, value, unit));
  }

  // ------------------------------------------------------------------ processes

  /** Starts replicas and workers, has something done with them, and removes them. */
  private void with(int count, Consumer<LocalWorkers> part) {
    Path directory;
    try {
      directory = Files.createTempDirectory(options.directory(), "capsule-bench-scl-");
    } catch (IOException e) {
      throw new StorageException("cannot make a directory in " + options.directory(), e);
    }
    report.accept("starting " + REPLICAS + " replicas and " + count + " workers");
    try (LocalCluster cluster =
            LocalCluster.start(new LocalCluster.Options(directory, REPLICAS, 0, null), line -> {});
        LocalWorkers workers =
            LocalWorkers.start(
                new LocalWorkers.Options(
                    directory.resolve("workers"),
                    count,
                    new HostPort("127.0.0.1", 0),
                    null,
                    List.of(),
                    List.of(
                        "--replicas",
                        "@" + directory.resolve("replicas.txt"),
                        "--epoch-ms",
                        Integer.toString(options.epochMs()))),
                line -> {})) {
      assert cluster != null;
      part.accept(workers);
    } finally {
      DirectoryTree.remove(directory);
    }
  }

  private static InetSocketAddress address(LocalWorkers workers, int worker) {
    HostPort at = workers.addresses().get(worker);
    return at.resolve();
  }

  private static RespClient connect(LocalWorkers workers, int worker) {
    return RespClient.open(
        ClientOptions.builder()
            .address(workers.addresses().get(worker))
            .timeoutMs(TIMEOUT_MS)
            .build());
  }

  private static byte[] ascii(String text) {
    return RespClient.ascii(text);
  }

  /** Has each worker's part done at once; returns when all are. */
  private static void together(int count, java.util.function.IntConsumer part) {
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int worker = i;
      all.add(CompletableFuture.runAsync(() -> part.accept(worker), THREADS));
    }
    for (CompletableFuture<Void> one : all) {
      try {
        one.get(PART_SECONDS, TimeUnit.SECONDS);
      } catch (ExecutionException e) {
        if (e.getCause() instanceof CapsuleException failure) {
          throw failure;
        }
        throw new StorageException("the bench met a defect", e);
      } catch (TimeoutException e) {
        throw new UnavailableException("a part of the bench did not end in time", e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UnavailableException("interrupted", e);
      }
    }
  }

  // ------------------------------------------------------------------ parts

  private void throughput(LocalWorkers workers) {
    int count = workers.addresses().size();
    Workload sets = new Workload(Workload.Operation.SET, PIPELINE, VALUE_BYTES, KEYS);
    Workload gets = new Workload(Workload.Operation.GET, PIPELINE, VALUE_BYTES, KEYS);
    load(workers, sets, options.operations() / 4);
    figure(
        Part.THROUGHPUT,
        "SET, " + count + (count == 1 ? " worker" : " workers"),
        load(workers, sets, options.operations()),
        "/s");
    sync(workers);
    load(workers, gets, options.operations() / 4);
    figure(
        Part.THROUGHPUT,
        "GET, " + count + (count == 1 ? " worker" : " workers"),
        load(workers, gets, 2 * options.operations()),
        "/s");
  }

  /** Operations a second of all workers together, from the first begun to the last ended. */
  private double load(LocalWorkers workers, Workload workload, int operations) {
    int count = workers.addresses().size();
    long begin = clock.monotonicNanos();
    together(
        count,
        worker ->
            new LoadGenerator(address(workers, worker), Math.max(1, CLIENTS / count), clock)
                .measure(workload, operations / count));
    return (double) operations * 1e9 / (clock.monotonicNanos() - begin);
  }

  private static void sync(LocalWorkers workers) {
    for (int i = 0; i < workers.addresses().size(); i++) {
      try (RespClient client = connect(workers, i)) {
        client.query(ascii("CAPSULE.SYNC"), ascii(Integer.toString(SYNC_MS)));
      }
    }
  }

  /** One client that has so many SETs under way: they are sealed and sent as one record. */
  private void batches(LocalWorkers workers) {
    double single = 0;
    for (int batch = 1; batch <= MOST_BATCH; batch *= 4) {
      Workload sets = new Workload(Workload.Operation.SET, batch, VALUE_BYTES, KEYS);
      LoadGenerator client = new LoadGenerator(address(workers, 0), 1, clock);
      // Of about equal length: as many rounds as the measurement allows.
      int rounds = Math.clamp(options.operations() / (20L * batch), 20, 4_000);
      client.measure(sets, batch * Math.max(1, rounds / 4));
      double rate = client.measure(sets, batch * rounds).rate();
      if (batch == 1) {
        single = rate;
      }
      figure(Part.BATCHES, "SET, batches of " + batch, rate, "/s");
      if (batch == MOST_BATCH) {
        figure(Part.BATCHES, "ratio of batches of " + MOST_BATCH + " to 1", rate / single, "");
      }
    }
  }

  private void visibility(LocalWorkers workers) {
    double[] sent = new double[options.samples()];
    double[] acknowledged = new double[options.samples()];
    try (RespClient writer = connect(workers, 0);
        RespClient reader = connect(workers, workers.addresses().size() - 1)) {
      byte[] key = ascii("visible");
      for (int i = 0; i < sent.length; i++) {
        byte[] value = ascii("v" + i);
        AtomicInteger answered = new AtomicInteger();
        long begin = clock.monotonicNanos();
        long[] done = new long[1];
        CompletableFuture<Void> write =
            CompletableFuture.runAsync(
                () -> {
                  writer.update(ascii("SET"), key, value);
                  done[0] = clock.monotonicNanos();
                  answered.incrementAndGet();
                },
                THREADS);
        while (!(reader.query(ascii("GET"), key) instanceof Reply.Bulk bulk
            && Arrays.equals(bulk.bytes(), value))) {
          if (clock.monotonicNanos() - begin > VISIBLE_NANOS) {
            throw new UnavailableException("a write was not seen at another worker in time");
          }
        }
        long seen = clock.monotonicNanos();
        write.join();
        sent[i] = (seen - begin) / 1e6;
        acknowledged[i] = Math.max(0, seen - done[0]) / 1e6;
      }
    }
    percentiles(Part.VISIBILITY, "from sending a SET to its value at another worker", sent);
    percentiles(Part.VISIBILITY, "the same from its acknowledgement", acknowledged);
  }

  private void epochs(LocalWorkers workers) {
    int count = Math.clamp(options.samples() / 10, 10, 100);
    double[] idle = new double[count];
    try (RespClient writer = connect(workers, 0);
        RespClient client = connect(workers, workers.addresses().size() - 1)) {
      for (int i = 0; i < count; i++) {
        writer.update(ascii("SET"), ascii("epoch"), ascii(Integer.toString(i)));
        long begin = clock.monotonicNanos();
        client.query(ascii("CAPSULE.SYNC"), ascii(Integer.toString(SYNC_MS)));
        idle[i] = (clock.monotonicNanos() - begin) / 1e6;
      }
    }
    percentiles(Part.EPOCHS, "CAPSULE.SYNC", idle);
  }

  private void transactions(LocalWorkers workers) {
    int count = workers.addresses().size();
    int each = options.samples();
    double[] own = new double[each];
    try (RespClient client = connect(workers, count - 1)) {
      client.update(ascii("INCR"), ascii("own"));
      for (int i = 0; i < each; i++) {
        long begin = clock.monotonicNanos();
        client.update(ascii("INCR"), ascii("own"));
        own[i] = (clock.monotonicNanos() - begin) / 1e6;
      }
    }
    percentiles(Part.TRANSACTIONS, "INCR of a key that one worker uses", own);
    double[] blind = new double[each];
    try (RespClient client = connect(workers, count - 1)) {
      for (int i = 0; i < each; i++) {
        long begin = clock.monotonicNanos();
        client.update(ascii("SET"), ascii("own"), ascii("0"));
        blind[i] = (clock.monotonicNanos() - begin) / 1e6;
      }
    }
    percentiles(Part.TRANSACTIONS, "SET of it, which needs no lock", blind);
    double[] shared = new double[each * count];
    long begin = clock.monotonicNanos();
    together(
        count,
        worker -> {
          try (RespClient client = connect(workers, worker)) {
            for (int i = 0; i < each; i++) {
              long from = clock.monotonicNanos();
              client.update(ascii("INCR"), ascii("shared"));
              shared[worker * each + i] = (clock.monotonicNanos() - from) / 1e6;
            }
          }
        });
    double seconds = (clock.monotonicNanos() - begin) / 1e9;
    percentiles(Part.TRANSACTIONS, "INCR of a key that all " + count + " workers use", shared);
    figure(Part.TRANSACTIONS, "INCR of it, all workers together", shared.length / seconds, "/s");
    try (RespClient client = connect(workers, 0)) {
      Reply sum = client.query(ascii("INCRBY"), ascii("shared"), ascii("0"));
      if (!(sum instanceof Reply.Count(long value) && value == shared.length)) {
        throw new OutcomeUnknownException(
            "the counter is " + sum + " after " + shared.length + " increments");
      }
    }
  }

  /** A worker is away while others write, comes back, and serves when it has all of it. */
  private void catchUp(LocalWorkers workers) {
    boolean alone = options.missedAlone();
    Workload sets =
        new Workload(
            Workload.Operation.SET,
            alone ? 1 : LOAD_PIPELINE,
            VALUE_BYTES,
            Math.max(KEYS, options.missed()));
    long[] records = new long[1];
    long ms =
        workers.away(
            1,
            () -> {
              long before = head(workers);
              new LoadGenerator(address(workers, 0), alone ? 1 : LOAD_CLIENTS, clock)
                  .measure(sets, options.missed());
              records[0] = head(workers) - before;
              try (RespClient client = connect(workers, 0)) {
                client.update(ascii("SET"), ascii("last"), ascii("one"));
              }
            });
    try (RespClient client = connect(workers, 1)) {
      if (!client.query(ascii("GET"), ascii("last")).text().equals("one")) {
        throw new OutcomeUnknownException("the worker that came back has not all of it");
      }
    }
    figure(Part.CATCH_UP, "operations that a worker missed", options.missed(), "");
    figure(Part.CATCH_UP, "records of the chain they are in", (double) records[0], "");
    figure(Part.CATCH_UP, "until it serves again, from its start", (double) ms, "ms");
    figure(Part.CATCH_UP, "records caught up with in a second", records[0] * 1e3 / ms, "/s");
  }

  private static long head(LocalWorkers workers) {
    try (RespClient client = connect(workers, 0)) {
      if (client.query(ascii("CAPSULE.HEAD")) instanceof Reply.Sequence(List<Reply> fields)) {
        for (int i = 0; i + 1 < fields.size(); i += 2) {
          if (fields.get(i).text().equals("sequence")) {
            return fields.get(i + 1) instanceof Reply.Count(long value)
                ? value
                : Long.parseLong(fields.get(i + 1).text());
          }
        }
      }
      throw new StorageException("CAPSULE.HEAD does not tell the sequence number");
    }
  }

  private void percentiles(Part part, String what, double[] ms) {
    double[] sorted = ms.clone();
    Arrays.sort(sorted);
    figure(part, what + ", p50", sorted[sorted.length / 2], "ms");
    figure(
        part, what + ", p99", sorted[Math.min(sorted.length - 1, sorted.length * 99 / 100)], "ms");
  }
}
