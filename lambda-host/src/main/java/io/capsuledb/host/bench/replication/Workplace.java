package io.capsuledb.host.bench.replication;

import io.capsuledb.core.error.UnavailableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * The directory of one run, with everything in it, and the foreign programs that run there. Closing
 * it leaves neither; nor does an interrupt.
 */
final class Workplace implements AutoCloseable {

  static final String LOOPBACK = "127.0.0.1";

  private static final long READY_MS = 60_000;
  private static final long STOP_MS = 15_000;
  private static final long POLL_MS = 20;
  private static final int LOG_LINES = 5;

  /** A program, and how it ends. */
  static final class Program implements AutoCloseable {
    private final String name;
    private final Process process;
    private final Path log;

    private Program(String name, Process process, Path log) {
      this.name = name;
      this.process = process;
      this.log = log;
    }

    /** Waits until a condition holds. */
    void awaitReady(BooleanSupplier ready) {
      long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(READY_MS);
      while (!ready.getAsBoolean()) {
        if (!process.isAlive()) {
          throw new UnavailableException(name + " ended; its last words: " + lastWords());
        }
        if (System.nanoTime() - deadline > 0) {
          throw new UnavailableException(
              name
                  + " was not ready within "
                  + READY_MS / 1000
                  + " s; its last words: "
                  + lastWords());
        }
        pause();
      }
    }

    /** Waits until it has ended well. */
    void awaitSuccess() {
      try {
        if (!process.waitFor(READY_MS, TimeUnit.MILLISECONDS)) {
          process.destroyForcibly();
          throw new UnavailableException(name + " does not end");
        }
      } catch (InterruptedException e) {
        process.destroyForcibly();
        Thread.currentThread().interrupt();
        throw new UnavailableException("interrupted while " + name + " ran", e);
      }
      if (process.exitValue() != 0) {
        throw new UnavailableException(name + " failed; its last words: " + lastWords());
      }
    }

    private String lastWords() {
      try {
        List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1);
        return String.join(
            " | ", lines.subList(Math.max(0, lines.size() - LOG_LINES), lines.size()));
      } catch (IOException e) {
        return "cannot be read, " + e.getMessage();
      }
    }

    @Override
    public void close() {
      process.destroy();
      try {
        if (!process.waitFor(STOP_MS, TimeUnit.MILLISECONDS)) {
          process.destroyForcibly().waitFor();
        }
      } catch (InterruptedException e) {
        process.destroyForcibly();
        Thread.currentThread().interrupt();
      }
    }
  }

  private final Path root;
  private final Thread hook;

  /** The process is ending and the hook cleans up. */
  private volatile boolean abandoned;

  Workplace(Path parent) {
    try {
      root = Files.createTempDirectory(parent, "capsule-bench-replication-");
    } catch (IOException e) {
      throw new UnavailableException("cannot make a directory in " + parent + " (" + e + ")", e);
    }
    hook = new Thread(this::abandon, "bench-cleanup");
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** An interrupt: whatever still runs is killed. */
  private void abandon() {
    abandoned = true;
    for (ProcessHandle child : ProcessHandle.current().children().toList()) {
      child.destroyForcibly();
      child.onExit().join();
    }
    delete(root);
  }

  /** Makes a directory. */
  Path directory(String name) {
    try {
      return Files.createDirectories(root.resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make " + root.resolve(name), e);
    }
  }

  /** The kind of file system it is on, such as {@code ext4}. */
  String fileSystem() {
    try {
      return Files.getFileStore(root).type();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot ask for the file system of " + root, e);
    }
  }

  /** Free loopback ports, all different. */
  static List<Integer> freePorts(int count) {
    List<ServerSocket> sockets = new ArrayList<>();
    List<Integer> ports = new ArrayList<>();
    try {
      for (int i = 0; i < count; i++) {
        ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        sockets.add(socket);
        ports.add(socket.getLocalPort());
      }
      for (ServerSocket socket : sockets) {
        socket.close();
      }
      return ports;
    } catch (IOException e) {
      throw new UnavailableException("there are no free ports (" + e.getMessage() + ")", e);
    }
  }

  /** Starts a program in a directory. */
  Program start(String name, Path directory, List<String> command) {
    Path log = directory.resolve(name + ".log");
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      return new Program(name, process, log);
    } catch (IOException e) {
      throw new UnavailableException("cannot start " + name + ": " + e.getMessage(), e);
    }
  }

  static void pause() {
    try {
      Thread.sleep(POLL_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted", e);
    }
  }

  /** Deletes a directory with everything in it. */
  static void delete(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + directory, e);
    }
  }

  @Override
  public void close() {
    if (abandoned) {
      return;
    }
    delete(root);
    Runtime.getRuntime().removeShutdownHook(hook);
  }
}
