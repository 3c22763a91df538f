package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rotation of a node whose data are on replicas; and a node that has nothing but the owner's key
 * goes on from what the replicas hold, in the generation in force.
 */
class ReplicatedRotationTest {

  @TempDir private Path directory;

  private final Deque<AutoCloseable> running = new ArrayDeque<>();

  private String startReplicas() {
    List<ReplicaNode> started = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
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
    return addresses(started);
  }

  private static String addresses(List<ReplicaNode> nodes) {
    return nodes.stream().map(r -> r.address().toString()).collect(Collectors.joining(","));
  }

  private Node serve(String name, String replicas) {
    return Node.start(
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

  @AfterEach
  void closeAll() throws Exception {
    while (!running.isEmpty()) {
      running.pop().close();
    }
  }

  @Test
  void aNewNodeFromTheOwnersKeyAloneGoesOnInTheGenerationInForce() throws IOException {
    String replicas = startReplicas();
    long generation = 0;
    for (int life = 0; life < 3; life++) {
      // Each time on a new machine, with nothing but the owner's key.
      String name = "node-" + life;
      if (life > 0) {
        Files.createDirectory(directory.resolve(name));
        Files.copy(
            directory.resolve("node-0/owner.key"), directory.resolve(name).resolve("owner.key"));
      }
      try (Node node = serve(name, replicas);
          RespClient client = connect(node)) {
        for (long known = 1; known <= generation; known++) {
          assertThat(client.query(ascii("GET"), ascii("of " + known)).text())
              .isEqualTo("value " + known);
        }
        for (int i = 0; i < 2; i++) {
          generation++;
          assertThat(client.update(ascii("CAPSULE.ROTATE"))).isEqualTo(new Reply.Count(generation));
          client.update(ascii("SET"), ascii("of " + generation), ascii("value " + generation));
        }
        client.update(ascii("CAPSULE.FLUSH"));
        client.update(ascii("SET"), ascii("tail"), ascii("of " + generation));
        List<Reply> verified = ((Reply.Sequence) client.update(ascii("CAPSULE.VERIFY"))).elements();
        assertThat(verified.get(1).text()).as(verified.toString()).isEqualTo("yes");
      }
    }
    assertThat(generation).isEqualTo(6);
  }
}
