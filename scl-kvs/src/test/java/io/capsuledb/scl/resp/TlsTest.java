package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TlsTest {

  @TempDir private static Path directory;

  private static TestCertificates server;
  private static TestCertificates client;

  @BeforeAll
  static void makeCertificates() throws Exception {
    server = new TestCertificates(directory, "server");
    client = new TestCertificates(directory, "client");
  }

  private static RespServerOptions.Tls tls(boolean clientCertificates) {
    return new RespServerOptions.Tls(
        server.certificate, server.key, clientCertificates ? client.certificate : null);
  }

  private static Peer connect(LiveServer live, SSLContext context, String... protocols)
      throws IOException {
    SSLSocket socket =
        (SSLSocket)
            context
                .getSocketFactory()
                .createSocket(live.address().getAddress(), live.address().getPort());
    if (protocols.length > 0) {
      socket.setEnabledProtocols(protocols);
    }
    return new Peer(socket);
  }

  @Test
  void bothLibrariesAreHere() {
    assertThat(OpenSsl.isAvailable()).as("%s", OpenSsl.unavailabilityCause()).isTrue();
  }

  @ParameterizedTest
  @EnumSource(
      value = RespServerOptions.Transport.class,
      names = {"AUTO", "NIO"})
  void servesOverTls13AndNothingOlder(RespServerOptions.Transport transport) throws Exception {
    SSLContext context = TestCertificates.client(server, null);
    try (LiveServer live =
        new LiveServer(RespServerOptions.builder().transport(transport).tls(tls(false)))) {
      String value = "v".repeat(100_000);
      try (Peer peer = connect(live, context)) {
        assertThat(peer.ask("SET a 1")).isEqualTo("+OK\r\n");
        assertThat(((SSLSocket) peer.socket).getSession().getProtocol()).isEqualTo("TLSv1.3");
        peer.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n" + value + "\r\nGET a\r\nPING\r\n");
        assertThat(peer.reply()).isEqualTo("+OK\r\n");
        assertThat(peer.reply()).isEqualTo("$100000\r\n" + value + "\r\n");
        assertThat(peer.reply()).isEqualTo("+PONG\r\n");
      }
      SSLContext old = TestCertificates.client(server, null);
      assertThatThrownBy(
              () -> {
                try (Peer peer = connect(live, old, "TLSv1.2")) {
                  peer.ask("PING");
                }
              })
          .isInstanceOf(SSLException.class);
      try (Peer plain = live.connect()) {
        plain.send("PING\r\n");
        assertThat(plain.rest()).doesNotContain("PONG");
      }
      LiveServer.eventually(
          "both are counted",
          () -> live.server.stats().refused().getOrDefault("tls_handshake", 0L) == 2);
      LiveServer.eventually("all are gone", () -> live.server.stats().connections() == 0);
    }
  }

  @Test
  void clientCertificatesAreRequiredWhereAnAuthorityIsGiven() throws Exception {
    try (LiveServer live = new LiveServer(RespServerOptions.builder().tls(tls(true)))) {
      try (Peer peer = connect(live, TestCertificates.client(server, client))) {
        assertThat(peer.ask("PING")).isEqualTo("+PONG\r\n");
      }
      for (TestCertificates wrong : new TestCertificates[] {null, server}) {
        SSLContext context = TestCertificates.client(server, wrong);
        assertThatThrownBy(
                () -> {
                  try (Peer peer = connect(live, context)) {
                    assertThat(peer.ask("PING")).isEmpty();
                    throw new SSLException("closed without a word");
                  }
                })
            .isInstanceOf(IOException.class);
      }
      assertThat(live.server.stats().commands().getOrDefault("ping", 0L)).isOne();
    }
  }

  /**
   * Nothing a client was given can be used again: a session that is resumed keeps the time it was
   * first made at, on the client's side.
   */
  @Test
  void sessionsAreNeverResumed() throws Exception {
    SSLContext context = TestCertificates.client(server, null);
    try (LiveServer live = new LiveServer(RespServerOptions.builder().tls(tls(false)))) {
      Set<Long> created = new HashSet<>();
      for (int i = 0; i < 4; i++) {
        long begin = System.currentTimeMillis();
        LiveServer.eventually("the clock ticks", () -> System.currentTimeMillis() > begin);
        try (Peer peer = connect(live, context)) {
          // The second round trip comes after any ticket that was sent.
          assertThat(peer.ask("PING")).isEqualTo("+PONG\r\n");
          assertThat(peer.ask("PING")).isEqualTo("+PONG\r\n");
          created.add(((SSLSocket) peer.socket).getSession().getCreationTime());
        }
      }
      assertThat(created).hasSize(4);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = SslProvider.class,
      names = {"JDK", "OPENSSL"})
  void bothLibrariesTakeTheSameFiles(SslProvider provider) {
    SslContext context = TlsContexts.of(tls(true), provider);

    assertThat(context.isServer()).isTrue();
    assertThat(context.newHandler(io.netty.buffer.ByteBufAllocator.DEFAULT).engine())
        .satisfies(
            engine -> {
              assertThat(engine.getEnabledProtocols()).containsOnlyOnce("TLSv1.3");
              assertThat(engine.getEnabledProtocols()).doesNotContain("TLSv1.2", "TLSv1.1");
              assertThat(engine.getNeedClientAuth()).isTrue();
            });
  }

  @Test
  void filesThatDoNotFitAreNamed() throws IOException {
    Path junk = Files.writeString(directory.resolve("junk.pem"), "not a certificate");

    assertThatThrownBy(() -> TlsContexts.of(new RespServerOptions.Tls(junk, server.key, null)))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("junk.pem");
    assertThatThrownBy(
            () -> TlsContexts.of(new RespServerOptions.Tls(server.certificate, client.key, null)))
        .isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void handshakesThatNeverEndHoldUpNobody() throws Exception {
    SSLContext context = TestCertificates.client(server, null);
    try (LiveServer live = new LiveServer(RespServerOptions.builder().tls(tls(false)));
        Peer silent = live.connect();
        ExecutorService pool = Executors.newSingleThreadExecutor()) {
      silent.send("\u0016\u0003\u0001");
      assertThat(
              pool.submit(
                      () -> {
                        try (Peer peer = connect(live, context)) {
                          return peer.ask("PING");
                        }
                      })
                  .get(20, TimeUnit.SECONDS))
          .isEqualTo("+PONG\r\n");
    }
  }
}
