package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.node.OfflineVerification;
import io.capsuledb.host.node.OwnerKeyFile;
import io.capsuledb.host.node.ReplicaNode;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaSurvey;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Replicas, a server over them, and the commands that look at them; all in this process. */
class ReplicasTest {

  private static final long PATIENCE_NANOS = 60_000_000_000L;

  @TempDir private Path directory;

  /** Running replicas by their number, and where each listened first. */
  private final TreeMap<Integer, ReplicaNode> replicas = new TreeMap<>();

  private final TreeMap<Integer, HostPort> addresses = new TreeMap<>();
  private final List<Node> nodes = new ArrayList<>();

  @AfterEach
  void closeAll() {
    nodes.forEach(Node::close);
    replicas.values().forEach(ReplicaNode::close);
  }

  private ReplicaProcessOptions.Builder options(int number) {
    String peers =
        addresses.entrySet().stream()
            .filter(other -> other.getKey() != number)
            .map(other -> other.getValue().toString())
            .collect(Collectors.joining(","));
    HostPort before = addresses.get(number);
    return ReplicaProcessOptions.builder()
        .set(ReplicaSetting.DATA, "replica-" + number, directory)
        .set(ReplicaSetting.KEY, "replica-" + number + ".key", directory)
        .set(ReplicaSetting.LISTEN, before == null ? "127.0.0.1:0" : before.toString(), directory)
        .set(ReplicaSetting.HTTP, "127.0.0.1:0", directory)
        .set(ReplicaSetting.MIN_FREE_MB, "0", directory)
        .set(ReplicaSetting.PEERS, peers, directory);
  }

  private ReplicaNode startReplica(int number) {
    return startReplica(number, options(number));
  }

  private ReplicaNode startReplica(int number, ReplicaProcessOptions.Builder options) {
    ReplicaNode replica = ReplicaNode.start(options.build(), isProtected -> null, "test");
    replicas.put(number, replica);
    addresses.put(number, replica.address());
    return replica;
  }

  private void stopReplica(int number) {
    ReplicaNode running = replicas.remove(number);
    if (running != null) {
      running.close();
    }
  }

  private String list() {
    return addresses.values().stream().map(HostPort::toString).collect(Collectors.joining(","));
  }

  private ServeOptions.Builder serveOptions(String list) {
    return ServeOptions.builder()
        .set(ServeSetting.DATA, "serve", directory)
        .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
        .set(ServeSetting.HTTP, "none", directory)
        .set(ServeSetting.MEMTABLE_MB, "16", directory)
        .set(ServeSetting.REPLICAS, list, directory);
  }

  private Node serve(String list) {
    Node node = Node.start(serveOptions(list).build(), isProtected -> null, "test", () -> {});
    nodes.add(node);
    return node;
  }

  private void stop(Node node) {
    nodes.remove(node);
    node.close();
  }

