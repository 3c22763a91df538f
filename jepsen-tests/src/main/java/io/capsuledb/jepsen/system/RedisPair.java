package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import io.capsuledb.jepsen.resp.Endpoint;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * Two processes of redis-server, a master and a replica, and an operator who makes the replica the
 * master when the master dies: the example of what the testbed finds. The link between them is a
 * proxy, so that it can be slow.
 */
public final class RedisPair implements SystemUnderTest {

  private static final int TIMEOUT_MS = 5_000;
  private static final long SYNC_LIMIT_MS = 60_000;
  private static final long POLL_MS = 50;
  private static final Map<String, String> KINDS =
      Map.of(
          "failover",
          "redis: kill -9 of the master, the replica takes over, the old master comes back as replica",
          "lagging-failover",
          "redis: the same, and the link to the replica hangs for a moment before");

  private final Path directory;
  private final Consumer<String> report;
  private final List<Endpoint> nodes = new ArrayList<>();
  private final List<Child> children = new ArrayList<>();
  private final List<LinkProxy> links = new ArrayList<>();
  private volatile int master;

  private RedisPair(Path directory, Consumer<String> report) {
    this.directory = directory;
    this.report = report;
  }

  /** The kinds of faults there are, with what each does. */
  public static Map<String, String> kinds() {
    return KINDS;
  }

  /**
   * Starts a pair; when this returns, the replica follows.
   *
   * @throws IOException if it does not start
   */
  public static RedisPair start(Path directory, Consumer<String> report) throws IOException {
    RedisPair pair = new RedisPair(directory, report);
    boolean started = false;
    try {
      pair.begin();
      started = true;
      return pair;
    } finally {
      if (!started) {
        pair.close();
      }
    }
  }

  private void begin() throws IOException {
    for (int i = 0; i < 2; i++) {
      int port = ProxyNetwork.freePort();
      String name = "redis" + (i + 1);
      Path data = directory.resolve(name);
      Files.createDirectories(data);
      nodes.add(new Endpoint(name, "127.0.0.1", port));
      links.add(LinkProxy.open(name, port));
      children.add(
          new Child(
              name,
              List.of(
                  "redis-server",
                  "--port",
                  Integer.toString(port),
                  "--dir",
                  data.toString(),
                  "--save",
                  "",
                  "--appendonly",
                  "yes",
                  "--appendfsync",
                  "always",
                  "--repl-diskless-sync-delay",
                  "0"),
              Map.of(),
              directory.resolve("log").resolve(name + ".log"),
              "Ready to accept connections"));
      children.get(i).start();
      report.accept(name + " is ready on " + nodes.get(i));
    }
    follow(1, 0);
  }

  /** Makes one follow the other, and waits until it does. */
  private void follow(int replica, int of) throws IOException {
    ask(replica, "REPLICAOF", "127.0.0.1", Integer.toString(links.get(of).port()));
    long deadline = System.nanoTime() + SYNC_LIMIT_MS * 1_000_000;
    while (!ask(replica, "INFO", "replication").contains("master_link_status:up")) {
      if (System.nanoTime() > deadline) {
        throw new IOException(nodes.get(replica) + " does not follow its master");
      }
      sleep(POLL_MS);
    }
  }

  private static void sleep(long ms) throws IOException {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  private String ask(int node, String... command) throws IOException {
    try (RespConnection connection = RespConnection.open(nodes.get(node), TIMEOUT_MS)) {
      return String.valueOf(connection.call(command).text());
    } catch (ServerFaultException e) {
      throw new IOException(nodes.get(node) + ": " + e.getMessage(), e);
    }
  }

  @Override
  public String describe() {
    return "redis-server with a replica, appendfsync always, failover by REPLICAOF NO ONE";
  }

  @Override
  public List<Endpoint> endpoints() {
    return List.of(nodes.get(master));
  }

  /**
   * Why a kind of fault cannot be had here, or nothing.
   *
   * @throws IllegalArgumentException if there is no such kind
   */
  public static List<String> obstacles(String kind) {
    if (!KINDS.containsKey(kind)) {
      throw new IllegalArgumentException(
          "there is no fault '" + kind + "' of redis: allowed are " + KINDS.keySet());
    }
    return !Commands.exists("redis-server")
        ? List.of("there is no program redis-server")
        : List.of();
  }

  @Override
  public Fault fault(String kind, RandomGenerator random) {
    int old = master;
    int next = 1 - old;
    boolean lags = kind.equals("lagging-failover");
    return Faults.major(
        "kill -9 " + nodes.get(old).name() + ", " + nodes.get(next).name() + " takes over",
        () -> {
          if (lags) {
            links.get(old).backward().hold(true);
            sleep(1_000);
          }
          children.get(old).kill();
          links.get(old).heal();
          ask(next, "REPLICAOF", "NO", "ONE");
          master = next;
        },
        () -> {
          children.get(old).start();
          follow(old, next);
        });
  }

  @Override
  public List<String> afterwards() {
    return List.of();
  }

  @Override
  public void close() throws IOException {
    for (Child child : children) {
      if (child.isAlive()) {
        child.kill();
      }
    }
    for (LinkProxy link : links) {
      link.close();
    }
  }
}
