package io.capsuledb.host.process;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Replicas and a server as processes of their own on this machine. In its directory:
 *
 * <ul>
 *   <li>{@code replica-1/}, {@code replica-2/}, …: what each replica holds;
 *   <li>{@code replica-1.key}, …: their keys, so that a directory can be emptied;
 *   <li>{@code serve/}: the server's keys and cache;
 *   <li>{@code replicas.txt}: where the replicas are and who they are;
 *   <li>with enclaves: {@code machine/}, the simulated machine; {@code policy.toml}, who runs the
 *       same code as this; {@code launch}, where everything is, for {@code app};
 *   <li>{@code log/}: what each process printed.
 * </ul>
 *
 * <p>Nothing is started again: a process that ends is reported, and how to start it. Thread-safe.
 */
public final class LocalCluster implements AutoCloseable {

  /** Most replicas. */
  public static final int MAX_REPLICAS = 7;

  /** Replicas of a new cluster if nobody says otherwise. */
  public static final int DEFAULT_REPLICAS = 3;

  private static final long START_SECONDS = 120;
  private static final long STOP_SECONDS = 30;
  private static final String LOOPBACK = "127.0.0.1";

  /**
   * How a cluster is to be.
   *
   * @param directory where everything is
   * @param replicas how many; 0: as many as the directory has, or three in a new one
   * @param port of the first replica, the others follow; 0: any free ones
   * @param serve arguments of {@code serve} beside those that the cluster sets; null: no server
   * @param enclaves workers for launched programs, insecure-simulated, with a router, an
   *     assertion-generating enclave, a scheduler, a leader and a coordinator; 0: none of these
   */
  public record Options(
      Path directory, int replicas, int port, @Nullable List<String> serve, int enclaves) {

    /** A cluster without enclaves. */
    public Options(Path directory, int replicas, int port, @Nullable List<String> serve) {
      this(directory, replicas, port, serve, 0);
    }

    /** Checks the ranges. */
    public Options {
      serve = serve == null ? null : List.copyOf(serve);
      if (replicas < 0 || replicas > MAX_REPLICAS) {
        throw new InvalidRequestException(
            "replicas is " + replicas + ": allowed are 1 to " + MAX_REPLICAS);
      }
      if (port < 0 || port > 65535 - MAX_REPLICAS) {
        throw new InvalidRequestException(
            "port is " + port + ": allowed are 0 to " + (65535 - MAX_REPLICAS));
      }
      if (enclaves < 0 || enclaves > EnclaveProcesses.MAX_WORKERS) {
        throw new InvalidRequestException(
            "enclaves is " + enclaves + ": allowed are 1 to " + EnclaveProcesses.MAX_WORKERS);
      }
    }
  }

  private final Options options;
  private final Consumer<String> report;
  private final List<ChildProcess> replicas = new ArrayList<>();
  private final List<ReplicaAddress> addresses = new ArrayList<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private @Nullable ChildProcess server;
  private @Nullable EnclaveProcesses enclaves;
  private @Nullable String serverLine;
  private boolean closing;
  private int alive;

  private LocalCluster(Options options, Consumer<String> report) {
    this.options = options;
    this.report = report;
  }

  /**
   * Starts a cluster; when this returns, all of it is ready.
   *
   * @param report hears what happens, in sentences
   * @throws UnavailableException if a process does not start
   */
  public static LocalCluster start(Options options, Consumer<String> report) {
    LocalCluster cluster = new LocalCluster(options, report);
    boolean started = false;
    try {
      cluster.begin();
      started = true;
      return cluster;
    } finally {
      if (!started) {
        cluster.close();
      }
    }
  }

  private void begin() {
    Path directory = options.directory();
    ChildProcess.makeDirectory(directory.resolve("log"));
    int count = count();
    List<Integer> ports = ports(count);
    for (int i = 1; i <= count; i++) {
      List<String> peers = new ArrayList<>();
      for (int j = 1; j <= count; j++) {
        if (j != i) {
          peers.add(LOOPBACK + ":" + ports.get(j - 1));
        }
      }
      List<String> arguments =
          new ArrayList<>(
              List.of(
                  "replica",
                  "--data",
                  directory.resolve("replica-" + i).toString(),
                  "--key",
                  directory.resolve("replica-" + i + ".key").toString(),
                  "--listen",
                  LOOPBACK + ":" + ports.get(i - 1),
                  "--http",
                  LOOPBACK + ":0"));
      if (!peers.isEmpty()) {
        arguments.addAll(List.of("--peers", String.join(",", peers)));
      }
      replicas.add(child("replica-" + i, arguments, "replica.ready"));
    }
    for (ChildProcess replica : replicas) {
      String line = replica.awaitReady(START_SECONDS);
      ReplicaAddress address =
          new ReplicaAddress(
              HostPort.parse(field(replica, line, "listen")),
              ReplicaAddress.key(field(replica, line, "key")));
      addresses.add(address);
      report.accept(
          replica.name()
              + " is ready on "
              + address
              + " (pid "
              + replica.pid()
              + "), metrics on http://"
              + field(replica, line, "http")
              + "/metrics");
    }
    writeList();
    if (options.enclaves() > 0) {
      EnclaveProcesses started =
          new EnclaveProcesses(directory, options.port(), this::child, report);
      enclaves = started;
      started.start(options.enclaves(), list());
    }
    List<String> serve = options.serve();
    if (serve != null) {
      List<String> arguments = new ArrayList<>(List.of("serve"));
      arguments.addAll(
          List.of("--data", directory.resolve("serve").toString(), "--replicas", "@" + list()));
      arguments.addAll(serve);
      ChildProcess started = child("serve", arguments, "node.ready");
      server = started;
      serverLine = started.awaitReady(START_SECONDS);
      report.accept(
          "serve is ready on "
              + field(started, serverLine, "listen")
              + " (pid "
              + started.pid()
              + "), metrics on "
              + field(started, serverLine, "http"));
    }
  }