  private static RespClient connect(Node node) {
    return RespClient.open(
        ClientOptions.builder()
            .address(new HostPort("127.0.0.1", node.address().getPort()))
            .build());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static void put(Node node, String prefix, int count) {
    try (RespClient client = connect(node)) {
      for (int i = 0; i < count; i++) {
        client.update(ascii("SET"), ascii(prefix + i), ascii("value of " + prefix + i));
      }
    }
  }

  private static String get(Node node, String key) {
    try (RespClient client = connect(node)) {
      return client.query(ascii("GET"), ascii(key)).text();
    }
  }

  private static String info(Node node) {
    try (RespClient client = connect(node)) {
      return client.query(ascii("INFO"), ascii("replication")).text();
    }
  }

  private CliRun status(String... more) {
    List<String> arguments = new ArrayList<>(List.of("replicas", "status", list()));
    arguments.addAll(List.of(more));
    return CliRun.of(arguments.toArray(String[]::new));
  }

  private static void eventually(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("did not happen: " + what).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private void empty(int number) throws IOException {
    try (Stream<Path> files = Files.walk(directory.resolve("replica-" + number))) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private OfflineVerification.Result verify(int number) {
    return OfflineVerification.run(
        directory.resolve("replica-" + number), null, () -> null, null, (records, total) -> {});
  }

  @Test
  void anEmptiedReplicaIsRebuiltWhileTheOthersServe() throws IOException {
    for (int i = 1; i <= 3; i++) {
      startReplica(i);
    }
    Node node = serve(list());
    put(node, "a", 50);
    assertThat(info(node))
        .contains("capsule_replicas:3", "capsule_quorum:2", "capsule_quorum_available:1");
    CliRun well = status();
    assertThat(well.exitCode()).as(well.toString()).isZero();
    assertThat(well.out()).contains("the 3 that were reached hold the same", "all is well");

    stopReplica(2);
    put(node, "b", 50);
    CliRun without = status("--timeout", "1");
    assertThat(without.exitCode()).as(without.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    assertThat(without.out()).contains("not reachable", "2 of 3 replicas can be reached");

    empty(2);
    startReplica(2);
    put(node, "c", 50);
    eventually("the replica is rebuilt", () -> status().exitCode() == ExitCodes.OK);
    assertThat(status("--json").out())
        .contains("\"well\":true", "\"equal\":true", "\"records_healed\":");

    stop(node);
    for (int i = 1; i <= 3; i++) {
      stopReplica(i);
      OfflineVerification.Result result = verify(i);
      assertThat(result.clean()).as(i + ": " + result).isTrue();
      assertThat(result.capsules()).hasSize(1);
      assertThat(result.capsules().getFirst().records()).isGreaterThan(3);
    }
    assertThat(verify(2).capsules().getFirst().heads())
        .isEqualTo(verify(1).capsules().getFirst().heads());
  }

  @Test
  void aLostServerComesBackWithItsKeyAlone() throws IOException {
    for (int i = 1; i <= 3; i++) {
      startReplica(i);
    }
    Node first = serve(list());
    put(first, "k", 20);
    stop(first);
    byte[] key = Files.readAllBytes(directory.resolve("serve/owner.key"));
    try (Stream<Path> files = Files.walk(directory.resolve("serve"))) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
    Files.createDirectory(directory.resolve("serve"));
    Files.write(directory.resolve("serve/owner.key"), key);
    stopReplica(1);
    Node second = serve(list());
    assertThat(get(second, "k19")).isEqualTo("value of k19");
    stop(second);

    assertThatThrownBy(
            () ->
                Node.start(
                    ServeOptions.builder()
                        .set(ServeSetting.DATA, "serve", directory)
                        .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                        .set(ServeSetting.HTTP, "none", directory)
                        .build(),
                    isProtected -> null,
                    "test",
                    () -> {}))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("--replicas");
  }

  @Test
  void replicasAreAddedReplacedAndRemovedWhileTheServerWrites() throws IOException {
    for (int i = 1; i <= 3; i++) {
      startReplica(i);
    }
    Path file = directory.resolve("replicas.txt");
    Files.write(file, List.of(list().split(",", -1)));
    Node node = serve("@" + file);
    put(node, "a", 20);
    String owner = directory.resolve("serve/owner.key").toString();

    startReplica(4);
    CliRun added =
        CliRun.of("replicas", "add", "@" + file, addresses.get(4).toString(), "--owner-key", owner);
    assertThat(added.exitCode()).as(added.toString()).isZero();
    assertThat(added.out()).contains("held by 4 replicas, quorum 3, membership 2");
    assertThat(Files.readString(file)).contains(addresses.get(4) + "=" + replicas.get(4).key());
    eventually("the server knows", () -> info(node).contains("capsule_replicas:4"));
    CliRun again =
        CliRun.of("replicas", "add", "@" + file, addresses.get(4).toString(), "--owner-key", owner);
    assertThat(again.exitCode()).as(again.toString()).isZero();
    assertThat(again.err()).contains("already");
    put(node, "b", 20);

    CliRun nobody =
        CliRun.of(
            "replicas",
            "add",
            list(),
            "127.0.0.1:1=" + stranger(),
            "--owner-key",
            owner,
            "--timeout",
            "1");
    assertThat(nobody.exitCode()).as(nobody.toString()).isEqualTo(ExitCodes.UNAVAILABLE);

    String gone = replicas.get(1).key().toString();
    stopReplica(1);
    addresses.remove(1);
    startReplica(5);
    CliRun replaced =
        CliRun.of(
            "replicas",
            "replace",
            "@" + file,
            gone,
            addresses.get(5).toString(),
            "--owner-key",
            owner,
            "--timeout",
            "1");
    assertThat(replaced.exitCode()).as(replaced.toString()).isZero();
    assertThat(replaced.out()).contains("held by 4 replicas, quorum 3, membership 4");
    // Without a write: it asks now and then.
    eventually(
        "the server knows the new one",
        () -> info(node).contains(replicas.get(5).key().toString()));
    put(node, "c", 20);

    CliRun removed =
        CliRun.of(
            "replicas",
            "remove",
            "@" + file,
            addresses.get(4).toString(),
            "--owner-key",
            owner,
            "--timeout",
            "1");
    assertThat(removed.exitCode()).as(removed.toString()).isZero();
    assertThat(removed.out()).contains("held by 3 replicas, quorum 2, membership 6");
    addresses.remove(4);
    put(node, "d", 20);
    eventually("all members hold the same", () -> status().exitCode() == ExitCodes.OK);
    assertThat(get(node, "a3")).isEqualTo("value of a3");
    try (Stream<Path> files = Files.list(directory.resolve("serve"))) {
      assertThat(files.map(Path::toString)).noneMatch(name -> name.endsWith(".membership"));
    }

    CliRun.of("keys", "new", directory.resolve("other.key").toString(), "--development");
    CliRun stranger =
        CliRun.of(
            "replicas",
            "remove",
            "@" + file,
            addresses.get(5).toString(),
            "--owner-key",
            directory.resolve("other.key").toString());
    assertThat(stranger.exitCode()).as(stranger.toString()).isEqualTo(ExitCodes.DENIED);
  }

  @Test
  void aChangeThatWasInterruptedIsResumed() throws IOException {
    for (int i = 1; i <= 3; i++) {
      startReplica(i);
    }
    Node node = serve(list());
    put(node, "a", 20);
    String owner = directory.resolve("serve/owner.key").toString();
    // A new one that takes nothing, and without which there is no quorum of the new set.
    startReplica(4, options(4).set(ReplicaSetting.MIN_FREE_MB, "1073741824", directory));
    CliRun begun =
        CliRun.of(
            "replicas",
            "replace",
            list(),
            addresses.get(1).toString(),
            addresses.get(4).toString(),
            "--owner-key",
            owner,
            "--quorum",
            "3",
            "--deadline",
            "1",
            "--timeout",
            "1");
    assertThat(begun.exitCode()).as(begun.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    assertThat(begun.err()).contains("the same command again goes on from here");
    assertThat(hasPendingMembership()).isTrue();
    assertThat(status("--timeout", "1").out()).contains("capsule replicas resume");
    CliRun other =
        CliRun.of(
            "replicas",
            "remove",
            list(),
            addresses.get(2).toString(),
            "--owner-key",
            owner,
            "--timeout",
            "1");
    assertThat(other.exitCode()).as(other.toString()).isEqualTo(ExitCodes.USAGE);
    assertThat(other.err()).contains("another change is under way");

    stopReplica(4);
    startReplica(4);
    CliRun resumed = CliRun.of("replicas", "resume", list(), "--owner-key", owner);
    assertThat(resumed.exitCode()).as(resumed.toString()).isZero();
    assertThat(resumed.out()).contains("held by 3 replicas, quorum 3, membership 2");
    assertThat(hasPendingMembership()).isFalse();
    CliRun again = CliRun.of("replicas", "resume", list(), "--owner-key", owner);
    assertThat(again.exitCode()).as(again.toString()).isZero();
    stopReplica(1);
    stop(node);
    Node next = serve(list());
    put(next, "b", 20);
    assertThat(get(next, "a3")).isEqualTo("value of a3");
  }

  private boolean hasPendingMembership() throws IOException {
    try (Stream<Path> files = Files.list(directory.resolve("serve"))) {
      return files.anyMatch(file -> file.toString().endsWith(".membership"));
    }
  }

  @Test
  void aFullReplicaRefusesRecordsSaysSoAndRecovers() throws IOException, InterruptedException {
    ReplicaNode full =
        startReplica(1, options(1).set(ReplicaSetting.MIN_FREE_MB, "1073741824", directory));
    assertThat(health(full)).startsWith("503").contains("out of space");
    stopReplica(1);
    ReplicaNode again = startReplica(1);
    assertThat(health(again)).startsWith("200");
    String metrics = http(again, "/metrics");
    assertThat(metrics)
        .contains(
            "capsule_replica_storing 1.0",
            "capsule_replica_records_behind 0.0",
            "capsule_link_events_total{event=\"session.handshakes\"}");
    assertThat(CliRun.of("replicas", "evidence", list()).out()).contains("no evidence");
  }

  private KeyTree owner() {
    try (SecretBytes opened = OwnerKeyFile.read(directory.resolve("serve/owner.key")).open(null);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      return KeyTree.fromMnemonic(words, "");
    }
  }

  /** The owner's program signs two records for one place, and gives each to other replicas. */
  @Test
  void evidenceAgainstAWriterIsShownByAllAndCanBeCheckedOffline() throws IOException {
    for (int i = 1; i <= 3; i++) {
      startReplica(i);
    }
    stop(serve(list()));
    List<ReplicaAddress> all =
        addresses.values().stream().map(a -> ReplicaAddress.parse(a.toString())).toList();
    try (KeyTree owner = owner();
        ApplicationKey application = owner.application(0, 0);
        ReplicaCaller caller = ReplicaCaller.open(all, LinkSecurity.PLAIN, 5_000)) {
      CapsuleName name = new ReplicaSurvey(caller, new SystemClock(), 0).names().iterator().next();
      byte[] roster =
          RosterCodec.encode(
              name,
              0,
              List.of(
                  new RosterEntry(7, application.writerPublicKey(7), RosterEntry.Role.WORKER, 0)),
              application::sign);
      for (int i = 0; i < 3; i++) {
        try (SecretBytes dataKey = application.dataKey(name.toBytes(), 7);
            RecordSealer sealer =
                new RecordSealer(
                    name, 0, 7, application.writerPrivateKey(7), dataKey, Secp256k1.best())) {
          List<Blob> records = new ArrayList<>();
          records.add(
              Blob.of(
                  sealer
                      .seal(RecordType.ROSTER, 0, 1, List.of(), roster, 0, roster.length)
                      .bytes()));
          // The same again, told to be of another time.
          records.add(
              Blob.of(
                  sealer
                      .seal(
                          RecordType.ROSTER, 0, i == 0 ? 2 : 3, List.of(), roster, 0, roster.length)
                      .bytes()));
          Message.Reply reply =
              caller.ask(all.get(i), number -> new Message.Append(number, name, records));
          // The others may have told of the first one already.
          assertThat(reply).isInstanceOfAny(Message.Held.class, Message.Refused.class);
        }
      }
    }
    for (ReplicaAddress replica : all) {
      eventually(
          replica + " has the proof",
          () ->
              CliRun.of("replicas", "evidence", replica.address().toString())
                  .out()
                  .contains("equivocation of"));
    }
    Path proofs = directory.resolve("proofs");
    CliRun shown = CliRun.of("replicas", "evidence", list(), "--out", proofs.toString());
    assertThat(shown.exitCode()).as(shown.toString()).isEqualTo(ExitCodes.INTEGRITY);
    List<Path> files;
    try (Stream<Path> written = Files.list(proofs)) {
      files = written.toList();
    }
    assertThat(files).hasSize(1);
    CliRun checked = CliRun.of("evidence", "check", files.getFirst().toString());
    assertThat(checked.exitCode()).as(checked.toString()).isZero();
    assertThat(checked.out()).contains("proven   equivocation");
    // Who serves next seals that writer, and goes on.
    Node next = serve(list());
    put(next, "after", 5);
    assertThat(get(next, "after3")).isEqualTo("value of after3");
  }

  private static String health(ReplicaNode replica) throws IOException, InterruptedException {
    return http(replica, "/healthz");
  }

  private static String http(ReplicaNode replica, String path)
      throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpResponse<String> response =
          client.send(
              HttpRequest.newBuilder(
                      URI.create(
                          "http://127.0.0.1:"
                              + java.util.Objects.requireNonNull(replica.httpAddress()).getPort()
                              + path))
                  .build(),
              HttpResponse.BodyHandlers.ofString());
      return response.statusCode() + " " + response.body();
    }
  }

  @Test
  void aReplicaIsBoundToItsKeyAndItsDirectory() throws IOException {
    startReplica(1);
    stopReplica(1);
    Path key = directory.resolve("replica-1.key");
    byte[] bytes = Files.readAllBytes(key);
    Files.delete(key);
    assertThatThrownBy(() -> startReplica(1))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("replica-1.key");
    startReplica(2);
    stopReplica(2);
    Files.write(key, Files.readAllBytes(directory.resolve("replica-2.key")));
    assertThatThrownBy(() -> startReplica(1))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("belongs to the replica");
    Files.write(key, bytes);
    startReplica(1);
    assertThatThrownBy(() -> startReplica(1)).isInstanceOf(CapsuleException.class);
  }

  /** A public key of nobody here. */
  private static String stranger() {
    return "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
  }

  @Test
  void replicasThatKnowAnotherOwnerRefuseAndTheServerSaysSo() {
    for (int i = 1; i <= 3; i++) {
      startReplica(i, options(i).set(ReplicaSetting.OWNER, stranger(), directory));
    }
    assertThatThrownBy(() -> serve(list()))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("--owner");
  }

  @Test
  void aReplicaThatAnswersAtTwoAddressesIsNotCountedTwice() {
    startReplica(1);
    startReplica(2);
    assertThatThrownBy(
            () -> serve(list() + "," + new HostPort("localhost", addresses.get(2).port())))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("count once only");
  }
}
