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
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Procedures on several workers of one capsule, each a process of its own. */
@Tag("long")
@Timeout(600)
class WorkersFunctionsTest {

  private static final int WORKERS = 3;
  private static final int ROUNDS = 40;
  private static final long MONEY = 1000;
  private static final long START_SECONDS = 180;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(90);
  private static final Executor THREADS = task -> Thread.ofPlatform().daemon().start(task);

  private static final String BANK =
      """
      #!js name=bank
      register_function('move', function (keys, args) {
        incr(keys[0], -Number(args[0])); return incr(keys[1], Number(args[0])) });
      register_function('guarded', function (keys) {
        lock(keys[0]); var n = Number(get(keys[0], 'text') || 0) + 1; put(keys[0], '' + n); return n });
      register_function('tally', function (keys) { merge(keys[0], 'counter', '1') });
      register_function('sum', function (keys) {
        return transaction(function () {
          return keys.map(function (k) { return Number(get(k, 'text') || 0) })
              .reduce(function (a, b) { return a + b }) }) }, {flags: ['no-writes']});
      """;

  @TempDir private Path directory;

  private final List<ChildProcess> workers = new ArrayList<>();
  private final List<ChildProcess> routers = new ArrayList<>();
  private final List<HostPort> addresses = new ArrayList<>();
  private LocalCluster cluster;
  private String router = "";

  @AfterEach
  void stopAll() throws Exception {
    workers.forEach(ChildProcess::stop);
    for (ChildProcess child : workers) {
      child.awaitEnd(30);
    }
    routers.forEach(ChildProcess::stop);
    for (ChildProcess child : routers) {
      child.awaitEnd(30);
    }
    if (cluster != null) {
      cluster.close();
    }
  }

  private void start(int i) throws Exception {
    Path data = directory.resolve("worker-" + i);
    Path key = directory.resolve("worker-0").resolve("owner.key");
    if (i > 0 && !Files.exists(data)) {
      Files.createDirectories(data);
      Files.copy(key, data.resolve("owner.key"));
    }
    ChildProcess child =
        ChildProcess.start(
            "worker-" + i,
            List.of(
                "worker",
                "--data",
                data.toString(),
                "--replicas",
                "@" + directory.resolve("replicas.txt"),
                "--join",
                router,
                "--lease-ms",
                "10000",
                "--listen",
                "127.0.0.1:0",
                "--http",
                "none",
                "--memtable-mb",
                "16"),
            directory.resolve("log").resolve("worker-" + i + ".log"),
            "node.ready");
    workers.add(child);
    addresses.add(HostPort.parse(ChildProcess.field(child.awaitReady(START_SECONDS), "listen")));
  }

  private RespClient connect(int worker) {
    return RespClient.open(ClientOptions.builder().address(addresses.get(worker)).build());
  }

  private static Reply ask(RespClient client, String... words) {
    return client.query(
        Arrays.stream(words)
            .map(word -> word.getBytes(StandardCharsets.UTF_8))
            .toArray(byte[][]::new));
  }

  private Reply once(int worker, String... words) {
    try (RespClient client = connect(worker)) {
      return ask(client, words);
    } catch (CapsuleException e) {
      return new Reply.Text("failed: " + e.getMessage());
    }
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

  @Test
  void callsOfAllWorkersAreOneHistory() throws Exception {
    cluster = LocalCluster.start(new LocalCluster.Options(directory, 3, 0, null), line -> {});
    ChildProcess child =
        ChildProcess.start(
            "router",
            List.of("router", "--listen", "127.0.0.1:0", "--http", "none"),
            directory.resolve("log").resolve("router.log"),
            "router.ready");
    routers.add(child);
    router = ChildProcess.field(child.awaitReady(START_SECONDS), "listen");
    for (int i = 0; i < WORKERS; i++) {
      start(i);
    }
    assertThat(once(0, "FUNCTION", "LOAD", BANK).text()).isEqualTo("bank");
    assertThat(once(0, "MSET", "a", Long.toString(MONEY), "b", "0").text()).isEqualTo("OK");
    for (int i = 0; i < WORKERS; i++) {
      int worker = i;
      assertThat(
              eventually(
                  () -> new Reply.Count(MONEY).equals(once(worker, "FCALL", "sum", "2", "a", "b"))))
          .as("worker " + i)
          .isTrue();
    }
    List<CompletableFuture<Integer>> all = new ArrayList<>();
    for (int i = 0; i < WORKERS; i++) {
      int worker = i;
      all.add(
          CompletableFuture.supplyAsync(
              () -> {
                try (RespClient client = connect(worker)) {
                  int done = 0;
                  for (int n = 0; n < ROUNDS; n++) {
                    String from = (n + worker) % 2 == 0 ? "a" : "b";
                    String to = from.equals("a") ? "b" : "a";
                    ask(client, "FCALL", "move", "2", from, to, "1");
                    ask(client, "FCALL", "guarded", "1", "g");
                    ask(client, "FCALL", "tally", "1", "t");
                    // The sum of what calls move is the same at every moment.
                    assertThat(ask(client, "FCALL", "sum", "2", "a", "b"))
                        .isEqualTo(new Reply.Count(MONEY));
                    ask(client, "MULTI");
                    ask(client, "FCALL", "move", "2", from, to, "1");
                    ask(client, "FCALL", "sum", "2", "a", "b");
                    assertThat(
                            ask(client, "EXEC") instanceof Reply.Sequence(List<Reply> replies)
                                ? replies.get(1)
                                : null)
                        .isEqualTo(new Reply.Count(MONEY));
                    done++;
                  }
                  return done;
                }
              },
              THREADS));
    }
    int done = 0;
    for (CompletableFuture<Integer> one : all) {
      done += one.get(300, TimeUnit.SECONDS);
    }
    assertThat(done).isEqualTo(WORKERS * ROUNDS);
    assertThat(once(1, "FCALL", "guarded", "1", "g")).isEqualTo(new Reply.Count(done + 1L));
    String tallied = Integer.toString(done);
    for (int i = 0; i < WORKERS; i++) {
      int worker = i;
      assertThat(eventually(() -> tallied.equals(once(worker, "GET", "t").text())))
          .as("worker " + i)
          .isTrue();
    }
    // Another worker replaces the library, and one that begins anew knows it.
    assertThat(once(1, "FUNCTION", "LOAD", "REPLACE", BANK.replace("'guarded'", "'kept'")).text())
        .isEqualTo("bank");
    assertThat(eventually(() -> once(2, "FCALL", "kept", "1", "g") instanceof Reply.Count))
        .isTrue();
    assertThat(once(2, "FCALL", "guarded", "1", "g").toString()).contains("not found");
    start(WORKERS);
    assertThat(once(WORKERS, "FCALL", "kept", "1", "g")).isInstanceOf(Reply.Count.class);
  }
}
