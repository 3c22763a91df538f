package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.node.ReplicaNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Servers of one capsule on replicas, of which each that starts replaces the one before it. */
@Timeout(180)
class TakeOverTest {

  private static final int MAX_WRITES = 1_000_000;
  private static final long PATIENCE_SECONDS = 60;
  private static final int MISSING_OFTEN = 50;
  private static final String REPLACED = "replaced by another one";

  @TempDir private Path directory;

  /** Newest first. */
  private final Deque<AutoCloseable> running = new ConcurrentLinkedDeque<>();

  private String replicas = "";

  /** Three replicas, and an owner key for every server. */
  @BeforeEach
  void startReplicas() throws IOException {
    List<ReplicaNode> started = new ArrayList<>();
    for (int i = 1; i <= 3; i++) {
      ReplicaNode replica =
          ReplicaNode.start(
              ReplicaProcessOptions.builder()
                  .set(ReplicaSetting.DATA, "replica-" + i, directory)
                  .set(ReplicaSetting.KEY, "replica-" + i + ".key", directory)
                  .set(ReplicaSetting.LISTEN, "127.0.0.1:0", directory)
                  .set(ReplicaSetting.HTTP, "none", directory)
                  .set(ReplicaSetting.MIN_FREE_MB, "0", directory)
                  .set(ReplicaSetting.PEERS, addresses(started), directory)
                  .build(),
              isProtected -> null,
              "test");
      started.add(replica);
      running.push(replica);
    }
    replicas = addresses(started);
    Node founder = serve("founder");
    stop(founder);
    for (String other : List.of("a", "b", "c")) {
      Files.createDirectory(directory.resolve(other));
      Files.copy(
          directory.resolve("founder/owner.key"), directory.resolve(other).resolve("owner.key"));
    }
  }

  @AfterEach
  void closeAll() throws Exception {
    while (!running.isEmpty()) {
      running.pop().close();
    }
  }

  private static String addresses(List<ReplicaNode> nodes) {
    return nodes.stream().map(r -> r.address().toString()).collect(Collectors.joining(","));
  }

