package io.capsuledb.host.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.engine.CapsuleVerifier;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeTest {

  private static final Node.PassphraseSource NO_PASSPHRASE = isProtected -> null;

  @TempDir private Path directory;

  private ServeOptions.Builder options() {
    return ServeOptions.builder()
        .set(ServeSetting.DATA, "data", directory)
        .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
        .set(ServeSetting.HTTP, "none", directory)
        .set(ServeSetting.MEMTABLE_MB, "32", directory);
  }

  private Node start(ServeOptions.Builder options, Node.PassphraseSource passphrases) {
    return Node.start(options.build(), passphrases, "test", () -> {});
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

  private static void put(Node node, String key, String value) {
    try (RespClient client = connect(node)) {
      client.update(ascii("SET"), ascii(key), ascii(value));
    }
  }

  private static Reply get(Node node, String key) {
    try (RespClient client = connect(node)) {
      return client.query(ascii("GET"), ascii(key));
    }
  }

  private OfflineVerification.Result verify(char... passphrase) {
    return OfflineVerification.run(
        directory.resolve("data"),
        null,
        () -> passphrase.length == 0 ? null : passphrase,
        null,
        (records, total) -> {});
  }

  @Test
  void whatWasWrittenIsThereAfterARestart() {
    try (Node node = start(options(), NO_PASSPHRASE)) {
      put(node, "a", "1");
    }
    try (Node node = start(options(), NO_PASSPHRASE)) {
      assertThat(get(node, "a").text()).isEqualTo("1");
      put(node, "a", "2");
      assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
          .isInstanceOf(UnavailableException.class);
      assertThatThrownBy(this::verify).isInstanceOf(UnavailableException.class);
    }
    OfflineVerification.Result result = verify();
    assertThat(result.clean()).as(result.toString()).isTrue();
    CapsuleVerifier.Report report = result.capsules().getFirst();
    assertThat(report.chains()).isEqualTo(2);
    assertThat(report.decrypted()).isGreaterThanOrEqualTo(2);
    try (Node node = start(options(), NO_PASSPHRASE)) {
      assertThat(get(node, "a").text()).isEqualTo("2");
    }
  }

  @Test
  void aPassphraseProtectsTheOwnerKey() {
    start(options(), isProtected -> "open sesame".toCharArray()).close();
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("--passphrase-file");
    assertThatThrownBy(() -> start(options(), isProtected -> "wrong".toCharArray()))
        .isInstanceOf(DeniedException.class);
    start(
            options(),
            isProtected -> {
              assertThat(isProtected).isTrue();
              return "open sesame".toCharArray();
            })
        .close();
    OfflineVerification.Result closed = verify();
    assertThat(closed.clean()).isTrue();
    assertThat(closed.unopened()).contains("--passphrase-file");
    assertThat(closed.capsules().getFirst().decrypted()).isZero();
    OfflineVerification.Result opened = verify("open sesame".toCharArray());
    assertThat(opened.clean()).isTrue();
    assertThat(opened.unopened()).isNull();
    assertThatThrownBy(() -> verify("wrong".toCharArray())).isInstanceOf(DeniedException.class);
  }

  @Test
  void aPassphraseForAKeyThatNothingProtectsIsRefused() {
    start(options(), NO_PASSPHRASE).close();
    assertThatThrownBy(() -> start(options(), isProtected -> "secret".toCharArray()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("capsule keys protect");
  }

  @Test
  void nothingThatGotLostIsReplacedByNothing() throws IOException {
    try (Node node = start(options(), NO_PASSPHRASE)) {
      put(node, "a", "1");
    }
    Path data = directory.resolve("data");
    Path key = data.resolve("owner.key");
    byte[] bytes = Files.readAllBytes(key);

    Files.delete(key);
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOf(DeniedException.class)
        .hasMessageContaining("owner.key");
    OfflineVerification.Result keyless = verify();
    assertThat(keyless.clean()).isTrue();
    assertThat(keyless.unopened()).contains("owner.key", "--key");
    assertThat(keyless.capsules().getFirst().signatures()).isPositive();
    assertThat(keyless.capsules().getFirst().decrypted()).isZero();

    byte[] damaged = bytes.clone();
    damaged[20] ^= 4;
    Files.write(key, damaged);
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOf(IntegrityException.class);
    assertThat(verify().clean()).isFalse();

    // Another owner's key opens nothing here.
    Files.delete(key);
    Path other = directory.resolve("other");
    start(options().set(ServeSetting.DATA, other.toString(), directory), NO_PASSPHRASE).close();
    Files.copy(other.resolve("owner.key"), key);
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOfAny(DeniedException.class, IntegrityException.class);
    assertThat(verify().others().getFirst().rejection().reason())
        .isEqualTo(Rejection.Reason.KEY_GENERATION);
    Files.write(key, bytes);

    // Neither the store nor the name of its capsule may vanish unnoticed.
    Path name = data.resolve("capsule");
    String written = Files.readString(name);
    Files.writeString(name, "not hex\n");
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOf(IntegrityException.class);
    assertThat(verify().clean()).isFalse();
    Files.writeString(name, written);
    try (Node node = start(options(), NO_PASSPHRASE)) {
      assertThat(get(node, "a").text()).isEqualTo("1");
    }
    delete(data.resolve("store"));
    assertThatThrownBy(() -> start(options(), NO_PASSPHRASE))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("restore");
  }

  private static void delete(Path tree) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(tree)) {
      files = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path file : files) {
      Files.delete(file);
    }
  }

  @Test
  void aStartThatWasCutShortIsFinishedByTheNext() throws IOException {
    try (Node node = start(options(), NO_PASSPHRASE)) {
      put(node, "a", "1");
    }
    // The name is written last.
    Files.delete(directory.resolve("data/capsule"));
    try (Node node = start(options(), NO_PASSPHRASE)) {
      assertThat(get(node, "a").text()).isEqualTo("1");
    }
    // Before the capsule there is only the key.
    Files.delete(directory.resolve("data/capsule"));
    delete(directory.resolve("data/store"));
    try (Node node = start(options(), NO_PASSPHRASE)) {
      assertThat(get(node, "a")).isInstanceOf(Reply.Absent.class);
    }
    assertThat(verify().clean()).isTrue();
  }

  @Test
  void metricsAndHealth() throws Exception {
    try (Node node =
        start(options().set(ServeSetting.HTTP, "127.0.0.1:0", directory), NO_PASSPHRASE)) {
      put(node, "secretkey", "secretvalue");
      get(node, "secretkey");
      HttpResponse<String> metrics = http(node, "GET", "/metrics");
      assertThat(metrics.statusCode()).isEqualTo(200);
      assertThat(metrics.headers().firstValue("Content-Type").orElse("")).startsWith("text/plain");
      assertThat(metrics.body())
          .containsPattern("\ncapsule_operations_written_total 1\\.0\n")
          .containsPattern("\ncapsule_commands_total\\{command=\"set\"} 1\\.0\n")
          .containsPattern("\ncapsule_commit_seconds_count 1\n")
          .containsPattern("\ncapsule_store_sync_seconds_bucket\\{le=\"")
          .containsPattern("\ncapsule_batch_operations_sum 1\\.0\n")
          .containsPattern("\ncapsule_entries 1\\.0\n")
          .containsPattern("\ncapsule_level_bytes\\{level=\"0\"} ")
          .containsPattern("\ncapsule_level_tables\\{level=\"1\"} ")
          .containsPattern("\ncapsule_level0_runs 0\\.0\n")
          .containsPattern("\ncapsule_write_pressure_ratio 0\\.0\n")
          .containsPattern("\ncapsule_block_cache_bytes ")
          .containsPattern("\ncapsule_compaction_written_bytes_total 0\\.0\n")
          .containsPattern("\ncapsule_flush_seconds_count 0\n")
          .containsPattern("\ncapsule_memtable_bytes [1-9]")
          .containsPattern("\ncapsule_write_queue_bytes 0\\.0\n")
          .containsPattern("\ncapsule_rejections_total\\{reason=\"signature\"} 0\\.0\n")
          .containsPattern("\njvm_memory_used_bytes\\{area=\"heap\"} ")
          .doesNotContain("secretkey")
          .doesNotContain("secretvalue");
      HttpResponse<String> health = http(node, "GET", "/healthz");
      assertThat(health.statusCode()).isEqualTo(200);
      assertThat(health.body()).isEqualTo("ok\n");
      assertThat(http(node, "GET", "/metrics/x").statusCode()).isEqualTo(404);
      assertThat(http(node, "GET", "/").statusCode()).isEqualTo(404);
      assertThat(http(node, "POST", "/metrics").statusCode()).isEqualTo(405);
    }
  }

  private static HttpResponse<String> http(Node node, String method, String path)
      throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:" + node.httpAddress().getPort() + path))
              .method(method, HttpRequest.BodyPublishers.noBody())
              .build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  @Test
  void addressesThatOthersCanReachAreRefusedBeforeAnythingIsMade() {
    assertThatThrownBy(
            () -> start(options().set(ServeSetting.LISTEN, "0.0.0.0:0", directory), NO_PASSPHRASE))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("TLS");
    assertThat(directory.resolve("data")).doesNotExist();
    assertThatThrownBy(
            () -> start(options().set(ServeSetting.HTTP, "0.0.0.0:0", directory), NO_PASSPHRASE))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("loopback");
  }
}
