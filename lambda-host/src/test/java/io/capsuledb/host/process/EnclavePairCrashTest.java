package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;

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
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A server in two processes, either of which dies. */
@Timeout(240)
@EnabledOnOs(OS.LINUX)
class EnclavePairCrashTest {

  private static final long START_SECONDS = 120;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

  /** Within this a dead process is to be noticed. */
  private static final long NOTICE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final String LIBRARY =
      """
      #!js name=count
      register_function('up', function (keys) { return incr(keys[0], 1) });
      register_function('half', function () { put('h:1', 'x'); put('h:2', 'x'); while (1); });
      """;

  @TempDir private Path directory;

  private final List<AutoCloseable> running = new ArrayList<>();
  private ChildProcess host;
  private HostPort address;

  @AfterEach
  void stop() throws Exception {
    if (host != null) {
      host.stop();
      host.awaitEnd(30);
    }
    for (AutoCloseable one : running.reversed()) {
      one.close();
    }
  }

  private void start(String... more) throws Exception {
    startAs("serve", more);
  }

  private void startAs(String verb, String... more) throws Exception {
    Files.createDirectories(directory.resolve("log"));
    List<String> arguments =
        new ArrayList<>(
            List.of(
                verb,
                "--enclave",
                "process",
                "--data",
                directory.resolve("data").toString(),
                "--listen",
                "127.0.0.1:0",
                "--http",
                "none",
                "--memtable-mb",
                "16"));
    arguments.addAll(List.of(more));
    host =
        ChildProcess.start(
            "host", arguments, directory.resolve("log").resolve("host.log"), "node.ready");
    address = HostPort.parse(ChildProcess.field(host.awaitReady(START_SECONDS), "listen"));
  }

  private RespClient connect() {
    return RespClient.open(ClientOptions.builder().address(address).build());
  }

  private static Reply ask(RespClient client, String... words) {
    return client.query(
        Arrays.stream(words)
            .map(word -> word.getBytes(StandardCharsets.UTF_8))
            .toArray(byte[][]::new));
  }

  private String ask(String... words) {
    try (RespClient client = connect()) {
      return ask(client, words).text();
    } catch (CapsuleException e) {
      return "failed";
    }
  }

  private String field(String name) {
    return ask("INFO", "enclave")
        .lines()
        .filter(line -> line.startsWith("enclave_" + name + ":"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst()
        .orElse("missing");
  }

  private static boolean within(long nanos, BooleanSupplier condition) {
    long end = System.nanoTime() + nanos;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        return false;
      }
      java.util.concurrent.locks.LockSupport.parkNanos(2_000_000);
    }
    return true;
  }

  private ProcessHandle enclave() {
    return ProcessHandle.of(Long.parseLong(field("pid"))).orElseThrow();
  }

