package io.capsuledb.jepsen.system;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class LinkProxyTest {

  private ServerSocket server;
  private LinkProxy proxy;
  private Socket client;
  private Socket accepted;

  @BeforeEach
  void connect() throws IOException {
    server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    proxy = LinkProxy.open("a>b", server.getLocalPort());
    client = new Socket(InetAddress.getLoopbackAddress(), proxy.port());
    accepted = server.accept();
    client.setSoTimeout(10_000);
    accepted.setSoTimeout(10_000);
  }

  @AfterEach
  void close() throws IOException {
    client.close();
    accepted.close();
    proxy.close();
    server.close();
  }

  @Test
  void heldBytesArriveWhenTheyAreLetGoAndTheOtherDirectionGoesOn() throws IOException {
    proxy.forward().hold(true);
    client.getOutputStream().write(7);
    accepted.getOutputStream().write(8);

    assertThat(client.getInputStream().read()).isEqualTo(8);
    accepted.setSoTimeout(200);
    assertThatThrownBy(() -> accepted.getInputStream().read())
        .isInstanceOf(SocketTimeoutException.class);

    proxy.heal();
    accepted.setSoTimeout(10_000);
    assertThat(accepted.getInputStream().read()).isEqualTo(7);
  }

  @Test
  void delayedBytesArriveLater() throws IOException {
    proxy.backward().delay(150, 0);
    long begin = System.nanoTime();
    accepted.getOutputStream().write(9);

    assertThat(client.getInputStream().read()).isEqualTo(9);
    assertThat(System.nanoTime() - begin).isGreaterThanOrEqualTo(150_000_000L);
  }

  @Test
  void limitedBytesArriveSlowly() throws IOException {
    proxy.forward().limit(100_000);
    long begin = System.nanoTime();
    client.getOutputStream().write(new byte[20_000]);

    assertThat(accepted.getInputStream().readNBytes(20_000)).hasSize(20_000);
    assertThat(System.nanoTime() - begin).isGreaterThanOrEqualTo(180_000_000L);
  }

  @Test
  void anEndIsPassedOn() throws IOException {
    client.close();

    assertThat(accepted.getInputStream().read()).isEqualTo(-1);
  }

  @Test
  void whereNobodyListensTheConnectionEnds() throws IOException {
    server.close();
    accepted.close();
    try (Socket second = new Socket(InetAddress.getLoopbackAddress(), proxy.port())) {
      second.setSoTimeout(10_000);
      assertThat(second.getInputStream().read()).isEqualTo(-1);
    }
  }
}
