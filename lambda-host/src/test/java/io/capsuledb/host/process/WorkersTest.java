package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Several workers on three replicas with two routers, each a process of its own. */
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
  private String routing = "";
  private LocalCluster cluster;

  @AfterEach
  void stopAll() throws Exception {
    for (ChildProcess worker : workers) {
      // One that a failed test left stopped would not hear.
      new ProcessBuilder("kill", "-CONT", Long.toString(worker.pid())).start().waitFor();
    }
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
    workers.add(begin(i, more));
    if (i == 0) {
      awaitReady(0);
    }
  }

  /** Starts a worker that has ended, in its directory. */
  private void startAgain(int i) {
    workers.set(i, begin(i));
    String line = workers.get(i).awaitReady(START_SECONDS);
    addresses.set(i, HostPort.parse(ChildProcess.field(line, "listen")));
  }

  private ChildProcess begin(int i, String... more) {
    Path data = directory.resolve("worker-" + i);
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "worker",
                "--data",
                data.toString(),
                "--replicas",
                "@" + directory.resolve("replicas.txt"),
                "--listen",
                "127.0.0.1:0",
                "--http",
                "none",
                "--memtable-mb",
                "16"));
    if (!join.isEmpty()) {
      arguments.addAll(List.of("--join", join));
    } else if (!routing.isEmpty()) {
      arguments.addAll(List.of("--router", routing));
    }
    arguments.addAll(List.of(more));
    return child("worker-" + i, arguments, "node.ready");
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

  /** Says whether a command is answered as wanted, by whichever reply. */
  private boolean answers(int worker, Predicate<Reply> wanted, String... words) {
    try (RespClient client = connect(worker)) {
      return wanted.test(ask(client, words));
    } catch (CapsuleException e) {
      return false;
    }
  }

  /** Carries all that a session of one worker has seen to another worker. */
  private void carry(RespClient from, RespClient to) {
    String token = ask(from, "CAPSULE.TOKEN").text();
    assertThat(token).isNotEmpty();
    assertThat(ask(to, "CAPSULE.WAITFOR", token, "60000").text()).isEqualTo("OK");
  }

  /** Increments from several workers at once, each so often; every reply is another number. */
  private void increment(String key, int each, int... at) throws Exception {
    Set<Long> seen = ConcurrentHashMap.newKeySet();
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int worker : at) {
      all.add(
          CompletableFuture.runAsync(
              () -> {
                try (RespClient client = connect(worker)) {
                  for (int n = 0; n < each; n++) {
                    assertThat(seen.add(count(ask(client, "INCR", key)))).isTrue();
                  }
                }
              },
              THREADS));
    }
    for (CompletableFuture<Void> one : all) {
      one.get(240, TimeUnit.SECONDS);
    }
  }

  @Test
  void whatOneWritesTheOtherSeesAndTransactionsAreOfBoth() throws Exception {
    share(2);
  }

  @Test
  @Tag("long")
  void whatOneWritesTheOthersSeeAndTransactionsAreOfAll() throws Exception {
    share(4);
  }

  private void share(int count) throws Exception {
    startAll(count);
    try (RespClient first = connect(0)) {
      ask(first, "SET", "color", "blue");
    }
    for (int i = 0; i < count; i++) {
      int worker = i;
      assertThat(eventually(() -> "blue".equals(get(worker, "color")))).as("worker " + i).isTrue();
    }
    increment("counter", 25, IntStream.range(0, count).toArray());
    try (RespClient client = connect(count - 1);
        RespClient other = connect(0)) {
      carry(client, other);
      assertThat(count(ask(other, "INCRBY", "counter", "0"))).isEqualTo(25L * count);
      // What is merged needs no lock, and nobody's is lost.
      for (int i = 0; i < count; i++) {
        try (RespClient one = connect(i)) {
          ask(one, "CAPSULE.MERGE", "best", "min", (i == 1 ? "0.5" : "" + (i + 1)));
          ask(one, "CAPSULE.MERGE", "most", "max", "" + i);
          ask(one, "CAPSULE.MERGE", "sum", "counter", "" + (i + 1));
          ask(one, "CAPSULE.MERGE", "all", "set", "member-" + i);
          carry(one, client);
        }
      }
      assertThat(ask(client, "MGET", "best", "most", "sum"))
          .isInstanceOfSatisfying(
              Reply.Sequence.class,
              values ->
                  assertThat(values.elements().stream().map(Reply::text))
                      .containsExactly("0.5", "" + (count - 1), "" + count * (count + 1) / 2));
      assertThat(count(ask(client, "SCARD", "all"))).isEqualTo(count);
      // What another worker wrote is no less of the wrong kind.
      ask(client, "RPUSH", "queue", "a");
      carry(client, other);
      assertThatThrownBy(() -> ask(other, "CAPSULE.MERGE", "queue", "min", "1"))
          .hasMessageContaining("WRONGTYPE");
      // Conditions hold among all workers.
      assertThat(count(ask(client, "SETNX", "once", "a"))).isEqualTo(1);
      assertThat(count(ask(other, "SETNX", "once", "b"))).isZero();
      assertThat(count(ask(other, "MSETNX", "twice", "1", "once", "2"))).isZero();
      assertThat(ask(other, "GET", "twice")).isInstanceOf(Reply.Absent.class);
      ask(client, "WATCH", "once");
      ask(client, "MULTI");
      ask(client, "SET", "once", "c");
      ask(other, "SET", "once", "d");
      ask(other, "APPEND", "once", "d");
      assertThat(ask(client, "EXEC")).isInstanceOf(Reply.Absent.class);
      assertThat(ask(client, "CAPSULE.SYNC", "60000")).isInstanceOf(Reply.Sequence.class);
      assertThatThrownBy(() -> ask(other, "CAPSULE.WAITFOR", "nonsense"))
          .hasMessageContaining("not a token");
    }
  }

  @Test
  @Tag("long")
  void afterDeathsNothingAcknowledgedIsLostAndServiceGoesOn() throws Exception {
    startAll(3);
    increment("counter", 20, 0);
    // The first worker is the coordinator.
    signal(workers.get(0), "KILL");
    signal(routers.get(0), "KILL");
    assertThat(eventually(() -> answers(1, reply -> count(reply) > 20, "INCR", "counter")))
        .isTrue();
    assertThat(answers(2, reply -> count(reply) > 21, "INCR", "counter")).isTrue();
    // It comes back as another writer, over what it has on its disk.
    startAgain(0);
    increment("counter", 10, 0, 1, 2);
    try (RespClient client = connect(0)) {
      assertThat(count(ask(client, "INCRBY", "counter", "0"))).isGreaterThanOrEqualTo(52);
    }
  }

  /** The worker that coordinates, by its own word. */
  private int coordinator(int... among) {
    for (int worker : among) {
      try (RespClient client = connect(worker)) {
        List<Reply> fields = ((Reply.Sequence) ask(client, "CAPSULE.INFO")).elements();
        for (int i = 0; i + 1 < fields.size(); i += 2) {
          if ("coordinator".equals(fields.get(i).text())
              && "yes".equals(fields.get(i + 1).text())) {
            return worker;
          }
        }
      }
    }
    return -1;
  }

  /** How long nobody gets a lock that nobody had, after a worker was sent a signal. */
  private long msUntilNewLocks(int victim, String signal, int at) throws Exception {
    long from = System.nanoTime();
    signal(workers.get(victim), signal);
    assertThat(eventually(() -> answers(at, reply -> count(reply) > 0, "INCR", "after-" + signal)))
        .isTrue();
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - from);
  }

  /** The simulation has the exact bounds; these leave room for a machine that is busy. */
  @Test
  @Tag("long")
  void newLocksAreGrantedSoonAfterACoordinatorHasGone() throws Exception {
    startAll(3);
    increment("counter", 10, 0, 1, 2);
    int first = coordinator(0, 1, 2);
    int next = (first + 1) % 3;
    int last = (first + 2) % 3;
    long left = msUntilNewLocks(first, "TERM", next);
    assertThat(eventually(() -> coordinator(next, last) >= 0)).isTrue();
    increment("counter", 10, next, last);
    int second = coordinator(next, last);
    long died = msUntilNewLocks(second, "KILL", second == next ? last : next);
    System.out.println("new locks ms: " + left + " after it left, " + died + " after it died");
    assertThat(left).isLessThan(2_000);
    assertThat(died).isLessThan(5_000);
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
  @Tag("long")
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

  @Test
  @Tag("long")
  void aCoordinatorThatWasStoppedIsReplacedAndBeginsAnew() throws Exception {
    startAll(3, "--consistency", "linearizable");
    increment("counter", 10, 0, 1, 2);
    signal(workers.get(0), "STOP");
    try {
      assertThat(eventually(() -> answers(1, reply -> count(reply) > 30, "INCR", "counter")))
          .isTrue();
      try (RespClient client = connect(2)) {
        ask(client, "SET", "meanwhile", "yes");
      }
    } finally {
      signal(workers.get(0), "CONT");
    }
    // Whoever reads there now reads what the others wrote, or is told that it is over.
    assertThat(
            eventually(
                () ->
                    answers(
                        0,
                        reply -> {
                          assertThat(reply).isNotInstanceOf(Reply.Absent.class);
                          return reply.text().equals("yes");
                        },
                        "GET",
                        "meanwhile")))
        .isTrue();
    increment("counter", 10, 0, 1, 2);
    try (RespClient client = connect(0)) {
      assertThat(count(ask(client, "GET", "counter").text())).isGreaterThanOrEqualTo(61);
    }
  }

  private static long count(String text) {
    return Long.parseLong(text);
  }

  @Test
  @Tag("long")
  void aGroupOfWorkersIsKeptAlive() throws Exception {
    cluster = LocalCluster.start(new LocalCluster.Options(directory, 3, 0, null), line -> {});
    parts.add(cluster);
    LocalWorkers group =
        LocalWorkers.start(
            new LocalWorkers.Options(
                directory.resolve("group"),
                2,
                new HostPort("127.0.0.1", 0),
                null,
                List.of(),
                List.of(
                    "--replicas", "@" + directory.resolve("replicas.txt"), "--memtable-mb", "16")),
            line -> {});
    parts.add(group);
    addresses.addAll(group.addresses());
    increment("counter", 10, 0, 1);
    ProcessHandle.of(group.workerPids().getFirst()).orElseThrow().destroyForcibly();
    assertThat(eventually(() -> answers(1, reply -> count(reply) > 20, "INCR", "counter")))
        .isTrue();
    assertThat(eventually(() -> group.workerPids().size() == 2)).isTrue();
  }

  @Test
  @Tag("long")
  void aWorkerMayBeTheRouterOfOthers() throws Exception {
    cluster = LocalCluster.start(new LocalCluster.Options(directory, 3, 0, null), line -> {});
    parts.add(cluster);
    routing = "127.0.0.1:" + freePort();
    join = "";
    startWorker(0);
    join = routing;
    routing = "";
    startWorker(1);
    awaitReady(1);
    increment("counter", 10, 0, 1);
  }

  /** Routers die, and one worker never had any: replicas relay what workers say. */
  @Test
  @Tag("long")
  void withoutRoutersLocksAndEpochsGoOn() throws Exception {
    startAll(2);
    increment("counter", 10, 0, 1);
    signal(routers.get(0), "KILL");
    signal(routers.get(1), "KILL");
    increment("counter", 10, 0, 1);
    join = "";
    startWorker(2);
    awaitReady(2);
    increment("counter", 10, 0, 1, 2);
    try (RespClient client = connect(2)) {
      assertThat(count(ask(client, "INCRBY", "counter", "0"))).isEqualTo(70);
      assertThat(ask(client, "CAPSULE.SYNC", "60000")).isInstanceOf(Reply.Sequence.class);
    }
    // The first one coordinates: another one takes its place.
    signal(workers.get(0), "KILL");
    assertThat(eventually(() -> answers(2, reply -> count(reply) > 70, "INCR", "counter")))
        .isTrue();
    increment("counter", 10, 1, 2);
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static void signal(ChildProcess child, String name) throws Exception {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(child.pid())).start();
    assertThat(kill.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(kill.exitValue()).isZero();
  }
}
