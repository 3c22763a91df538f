package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.crypto.Hashes;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Some decoders, one after the other, in one process as long as none of them ends it, and in a new
 * one with those that are left when one does. Used by one thread.
 */
final class FuzzProcesses {

  /** What one decoder's run came to. */
  record Outcome(String name, boolean clean, String summary) {}

  private static final String MEMORY = "-Xmx400m";

  /** A JVM and its agent may take this long to begin; it is not counted as fuzzing. */
  private static final int STARTUP_SECONDS = 240;

  /** What is between decoders, and an input that is slow but no hang, may take this long. */
  private static final int GRACE_SECONDS = 60;

  private static final int LAST_WORDS_SECONDS = 10;

  private static final Pattern RUNS = Pattern.compile("Done (\\d+) runs in (\\d+) second");

  private final List<String> names;
  private final int seconds;
  private final int hangSeconds;
  private final Path corpus;
  private final @Nullable Path kept;
  private final Consumer<Outcome> tell;

  FuzzProcesses(
      List<String> names,
      int seconds,
      int hangSeconds,
      Path corpus,
      @Nullable Path kept,
      Consumer<Outcome> tell) {
    this.names = names;
    this.seconds = seconds;
    this.hangSeconds = hangSeconds;
    this.corpus = corpus;
    this.kept = kept;
    this.tell = tell;
  }

  /** Gives each decoder its time, and tells of each as soon as it is known. */
  void run() {
    int next = 0;
    while (next < names.size()) {
      List<String> left = names.subList(next, names.size());
      int ended;
      try {
        ended = attempt(left);
      } catch (IOException e) {
        tell.accept(new Outcome(left.getFirst(), false, "could not be run: " + e));
        ended = 1;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        left.forEach(name -> tell.accept(new Outcome(name, false, "interrupted")));
        return;
      }
      next += ended;
    }
  }

  /** One process; returns of how many of the decoders the outcome is known now, at least one. */
  private int attempt(List<String> left) throws IOException, InterruptedException {
    Files.createDirectories(corpus);
    String mark = "capsule-fuzz-" + UUID.randomUUID();
    Path current = Jazzed.currentOf(corpus, mark);
    Path reproducers = Files.createDirectories(corpus.resolve(".reproducers-" + mark));
    Process process =
        new ProcessBuilder(command(left, mark, reproducers)).redirectErrorStream(true).start();
    process.getOutputStream().close();
    int ended = 0;
    boolean begun = false;
    try (Deadline deadline = new Deadline(process);
        Log log = new Log();
        BufferedReader said =
            new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.ISO_8859_1))) {
      deadline.in(STARTUP_SECONDS + seconds + hangSeconds);
      log.open(left.getFirst());
      for (String line = said.readLine(); line != null; line = said.readLine()) {
        if (line.startsWith(mark + Jazzed.BEGIN)) {
          if (begun) {
            deadline.in(seconds + hangSeconds + GRACE_SECONDS);
            log.open(left.get(ended));
          }
          begun = true;
        } else if (line.startsWith(mark + Jazzed.END)) {
          tell.accept(log.clean(left.get(ended)));
          ended++;
        } else if (line.startsWith(mark + Jazzed.STUCK)) {
          // A JVM in which nothing goes on may not be able to say where, nor to end.
          deadline.in(LAST_WORDS_SECONDS);
        } else {
          log.line(line);
        }
      }
      int code = process.waitFor();
      if (ended < left.size()) {
        String name = left.get(ended);
        Path directory = Files.createDirectories(corpus.resolve(name));
        String input = keepInput(directory, current);
        keepReproducers(reproducers, directory);
        String seen = log.finding();
        String what =
            !seen.isEmpty() ? seen : deadline.isOver() ? "does not end" : "exit code " + code;
        tell.accept(
            new Outcome(
                name, false, "FOUND " + what + input + "; see " + directory.resolve(Log.NAME)));
        ended++;
      }
      return ended;
    } finally {
      process.destroyForcibly();
      Files.deleteIfExists(current);
      keepReproducers(reproducers, corpus);
      Files.deleteIfExists(reproducers);
    }
  }

  private List<String> command(List<String> left, String mark, Path reproducers) {
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
            "-Djazzer.target_class=" + Jazzed.class.getName(),
            "-Djazzer.instrumentation_includes=io.capsuledb.**",
            "-Djazzer.custom_hook_includes=io.capsuledb.**",
            "-Djazzer.reproducer_path=" + reproducers,
            "-D" + Jazzed.PROPERTIES + "mark=" + mark,
            "-D" + Jazzed.PROPERTIES + "seconds=" + seconds,
            "-D" + Jazzed.PROPERTIES + "hang=" + hangSeconds,
            "-D" + Jazzed.PROPERTIES + "corpus=" + corpus));
    if (kept != null) {
      command.add("-D" + Jazzed.PROPERTIES + "kept=" + kept);
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Jazzed.class.getName()));
    command.addAll(left);
    return command;
  }

  /**
   * libFuzzer keeps an input that threw, as a rule; this is also there when the process just died.
   */
  private static String keepInput(Path directory, Path current) throws IOException {
    byte[] input = CurrentInput.read(current);
    if (input == null) {
      return "";
    }
    Path file = directory.resolve("found-" + Hashes.sha256(input));
    Files.write(file, input);
    return ", its input is " + file;
  }

  private static void keepReproducers(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.move(file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }

  /** What a process says about one decoder, in that decoder's folder. */
  private final class Log implements AutoCloseable {
    static final String NAME = "log";

    private @Nullable PrintWriter file;
    private String runs = "";
    private String finding = "";

    void open(String name) throws IOException {
      close();
      Path directory = Files.createDirectories(corpus.resolve(name));
      file =
          new PrintWriter(
              Files.newBufferedWriter(directory.resolve(NAME), StandardCharsets.ISO_8859_1));
      runs = "";
      finding = "";
    }

    void line(String line) {
      if (file != null) {
        file.println(line);
      }
      Matcher matcher = RUNS.matcher(line);
      if (matcher.find()) {
        runs = matcher.group(1) + " inputs in " + matcher.group(2) + " s";
      }
      if (finding.isEmpty() && (line.startsWith("== Java Exception") || line.contains("ERROR"))) {
        finding = line;
      }
    }

    /** The first line that tells of something, or nothing. */
    String finding() {
      return finding;
    }

    /** A run that ended as it should: with a count. */
    Outcome clean(String name) {
      return runs.isEmpty()
          ? new Outcome(name, false, "ended without a count of inputs")
          : new Outcome(name, true, runs);
    }

    @Override
    public void close() {
      if (file != null) {
        file.close();
      }
    }
  }

  /** Kills a process that is not there in time: what hangs without its own watch seeing it. */
  private static final class Deadline implements AutoCloseable {
    private final ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1);
    private final AtomicBoolean over = new AtomicBoolean();
    private final Process process;
    private @Nullable ScheduledFuture<?> pending;

    Deadline(Process process) {
      this.process = process;
    }

    void in(int seconds) {
      if (pending != null) {
        pending.cancel(false);
      }
      pending =
          timer.schedule(
              () -> {
                over.set(true);
                process.destroyForcibly();
              },
              seconds,
              TimeUnit.SECONDS);
    }

    boolean isOver() {
      return over.get();
    }

    @Override
    public void close() {
      timer.shutdownNow();
    }
  }
}
