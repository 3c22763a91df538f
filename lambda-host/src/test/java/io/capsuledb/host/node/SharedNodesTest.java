package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.scl.session.Position;
import io.capsuledb.scl.session.SessionToken;
import io.capsuledb.scl.session.TokenCodec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Two workers without routers on three replicas, all in this process; and their backups. */
@Timeout(180)
class SharedNodesTest {

  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long PATIENCE_MS = 30_000;

  @TempDir private Path directory;

  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private List<ReplicaAddress> replicas = List.of();

  @AfterEach
  void closeAll() throws Exception {
    while (!running.isEmpty()) {
      running.pop().close();
    }
  }

  /** Starts three replicas with the keys of replica-0 and so on. */
  private void startReplicas(String data) {
    List<ReplicaNode> started = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      ReplicaNode replica =
          ReplicaNode.start(
              ReplicaProcessOptions.builder()
                  .set(ReplicaSetting.DATA, data + i, directory)
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
    replicas = ReplicaAddress.parseList(addresses(started), directory);
  }

  private static String addresses(List<ReplicaNode> nodes) {
    return nodes.stream().map(r -> r.address().toString()).collect(Collectors.joining(","));
  }

  /** A worker, with a lease that a machine which does much else keeps, or one that is soon over. */
  private Node worker(String name, int leaseMs, int epochMs) throws IOException {
    Path data = directory.resolve(name);
    Path key = directory.resolve("first").resolve("owner.key");
    Files.createDirectories(data);
    if (Files.exists(key) && !Files.exists(data.resolve("owner.key"))) {
      Files.copy(key, data.resolve("owner.key"));
    }
    Node node =
        Node.start(
            ServeOptions.builder()
                .shared(true)
                .set(ServeSetting.DATA, name, directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "16", directory)
                .set(ServeSetting.LEASE_MS, Integer.toString(leaseMs), directory)
                .set(ServeSetting.EPOCH_MS, Integer.toString(epochMs), directory)
                .set(
                    ServeSetting.REPLICAS,
                    replicas.stream()
                        .map(ReplicaAddress::toString)
                        .collect(Collectors.joining(",")),
                    directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {});
    running.push(node);
    return node;
  }

  private static RespClient connect(Node node) {
    return RespClient.open(
        ClientOptions.builder()
            .address(new HostPort("127.0.0.1", node.address().getPort()))
            .build());
  }

  private static Reply ask(RespClient client, String... words) {
    byte[][] arguments = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      arguments[i] = words[i].getBytes(StandardCharsets.US_ASCII);
    }
    return client.query(arguments);
  }

  private static long count(Reply reply) {
    assertThat(reply).isInstanceOf(Reply.Count.class);
    return ((Reply.Count) reply).value();
  }

  private static String field(Reply reply, String name) {
    List<Reply> fields = ((Reply.Sequence) reply).elements();
    for (int i = 0; i + 1 < fields.size(); i += 2) {
      if (fields.get(i).text().equals(name)) {
        return fields.get(i + 1).text();
      }
    }
    throw new AssertionError(name + " is not in " + reply);
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

  private ReplicaBackup.Result backUp(CapsuleName capsule, @Nullable Hash32 sync, String to) {
    return ReplicaBackup.run(
        new ReplicaBackup.Request(
            capsule,
            replicas,
            LinkSecurity.of("", LinkSecurity.parse("plain"), null, null, null),
            sync,
            PATIENCE_MS),
        directory.resolve(to),
        (records, total, bytes) -> {});
  }

  @Test
  void transactionsSyncsAndBackupsWorkWithNothingButReplicas() throws Exception {
    startReplicas("old-");
    Node first = worker("first", 5_000, 1_000);
    Node second = worker("second", 5_000, 1_000);
    CapsuleName capsule;
    Hash32 early;
    try (RespClient one = connect(first);
        RespClient two = connect(second)) {
      // Locks go from one to the other and back.
      for (int i = 0; i < 20; i++) {
        assertThat(count(ask(i % 2 == 0 ? one : two, "INCR", "counter"))).isEqualTo(i + 1);
      }
      assertThat(count(ask(one, "SETNX", "once", "a"))).isEqualTo(1);
      assertThat(count(ask(two, "SETNX", "once", "b"))).isZero();
      Reply sync = ask(two, "CAPSULE.SYNC", "60000");
      early = Hash32.parse(field(sync, "record"));
      capsule = new CapsuleName(Hash32.parse(field(ask(one, "CAPSULE.INFO"), "capsule")));
      ask(one, "SET", "later", "yes");
      assertThat(count(ask(two, "INCR", "counter"))).isEqualTo(21);
      assertThat(ask(one, "CAPSULE.SYNC", "60000")).isInstanceOf(Reply.Sequence.class);
    }

    ReplicaBackup.Result at = backUp(capsule, early, "early");
    assertThat(at.sync()).isEqualTo(early);
    ReplicaBackup.Result newest = backUp(capsule, null, "backup");
    assertThat(newest.epoch()).isGreaterThan(at.epoch());
    assertThat(newest.copied().records()).isGreaterThan(at.copied().records());
    // Nothing new since, and so nothing copied, unless there was another SYNC.
    ReplicaBackup.Result again = backUp(capsule, newest.sync(), "backup");
    assertThat(again.copied().copied()).isZero();
    closeAll();

    // A copy alone is for looking at; nobody serves it without replicas.
    Backup.restore(directory.resolve("early"), directory.resolve("copy"), false, (r, t, b) -> {});
    Files.copy(
        directory.resolve("first").resolve("owner.key"),
        directory.resolve("copy").resolve("owner.key"));
    assertThatThrownBy(
            () ->
                Node.start(
                    ServeOptions.builder()
                        .set(ServeSetting.DATA, "copy", directory)
                        .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                        .set(ServeSetting.HTTP, "none", directory)
                        .build(),
                    isProtected -> null,
                    "test",
                    () -> {}))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("restore --for-replicas");

    // All replicas have lost their disks; their keys are there. One gets what the backup has.
    long held =
        Backup.restoreReplica(
            directory.resolve("early"), directory.resolve("new-0"), (r, t, b) -> {});
    assertThat(held).isEqualTo(at.copied().records());
    startReplicas("new-");
    Node restored = worker("restored", 500, 1_000);
    try (RespClient client = connect(restored)) {
      assertThat(ask(client, "GET", "counter").text()).isEqualTo("20");
      assertThat(ask(client, "GET", "once").text()).isEqualTo("a");
      assertThat(ask(client, "GET", "later")).isInstanceOf(Reply.Absent.class);
      assertThat(
              eventually(
                  () -> {
                    try {
                      return ask(client, "INCR", "counter") instanceof Reply.Count(long value)
                          && value > 20;
                    } catch (CapsuleException notYet) {
                      return false;
                    }
                  }))
          .isTrue();
    }
  }

  private static SessionToken token(CapsuleName capsule, RespClient client) {
    return TokenCodec.decode(capsule, ask(client, "CAPSULE.TOKEN").text()).orThrow();
  }

  /** A token names what its session has read, however short a time ago that was merged. */
  @Test
  void aTokenNamesWhatWasReadAMomentAgo() throws Exception {
    startReplicas("token-");
    // Long epochs: a SYNC would stand for the positions.
    Node first = worker("first", 5_000, 600_000);
    Node second = worker("second", 5_000, 600_000);
    try (RespClient one = connect(first);
        RespClient two = connect(second)) {
      Reply info = ask(one, "CAPSULE.INFO");
      CapsuleName capsule = new CapsuleName(Hash32.parse(field(info, "capsule")));
      long writer = Long.parseUnsignedLong(field(info, "writer"), 16);
      for (int i = 0; i < 50; i++) {
        String value = "v" + i;
        ask(one, "SET", "key", value);
        long wrote = sequenceOf(writer, token(capsule, one));
        assertThat(
                eventually(
                    () ->
                        ask(two, "GET", "key") instanceof Reply.Bulk bulk
                            && bulk.text().equals(value)))
            .isTrue();
        assertThat(sequenceOf(writer, token(capsule, two)))
            .isGreaterThanOrEqualTo(wrote)
            .isPositive();
      }
    }
  }

  private static long sequenceOf(long writer, SessionToken token) {
    return token.positions().stream()
        .filter(position -> position.writer() == writer)
        .mapToLong(Position::sequence)
        .findFirst()
        .orElse(0);
  }
}
