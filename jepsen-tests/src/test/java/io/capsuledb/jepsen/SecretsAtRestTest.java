package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.keys.KeyFile;
import io.capsuledb.host.client.RespClient;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Planted keys and values are nowhere to be found in what the server leaves behind. */
class SecretsAtRestTest {

  private static final String KEY_MARKER = "PLANTED-KEY-5f1d";
  private static final String VALUE_MARKER = "PLANTED-VALUE-93ac";
  private static final String PASSPHRASE = "PLANTED-PASSPHRASE-77e0";

  @TempDir Path directory;

  @Test
  void withAPassphrase() throws Exception {
    Path file = directory.resolve("passphrase");
    Files.writeString(file, PASSPHRASE + "\n");
    Path data = run("--passphrase-file", file.toString());
    byte[] keyFile = Files.readAllBytes(data.resolve("owner.key"));
    KeyFile decoded = KeyFile.decode(keyFile).orThrow();
    try (SecretBytes entropy = decoded.open(PASSPHRASE.toCharArray()).orThrow()) {
      assertAbsent(data, entropy.expose());
    }
    assertThat(decoded.open("another".toCharArray())).isInstanceOf(Decoded.Rejected.class);
    assertThat(Files.readString(directory.resolve("log"))).doesNotContain("DEVELOPMENT");
    ServerProcess.Outcome without =
        ServerProcess.run(
            "serve", "--data", data.toString(), "--listen", "127.0.0.1:0", "--http", "none");
    assertThat(without.exitCode()).isNotZero();
    assertThat(without.output()).contains("passphrase");
  }

  @Test
  void inDevelopmentModeWhichSaysSoAtEachStart() throws Exception {
    Path data = run();
    Path log = directory.resolve("log");
    assertThat(Files.readString(log)).containsIgnoringCase("development");
    Files.writeString(log, "");
    ServerProcess.start(data, log, List.of()).stop();
    assertThat(Files.readString(log)).containsIgnoringCase("development");
  }

  /** Serves, writes the markers in every shape, is killed and restarted; returns the directory. */
  private Path run(String... arguments) throws Exception {
    Path data = directory.resolve("data");
    Path log = directory.resolve("log");
    int http = ServerProcess.freePort();
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--http", "127.0.0.1:" + http));
    String[] options = all.toArray(String[]::new);
    try (ServerProcess server = ServerProcess.start(data, log, List.of(), options)) {
      try (RespClient client = server.connect()) {
        for (int i = 0; i < 200; i++) {
          client.query(ascii("SET"), ascii(KEY_MARKER + i), ascii(VALUE_MARKER.repeat(1 + i * 7)));
        }
        client.query(ascii("APPEND"), ascii(KEY_MARKER + "append"), ascii(VALUE_MARKER));
        client.query(ascii("SET"), ascii(KEY_MARKER + "big"), ascii(VALUE_MARKER.repeat(100_000)));
        // Errors and odd commands are what logs are made of.
        client.send(ascii("INCR"), ascii(KEY_MARKER + "1"));
        client.send(ascii(KEY_MARKER), ascii(VALUE_MARKER));
        client.send(ascii("SET"), ascii(KEY_MARKER), ascii(VALUE_MARKER), ascii("NONSENSE"));
        client.flush();
        for (int i = 0; i < 3; i++) {
          client.receive();
        }
      }
      HttpResponse<String> metrics =
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + http + "/metrics"))
                      .build(),
                  HttpResponse.BodyHandlers.ofString());
      assertThat(metrics.statusCode()).isEqualTo(200);
      assertThat(metrics.body()).contains("capsule_").doesNotContain("PLANTED");
      server.kill();
    }
    try (ServerProcess again = ServerProcess.start(data, log, List.of(), options)) {
      assertThat(again.stop()).isZero();
    }
    assertAbsent(data, ascii("PLANTED"));
    assertThat(Files.readString(log)).doesNotContain("PLANTED");
    return data;
  }

  private static void assertAbsent(Path data, byte[] marker) throws Exception {
    int files = 0;
    try (Stream<Path> walk = Files.walk(data)) {
      for (Path file : walk.toList()) {
        assertThat(file.toString()).doesNotContain("PLANTED");
        if (Files.isRegularFile(file)) {
          files++;
          assertThat(contains(Files.readAllBytes(file), marker)).as(file.toString()).isFalse();
        }
      }
    }
    assertThat(files).isGreaterThan(4);
  }

  private static boolean contains(byte[] haystack, byte[] needle) {
    return new String(haystack, StandardCharsets.ISO_8859_1)
        .contains(new String(needle, StandardCharsets.ISO_8859_1));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