  private Node serve(String name) {
    Node node =
        Node.start(
            ServeOptions.builder()
                .set(ServeSetting.DATA, name, directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "16", directory)
                .set(ServeSetting.REPLICAS, replicas, directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {});
    running.push(node);
    return node;
  }

  private void stop(Node node) {
    running.remove(node);
    node.close();
  }

  private ChildProcess serveProcess(String name) {
    ChildProcess process =
        ChildProcess.start(
            name,
            List.of(
                "serve",
                "--data",
                directory.resolve(name).toString(),
                "--listen",
                "127.0.0.1:0",
                "--http",
                "none",
                "--memtable-mb",
                "16",
                "--replicas",
                replicas),
            directory.resolve(name + ".log"),
            "node.ready");
    running.push(
        () -> {
          process.stop();
          boolean killed = process.awaitEnd(PATIENCE_SECONDS);
          assertThat(killed).as(name + " had to be killed").isFalse();
        });
    return process;
  }

  private static HostPort address(ChildProcess process) {
    String line = process.awaitReady(PATIENCE_SECONDS);
    String listen = Objects.requireNonNull(ChildProcess.field(line, "listen"));
    int colon = listen.lastIndexOf(':');
    return new HostPort("127.0.0.1", Integer.parseInt(listen.substring(colon + 1)));
  }

  private static HostPort address(Node node) {
    return new HostPort("127.0.0.1", node.address().getPort());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static RespClient connect(HostPort address) {
    return RespClient.open(ClientOptions.builder().address(address).build());
  }

  /** Writes one value after the other until a write fails. */
  private static final class Load {
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final CompletableFuture<CapsuleException> ended = new CompletableFuture<>();
    private final String prefix;

    Load(String prefix, HostPort address) {
      this.prefix = prefix;
      Thread.ofPlatform().daemon().start(() -> run(address));
    }

    private void run(HostPort address) {
      try (RespClient client = connect(address)) {
        for (int i = 0; i < MAX_WRITES; i++) {
          client.update(ascii("SET"), ascii(prefix + i), ascii("v" + i));
          acknowledged.set(i + 1);
        }
        ended.completeExceptionally(new AssertionError("nobody stopped it"));
      } catch (CapsuleException e) {
        ended.complete(e);
      }
    }

    void await(int writes) {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (acknowledged.get() < writes) {
        assertThat(ended).as("it writes").isNotDone();
        assertThat(System.nanoTime()).as(writes + " writes").isLessThan(deadline);
        Thread.onSpinWait();
      }
    }

    CapsuleException end() throws ExecutionException, InterruptedException, TimeoutException {
      return ended.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }
  }

  private static boolean has(RespClient client, Load load, int number) {
    return !(client.query(ascii("GET"), ascii(load.prefix + number)) instanceof Reply.Absent);
  }

  private static void assertHasAllThat(RespClient client, Load load) {
    int acknowledged = load.acknowledged.get();
    for (int i = 0; i < acknowledged; i++) {
      assertThat(has(client, load, i)).as(load.prefix + i + " of " + acknowledged).isTrue();
    }
  }

  private static void assertRefused(HostPort address) {
    try (RespClient client = connect(address)) {
      assertThatThrownBy(() -> client.update(ascii("SET"), ascii("late"), ascii("x")))
          .isInstanceOf(CapsuleException.class);
    }
  }

  @Test
  void theOldServerEndsAndTheNewOneHasAllItAcknowledged() throws Exception {
    Node a = serve("a");
    Load load = new Load("k", address(a));
    load.await(MISSING_OFTEN);
    Node b = serve("b");
    try (RespClient client = connect(address(b))) {
      assertThat(load.end()).hasMessageContaining(REPLACED);
      assertHasAllThat(client, load);
      assertRefused(address(a));
      client.update(ascii("SET"), ascii("mine"), ascii("1"));
      assertThat(client.query(ascii("GET"), ascii("late"))).isInstanceOf(Reply.Absent.class);
    }
    // The one that was replaced takes over again when it is started again.
    stop(a);
    Node again = serve("a");
    try (RespClient client = connect(address(again))) {
      assertThat(client.query(ascii("GET"), ascii("mine")).text()).isEqualTo("1");
      assertHasAllThat(client, load);
    }
    assertRefused(address(b));
  }

  /**
   * A process that is stopped in the middle of its writes comes to itself after it was replaced.
   */
  @Test
  void aStoppedProcessMakesNothingDurableWhenItGoesOn() throws Exception {
    ChildProcess a = serveProcess("a");
    HostPort address = address(a);
    Load load = new Load("k", address);
    load.await(MISSING_OFTEN);
    signal(a, "STOP");
    int before = load.acknowledged.get();
    Node b;
    try {
      b = serve("b");
    } catch (CapsuleException e) {
      signal(a, "CONT");
      throw e;
    }
    try (RespClient client = connect(address(b))) {
      assertHasAllThat(client, load);
      int first = load.acknowledged.get();
      while (has(client, load, first)) {
        first++;
      }
      // One write was under way at most: b says now whether it is there, and that stays so.
      assertThat(first).isBetween(before, before + 2);
      signal(a, "CONT");
      assertThat(load.end()).isNotNull();
      assertThat(load.acknowledged.get()).as("what b does not have").isLessThanOrEqualTo(first);
      assertRefused(address);
      for (int i = first; i < first + MISSING_OFTEN; i++) {
        assertThat(has(client, load, i)).isFalse();
      }
      client.update(ascii("SET"), ascii("mine"), ascii("1"));
    }
    stop(b);
    Node c = serve("c");
    try (RespClient client = connect(address(c))) {
      assertHasAllThat(client, load);
      assertThat(client.query(ascii("GET"), ascii("mine")).text()).isEqualTo("1");
      assertThat(client.query(ascii("GET"), ascii("late"))).isInstanceOf(Reply.Absent.class);
    }
  }

  private static void signal(ChildProcess process, String name)
      throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  /** Of servers that start at once one serves; the others end, or their writes do. */
  @Test
  void ofServersThatStartAtOnceOneWrites() {
    List<CompletableFuture<Optional<Node>>> starting = new ArrayList<>();
    for (String name : List.of("a", "b", "c")) {
      CompletableFuture<Optional<Node>> start = new CompletableFuture<>();
      starting.add(start);
      Thread.ofPlatform().daemon().start(() -> startInto(start, name));
    }
    List<Node> nodes =
        starting.stream().map(CompletableFuture::join).flatMap(Optional::stream).toList();
    int writing = 0;
    for (Node node : nodes) {
      try (RespClient client = connect(address(node))) {
        client.update(ascii("SET"), ascii("one"), ascii("x"));
        writing++;
      } catch (CapsuleException e) {
        assertThat(e).hasMessageContaining(REPLACED);
      }
    }
    assertThat(writing).isEqualTo(1);
  }

  private void startInto(CompletableFuture<Optional<Node>> start, String name) {
    try {
      start.complete(Optional.of(serve(name)));
    } catch (CapsuleException e) {
      if (e.toString().contains(REPLACED)) {
        start.complete(Optional.empty());
      } else {
        start.completeExceptionally(e);
      }
    }
  }
}
