package io.capsuledb.jepsen.run;

import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.check.VersionChecker;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import io.capsuledb.jepsen.nemesis.Nemesis;
import io.capsuledb.jepsen.resp.ServerFaultException;
import io.capsuledb.jepsen.system.SystemUnderTest;
import io.capsuledb.jepsen.workload.Workload;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One run from its first operation to the verdict. */
public final class Run {

  private static final long SECOND_NS = TimeUnit.SECONDS.toNanos(1);

  /**
   * How.
   *
   * @param faults kinds of faults to draw from; none: no faults
   * @param seconds of load
   * @param clients at once
   * @param ratePerSecond operations in all; 0: as many as go
   * @param timeoutMs after which a reply is given up
   * @param maxGapSeconds most without an acknowledged write while a majority lives
   * @param seed of everything that is drawn
   * @param rhythm of the faults
   * @param directory of histories
   */
  public record Options(
      List<String> faults,
      int seconds,
      int clients,
      int ratePerSecond,
      int timeoutMs,
      int maxGapSeconds,
      long seed,
      Nemesis.Rhythm rhythm,
      Path directory) {

    /** Copies the list. */
    public Options {
      faults = List.copyOf(faults);
    }
  }

  /**
   * What became of it.
   *
   * @param verdicts of each workload's history
   * @param histories of each workload
   * @param windows the faults there were
   * @param problems what else is wrong: service, convergence, stores
   * @param notes what was seen, in words
   * @param loadNs how long there was load
   */
  public record Result(
      Map<String, Verdict> verdicts,
      Map<String, List<Op>> histories,
      List<FaultWindow> windows,
      List<String> problems,
      List<String> notes,
      long loadNs) {

    /** Whether nothing is wrong. */
    public boolean clean() {
      return problems.isEmpty() && verdicts.values().stream().allMatch(Verdict::clean);
    }

    /** How many operations ended so, in all histories. */
    public long count(OpType type) {
      return histories.values().stream()
          .flatMap(List::stream)
          .filter(op -> op.type() == type)
          .count();
    }
  }

  private final Options options;
  private final List<Workload> workloads;
  private final SystemUnderTest system;
  private final Consumer<String> report;
  private final SplittableRandom random;
  private final long originNs = System.nanoTime();

  private Run(
      Options options, List<Workload> workloads, SystemUnderTest system, Consumer<String> report) {
    this.options = options;
    this.workloads = List.copyOf(workloads);
    this.system = system;
    this.report = report;
    this.random = new SplittableRandom(options.seed);
  }

  /** Nanoseconds since the run began. */
  private long clock() {
    return System.nanoTime() - originNs;
  }

  /**
   * Runs.
   *
   * @param system is stopped afterwards as far as its checks need, and not closed
   * @param report hears what happens
   */
  public static Result run(
      Options options, List<Workload> workloads, SystemUnderTest system, Consumer<String> report)
      throws IOException, InterruptedException {
    return new Run(options, workloads, system, report).run(true);
  }

  /**
   * Runs, and leaves the system running: only what clients saw is judged, and whether there was
   * service.
   */
  public static Result round(
      Options options, List<Workload> workloads, SystemUnderTest system, Consumer<String> report)
      throws IOException, InterruptedException {
    return new Run(options, workloads, system, report).run(false);
  }

  private Result run(boolean isLast) throws IOException, InterruptedException {
    List<String> problems = new ArrayList<>();
    List<String> notes = new ArrayList<>();
    Nemesis nemesis =
        new Nemesis(
            options.faults,
            kind -> system.fault(kind, random),
            random,
            this::clock,
            line -> report.accept(Availability.seconds(clock()) + " " + line));
    Map<String, List<Op>> histories = new LinkedHashMap<>();
    long endNs;
    try (Load load =
        new Load(
            new Load.Options(
                options.clients, options.ratePerSecond, options.timeoutMs, options.seed),
            workloads,
            system::endpoints,
            this::clock,
            options.directory)) {
      load.prepare();
      long untilNs = clock() + options.seconds * SECOND_NS;
      // Faults end before load does, so that it shows whether service comes back.
      long faultsUntilNs = untilNs - Math.min(5, options.seconds / 4) * SECOND_NS;
      Thread faults =
          Thread.ofPlatform().name("nemesis").start(() -> faults(nemesis, faultsUntilNs, load));
      load.run(untilNs);
      faults.join();
      endNs = Math.min(clock(), untilNs);
      String failure = nemesis.failure();
      if (failure != null) {
        problems.add("nemesis: " + failure);
      }
      report.accept("load is over; final reads");
      system.settle();
      problems.addAll(load.finalReads());
      for (Workload workload : workloads) {
        histories.put(workload.name(), withVersions(workload, load.history(workload)));
      }
    } catch (ServerFaultException e) {
      throw new IOException("the server refuses what a workload needs first: " + e.getMessage(), e);
    }
    if (isLast) {
      problems.addAll(system.afterwards());
    }
    report.accept("checking histories");
    Map<String, Verdict> verdicts = new LinkedHashMap<>();
    for (Workload workload : workloads) {
      long begin = System.nanoTime();
      Verdict verdict = judge(workload, ops(histories, workload.name()));
      verdicts.put(workload.name(), verdict);
      notes.add(
          "checking " + workload.name() + " took " + Availability.ms(System.nanoTime() - begin));
    }
    Availability.Result availability =
        Availability.judge(
            List.copyOf(histories.values()),
            nemesis.windows(),
            endNs,
            options.maxGapSeconds * SECOND_NS);
    if (options.maxGapSeconds > 0) {
      problems.addAll(availability.problems());
    }
    notes.addAll(availability.notes());
    return new Result(verdicts, histories, nemesis.windows(), problems, notes, endNs);
  }

  /** Judges a history: what clients saw, and versions as far as they are known. */
  public static Verdict judge(Workload workload, List<Op> history) {
    Verdict verdict = workload.check(history);
    return switch (workload.versioned()) {
      case NO -> verdict;
      case BY_PROCESS -> verdict.and(VersionChecker.check(history, false));
      case IN_REAL_TIME -> verdict.and(VersionChecker.check(history, true));
    };
  }

  /** Adds what the server tells of versions, where each value has one, and writes that down. */
  private List<Op> withVersions(Workload workload, List<Op> history) throws IOException {
    if (workload.versioned() == Workload.Versioned.NO) {
      return history;
    }
    Versions versions = Versions.of(history, system.endpoints().getFirst(), options.timeoutMs);
    if (versions.isEmpty()) {
      return history;
    }
    List<Op> annotated = versions.annotate(history);
    Versions.write(options.directory.resolve(workload.name() + ".versions.jsonl"), annotated);
    return annotated;
  }

  private static List<Op> ops(Map<String, List<Op>> histories, String name) {
    @Nullable List<Op> ops = histories.get(name);
    return ops == null ? List.of() : ops;
  }

  private void faults(Nemesis nemesis, long untilNs, Load load) {
    try {
      nemesis.run(untilNs, options.rhythm);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (nemesis.failure() != null) {
      load.stop();
    }
  }
}