  static String field(ChildProcess child, String line, String name) {
    String value = ChildProcess.field(line, name);
    if (value == null) {
      throw new UnavailableException(child.name() + " did not say its " + name + ": " + line);
    }
    return value;
  }

  /** How many replicas there are to be; those that a directory has are its own. */
  private int count() {
    int there = 0;
    while (there < MAX_REPLICAS
        && Files.exists(options.directory().resolve("replica-" + (there + 1) + ".key"))) {
      there++;
    }
    if (there > 0 && options.replicas() > 0 && options.replicas() != there) {
      throw new InvalidRequestException(
          options.directory()
              + " is a cluster of "
              + there
              + " replicas, not of "
              + options.replicas()
              + ": leave --replicas out; to add one, start it with 'capsule replica' and then use"
              + " 'capsule replicas add'");
    }
    return there > 0 ? there : options.replicas() > 0 ? options.replicas() : DEFAULT_REPLICAS;
  }

  private List<Integer> ports(int count) {
    List<Integer> ports = new ArrayList<>();
    if (options.port() != 0) {
      for (int i = 0; i < count; i++) {
        ports.add(options.port() + i);
      }
      return ports;
    }
    // All are held until the last is found, so that they differ.
    List<ServerSocket> sockets = new ArrayList<>();
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

  private ChildProcess child(String name, List<String> arguments, String readyEvent) {
    ChildProcess child =
        ChildProcess.start(
            name, arguments, options.directory().resolve("log").resolve(name + ".log"), readyEvent);
    synchronized (this) {
      alive++;
    }
    child.onEnd(() -> ended(child, arguments));
    return child;
  }

  private void ended(ChildProcess child, List<String> arguments) {
    boolean unexpected;
    synchronized (this) {
      unexpected = !closing;
      alive--;
      if (alive == 0) {
        ended.countDown();
      }
    }
    if (unexpected) {
      report.accept(
          child.name()
              + " "
              + child.describeEnd()
              + "; see "
              + child.log()
              + "; nothing restarts it but: capsule "
              + String.join(" ", arguments));
    }
  }

  private Path list() {
    return options.directory().resolve("replicas.txt");
  }

  private void writeList() {
    StringBuilder text = new StringBuilder("# Replicas of this cluster.\n");
    addresses.forEach(address -> text.append(address).append('\n'));
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    try {
      if (!Files.exists(list()) || !java.util.Arrays.equals(Files.readAllBytes(list()), bytes)) {
        PrivateFile.write(list(), bytes, true);
      }
    } catch (IOException e) {
      throw new StorageException("cannot read " + list() + " (" + e + ")", e);
    }
  }

  /** Where the replicas are and who they are. */
  public List<ReplicaAddress> replicas() {
    return List.copyOf(addresses);
  }

  /** Where Redis clients connect; null without a server. */
  public @Nullable HostPort listen() {
    String line = serverLine;
    String listen = line == null ? null : ChildProcess.field(line, "listen");
    return listen == null ? null : HostPort.parse(listen);
  }

  /** Process numbers of the replicas, in their order. */
  public List<Long> replicaPids() {
    return replicas.stream().map(ChildProcess::pid).toList();
  }

  /** Starts one more worker for launched programs; when this returns, it is idle. */
  public void addWorker() {
    java.util.Objects.requireNonNull(enclaves).addWorker();
  }

  /**
   * Process number of a process of launched programs, such as {@code leader}.
   *
   * @throws InvalidRequestException if there is none of that name
   */
  public long pid(String name) {
    return java.util.Objects.requireNonNull(enclaves).named(name).pid();
  }

  /** Starts such a process again that has ended; when this returns, it is ready. */
  public void restart(String name) {
    java.util.Objects.requireNonNull(enclaves).restart(name);
  }

  /** Process numbers of the workers for launched programs, in their order; empty without. */
  public List<Long> workerPids() {
    EnclaveProcesses launched = enclaves;
    return launched == null
        ? List.of()
        : launched.workers().stream().map(ChildProcess::pid).toList();
  }

  /** Waits until no process is left. */
  public void awaitEnd() {
    try {
      ended.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Stops the server, then the replicas; returns when no process is left. Idempotent. */
  @Override
  public void close() {
    synchronized (this) {
      closing = true;
    }
    ChildProcess first = server;
    if (first != null) {
      first.stop();
      finish(first);
    }
    EnclaveProcesses launched = enclaves;
    if (launched != null) {
      launched.all().forEach(ChildProcess::stop);
      launched.all().forEach(this::finish);
    }
    replicas.forEach(ChildProcess::stop);
    replicas.forEach(this::finish);
  }

  private void finish(ChildProcess child) {
    if (child.awaitEnd(STOP_SECONDS)) {
      report.accept(child.name() + " did not stop within " + STOP_SECONDS + " s and was killed");
    }
  }
}
