package io.capsuledb.jepsen.sim;

import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.Simulation;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.jepsen.mutants.Mutants;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.LogManager;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Runs simulations of the real cores by seeds, each twice where it has a trace. What it prints at
 * the end is what was reached, and what was not.
 */
@Command(
    name = "sim",
    mixinStandardHelpOptions = true,
    header = "Simulate whole clusters, each from one seed, and check what they promise.",
    footer = {
      "",
      "Exit code 0: clean; 1: a property is broken, or two runs of a seed differ; 2: the command"
          + " line is wrong.",
      "A failing seed is made as simple as goes and printed as the command that repeats it."
    })
public final class SimCommand implements Callable<Integer> {

  private static final int CLEAN = 0;
  private static final int VIOLATION = 1;
  private static final int USAGE = 2;
  private static final int DEFAULT_SEEDS = 100;
  private static final long PROGRESS_MS = 5_000;

  /** Most that is spent on making a failing seed simpler. */
  private static final long SIMPLIFY_NS = TimeUnit.SECONDS.toNanos(60);

  private static final int MESSAGE_LINES = 12;

  @Option(
      names = "--seeds",
      paramLabel = "N",
      description = "How many of each simulation; 100 if not given, with --minutes no limit.")
  private @Nullable Long seeds;

  @Option(names = "--first-seed", paramLabel = "S", description = "The first one; 0 if not given.")
  private long firstSeed;

  @Option(
      names = "--minutes",
      paramLabel = "M",
      description = "Begins no new seed after so many minutes.")
  private @Nullable Double minutes;

  @Option(
      names = "--simulation",
      split = ",",
      paramLabel = "NAME",
      description = "Which; all if not given. --list tells them.")
  private List<String> names = List.of();

  @Option(
      names = "--with",
      split = ",",
      paramLabel = "KNOB=VALUE",
      description = "Sets what the seed would draw: a fault's frequency, a size, an option.")
  private Map<String, String> given = new LinkedHashMap<>();

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Seeds at once; as many as there are processors if not given.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(names = "--once", description = "Each seed once, without comparing two runs.")
  private boolean once;

  @Option(
      names = "--seeded-bug",
      paramLabel = "NAME",
      description =
          "Puts one of the bugs of 'capsule seeded-bugs' into the product first: to see what a"
              + " violation looks like.")
  private @Nullable String seededBug;

  @Option(names = "--list", description = "List the simulations with the knobs of the first seed.")
  private boolean list;

  @Spec private CommandSpec spec = CommandSpec.create();

  private final Map<SimulationKind, Simulation> simulations = new LinkedHashMap<>();
  private final Map<SimulationKind, AtomicLong> done = new LinkedHashMap<>();
  private final Map<SimulationKind, SortedMap<String, Long>> reached = new LinkedHashMap<>();
  private volatile @Nullable Failure failure;

  /** Waits for its options. */
  public SimCommand() {}

  private record Failure(SimulationKind kind, long seed, Throwable cause) {}

  private record Task(SimulationKind kind, long seed) {}

  /** The program. */
  public static void main(String[] arguments) {
    // What simulated processes log would bury what this says.
    LogManager.getLogManager().reset();
    System.exit(new CommandLine(new SimCommand()).execute(arguments));
  }

