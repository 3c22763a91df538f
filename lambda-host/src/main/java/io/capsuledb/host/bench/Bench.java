package io.capsuledb.host.bench;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.bench.Workload.Operation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Compares this server with Redis on the same machine, disk and load: durable SETs and GETs, one by
 * one and pipelined, of small and larger values.
 *
 * <p>Both servers run all the time and are measured in turn, in an order that alternates from round
 * to round, so that what else the machine does meets both alike. Each measurement is warmed up by a
 * shorter one. Of several rounds the one with the median throughput counts.
 */
public final class Bench {

  /** Most clients at once. */
  public static final int MAX_CLIENTS = 1000;

  private static final int MAX_REQUESTS = 100_000_000;
  private static final int MAX_PIPELINE = 1024;
  private static final int MAX_VALUE_BYTES = 1 << 20;
  private static final int MAX_KEYS = 10_000_000;
  private static final int MAX_ROUNDS = 99;

  /** Pipelined commands are quick: so many times more of them are sent, at most. */
  private static final int MAX_PIPELINE_FACTOR = 4;

  private static final int WARM_UP_PART = 4;
  private static final int FILL_PIPELINE = 16;

  private final Options options;
  private final Clock clock;
  private final Consumer<String> progress;

  /**
   * What to measure.
   *
   * @param directory where the servers' directories are made
   * @param redisProgram the program {@code redis-server}, or null to leave Redis out
   * @param clients connections at once
   * @param requests commands of one measurement with pipeline 1; up to four times as many with more
   * @param pipelines commands that a client sends before it waits
   * @param valueSizes lengths of values, in bytes
   * @param keys how many different keys there are
   * @param rounds how often each measurement is repeated
   */
  public record Options(
      Path directory,
      @Nullable String redisProgram,
      int clients,
      int requests,
      List<Integer> pipelines,
      List<Integer> valueSizes,
      int keys,
      int rounds) {

    /** Checks every option. */
    public Options {
      pipelines = List.copyOf(pipelines);
      valueSizes = List.copyOf(valueSizes);
      check("clients", clients, MAX_CLIENTS);
      check("requests", requests, MAX_REQUESTS);
      check("keys", keys, MAX_KEYS);
      check("rounds", rounds, MAX_ROUNDS);
      pipelines.forEach(pipeline -> check("pipelines", pipeline, MAX_PIPELINE));
      valueSizes.forEach(size -> check("sizes", size, MAX_VALUE_BYTES));
      if (!Files.isDirectory(directory)) {
        throw new InvalidRequestException("dir is " + directory + ": allowed is a directory");
      }
    }

    private static void check(String name, int value, int most) {
      if (value < 1 || value > most) {
        throw new InvalidRequestException(name + " is " + value + ": allowed are 1 to " + most);
      }
    }
  }

  /**
   * A comparison.
   *
   * @param clients connections at once
   * @param fileSystem the kind of file system both wrote to
   * @param rows one for each operation, pipeline and length of values
   */
  public record Report(int clients, String fileSystem, List<Row> rows) {

    /** Copies the rows. */
    public Report {
      rows = List.copyOf(rows);
    }
  }

  /**
   * One line of the comparison.
   *
   * @param operation SET or GET
   * @param pipeline commands that a client sent before it waited
   * @param valueBytes length of each value
   * @param ours what was measured of this server
   * @param redis what was measured of Redis; null if it is not there
   */
  public record Row(
      String operation, int pipeline, int valueBytes, Sample ours, @Nullable Sample redis) {

    /** Our throughput as a multiple of that of Redis; 0 if it is not there. */
    public double ratio() {
      return redis == null ? 0 : ours.rate() / redis.rate();
    }
  }

  /**
   * A bench.
   *
   * @param progress told what is being measured, one sentence each
   */
  public Bench(Options options, Clock clock, Consumer<String> progress) {
    this.options = options;
    this.clock = clock;
    this.progress = progress;
  }

  /** Runs all measurements; takes minutes. */
  public Report run() {
    progress.accept("starting capsule");
    try (ServerProcess ours = ServerProcess.capsule(options.directory(), clock)) {
      String redisProgram = options.redisProgram();
      if (redisProgram == null) {
        return compare(ours, null);
      }
      progress.accept("starting redis");
      try (ServerProcess redis = ServerProcess.redis(redisProgram, options.directory(), clock)) {
        return compare(ours, redis);
      }
    }
  }

  private Report compare(ServerProcess ours, @Nullable ServerProcess redis) {
    Map<String, LoadGenerator> targets = new LinkedHashMap<>();
    targets.put("capsule", new LoadGenerator(ours.address(), options.clients(), clock));
    if (redis != null) {
      targets.put("redis", new LoadGenerator(redis.address(), options.clients(), clock));
    }
    List<Row> rows = new ArrayList<>();
    for (int size : options.valueSizes()) {
      fill(targets, size);
      for (int pipeline : options.pipelines()) {
        for (Operation operation : Operation.values()) {
          rows.add(measure(targets, new Workload(operation, pipeline, size, options.keys())));
        }
      }
    }
    return new Report(options.clients(), ours.fileSystem(), rows);
  }

  private void fill(Map<String, LoadGenerator> targets, int size) {
    Workload fill = new Workload(Operation.SET, FILL_PIPELINE, size, options.keys());
    targets.forEach(
        (name, generator) -> {
          progress.accept(name + ": writing " + options.keys() + " keys of " + size + " bytes");
          generator.fill(fill);
        });
  }

  private Row measure(Map<String, LoadGenerator> targets, Workload workload) {
    int factor = Math.min(MAX_PIPELINE_FACTOR, workload.pipeline());
    int requests = (int) Math.min(MAX_REQUESTS, (long) options.requests() * factor);
    Map<String, List<Sample>> samples = new LinkedHashMap<>();
    List<String> order = new ArrayList<>(targets.keySet());
    for (int round = 0; round < options.rounds(); round++) {
      for (String name : order) {
        LoadGenerator generator = targets.get(name);
        if (generator == null) {
          throw new AssertionError("the order is that of the targets");
        }
        progress.accept(
            String.format(
                Locale.ROOT,
                "%s: %s, pipeline %d, %d bytes, round %d of %d",
                name,
                workload.operation(),
                workload.pipeline(),
                workload.valueBytes(),
                round + 1,
                options.rounds()));
        generator.measure(workload, Math.max(1, requests / WARM_UP_PART));
        Sample sample = generator.measure(workload, requests);
        samples.computeIfAbsent(name, key -> new ArrayList<>()).add(sample);
        progress.accept(String.format(Locale.ROOT, "%s: %,.0f a second", name, sample.rate()));
      }
      order = order.reversed();
    }
    List<Sample> ours = samples.getOrDefault("capsule", List.of());
    List<Sample> theirs = samples.getOrDefault("redis", List.of());
    return new Row(
        workload.operation().name(),
        workload.pipeline(),
        workload.valueBytes(),
        median(ours),
        theirs.isEmpty() ? null : median(theirs));
  }

  private static Sample median(List<Sample> samples) {
    List<Sample> sorted =
        samples.stream().sorted(Comparator.comparingDouble(Sample::rate)).toList();
    return sorted.get(sorted.size() / 2);
  }
}
