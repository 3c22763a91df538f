package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalClusterTest {

  @TempDir private Path directory;

  private final BlockingQueue<String> said = new LinkedBlockingQueue<>();

  private LocalCluster start(int replicas, List<String> serve) {
    return LocalCluster.start(new LocalCluster.Options(directory, replicas, 0, serve), said::add);
  }

  private void awaitWord(String word) throws InterruptedException {
    String text;
    do {
      text = said.poll(30, TimeUnit.SECONDS);
      assertThat(text).as("nobody said: " + word).isNotNull();
    } while (!text.contains(word));
  }

  private static RespClient connect(LocalCluster cluster) {
    HostPort address = Objects.requireNonNull(cluster.listen());
    return RespClient.open(ClientOptions.builder().address(address).build());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  void boundsAreChecked() {
    assertThatThrownBy(() -> new LocalCluster.Options(directory, 8, 0, null))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("1 to 7");
    assertThatThrownBy(() -> new LocalCluster.Options(directory, 3, 65_530, null))
        .isInstanceOf(InvalidRequestException.class);
    assertThat(ChildProcess.field("ts=1 level=info event=x listen=a:1 http=none", "listen"))
        .isEqualTo("a:1");
    assertThat(ChildProcess.field("ts=1 level=info event=x listen=a:1 http=none", "http"))
        .isEqualTo("none");
    assertThat(ChildProcess.field("ts=1 event=x", "key")).isNull();
  }

  @Test
  void aChildThatDoesNotStartIsReportedWithItsExitCodeAndWords() throws IOException {
    Files.createDirectories(directory.resolve("replica-1"));
    Files.writeString(directory.resolve("replica-1.key"), "no key");
    assertThatThrownBy(() -> start(0, null))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("replica-1 ended with exit code 4")
        .hasMessageContaining("no intact key file");
  }

  @Test
  @Tag("long")
  void killedReplicasAreReportedAndNothingIsLost() throws InterruptedException {
    try (LocalCluster cluster =
        start(3, List.of("--listen", "127.0.0.1:0", "--http", "none", "--memtable-mb", "16"))) {
      try (RespClient client = connect(cluster)) {
        for (int i = 0; i < 100; i++) {
          client.update(ascii("SET"), ascii("a" + i), ascii("b" + i));
        }
        ProcessHandle.of(cluster.replicaPids().get(1)).orElseThrow().destroyForcibly();
        awaitWord("replica-2 ended with exit code 137");
        for (int i = 100; i < 200; i++) {
          client.update(ascii("SET"), ascii("a" + i), ascii("b" + i));
        }
      }
    }
    assertThatThrownBy(() -> start(4, null))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("cluster of 3 replicas");
    try (LocalCluster cluster = start(0, List.of("--listen", "127.0.0.1:0", "--http", "none"));
        RespClient client = connect(cluster)) {
      assertThat(cluster.replicas()).hasSize(3);
      for (int i = 0; i < 200; i++) {
        assertThat(client.query(ascii("GET"), ascii("a" + i)).text()).isEqualTo("b" + i);
      }
    }
    assertThat(said).noneMatch(text -> text.contains("was killed"));
  }
}
