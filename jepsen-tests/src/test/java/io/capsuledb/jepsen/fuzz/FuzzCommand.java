package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.sim.FuzzTarget;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs Jazzer on each decoder, each in a process of its own, several at once. */
@Command(
    name = "fuzz",
    mixinStandardHelpOptions = true,
    header = "Fuzz every decoder that bytes from outside reach.",
    footer = {
      "",
      "Exit code 0: nothing was found; 1: something was, its input is kept; 2: the command line is"
          + " wrong."
    })
public final class FuzzCommand implements Callable<Integer> {

  private static final int CLEAN = 0;
  private static final int FOUND = 1;
  private static final int DEFAULT_SECONDS = 120;

  /** A JVM and its agent may take this long to begin; it is not counted as fuzzing. */
  private static final int STARTUP_SECONDS = 240;

  /** Longer inputs find nothing that shorter ones do not, but for lengths, which are fields. */
  private static final int MAX_INPUT_BYTES = 4096;

  private static final String MEMORY = "-Xmx400m";
  private static final Pattern RUNS = Pattern.compile("Done (\\d+) runs in (\\d+) second");

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
      description = "How many at once; as many as there are processors if not given.")
  private int parallel = Runtime.getRuntime().availableProcessors();

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

  /** What one decoder's run came to. */
  private record Outcome(String name, boolean clean, String summary) {}

  @Override
  public Integer call() throws InterruptedException, IOException {
    PrintWriter out = spec.commandLine().getOut();
    List<FuzzTarget> targets =
        names.isEmpty() ? FuzzTargets.all() : names.stream().map(FuzzTargets::of).toList();
    if (list) {
      targets.forEach(target -> out.println(target.name()));
      out.flush();
      return CLEAN;
    }
    if (seconds < 1 || parallel < 1) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "--seconds and --parallel are more than 0");
    }
    int each = Math.max(1, (seconds + targets.size() - 1) / targets.size());
    out.printf("%d decoders, %d s each, %d at once%n", targets.size(), each, parallel);
    out.flush();
    ConcurrentLinkedQueue<Outcome> outcomes = new ConcurrentLinkedQueue<>();
    long begin = System.nanoTime();
    try (ExecutorService pool = Executors.newFixedThreadPool(parallel)) {
      for (FuzzTarget target : targets) {
        pool.execute(
            () -> {
              Outcome outcome = fuzz(target, each);
              outcomes.add(outcome);
              synchronized (out) {
                out.printf("%-24s %s%n", outcome.name, outcome.summary);
                out.flush();
              }
            });
      }
    }
    List<Outcome> bad = outcomes.stream().filter(outcome -> !outcome.clean).toList();
    out.printf(
        Locale.ROOT,
        "%d decoders in %.0f s: %s%n",
        outcomes.size(),
        (System.nanoTime() - begin) * 1e-9,
        bad.isEmpty() ? "nothing found" : "FOUND in " + bad.stream().map(Outcome::name).toList());
    out.flush();
    return bad.isEmpty() && outcomes.size() == targets.size() ? CLEAN : FOUND;
  }

  private Outcome fuzz(FuzzTarget target, int forSeconds) {
    try {
      return attempt(target, forSeconds);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return new Outcome(target.name(), false, "interrupted");
    }
  }

  private Outcome attempt(FuzzTarget target, int forSeconds)
      throws IOException, InterruptedException {
    Path directory = corpus.resolve(target.name());
    Path inputs = Files.createDirectories(directory.resolve("corpus"));
    for (int i = 0; i < target.samples().size(); i++) {
      Files.write(inputs.resolve("sample-" + i), target.samples().get(i));
    }
    Path log = directory.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            MEMORY,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+EnableDynamicAgentLoading",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            System.getProperty("java.class.path"),
            "com.code_intelligence.jazzer.Jazzer",
            "--target_class=" + Jazzed.class.getName(),
            "--target_args=" + target.name(),
            "--instrumentation_includes=io.capsuledb.**",
            "--custom_hook_includes=io.capsuledb.**",
            "--reproducer_path=" + directory,
            "-artifact_prefix=" + directory + "/",
            "-max_len=" + MAX_INPUT_BYTES,
            "-rss_limit_mb=3000",
            "-max_total_time=" + forSeconds,
            inputs.toString()));
    if (kept != null && Files.isDirectory(kept.resolve(target.name()))) {
      command.add(kept.resolve(target.name()).toString());
    }
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    boolean ended = process.waitFor(forSeconds + STARTUP_SECONDS, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly().waitFor();
      return new Outcome(target.name(), false, "does not end; see " + log);
    }
    String said = Files.readString(log, StandardCharsets.ISO_8859_1);
    Matcher runs = RUNS.matcher(said);
    if (process.exitValue() == 0 && runs.find()) {
      return new Outcome(target.name(), true, runs.group(1) + " inputs in " + runs.group(2) + " s");
    }
    String what =
        said.lines()
            .filter(line -> line.startsWith("== Java Exception") || line.contains("ERROR"))
            .findFirst()
            .orElse("exit code " + process.exitValue());
    return new Outcome(target.name(), false, "FOUND " + what + "; see " + log);
  }
}