  @Override
  public Integer call() throws InterruptedException {
    if (threads < 1 || (seeds != null && seeds < 1) || (minutes != null && minutes <= 0)) {
      spec.commandLine().getErr().println("--threads, --seeds and --minutes are more than 0");
      return USAGE;
    }
    String bug = seededBug;
    // The product as it is shows which of its lines are run.
    ClassLoader classes;
    if (bug == null) {
      classes = new ProbedLoader();
    } else {
      if (!Mutants.names().contains(bug)) {
        spec.commandLine()
            .getErr()
            .println("--seeded-bug is '" + bug + "': 'capsule seeded-bugs --list' tells them");
        return USAGE;
      }
      classes = Mutants.loader(bug);
    }
    for (SimulationKind kind : SimulationKind.values()) {
      if (names.isEmpty() || names.contains(kind.label())) {
        simulations.put(kind, kind.load(classes));
        done.put(kind, new AtomicLong());
        reached.put(kind, new TreeMap<>());
      }
    }
    for (String name : names) {
      if (simulations.keySet().stream().noneMatch(kind -> kind.label().equals(name))) {
        spec.commandLine().getErr().println("--simulation is '" + name + "': --list tells them");
        return USAGE;
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    if (list) {
      simulations.forEach(
          (kind, simulation) -> {
            out.printf("%-9s %s%n", kind.label(), kind.what());
            simulation.draw(firstSeed).forEach((k, v) -> out.printf("            %s=%s%n", k, v));
          });
      out.flush();
      return CLEAN;
    }
    for (String knob : given.keySet()) {
      if (simulations.values().stream().noneMatch(s -> s.draw(firstSeed).containsKey(knob))) {
        spec.commandLine().getErr().println("--with " + knob + ": --list tells the knobs");
        return USAGE;
      }
    }
    long begin = System.nanoTime();
    runAll(begin);
    summary(out, System.nanoTime() - begin);
    Failure failed = failure;
    if (failed != null) {
      explain(out, failed);
    }
    out.println(failed == null ? "clean" : "NOT CLEAN");
    out.flush();
    return failed == null ? CLEAN : VIOLATION;
  }

  private void runAll(long begin) throws InterruptedException {
    long most = seeds != null ? seeds : minutes != null ? Long.MAX_VALUE : DEFAULT_SEEDS;
    long limitNs =
        minutes == null ? Long.MAX_VALUE : (long) (minutes * TimeUnit.MINUTES.toNanos(1));
    List<SimulationKind> kinds = List.copyOf(simulations.keySet());
    AtomicLong next = new AtomicLong();
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      for (int i = 0; i < threads; i++) {
        pool.execute(
            () -> {
              // Each seed goes through all simulations before the next one begins.
              while (failure == null && System.nanoTime() - begin < limitNs) {
                long number = next.getAndIncrement();
                if (number / kinds.size() >= most) {
                  return;
                }
                attempt(
                    new Task(
                        kinds.get((int) (number % kinds.size())),
                        firstSeed + number / kinds.size()));
              }
            });
      }
      pool.shutdown();
      while (!pool.awaitTermination(PROGRESS_MS, TimeUnit.MILLISECONDS)) {
        PrintWriter err = spec.commandLine().getErr();
        err.printf(
            Locale.ROOT, "%4.0f s  seeds:%s%n", (System.nanoTime() - begin) * 1e-9, doneSoFar());
        err.flush();
      }
    }
  }

  private String doneSoFar() {
    StringBuilder text = new StringBuilder();
    done.forEach((kind, count) -> text.append(' ').append(kind.label()).append(' ').append(count));
    return text.toString();
  }

  private Simulation of(SimulationKind kind) {
    return Objects.requireNonNull(simulations.get(kind));
  }

  private void attempt(Task task) {
    try {
      Simulation simulation = of(task.kind);
      Simulation.Outcome outcome = simulation.run(task.seed, given);
      if (!once && task.kind.hasTrace()) {
        long again = simulation.run(task.seed, given).trace();
        if (again != outcome.trace()) {
          throw new Violation(
              "the same trace twice", "seed ", task.seed, ": ", outcome.trace(), " and ", again);
        }
      }
      SortedMap<String, Long> all = Objects.requireNonNull(reached.get(task.kind));
      synchronized (all) {
        outcome.reached().forEach((what, times) -> all.merge(what, times, Long::sum));
      }
      Objects.requireNonNull(done.get(task.kind)).incrementAndGet();
    } catch (RuntimeException | Error broken) {
      synchronized (this) {
        if (failure == null) {
          failure = new Failure(task.kind, task.seed, broken);
        }
      }
    }
  }

  // ------------------------------------------------------------------ what was reached

  private void summary(PrintWriter out, long nanos) {
    out.printf(Locale.ROOT, "%.1f s; seeds from %d on:%s%n", nanos * 1e-9, firstSeed, doneSoFar());
    List<String> traced =
        simulations.keySet().stream()
            .filter(SimulationKind::hasTrace)
            .map(SimulationKind::label)
            .toList();
    if (!once && failure == null && !traced.isEmpty()) {
      out.println("two runs of each seed of " + String.join(", ", traced) + " had the same trace");
    }
    simulations.forEach(
        (kind, simulation) -> {
          SortedMap<String, Long> counts = Objects.requireNonNull(reached.get(kind));
          if (counts.isEmpty()) {
            return;
          }
          out.println(kind.label() + " reached:");
          StringBuilder line = new StringBuilder();
          for (Map.Entry<String, Long> entry : counts.entrySet()) {
            String text = entry.getKey() + " " + entry.getValue();
            if (line.length() + text.length() > 96) {
              out.println("  " + line);
              line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : ", ").append(text);
          }
          out.println("  " + line);
          TreeSet<String> never = new TreeSet<>(simulation.reachable());
          never.removeAll(counts.keySet());
          out.println("  never: " + (never.isEmpty() ? "nothing" : String.join(", ", never)));
        });
    SortedMap<String, Probe.Share> packages = new TreeMap<>();
    Probe.shares()
        .forEach(
            (type, share) ->
                packages.merge(type.substring(0, type.lastIndexOf('.')), share, Probe.Share::plus));
    out.println("lines of the product's code that were run, of classes that were loaded:");
    packages.forEach(
        (name, share) ->
            out.printf(
                Locale.ROOT,
                "  %-40s %5d of %5d  %3.0f %%%n",
                name,
                share.run(),
                share.lines(),
                100.0 * share.run() / share.lines()));
  }

  // ------------------------------------------------------------------ a failure

  private void explain(PrintWriter out, Failure failed) {
    String property = Violation.propertyOf(failed.cause);
    out.printf("VIOLATION %s, seed %d: %s%n", failed.kind.label(), failed.seed, property);
    Map<String, String> simplest = simplify(failed, property);
    Throwable shown = failed.cause;
    Throwable simplestFailure = failureOf(failed, simplest);
    if (simplestFailure != null) {
      shown = simplestFailure;
    }
    String.valueOf(shown.getMessage())
        .lines()
        .limit(MESSAGE_LINES)
        .forEach(line -> out.println("  " + line));
    StringBuilder command =
        new StringBuilder("bin/capsule sim --simulation ")
            .append(failed.kind.label())
            .append(" --seeds 1 --first-seed ")
            .append(failed.seed);
    if (!simplest.isEmpty()) {
      List<String> knobs = new ArrayList<>();
      simplest.forEach((knob, value) -> knobs.add(knob + "=" + value));
      command.append(" --with ").append(String.join(",", knobs));
    }
    if (seededBug != null) {
      command.append(" --seeded-bug '").append(seededBug).append('\'');
    }
    out.println("repeat it: " + command);
  }

  private @Nullable Throwable failureOf(Failure failed, Map<String, String> knobs) {
    try {
      of(failed.kind).run(failed.seed, knobs);
      return null;
    } catch (RuntimeException | Error broken) {
      return broken;
    }
  }

  /** Sets one knob after the other to something simpler, as long as the same property is broken. */
  private Map<String, String> simplify(Failure failed, String property) {
    long begin = System.nanoTime();
    Map<String, String> simplest = new LinkedHashMap<>(given);
    SortedMap<String, String> knobs = new TreeMap<>(of(failed.kind).draw(failed.seed));
    knobs.putAll(given);
    boolean better = true;
    while (better) {
      better = false;
      for (String knob : List.copyOf(knobs.keySet())) {
        for (String value : Knobs.simpler(String.valueOf(knobs.get(knob)))) {
          if (System.nanoTime() - begin > SIMPLIFY_NS) {
            return simplest;
          }
          Map<String, String> simpler = new LinkedHashMap<>(simplest);
          simpler.put(knob, value);
          Throwable broken = failureOf(failed, simpler);
          if (broken != null && Violation.propertyOf(broken).equals(property)) {
            simplest = simpler;
            knobs.put(knob, value);
            better = true;
            break;
          }
        }
      }
    }
    return simplest;
  }
}
