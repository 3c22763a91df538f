package io.capsuledb.jepsen.system;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real namespaces, where this machine has them. */
final class NamespaceNetworkTest {

  @TempDir private Path directory;

  @Test
  void whatIsCutDoesNotArriveAndOnlyThat() throws IOException {
    List<String> obstacles = NamespaceNetwork.obstaclesAtAll();
    assumeTrue(obstacles.isEmpty(), obstacles::toString);
    try (NamespaceNetwork network =
        NamespaceNetwork.open(List.of("serve", "r1", "r2"), "serve", directory)) {
      String serve = network.listen("serve");
      String host = serve.substring(0, serve.lastIndexOf(':'));
      try (ServerSocket server = new ServerSocket(0, 20, InetAddress.getByName(host))) {
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isTrue();

        network.cut("r1", "serve");
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isFalse();
        assertThat(reaches(network, "r2", host, server.getLocalPort())).isTrue();

        network.heal();
        network.cut("serve", "r1");
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isFalse();

        network.heal();
        network.lose("r1", "serve", 100);
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isFalse();

        network.heal();
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isTrue();
      }
    }
  }

  @Test
  void whatIsDelayedArrivesLater() throws IOException {
    List<String> obstacles = new ArrayList<>(NamespaceNetwork.obstaclesAtAll());
    obstacles.addAll(NamespaceNetwork.delayObstacles());
    assumeTrue(obstacles.isEmpty(), obstacles::toString);
    try (NamespaceNetwork network =
        NamespaceNetwork.open(List.of("serve", "r1", "r2"), "serve", directory)) {
      String serve = network.listen("serve");
      String host = serve.substring(0, serve.lastIndexOf(':'));
      try (ServerSocket server = new ServerSocket(0, 20, InetAddress.getByName(host))) {
        network.delay("r1", "serve", 400, 0);
        network.delay("r2", "serve", 0, 0);
        // The first packet may pass before the queue is there.
        boolean late = false;
        for (int i = 0; i < 20 && !late; i++) {
          long begin = System.nanoTime();
          assertThat(reaches(network, "r1", host, server.getLocalPort())).isTrue();
          late = System.nanoTime() - begin >= 400_000_000L;
        }
        assertThat(late).isTrue();
        assertThat(reaches(network, "r2", host, server.getLocalPort())).isTrue();

        network.heal();
        network.delay("r1", "serve", 5_000, 0);
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isFalse();
        network.heal();
        assertThat(reaches(network, "r1", host, server.getLocalPort())).isTrue();
      }
    }
  }

  /** Whether a connection can be made within two seconds. */
  private static boolean reaches(NamespaceNetwork network, String node, String host, int port)
      throws IOException {
    List<String> command = new ArrayList<>(network.launcher(node));
    command.addAll(List.of("timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/" + host + "/" + port));
    return Commands.outcome(command, Map.of()).exitCode() == 0;
  }
}