  private static boolean isGone(ProcessHandle process) {
    // One that nobody has waited for yet is dead all the same.
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(process.pid()), "stat"));
      return stat.contains(") Z ");
    } catch (java.io.IOException e) {
      return true;
    }
  }

  @Test
  void whatWasAcknowledgedOutlivesTheEnclaveAndItsHost() throws Exception {
    start();
    assertThat(field("mode")).isEqualTo("process");
    for (String measure :
        List.of(
            "no_core_dump",
            "not_traceable",
            "no_new_privileges",
            "memory_not_dumped",
            "system_calls")) {
      assertThat(field(measure)).as(measure).isEqualTo("on");
    }
    assertThat(ask("FUNCTION", "LOAD", LIBRARY)).isEqualTo("count");
    byte[] large = new byte[5 << 20];
    Arrays.fill(large, (byte) 'x');
    try (RespClient client = connect()) {
      client.query(RespClient.ascii("SET"), RespClient.ascii("large"), large);
      for (int i = 1; i <= 20; i++) {
        assertThat(ask(client, "FCALL", "up", "1", "n")).isEqualTo(new Reply.Count(i));
      }
    }
    ProcessHandle first = enclave();
    try (RespClient idle = connect()) {
      assertThat(ask(idle, "PING").text()).isEqualTo("PONG");
      first.destroyForcibly();
      long killed = System.nanoTime();
      String after;
      try {
        after = ask(idle, "GET", "n").text();
      } catch (CapsuleException e) {
        after = "closed";
      }
      assertThat(after).isEqualTo("closed");
      assertThat(System.nanoTime() - killed).as("noticed").isLessThan(NOTICE_NANOS);
    }
    assertThat(within(PATIENCE_NANOS, () -> "20".equals(ask("GET", "n")))).isTrue();
    assertThat(enclave().pid()).isNotEqualTo(first.pid());
    try (RespClient client = connect()) {
      assertThat(ask(client, "FCALL", "up", "1", "n")).isEqualTo(new Reply.Count(21));
      assertThat(ask(client, "GET", "large")).isInstanceOf(Reply.Bulk.class);
      assertThat(ask(client, "STRLEN", "large")).isEqualTo(new Reply.Count(large.length));
      assertThat(ask(client, "CAPSULE.VERIFY")).isInstanceOf(Reply.Sequence.class);
    }
    ProcessHandle second = enclave();
    ProcessHandle.of(host.pid()).orElseThrow().destroyForcibly();
    assertThat(within(NOTICE_NANOS, () -> isGone(second))).as("the enclave ends").isTrue();
    start();
    assertThat(ask("GET", "n")).isEqualTo("21");
    host.stop();
    assertThat(host.awaitEnd(60)).as("had to be killed").isFalse();
    assertThat(host.describeEnd()).isEqualTo("ended with exit code 0");
  }

  @Test
  void aCallThatIsCutOffLeavesNothing() throws Exception {
    start();
    assertThat(ask("FUNCTION", "LOAD", LIBRARY)).isEqualTo("count");
    try (RespClient caller = connect()) {
      caller.send(RespClient.ascii("FCALL"), RespClient.ascii("half"), RespClient.ascii("0"));
      caller.flush();
      assertThat(
              within(
                  PATIENCE_NANOS,
                  () -> {
                    try (RespClient client = connect()) {
                      // Where a running function is described, or nothing.
                      return ask(client, "FUNCTION", "STATS")
                              instanceof Reply.Sequence(List<Reply> stats)
                          && stats.get(1) instanceof Reply.Sequence;
                    }
                  }))
          .isTrue();
      enclave().destroyForcibly();
    } catch (CapsuleException e) {
      assertThat(e.code()).isNotNull();
    }
    assertThat(within(PATIENCE_NANOS, () -> "PONG".equals(ask("PING")))).isTrue();
    try (RespClient client = connect()) {
      assertThat(ask(client, "EXISTS", "h:1", "h:2")).isEqualTo(new Reply.Count(0));
      assertThat(ask(client, "FCALL", "up", "1", "n")).isEqualTo(new Reply.Count(1));
    }
  }

  private String startReplicas() {
    List<ReplicaNode> replicas = new ArrayList<>();
    for (int i = 1; i <= 3; i++) {
      ReplicaNode replica =
          ReplicaNode.start(
              ReplicaProcessOptions.builder()
                  .set(ReplicaSetting.DATA, "replica-" + i, directory)
                  .set(ReplicaSetting.KEY, "replica-" + i + ".key", directory)
                  .set(ReplicaSetting.LISTEN, "127.0.0.1:0", directory)
                  .set(ReplicaSetting.HTTP, "none", directory)
                  .set(ReplicaSetting.MIN_FREE_MB, "0", directory)
                  .set(
                      ReplicaSetting.PEERS,
                      replicas.stream()
                          .map(one -> one.address().toString())
                          .collect(Collectors.joining(",")),
                      directory)
                  .build(),
              isProtected -> null,
              "test");
      replicas.add(replica);
      running.add(replica);
    }
    return replicas.stream().map(one -> one.address().toString()).collect(Collectors.joining(","));
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** A worker whose enclave process has no socket hears another one, by the host's links. */
  @Test
  @Tag("long")
  void aWorkerInTwoProcessesBeginsAnewWhenItsEnclaveDies() throws Exception {
    String replicas = startReplicas();
    String router = "127.0.0.1:" + freePort();
    startAs("worker", "--replicas", replicas, "--router", router);
    assertThat(field("system_calls")).isEqualTo("on");
    assertThat(ask("FUNCTION", "LOAD", LIBRARY)).isEqualTo("count");
    Path data = Files.createDirectories(directory.resolve("other"));
    Files.copy(directory.resolve("data").resolve("owner.key"), data.resolve("owner.key"));
    try (Node other =
        Node.start(
            ServeOptions.builder()
                .shared(true)
                .set(ServeSetting.DATA, "other", directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "16", directory)
                .set(ServeSetting.REPLICAS, replicas, directory)
                .set(ServeSetting.JOIN, router, directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {})) {
      HostPort there = new HostPort("127.0.0.1", other.address().getPort());
      try (RespClient client = RespClient.open(ClientOptions.builder().address(there).build())) {
        assertThat(ask(client, "SET", "from-other", "1").text()).isEqualTo("OK");
        assertThat(ask("FCALL", "up", "1", "n")).isNotEqualTo("failed");
        assertThat(within(PATIENCE_NANOS, () -> "1".equals(ask("GET", "from-other")))).isTrue();
        assertThat(within(PATIENCE_NANOS, () -> ask(client, "GET", "n").text().equals("1")))
            .isTrue();
        ProcessHandle first = enclave();
        first.destroyForcibly();
        // Its lease has to end first, and what it left is sealed.
        assertThat(within(PATIENCE_NANOS, () -> "1".equals(ask("GET", "n")))).isTrue();
        assertThat(enclave().pid()).isNotEqualTo(first.pid());
        assertThat(ask(client, "FCALL", "up", "1", "n")).isEqualTo(new Reply.Count(2));
        assertThat(within(PATIENCE_NANOS, () -> "2".equals(ask("GET", "n")))).isTrue();
      }
    }
  }

  @Test
  void theLinksToReplicasAreTheHosts() throws Exception {
    start("--replicas", startReplicas());
    try (RespClient client = connect()) {
      for (int i = 0; i < 200; i++) {
        assertThat(ask(client, "SET", "k" + i, "v" + i).text()).isEqualTo("OK");
      }
    }
    enclave().destroyForcibly();
    assertThat(within(PATIENCE_NANOS, () -> "v199".equals(ask("GET", "k199")))).isTrue();
    assertThat(ask("GET", "k0")).isEqualTo("v0");
  }
}
