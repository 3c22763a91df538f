package io.capsuledb.host.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServeOptionsTest {

  @TempDir private Path directory;

  /** A value of each setting that is not its default. */
  private static final Map<ServeSetting, String> OTHERS =
      Map.ofEntries(
          Map.entry(ServeSetting.DATA, "\"d\""),
          Map.entry(ServeSetting.LISTEN, "\"[::1]:7000\""),
          Map.entry(ServeSetting.HTTP, "\"none\""),
          Map.entry(ServeSetting.PASSPHRASE_FILE, "\"p\""),
          Map.entry(ServeSetting.TLS_CERT, "\"cert.pem\""),
          Map.entry(ServeSetting.TLS_KEY, "\"/etc/key.pem\""),
          Map.entry(ServeSetting.TLS_CA, "\"ca.pem\""),
          Map.entry(ServeSetting.USERS, "\"users.toml\""),
          Map.entry(ServeSetting.REPLICAS, "[\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\"]"),
          Map.entry(ServeSetting.QUORUM, "3"),
          Map.entry(ServeSetting.REPLICA_TRANSPORT, "\"tls\""),
          Map.entry(ServeSetting.REPLICA_TLS_CERT, "\"rc.pem\""),
          Map.entry(ServeSetting.REPLICA_TLS_KEY, "\"rk.pem\""),
          Map.entry(ServeSetting.REPLICA_TLS_CA, "\"ra.pem\""),
          Map.entry(ServeSetting.MEMTABLE_MB, "64"),
          Map.entry(ServeSetting.CACHE_MB, "7"),
          Map.entry(ServeSetting.HISTORY_MINUTES, "0"),
          Map.entry(ServeSetting.COMPACTION_MB_PER_SECOND, "5"),
          Map.entry(ServeSetting.IO_THREADS, "3"),
          Map.entry(ServeSetting.MAX_CLIENTS, "77"),
          Map.entry(ServeSetting.KEY_DIRECTORY, "\"derived\""),
          Map.entry(ServeSetting.ROTATE_HOURS, "24"),
          Map.entry(ServeSetting.ROTATE_ON_SEAL, "\"yes\""),
          Map.entry(ServeSetting.ROTATE_EACH_CALL, "\"yes\""),
          Map.entry(ServeSetting.ENCLAVE, "\"none\""),
          Map.entry(ServeSetting.JOIN, "\"127.0.0.1:4\""),
          Map.entry(ServeSetting.EPOCH_MS, "500"),
          Map.entry(ServeSetting.LEASE_MS, "1500"),
          Map.entry(ServeSetting.CONSISTENCY, "\"linearizable\""),
          Map.entry(ServeSetting.LOG_LEVEL, "\"debug\""));

  private Path file(String text) throws IOException {
    return Files.writeString(directory.resolve("capsule.toml"), text);
  }

  private ServeOptions read(String text) throws IOException {
    ServeOptions.Builder builder = ServeOptions.builder();
    ServeOptionsFile.apply(file(text), builder);
    return builder.build();
  }

  @Test
  void everySettingCanBeSetInAFile() throws IOException {
    StringBuilder text = new StringBuilder("# all of them\n");
    for (ServeSetting setting : ServeSetting.values()) {
      assertThat(OTHERS).containsKey(setting);
      text.append(setting.key()).append(" = ").append(OTHERS.get(setting)).append('\n');
    }
    // Some are for workers only.
    ServeOptions.Builder builder = ServeOptions.builder().shared(true);
    ServeOptionsFile.apply(file(text.toString()), builder);
    ServeOptions options = builder.build();
    assertThat(options.join()).containsExactly(new HostPort("127.0.0.1", 4));
    assertThat(options.linearizable()).isTrue();
    assertThat(options.enclave()).isFalse();
    assertThat(read("enclave = \"process\"").enclave()).isTrue();
    assertThat(options.data()).isEqualTo(directory.resolve("d"));
    assertThat(options.listen()).isEqualTo(new HostPort("::1", 7000));
    assertThat(options.http()).isEmpty();
    assertThat(options.passphraseFile()).contains(directory.resolve("p"));
    assertThat(options.tlsCert()).contains(directory.resolve("cert.pem"));
    assertThat(options.tlsKey()).contains(Path.of("/etc/key.pem"));
    assertThat(options.tlsCa()).contains(directory.resolve("ca.pem"));
    assertThat(options.users()).contains(directory.resolve("users.toml"));
    assertThat(options.replicas())
        .extracting(ReplicaAddress::toString)
        .containsExactly("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3");
    assertThat(options.quorum()).isEqualTo(3);
    assertThat(options.replicaLinks())
        .isEqualTo(
            new LinkSecurity(
                LinkSecurity.Transport.TLS,
                directory.resolve("rc.pem"),
                directory.resolve("rk.pem"),
                directory.resolve("ra.pem")));
    assertThat(options.memtableMb()).isEqualTo(64);
    assertThat(options.cacheMb()).isEqualTo(7);
    assertThat(options.historyMinutes()).isZero();
    assertThat(options.compactionMbPerSecond()).isEqualTo(5);
    assertThat(options.ioThreads()).isEqualTo(3);
    assertThat(options.maxClients()).isEqualTo(77);
    assertThat(options.derivedKeys()).isTrue();
    assertThat(options.rotateHours()).isEqualTo(24);
    assertThat(options.rotateEachCall()).isTrue();
    assertThat(options.rotateOnSeal()).isTrue();
    assertThat(options.logLevel()).isEqualTo(EventLog.Detail.DEBUG);
  }

  @Test
  void errorsNameTheFileTheLineTheSettingAndWhatIsAllowed() throws IOException {
    assertThatThrownBy(() -> read("data = \"d\"\n\nmemtabel-mb = 64\n"))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("capsule.toml, line 3")
        .hasMessageContaining("memtabel-mb");
    assertThatThrownBy(() -> read("memtable-mb = 1025"))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("line 1")
        .hasMessageContaining("memtable-mb is '1025'")
        .hasMessageContaining("1 to 1024");
    assertThatThrownBy(() -> read("\nio-threads = 1.5"))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("line 2")
        .hasMessageContaining("io-threads");
    assertThatThrownBy(() -> read("listen = \"6380\""))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("listen is '6380'")
        .hasMessageContaining("HOST:PORT");
    assertThatThrownBy(() -> read("[tls]\ncert = \"x\""))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("tls");
    assertThatThrownBy(() -> read("data = \"d\"\ndata = \n"))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("line 2")
        .hasMessageContaining("not TOML");
    assertThatThrownBy(
            () -> ServeOptionsFile.apply(directory.resolve("no"), ServeOptions.builder()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("no");
  }

  @Test
  void settingsAreCheckedAgainstEachOther() {
    Path here = Path.of("");
    assertThatThrownBy(() -> ServeOptions.builder().set(ServeSetting.TLS_CERT, "c", here).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("tls-key");
    assertThatThrownBy(() -> ServeOptions.builder().set(ServeSetting.TLS_CA, "c", here).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("tls-ca");
    assertThatThrownBy(
            () -> ServeOptions.builder().set(ServeSetting.HTTP, "127.0.0.1:6380", here).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("http");
  }

  @Test
  void replicasElsewhereNeedTlsAndKeysAndAQuorumIsAMajority() {
    Path here = Path.of("");
    assertThatThrownBy(
            () -> ServeOptions.builder().set(ServeSetting.REPLICAS, "192.0.2.1:7400", here))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("192.0.2.1:7400=KEY");
    String key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assertThatThrownBy(
            () ->
                ServeOptions.builder()
                    .set(ServeSetting.REPLICAS, "192.0.2.1:7400=" + key, here)
                    .build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("tls");
    for (String quorum : new String[] {"1", "4"}) {
      assertThatThrownBy(
              () ->
                  ServeOptions.builder()
                      .set(ServeSetting.REPLICAS, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", here)
                      .set(ServeSetting.QUORUM, quorum, here)
                      .build())
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("2 to 3");
    }
    assertThatThrownBy(() -> ServeOptions.builder().set(ServeSetting.QUORUM, "2", here).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("replicas");
  }

  @Test
  void hostsAndPorts() {
    assertThat(HostPort.parse("localhost:0")).isEqualTo(new HostPort("localhost", 0));
    assertThat(HostPort.parse("[2001:db8::1]:65535").host()).isEqualTo("2001:db8::1");
    assertThat(HostPort.parse("[::1]:80")).hasToString("[::1]:80");
    for (String wrong :
        new String[] {
          "", ":", "a:", ":1", "a", "a:65536", "a:-1", "a:1x", "::1:80", "a b:1", "a:999999"
        }) {
      assertThatThrownBy(() -> HostPort.parse(wrong))
          .as(wrong)
          .isInstanceOf(InvalidRequestException.class);
    }
  }
}
