package io.capsuledb.host.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReplicaProcessOptionsTest {

  private static final String KEY =
      "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
  private static final String OTHER_KEY =
      "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

  @TempDir private Path directory;

  /** A value of each setting that is not its default; any-owner and owner exclude each other. */
  private static final Map<ReplicaSetting, String> OTHERS =
      Map.ofEntries(
          Map.entry(ReplicaSetting.DATA, "\"d\""),
          Map.entry(ReplicaSetting.KEY, "\"k\""),
          Map.entry(ReplicaSetting.LISTEN, "\"0.0.0.0:7000\""),
          Map.entry(ReplicaSetting.HTTP, "\"none\""),
          Map.entry(ReplicaSetting.PASSPHRASE_FILE, "\"p\""),
          Map.entry(ReplicaSetting.PEERS, "[\"192.0.2.1:7400=" + KEY + "\", \"127.0.0.1:7401\"]"),
          Map.entry(ReplicaSetting.OWNER, "\"" + KEY + "," + OTHER_KEY + "\""),
          Map.entry(ReplicaSetting.ANY_OWNER, "false"),
          Map.entry(ReplicaSetting.TRANSPORT, "\"tls\""),
          Map.entry(ReplicaSetting.TLS_CERT, "\"cert.pem\""),
          Map.entry(ReplicaSetting.TLS_KEY, "\"/etc/key.pem\""),
          Map.entry(ReplicaSetting.TLS_CA, "\"ca.pem\""),
          Map.entry(ReplicaSetting.HEAL_MB_PER_SECOND, "0"),
          Map.entry(ReplicaSetting.SCRUB_MB_PER_SECOND, "9"),
          Map.entry(ReplicaSetting.MIN_FREE_MB, "7"),
          Map.entry(ReplicaSetting.MAX_CAPSULES, "11"),
          Map.entry(ReplicaSetting.LOG_LEVEL, "\"warn\""));

  private ReplicaProcessOptions read(String text) throws IOException {
    ReplicaProcessOptions.Builder builder = ReplicaProcessOptions.builder();
    ServeOptionsFile.apply(Files.writeString(directory.resolve("replica.toml"), text), builder);
    return builder.build();
  }

  @Test
  void everySettingCanBeSetInAFile() throws IOException {
    StringBuilder text = new StringBuilder();
    for (ReplicaSetting setting : ReplicaSetting.values()) {
      assertThat(OTHERS).containsKey(setting);
      text.append(setting.key()).append(" = ").append(OTHERS.get(setting)).append('\n');
    }
    ReplicaProcessOptions options = read(text.toString());
    assertThat(options.data()).isEqualTo(directory.resolve("d"));
    assertThat(options.key()).isEqualTo(directory.resolve("k"));
    assertThat(options.listen()).isEqualTo(new HostPort("0.0.0.0", 7000));
    assertThat(options.http()).isEmpty();
    assertThat(options.passphraseFile()).contains(directory.resolve("p"));
    assertThat(options.peers())
        .containsExactly(
            new ReplicaAddress(new HostPort("192.0.2.1", 7400), ReplicaAddress.key(KEY)),
            new ReplicaAddress(new HostPort("127.0.0.1", 7401), null));
    assertThat(options.owners())
        .containsExactly(ReplicaAddress.key(KEY), ReplicaAddress.key(OTHER_KEY));
    assertThat(options.links())
        .isEqualTo(
            new LinkSecurity(
                LinkSecurity.Transport.TLS,
                directory.resolve("cert.pem"),
                Path.of("/etc/key.pem"),
                directory.resolve("ca.pem")));
    assertThat(options.healMbPerSecond()).isZero();
    assertThat(options.scrubMbPerSecond()).isEqualTo(9);
    assertThat(options.minFreeMb()).isEqualTo(7);
    assertThat(options.maxCapsules()).isEqualTo(11);
    assertThat(options.logLevel()).isEqualTo(EventLog.Detail.WARN);
  }

  @Test
  void theKeyIsInTheDirectoryUnlessItIsElsewhere() throws IOException {
    assertThat(read("data = \"x\"").key()).isEqualTo(directory.resolve("x/replica.key"));
  }

  private void refused(String text, String... words) {
    assertThatThrownBy(() -> read(text))
        .isInstanceOf(InvalidRequestException.class)
        .satisfies(e -> assertThat(e.getMessage()).contains(words));
  }

  @Test
  void nothingIsListenedToFromElsewhereWithoutTlsAndOwners() throws IOException {
    String tls = "transport = \"tls\"\ntls-cert = \"c\"\ntls-key = \"k\"\n";
    refused("listen = \"0.0.0.0:7400\"", "listen is '0.0.0.0:7400'", "tls-cert", "127.0.0.1");
    refused("listen = \"[::]:7400\"", "listen is");
    refused(tls + "listen = \"0.0.0.0:7400\"", "owner", "any-owner");
    assertThat(read(tls + "listen = \"0.0.0.0:7400\"\nany-owner = true").owners()).isEmpty();
    assertThat(read(tls + "listen = \"0.0.0.0:7400\"\nowner = \"" + KEY + "\"").owners())
        .hasSize(1);
    refused("any-owner = true\nowner = \"" + KEY + "\"", "any-owner", "owner");
    assertThat(read("listen = \"[::1]:7400\"").links()).isEqualTo(LinkSecurity.PLAIN);
  }

  @Test
  void peersElsewhereNeedTlsAndKeys() throws IOException {
    refused("peers = [\"192.0.2.1:7400\"]", "peers", "192.0.2.1:7400=KEY");
    refused("peers = [\"192.0.2.1:7400=" + KEY + "\"]", "in clear", "tls");
    refused("peers = [\"127.0.0.1:7400\", \"127.0.0.1:7400\"]", "twice");
    refused("peers = [\"127.0.0.1:0\"]", "port 0");
    refused("peers = [\"127.0.0.1:1=" + KEY.substring(2) + "\"]", "66 hex digits");
    refused("peers = [1]", "peers");
  }

  @Test
  void settingsFitTogetherAndAreNamed() throws IOException {
    refused("transport = \"tls\"", "tls-cert");
    refused("tls-ca = \"x\"", "tls-ca is set", "transport");
    refused("transport = \"quic\"", "quic", "plain, zmq or tls");
    refused("min-free-mb = -1", "min-free-mb is '-1'");
    refused("scrub-mb-per-second = \"fast\"", "scrub-mb-per-second");
    refused("http = \"127.0.0.1:7400\"", "http");
    refused("memtable-mb = 3", "memtable-mb", "replica --help");
  }

  @Test
  void listsOfReplicasAreReadFromFiles() throws IOException {
    Files.writeString(
        directory.resolve("list"), "# three\n\n127.0.0.1:1=" + KEY + "\n  127.0.0.1:2  \n");
    List<ReplicaAddress> list = ReplicaAddress.parseList("@list", directory);
    assertThat(list)
        .extracting(ReplicaAddress::toString)
        .containsExactly("127.0.0.1:1=" + KEY, "127.0.0.1:2");
    assertThatThrownBy(() -> ReplicaAddress.parseList("@none", directory))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("none");
    assertThatThrownBy(() -> ReplicaAddress.parseList("", directory))
        .isInstanceOf(InvalidRequestException.class);
  }
}
