package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A process to do harm to. It holds a pipe from this one as its standard input, and is killed when
 * this JVM ends in order. Used by one thread at a time.
 */
final class Child {

  private static final long START_SECONDS = 120;
  private static final long STOP_SECONDS = 60;
  private static final long POLL_MS = 20;

  private final String name;
  private final List<String> command;
  private final Map<String, String> environment;
  private final Path log;
  private final String readyText;
  private volatile @Nullable Process process;
  private String readyLine = "";

  /**
   * A process that does not run yet.
   *
   * @param readyText what the line of its output has in it that says that it is ready
   */
  Child(
      String name,
      List<String> command,
      Map<String, String> environment,
      Path log,
      String readyText) {
    this.name = name;
    this.command = List.copyOf(command);
    this.environment = Map.copyOf(environment);
    this.log = log;
    this.readyText = readyText;
  }

  String name() {
    return name;
  }

  /** Starts it, and waits until it is ready. */
  void start() throws IOException {
    begin();
    awaitReady();
  }

  private long logged;

  /** Starts it and does not wait. */
  void begin() throws IOException {
    Files.createDirectories(log.toAbsolutePath().getParent());
    logged = Files.exists(log) ? Files.size(log) : 0;
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    builder.environment().putAll(environment);
    boolean isFirst = process == null;
    process = builder.start();
    if (isFirst) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> running().destroyForcibly()));
    }
  }

  /** Waits until it is ready. */
  void awaitReady() throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < deadline) {
      String line = find();
      if (line != null) {
        readyLine = line;
        return;
      }
      if (!running().isAlive()) {
        throw new IOException(
            name + " ended with " + running().exitValue() + " before it was ready; see " + log);
      }
      pause();
    }
    throw new IOException(name + " was not ready within " + START_SECONDS + " s; see " + log);
  }

  private @Nullable String find() throws IOException {
    try (var in = Files.newInputStream(log)) {
      in.skipNBytes(logged);
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return text.lines().filter(line -> line.contains(readyText)).findFirst().orElse(null);
    }
  }

  static void pause() throws IOException {
    try {
      Thread.sleep(POLL_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** A field of the line in which it said that it was ready. */
  String field(String field) throws IOException {
    for (String word : readyLine.split(" ", -1)) {
      if (word.startsWith(field + "=")) {
        return word.substring(field.length() + 1);
      }
    }
    throw new IOException(name + " did not say its " + field + ": " + readyLine);
  }

  private Process running() {
    Process started = process;
    if (started == null) {
      throw new IllegalStateException(name + " was not started");
    }
    return started;
  }

  boolean isAlive() {
    Process started = process;
    return started != null && started.isAlive();
  }

  long pid() {
    return running().pid();
  }

  /** kill -9. */
  void kill() throws IOException {
    running().destroyForcibly();
    await(STOP_SECONDS);
  }

  /** SIGTERM, and waits. Says whether it ended by itself. */
  boolean stop() throws IOException {
    if (!isAlive()) {
      return true;
    }
    running().toHandle().destroy();
    if (await(STOP_SECONDS)) {
      return true;
    }
    kill();
    return false;
  }

  private boolean await(long seconds) throws IOException {
    try {
      return running().waitFor(seconds, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** SIGSTOP. */
  void pauseProcess() throws IOException {
    signal("STOP");
  }

  /** SIGCONT. */
  void continueProcess() throws IOException {
    signal("CONT");
  }

  private void signal(String signal) throws IOException {
    Commands.run(List.of("kill", "-" + signal, Long.toString(pid())));
  }

  /** The last lines of what it printed. */
  String lastWords() throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(log, StandardCharsets.ISO_8859_1));
    return String.join("\n", lines.subList(Math.max(0, lines.size() - 5), lines.size()));
  }
}
