package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.jepsen.fuzz.FuzzProcesses.Outcome;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Runs Jazzer on each decoder. Decoders share processes, one after the other: starting Jazzer and
 * instrumenting what decoders have in common takes longer than a short run. When one ends its
 * process the others of it go on in a new one.
 */
@Command(
    name = "fuzz",
    mixinStandardHelpOptions = true,
    header = "Fuzz every decoder that bytes from outside reach.",
    footer = {
      "",
      "Exit code 0: nothing was found; 1: something was, its input is kept; 2: the command line is"
          + " wrong.",
      "Of each decoder there are, in the folder of its name below --corpus: corpus, log, and inputs"
          + " that found something."
    })
public final class FuzzCommand implements Callable<Integer> {

  private static final int CLEAN = 0;
  private static final int FOUND = 1;
  private static final int DEFAULT_SECONDS = 120;

  private static final int DEFAULT_HANG_SECONDS = 25;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description = "Of fuzzing in all, divided among the decoders; 120 if not given.")
  private int seconds = DEFAULT_SECONDS;

  @Option(
      names = "--target",
      split = ",",
      paramLabel = "NAME",
      description = "Which decoders; all if not given. --list tells them.")
  private List<String> names = List.of();

  @Option(
      names = "--parallel",
      paramLabel = "N",
      description =
          "How many processes at once, which share the decoders; as many as there are processors if"
              + " not given.")
  private int parallel = Runtime.getRuntime().availableProcessors();

  @Option(
      names = "--hang",
      paramLabel = "N",
      description = "Of seconds; an input that takes longer is a finding. 25 if not given.")
  private int hangSeconds = DEFAULT_HANG_SECONDS;

  @Option(
      names = "--corpus",
      paramLabel = "DIR",
      description =
          "Where what is found interesting is kept, by decoder; target/fuzz if not given.")
  private Path corpus = Path.of("target", "fuzz");

  @Option(
      names = "--kept",
      paramLabel = "DIR",
      description = "A corpus that is read, and not written.")
  private @Nullable Path kept;

  @Option(names = "--list", description = "List the decoders.")
  private boolean list;

  @Spec private CommandSpec spec = CommandSpec.create();

  /** Waits for its options. */
  public FuzzCommand() {}

  /** The program. */
  public static void main(String[] arguments) {
    System.exit(new CommandLine(new FuzzCommand()).execute(arguments));
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    List<FuzzTarget> targets =
        names.isEmpty() ? FuzzTargets.all() : names.stream().map(FuzzTargets::of).toList();
    if (list) {
      targets.forEach(target -> out.println(target.name()));
      out.flush();
      return CLEAN;
    }
    if (seconds < 1 || parallel < 1 || hangSeconds < 1) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--seconds, --parallel and --hang are more than 0");
    }
    int each = Math.max(1, (seconds + targets.size() - 1) / targets.size());
    out.printf("%d decoders, %d s each, %d at once%n", targets.size(), each, parallel);
    out.flush();
    List<Outcome> outcomes = Collections.synchronizedList(new ArrayList<>());
    Consumer<Outcome> tell =
        outcome -> {
          outcomes.add(outcome);
          synchronized (out) {
            out.printf("%-24s %s%n", outcome.name(), outcome.summary());
            out.flush();
          }
        };
    long begin = System.nanoTime();
    // Neighbours are of one module and have most of their classes in common.
    int processes = Math.min(parallel, targets.size());
    try (ExecutorService pool = Executors.newFixedThreadPool(processes)) {
      for (int i = 0; i < processes; i++) {
        List<String> share =
            targets
                .subList(i * targets.size() / processes, (i + 1) * targets.size() / processes)
                .stream()
                .map(FuzzTarget::name)
                .toList();
        pool.execute(() -> new FuzzProcesses(share, each, hangSeconds, corpus, kept, tell).run());
      }
    }
    List<Outcome> bad = outcomes.stream().filter(outcome -> !outcome.clean()).toList();
    out.printf(
        Locale.ROOT,
        "%d decoders in %.0f s: %s%n",
        outcomes.size(),
        (System.nanoTime() - begin) * 1e-9,
        bad.isEmpty() ? "nothing found" : "FOUND in " + bad.stream().map(Outcome::name).toList());
    out.flush();
    return bad.isEmpty() && outcomes.size() == targets.size() ? CLEAN : FOUND;
  }
}
