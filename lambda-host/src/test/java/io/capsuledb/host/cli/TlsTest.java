package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.node.Node;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TLS from the command line's client to the server, both ways of knowing each other. */
class TlsTest {

  private static final char[] STORE_PASSWORD = "changeit".toCharArray();

  @TempDir private static Path directory;
  private static Node node;
  private static String at;

  /** An identity that vouches for itself: NAME.crt and NAME.key. */
  private static void identity(String name, String subjectAlternative) throws Exception {
    Path store = directory.resolve(name + ".p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                name,
                "-keyalg",
                "EC",
                "-groupname",
                "secp256r1",
                "-dname",
                "CN=" + name,
                "-ext",
                "san=" + subjectAlternative,
                "-ext",
                "bc:critical=ca:true",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                new String(STORE_PASSWORD))
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("keytool.log").toFile())
            .start();
    assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(keytool.exitValue()).as(Files.readString(directory.resolve("keytool.log"))).isZero();
    export(name, store);
  }

  private static void export(String name, Path store) throws IOException, GeneralSecurityException {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, STORE_PASSWORD);
    }
    pem(name + ".crt", "CERTIFICATE", keys.getCertificate(name).getEncoded());
    pem(name + ".key", "PRIVATE KEY", keys.getKey(name, STORE_PASSWORD).getEncoded());
  }

  private static void pem(String file, String type, byte[] der) throws IOException {
    String base64 =
        Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII)).encodeToString(der);
    Files.writeString(
        directory.resolve(file),
        "-----BEGIN " + type + "-----\n" + base64 + "\n-----END " + type + "-----\n");
  }

  @BeforeAll
  static void serve() throws Exception {
    identity("server", "ip:127.0.0.1");
    identity("client", "dns:client");
    identity("stranger", "ip:127.0.0.1");
    node =
        Node.start(
            ServeOptions.builder()
                .set(ServeSetting.DATA, "data", directory)
                .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
                .set(ServeSetting.HTTP, "none", directory)
                .set(ServeSetting.MEMTABLE_MB, "32", directory)
                .set(ServeSetting.TLS_CERT, "server.crt", directory)
                .set(ServeSetting.TLS_KEY, "server.key", directory)
                .set(ServeSetting.TLS_CA, "client.crt", directory)
                .build(),
            isProtected -> null,
            "test",
            () -> {});
    at = "127.0.0.1:" + node.address().getPort();
  }

  @AfterAll
  static void stop() {
    node.close();
  }

  private static String file(String name) {
    return directory.resolve(name).toString();
  }

  private static CliRun as(String identity, String authority, String... command) {
    String[] all = new String[command.length + 8];
    all[0] = command[0];
    String[] tls = {
      "--connect", at,
      "--tls-ca", file(authority + ".crt"),
      "--tls-cert", file(identity + ".crt"),
      "--tls-key", file(identity + ".key")
    };
    System.arraycopy(tls, 0, all, 1, tls.length);
    System.arraycopy(command, 1, all, 1 + tls.length, command.length - 1);
    return CliRun.of(all);
  }

  @Test
  void bothKnowEachOther() {
    CliRun put = as("client", "server", "put", "k", "v");
    assertThat(put.exitCode()).as(put.toString()).isZero();
    assertThat(as("client", "server", "get", "k").out()).isEqualTo("v\n");
  }

  @Test
  void aServerThatNobodyVouchesForIsNotTrusted() {
    CliRun run = as("client", "stranger", "get", "k");
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    assertThat(run.err()).contains("cannot connect");
  }

  @Test
  void aClientThatNobodyVouchesForIsNotServed() {
    CliRun run = as("stranger", "server", "get", "k");
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    CliRun nobody = CliRun.of("get", "--connect", at, "--tls-ca", file("server.crt"), "k");
    assertThat(nobody.exitCode()).as(nobody.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
  }

  @Test
  void theNameThatWasDialledMustBeInTheCertificate() {
    CliRun run =
        CliRun.of(
            "get",
            "--connect",
            "localhost:" + node.address().getPort(),
            "--tls-ca",
            file("server.crt"),
            "--tls-cert",
            file("client.crt"),
            "--tls-key",
            file("client.key"),
            "k");
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
    assertThat(run.err()).contains("localhost");
  }

  @Test
  void plainTalkIsNotUnderstood() {
    CliRun run = CliRun.of("get", "--connect", at, "--timeout", "5", "k");
    assertThat(run.exitCode()).as(run.toString()).isEqualTo(ExitCodes.UNAVAILABLE);
  }

  @Test
  void filesThatAreNoneAreSaidToBe() throws IOException {
    Files.writeString(directory.resolve("empty.crt"), "nothing\n");
    Files.copy(directory.resolve("client.key"), directory.resolve("empty.key"));
    CliRun ca = as("client", "empty", "get", "k");
    assertThat(ca.exitCode()).as(ca.toString()).isEqualTo(ExitCodes.USAGE);
    Files.writeString(directory.resolve("odd.key"), "-----BEGIN EC PRIVATE KEY-----\n");
    Files.copy(directory.resolve("client.crt"), directory.resolve("odd.crt"));
    CliRun key = as("odd", "server", "get", "k");
    assertThat(key.exitCode()).as(key.toString()).isEqualTo(ExitCodes.USAGE);
    assertThat(key.err()).contains("PKCS #8", "odd.key");
  }
}
