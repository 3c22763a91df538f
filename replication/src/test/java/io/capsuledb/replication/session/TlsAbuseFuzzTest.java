package io.capsuledb.replication.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.transport.Await;
import io.capsuledb.replication.transport.TlsFiles;
import io.capsuledb.replication.transport.TlsOptions;
import io.capsuledb.replication.transport.TlsTransport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Raw sockets, with TLS and without, that abuse a server: it stays up, honest peers go on. */
@Timeout(300)
class TlsAbuseFuzzTest {

  private static final int MAX_ATTEMPTS = 10;
  private static final int MAX_LINKS = 64;

  @TempDir static Path directory;
  private static Function<Transport.Events, Network> network;
  private static SSLContext attackers;

  private HonestPair pair;
  private final List<Socket> sockets = new ArrayList<>();

  @BeforeAll
  static void makeFiles() throws GeneralSecurityException, IOException {
    TlsFiles.make(directory, "node");
    TlsOptions options =
        new TlsOptions(
            directory.resolve("node.crt"),
            directory.resolve("node.key"),
            directory.resolve("node.crt"),
            MAX_LINKS,
            64 << 20,
            1_000,
            5_000);
    network = events -> TlsTransport.start(options, Telemetry.NONE, events);
    char[] password = "password".toCharArray();
    KeyStore store = KeyStore.getInstance(directory.resolve("node.p12").toFile(), password);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("node", store.getCertificate("node"));
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, password);
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    attackers = SSLContext.getInstance("TLSv1.3");
    attackers.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
  }

  @BeforeEach
  void start() {
    pair =
        new HonestPair(
            new MessengerOptions(new SessionOptions(1_000, 500, 5_000), 64, 16, 50, 1_000),
            network);
  }

  @AfterEach
  void stop() throws IOException {
    for (Socket socket : sockets) {
      socket.close();
    }
    pair.close();
  }

  private Socket plain() throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), pair.port());
    socket.setSoTimeout(20_000);
    sockets.add(socket);
    return socket;
  }

  /** Somebody who has a certificate, and is hostile all the same. */
  private Socket insider() throws IOException {
    for (int attempt = 1; ; attempt++) {
      SSLSocket socket =
          (SSLSocket)
              attackers.getSocketFactory().createSocket(plain(), "127.0.0.1", pair.port(), true);
      try {
        socket.startHandshake();
      } catch (IOException slow) {
        // Handshakes have little time here, and a busy machine may need more than that.
        if (attempt == MAX_ATTEMPTS) {
          throw slow;
        }
        continue;
      }
      sockets.add(socket);
      return socket;
    }
  }

  private static void write(Socket socket, byte[] bytes) {
    try {
      socket.getOutputStream().write(bytes);
      socket.getOutputStream().flush();
    } catch (IOException e) {
      assertThat(e).hasMessageMatching("(?i).*(reset|broken|closed|abort|alert).*");
    }
  }

  private static void assertCutOff(Socket socket) {
    Await.until(
        "the end of the connection",
        () -> {
          try {
            return socket.getInputStream().read() < 0;
          } catch (IOException e) {
            return true;
          }
        });
  }

  private static byte[] frame(int length, byte[] body) {
    return ByteBuffer.allocate(4 + body.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(length)
        .put(body)
        .array();
  }

  @Test
  void lengthsThatAreNotAllowedEndTheConnection() throws IOException {
    for (int length : new int[] {0, -1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1025, 34 << 20}) {
      Socket socket = insider();
      write(socket, frame(length, new byte[50]));
      assertCutOff(socket);
    }
    assertThat(pair.server.counters().get("tls.dropped.malformed")).isEqualTo(6);
    pair.work();
  }

  @Test
  void whoeverSaysNothingIsCutOffAndDoesNotKeepOthersOut() throws IOException {
    List<Socket> silent = new ArrayList<>();
    for (int i = 0; i < 2 * MAX_LINKS; i++) {
      Socket socket = plain();
      if (i % 2 == 0) {
        write(socket, new byte[] {0x16, 3, 1});
      }
      silent.add(socket);
    }
    assertThat(pair.server.counters().get("tls.connections")).isLessThanOrEqualTo(MAX_LINKS);
    for (Socket socket : silent) {
      assertCutOff(socket);
    }
    Socket half = insider();
    write(half, new byte[] {72, 0});
    assertCutOff(half);
    pair.work();
    pair.welcomesAnother(network);
  }

  @Test
  void rubbishBeforeAndInsideTls() throws IOException {
    Random random = new Random(3);
    for (int round = 0; round < 150; round++) {
      byte[] noise = new byte[1 + random.nextInt(1_000)];
      random.nextBytes(noise);
      if (random.nextInt(3) == 0) {
        write(plain(), noise);
      } else {
        if (random.nextBoolean()) {
          noise[0] = (byte) random.nextInt(8);
          noise = java.util.Arrays.copyOf(noise, Math.max(noise.length, 8));
          java.util.Arrays.fill(noise, 2, 8, (byte) 0);
          noise[1] = 1;
        }
        write(insider(), frame(noise.length, noise));
      }
      if (round % 10 == 0) {
        pair.work();
        while (sockets.size() > 40) {
          sockets.removeFirst().close();
        }
      }
    }
    pair.work();
    pair.welcomesAnother(network);
  }
}
