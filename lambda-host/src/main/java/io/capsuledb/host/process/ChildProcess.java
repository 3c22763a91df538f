package io.capsuledb.host.process;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A process of this program that lives no longer than this one: it is given a pipe as its standard
 * input and told to stop when that ends, which it does however this process ends. What it prints
 * goes to a file. Thread-safe.
 */
final class ChildProcess {

  /** In the child's environment: it was started by another one, see bin/capsule. */
  private static final String CHILD_VARIABLE = "CAPSULE_CHILD";

  private static final String UNTIL_INPUT_ENDS = "--until-input-ends";
  private static final int LAST_LINES = 5;
  private static final int MAX_LINE = 16 << 10;
  private static final int SIGNALLED = 128;

  private final String name;
  private final Process process;
  private final Path log;
  private final String readyEvent;
  private final CompletableFuture<String> ready = new CompletableFuture<>();
  private final ArrayDeque<String> lastLines = new ArrayDeque<>();
  private final Thread reader;

  private ChildProcess(String name, Process process, Path log, String readyEvent) {
    this.name = name;
    this.process = process;
    this.log = log;
    this.readyEvent = " event=" + readyEvent + " ";
    this.reader = Thread.ofPlatform().daemon().name("capsule-log-" + name).unstarted(this::copy);
  }

  /**
   * Starts a process.
   *
   * @param arguments the command and its arguments
   * @param log what it prints is added to this file
   * @param readyEvent the event that it logs when it is ready
   */
  static ChildProcess start(String name, List<String> arguments, Path log, String readyEvent) {
    List<String> command = new ArrayList<>(SelfCommand.prefix(arguments.getFirst()));
    command.addAll(arguments);
    command.add(UNTIL_INPUT_ENDS);
    try {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().put(CHILD_VARIABLE, "1");
      builder.environment().put("CAPSULE_NO_BUILD", "1");
      ChildProcess child = new ChildProcess(name, builder.start(), log, readyEvent);
      child.reader.start();
      return child;
    } catch (IOException e) {
      throw new UnavailableException("cannot start " + name + ": " + e.getMessage(), e);
    }
  }

  private void copy() {
    try (BufferedReader in =
            new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        Writer out =
            Files.newBufferedWriter(
                log,
                StandardCharsets.UTF_8,
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        out.write(line);
        out.write('\n');
        out.flush();
        keep(line.length() <= MAX_LINE ? line : line.substring(0, MAX_LINE));
      }
    } catch (IOException e) {
      keep("its output is lost: " + e.getMessage());
    } finally {
      ready.completeExceptionally(new IOException("it ended"));
    }
  }

  private void keep(String line) {
    synchronized (lastLines) {
      lastLines.add(line);
      if (lastLines.size() > LAST_LINES) {
        lastLines.remove();
      }
    }
    if (line.contains(readyEvent)) {
      ready.complete(line);
    }
  }

  /**
   * Waits until it is ready.
   *
   * @return the line in which it said so
   * @throws UnavailableException if it ends before, or is not in time
   */
  String awaitReady(long seconds) {
    try {
      return ready.get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      String how = describeEnd();
      throw new UnavailableException(
          name + " " + how + " before it was ready; its last words: " + lastWords(), e);
    } catch (TimeoutException e) {
      throw new UnavailableException(
          name + " was not ready within " + seconds + " s; its last words: " + lastWords(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while " + name + " started", e);
    }
  }

  /** The value of a field of a line that was logged; null if there is none. */
  static @Nullable String field(String line, String name) {
    int at = line.indexOf(" " + name + "=");
    if (at < 0) {
      return null;
    }
    int from = at + name.length() + 2;
    int to = line.indexOf(' ', from);
    return line.substring(from, to < 0 ? line.length() : to);
  }

  private String lastWords() {
    synchronized (lastLines) {
      return lastLines.isEmpty() ? "none" : String.join(" | ", lastLines);
    }
  }

  /** How it ended; waits for that a moment. */
  String describeEnd() {
    try {
      if (!process.waitFor(1, TimeUnit.SECONDS)) {
        return "closed its output";
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "ended";
    }
    int code = process.exitValue();
    return code > SIGNALLED
        ? "ended with exit code " + code + " (signal " + (code - SIGNALLED) + ")"
        : "ended with exit code " + code;
  }

  String name() {
    return name;
  }

  Path log() {
    return log;
  }

  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Runs something when it has ended, on another thread. */
  void onEnd(Runnable task) {
    Thread.ofVirtual()
        .start(
            () -> {
              process.onExit().join();
              task.run();
            });
  }

  /** Asks it to stop. */
  void stop() {
    // Not Process.destroy, which would close the pipe with its last words, too.
    process.toHandle().destroy();
  }

  /** Waits until it has stopped; kills it if that takes too long. Says whether it had to. */
  boolean awaitEnd(long seconds) {
    try {
      boolean killed = !process.waitFor(seconds, TimeUnit.SECONDS);
      if (killed) {
        process.destroyForcibly().waitFor();
      }
      reader.join();
      return killed;
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      return true;
    }
  }

  /** Makes a directory. */
  static void makeDirectory(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new StorageException("cannot make the directory " + directory + " (" + e + ")", e);
    }
  }
}
