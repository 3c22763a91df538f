package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RespServerOptionsTest {

  private static final InetSocketAddress ANYWHERE =
      new InetSocketAddress(InetAddress.ofLiteral("0.0.0.0"), 6380);

  private static final PasswordHash HASH =
      PasswordHash.parse(
              "$scrypt$ln=10,r=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
          .orThrow();

  private static final AclUsers USERS =
      AclUsers.builder().user("a", HASH, EnumSet.allOf(AclUsers.Permission.class)).build();

  @TempDir private Path directory;

  private static void refused(UnaryOperator<RespServerOptions.Builder> set, String... words) {
    assertThatThrownBy(() -> set.apply(RespServerOptions.builder()).build())
        .isInstanceOf(InvalidRequestException.class)
        .satisfies(e -> assertThat(e.getMessage()).contains(words));
  }

  @Test
  void theDefaultsAreLoopbackOnly() {
    RespServerOptions options = RespServerOptions.builder().build();

    assertThat(options.listen()).containsExactly(RespServerOptions.DEFAULT_ADDRESS);
    assertThat(options.listen().getFirst().getAddress().isLoopbackAddress()).isTrue();
    assertThat(options.listen().getFirst().getPort()).isEqualTo(6380);
    assertThat(options.users().isEmpty()).isTrue();
    assertThat(options.tls()).isNull();
  }

  @Test
  void anAddressOthersCanReachNeedsTlsAndCredentials() throws IOException {
    Path pem = Files.writeString(directory.resolve("x.pem"), "x");
    RespServerOptions.Tls tls = new RespServerOptions.Tls(pem, pem, null);
    RespServerOptions.Tls mutual = new RespServerOptions.Tls(pem, pem, pem);

    refused(o -> o.listen(ANYWHERE), "0.0.0.0", "without TLS and credentials", "127.0.0.1:6380");
    refused(o -> o.listen(ANYWHERE).users(USERS), "without TLS:", "--tls-cert");
    refused(o -> o.listen(ANYWHERE).tls(tls), "without credentials", "users or");
    refused(
        o -> o.listen(RespServerOptions.DEFAULT_ADDRESS, ANYWHERE), "without TLS and credentials");
    assertThat(RespServerOptions.builder().listen(ANYWHERE).tls(tls).users(USERS).build().listen())
        .containsExactly(ANYWHERE);
    assertThat(RespServerOptions.builder().listen(ANYWHERE).tls(mutual).build().listen())
        .containsExactly(ANYWHERE);
  }

  @Test
  void everyNumberHasARange() {
    refused(o -> o.listen(), "listen addresses is 0", "1 to 16");
    refused(o -> o.ioThreads(0), "ioThreads is 0", "1 to 64");
    refused(o -> o.ioThreads(65), "ioThreads is 65");
    refused(o -> o.maxClients(0), "maxClients is 0", "1 to 1000000");
    refused(o -> o.backlog(0), "backlog is 0");
    refused(o -> o.idleTimeoutMs(-1), "idleTimeoutMs is -1");
    refused(o -> o.maxClientOutputBytes(1 << 20), "maxClientOutputBytes is 1048576");
    refused(o -> o.maxOutputBytes(0), "maxOutputBytes is 0");
    refused(o -> o.maxInputBytes(0), "maxInputBytes is 0");
    refused(o -> o.stopTimeoutMs(-1), "stopTimeoutMs is -1");
    refused(o -> o.replyTimeoutMs(-1), "replyTimeoutMs is -1", "0 to 3600000");
    refused(o -> o.info("Memory", Map::of), "info section is 'Memory'");
  }

  @Test
  void filesAndNamesMustBeThere() {
    Path missing = directory.resolve("missing.pem");
    refused(
        o -> o.tls(new RespServerOptions.Tls(missing, missing, null)),
        "tls certificate is",
        "missing.pem");
    refused(
        o -> o.listen(InetSocketAddress.createUnresolved("no.such.host.invalid", 1)),
        "no.such.host.invalid",
        "does not resolve");
  }
}
