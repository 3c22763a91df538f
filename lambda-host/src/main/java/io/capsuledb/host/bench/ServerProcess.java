package io.capsuledb.host.bench;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.process.SelfCommand;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A server that a benchmark starts for itself, on an empty directory of its own and a free loopback
 * port, and stops and removes when it is done.
 */
final class ServerProcess implements AutoCloseable {

  private static final long START_MS = 60_000;
  private static final long STOP_MS = 15_000;
  private static final long POLL_MS = 20;
  private static final int LOG_LINES = 5;

  private final String name;
  private final Process process;
  private final Path directory;
  private final InetSocketAddress address;

  private ServerProcess(String name, Process process, Path directory, InetSocketAddress address) {
    this.name = name;
    this.process = process;
    this.directory = directory;
    this.address = address;
    // A bench that is interrupted leaves no server behind.
    Runtime.getRuntime()
        .addShutdownHook(new Thread(process::destroyForcibly, "bench-stop-" + name));
  }

  /**
   * This server, from the build that is running.
   *
   * @param parent where its directory is made
   */
  static ServerProcess capsule(Path parent, Clock clock) {
    List<String> command = SelfCommand.prefix();
    return start(
        "capsule",
        parent,
        clock,
        (directory, port) -> {
          command.addAll(
              List.of(
                  "serve",
                  "--data",
                  directory.resolve("data").toString(),
                  "--listen",
                  "127.0.0.1:" + port,
                  "--http",
                  "none"));
          return command;
        });
  }

  /** Redis, with every write synced before its reply, like ours. */
  static ServerProcess redis(String program, Path parent, Clock clock) {
    return start(
        "redis",
        parent,
        clock,
        (directory, port) ->
            List.of(
                program,
                "--port",
                Integer.toString(port),
                "--bind",
                "127.0.0.1",
                "--dir",
                directory.toString(),
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                ""));
  }

  /** Makes the command line of a server. */
  @FunctionalInterface
  private interface CommandLine {
    List<String> of(Path directory, int port);
  }

  private static ServerProcess start(
      String name, Path parent, Clock clock, CommandLine commandLine) {
    try {
      Path directory = Files.createTempDirectory(parent, "capsule-bench-" + name + "-");
      int port = freePort();
      Process process =
          new ProcessBuilder(commandLine.of(directory, port))
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve("log").toFile())
              .start();
      ServerProcess server =
          new ServerProcess(
              name,
              process,
              directory,
              new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      try {
        server.awaitReady(clock);
      } catch (UnavailableException e) {
        server.close();
        throw e;
      }
      return server;
    } catch (IOException e) {
      throw new UnavailableException("cannot start " + name + ": " + e.getMessage(), e);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private void awaitReady(Clock clock) throws IOException {
    long deadline = clock.monotonicNanos() + TimeUnit.MILLISECONDS.toNanos(START_MS);
    while (!answers()) {
      if (!process.isAlive()) {
        throw new UnavailableException(name + " ended at once; its last words: " + lastWords());
      }
      if (clock.monotonicNanos() > deadline) {
        throw new UnavailableException(
            name
                + " did not start within "
                + START_MS / 1000
                + " s; its last words: "
                + lastWords());
      }
      pause();
    }
  }

  /** Whether it answers PING with anything but an error that it is not ready. */
  private boolean answers() {
    try (Socket socket = new Socket()) {
      socket.connect(address, (int) START_MS);
      socket.setSoTimeout((int) START_MS);
      socket.getOutputStream().write("PING\r\n".getBytes(StandardCharsets.US_ASCII));
      return socket.getInputStream().read() == '+';
    } catch (IOException e) {
      // Nobody listens yet; the caller asks again, up to its deadline.
      return false;
    }
  }

  private static void pause() {
    try {
      Thread.sleep(POLL_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while a server started", e);
    }
  }

  private String lastWords() throws IOException {
    List<String> lines = Files.readAllLines(directory.resolve("log"), StandardCharsets.ISO_8859_1);
    return String.join(" | ", lines.subList(Math.max(0, lines.size() - LOG_LINES), lines.size()));
  }

  InetSocketAddress address() {
    return address;
  }

  /** The kind of file system the server writes to, such as {@code ext4}. */
  String fileSystem() {
    try {
      return Files.getFileStore(directory).type();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot ask for the file system of " + directory, e);
    }
  }

  /** Stops the server and removes its directory. */
  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(STOP_MS, TimeUnit.MILLISECONDS)) {
        process.destroyForcibly().waitFor();
      }
      try (Stream<Path> files = Files.walk(directory)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + directory, e);
    }
  }
}
