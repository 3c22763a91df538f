package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Several workers on three replicas with two routers, each a process of its own. */
@Tag("long")
@Timeout(600)
class WorkersTest {

  private static final long START_SECONDS = 180;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(90);
  private static final Executor THREADS = task -> Thread.ofPlatform().daemon().start(task);

  @TempDir private Path directory;

  private final List<AutoCloseable> parts = new ArrayList<>();
  private final List<ChildProcess> workers = new ArrayList<>();
  private final List<HostPort> addresses = new ArrayList<>();
  private final List<ChildProcess> routers = new ArrayList<>();
  private String join = "";
  private LocalCluster cluster;

  @AfterEach
  void stopAll() throws Exception {
    workers.forEach(ChildProcess::stop);
    routers.forEach(ChildProcess::stop);
    for (ChildProcess child : workers) {
      child.awaitEnd(30);
    }
    for (ChildProcess child : routers) {
      child.awaitEnd(30);
    }
    for (AutoCloseable part : parts.reversed()) {
      part.close();
    }
  }

  private ChildProcess child(String name, List<String> arguments, String event) {
    return ChildProcess.start(
        name, arguments, directory.resolve("log").resolve(name + ".log"), event);
  }

  private void startAll(int count, String... more) throws Exception {
    cluster = LocalCluster.start(new LocalCluster.Options(directory, 3, 0, null), line -> {});
    parts.add(cluster);
    for (int i = 0; i < 2; i++) {
      List<String> arguments =
          new ArrayList<>(List.of("router", "--listen", "127.0.0.1:0", "--http", "none"));
      if (i > 0) {
        arguments.addAll(List.of("--parent", join));
      }
      ChildProcess router = child("router-" + i, arguments, "router.ready");
      String listen = ChildProcess.field(router.awaitReady(START_SECONDS), "listen");
      routers.add(router);
      join = i == 0 ? listen : join + "," + listen;
    }
    for (int i = 0; i < count; i++) {
      startWorker(i, more);
    }
    for (int i = 1; i < count; i++) {
      awaitReady(i);
    }
  }

