package io.capsuledb.replication.store;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** A JVM of our own to be killed, and what it said. */
final class ChildProcess implements AutoCloseable {

  private static final long TIMEOUT_SECONDS = 60;

  private final Process process;
  private final Thread reader;
  private final CountDownLatch said = new CountDownLatch(1);
  private final Map<Long, Long> acknowledged = new ConcurrentSkipListMap<>();
  private final AtomicLong lines = new AtomicLong();
  private final List<String> text = new ArrayList<>();

  ChildProcess(List<String> jvmArguments, Class<?> main, List<String> arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED", "-Xmx256m", "-XX:+UseSerialGC", "-Xshare:auto"));
    command.addAll(jvmArguments);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(arguments);
    process = new ProcessBuilder(command).redirectErrorStream(true).start();
    reader = Thread.ofPlatform().start(this::read);
  }

  private void read() {
    try (BufferedReader in =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        if (line.matches("[0-9]+ [0-9]+")) {
          int space = line.indexOf(' ');
          acknowledged.put(
              Long.parseLong(line.substring(0, space)), Long.parseLong(line.substring(space + 1)));
        } else {
          synchronized (text) {
            text.add(line);
          }
        }
        lines.incrementAndGet();
        said.countDown();
      }
    } catch (IOException e) {
      if (process.isAlive()) {
        throw new UncheckedIOException(e);
      }
    } finally {
      said.countDown();
    }
  }

  /** Waits until it has said anything. */
  void awaitFirstLine() throws InterruptedException {
    if (!said.await(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError("the child said nothing");
    }
  }

  /** Waits until it has said {@code count} lines, or ended. */
  void awaitLines(long count) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
    while (lines.get() < count && process.isAlive()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("only " + lines + " lines");
      }
      Thread.onSpinWait();
    }
  }

  boolean awaitExit() throws InterruptedException {
    boolean ended = process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    reader.join();
    return ended;
  }

  /** SIGKILL. Through the handle: the process object would close the pipe, unread lines and all. */
  void kill() throws InterruptedException {
    process.toHandle().destroyForcibly();
    process.waitFor();
    reader.join();
  }

  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** The newest sequence number it said was acknowledged, by writer. */
  Map<Long, Long> acknowledged() {
    return acknowledged;
  }

  /** What else it said. */
  String text() {
    synchronized (text) {
      return String.join("\n", text);
    }
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