  private void startWorker(int i, String... more) throws Exception {
    Path data = directory.resolve("worker-" + i);
    if (i > 0) {
      Files.createDirectories(data);
      Files.copy(directory.resolve("worker-0").resolve("owner.key"), data.resolve("owner.key"));
    }
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "worker",
                "--data",
                data.toString(),
                "--replicas",
                "@" + directory.resolve("replicas.txt"),
                "--join",
                join,
                "--listen",
                "127.0.0.1:0",
                "--http",
                "none",
                "--memtable-mb",
                "16"));
    arguments.addAll(List.of(more));
    workers.add(child("worker-" + i, arguments, "node.ready"));
    if (i == 0) {
      awaitReady(0);
    }
  }

  private void awaitReady(int i) {
    String line = workers.get(i).awaitReady(START_SECONDS);
    addresses.add(HostPort.parse(ChildProcess.field(line, "listen")));
  }

  private RespClient connect(int worker) {
    return RespClient.open(ClientOptions.builder().address(addresses.get(worker)).build());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static Reply ask(RespClient client, String... words) {
    byte[][] arguments = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      arguments[i] = ascii(words[i]);
    }
    return client.query(arguments);
  }

  private static long count(Reply reply) {
    return reply instanceof Reply.Count(long value) ? value : -1;
  }

  private static boolean eventually(BooleanSupplier condition) {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        return false;
      }
      java.util.concurrent.locks.LockSupport.parkNanos(20_000_000);
    }
    return true;
  }

  private String get(int worker, String key) {
    try (RespClient client = connect(worker)) {
      return ask(client, "GET", key).text();
    } catch (CapsuleException e) {
      return "";
    }
  }

  @Test
  void whatOneWritesTheOthersSeeAndTransactionsAreOfAll() throws Exception {
    startAll(4);
    try (RespClient first = connect(0)) {
      ask(first, "SET", "color", "blue");
    }
    for (int i = 0; i < 4; i++) {
      int worker = i;
      assertThat(eventually(() -> "blue".equals(get(worker, "color")))).as("worker " + i).isTrue();
    }
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      int worker = i;
      all.add(
          CompletableFuture.runAsync(
              () -> {
                try (RespClient client = connect(worker)) {
                  for (int n = 0; n < 50; n++) {
                    ask(client, "INCR", "counter");
                  }
                }
              },
              THREADS));
    }
    for (CompletableFuture<Void> one : all) {
      one.get(120, TimeUnit.SECONDS);
    }
    try (RespClient client = connect(3);
        RespClient other = connect(1)) {
      String token = ask(client, "CAPSULE.TOKEN").text();
      ask(other, "CAPSULE.WAITFOR", token, "20000");
      assertThat(count(ask(other, "INCRBY", "counter", "0"))).isEqualTo(200);
      assertThat(ask(client, "CAPSULE.SYNC", "60000")).isInstanceOf(Reply.Sequence.class);
    }
  }

  @Test
  void afterDeathsNothingAcknowledgedIsLostAndServiceGoesOn() throws Exception {
    startAll(3);
    AtomicInteger acknowledged = new AtomicInteger();
    try (RespClient client = connect(0)) {
      for (int i = 0; i < 20; i++) {
        ask(client, "INCR", "counter");
        acknowledged.incrementAndGet();
      }
    }
    // The first worker is the coordinator.
    kill(workers.get(0));
    kill(routers.get(0));
    assertThat(
            eventually(
                () -> {
                  try (RespClient client = connect(1)) {
                    return count(ask(client, "INCR", "counter")) > acknowledged.get();
                  } catch (CapsuleException e) {
                    return false;
                  }
                }))
        .isTrue();
    try (RespClient client = connect(2)) {
      assertThat(count(ask(client, "INCR", "counter"))).isGreaterThan(acknowledged.get() + 1L);
    }
  }

  private int generation(int worker) {
    try (RespClient client = connect(worker)) {
      List<Reply> fields = ((Reply.Sequence) ask(client, "CAPSULE.INFO")).elements();
      for (int i = 0; i + 1 < fields.size(); i += 2) {
        if ("key_generation".equals(fields.get(i).text())) {
          return (int) count(fields.get(i + 1));
        }
      }
      return -1;
    } catch (CapsuleException e) {
      return -1;
    }
  }

  @Test
  void keysAreRotatedForAllAndNothingAcknowledgedIsLost() throws Exception {
    startAll(3);
    AtomicInteger acknowledged = new AtomicInteger();
    java.util.concurrent.atomic.AtomicBoolean stop =
        new java.util.concurrent.atomic.AtomicBoolean();
    CompletableFuture<Void> load =
        CompletableFuture.runAsync(
            () -> {
              while (!stop.get()) {
                try (RespClient client = connect(1)) {
                  while (!stop.get()) {
                    int next = acknowledged.get();
                    ask(client, "SET", "k" + next, "v" + next);
                    acknowledged.incrementAndGet();
                  }
                } catch (CapsuleException restarting) {
                  java.util.concurrent.locks.LockSupport.parkNanos(50_000_000);
                }
              }
            },
            THREADS);
    for (int round = 1; round <= 2; round++) {
      int before = acknowledged.get();
      assertThat(eventually(() -> acknowledged.get() > before + 20)).isTrue();
      try (RespClient client = connect(0)) {
        assertThat(count(ask(client, "CAPSULE.ROTATE"))).isEqualTo(round);
      }
      for (int i = 0; i < 3; i++) {
        int worker = i;
        int wanted = round;
        assertThat(eventually(() -> generation(worker) == wanted))
            .as("worker " + i + " in generation " + round)
            .isTrue();
      }
    }
    int before = acknowledged.get();
    assertThat(eventually(() -> acknowledged.get() > before + 20)).isTrue();
    stop.set(true);
    load.get(60, TimeUnit.SECONDS);
    for (int i = 0; i < 3; i++) {
      int worker = i;
      int last = acknowledged.get() - 1;
      assertThat(eventually(() -> ("v" + last).equals(get(worker, "k" + last)))).isTrue();
      try (RespClient client = connect(worker)) {
        for (int n = 0; n <= last; n++) {
          assertThat(ask(client, "GET", "k" + n).text()).isEqualTo("v" + n);
        }
      }
    }
    try (RespClient client = connect(2)) {
      assertThat(ask(client, "CAPSULE.SYNC", "60000")).isInstanceOf(Reply.Sequence.class);
      List<Reply> verified = ((Reply.Sequence) ask(client, "CAPSULE.VERIFY")).elements();
      assertThat(verified.get(1).text()).as(verified.toString()).isEqualTo("yes");
    }
  }

  private static void kill(ChildProcess child) {
    ProcessHandle.of(child.pid()).ifPresent(ProcessHandle::destroyForcibly);
  }
}
