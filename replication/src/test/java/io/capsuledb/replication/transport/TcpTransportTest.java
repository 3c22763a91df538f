package io.capsuledb.replication.transport;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TcpTransportTest extends TransportContract {

  @Override
  Network start(Transport.Events events) {
    return TcpTransport.start(TcpOptions.DEFAULT, Telemetry.NONE, events);
  }

  @Override
  String anyAddress() {
    return "127.0.0.1:0";
  }

  @Override
  String deadAddress() {
    return "tcp://127.0.0.1:1";
  }

  private static Socket dial(String address) throws IOException {
    return new Socket(
        InetAddress.getLoopbackAddress(),
        Integer.parseInt(address.substring(address.lastIndexOf(':') + 1)));
  }

  @Test
  void whoSendsRubbishOrNothingIsCutOffAndTheOthersNot() throws IOException {
    RecordingEvents events = new RecordingEvents();
    try (Network server =
        TcpTransport.start(new TcpOptions(4, 64 << 20, 300), Telemetry.NONE, events)) {
      String address = server.listen(anyAddress());
      RecordingEvents clientEvents = new RecordingEvents();
      Network client = open(clientEvents);
      long link = client.connect(address);
      Await.until("the link", () -> clientEvents.opened().contains(link));
      assertThat(client.send(link, new byte[] {1})).isTrue();
      Random random = new Random(3);
      for (int i = 0; i < 40; i++) {
        byte[] rubbish = new byte[4 + random.nextInt(5000)];
        random.nextBytes(rubbish);
        // A length that no frame may have.
        LittleEndian.putInt(rubbish, 0, i % 2 == 0 ? -1 : 1 << 30);
        try (Socket peer = dial(address)) {
          peer.getOutputStream().write(rubbish);
          int ended = endOf(peer);
          assertThat(ended).isEqualTo(-1);
        }
      }
      assertThat(server.counters().get("tcp.dropped.malformed")).isGreaterThan(20);
      try (Socket peer = dial(address)) {
        assertThat(endOf(peer)).isEqualTo(-1);
      }
      assertThat(server.counters().get("tcp.dropped.silent")).isEqualTo(1);
      assertThat(client.send(link, new byte[] {2})).isTrue();
      Await.until("the good one's frames", () -> events.frames(1).size() == 2);
      assertThat(events.mistakes()).isEmpty();
    }
  }

  private static int endOf(Socket peer) {
    try {
      return peer.getInputStream().read();
    } catch (IOException reset) {
      // With unread bytes the kernel resets: that is an end, too.
      return -1;
    }
  }

  @Test
  void connectionsAreBounded() throws IOException {
    RecordingEvents events = new RecordingEvents();
    try (Network server =
        TcpTransport.start(new TcpOptions(4, 64 << 20, 60_000), Telemetry.NONE, events)) {
      String address = server.listen(anyAddress());
      List<Socket> peers = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        peers.add(dial(address));
      }
      Await.until("four links", () -> events.opened().size() == 4);
      try (Socket more = dial(address)) {
        assertThat(endOf(more)).isEqualTo(-1);
      }
      assertThat(server.counters().get("tcp.refused.too_many_links")).isEqualTo(1);
      for (Socket peer : peers) {
        peer.close();
      }
      Await.until("all ends", () -> server.counters().get("tcp.connections") == 0);
      try (Socket again = dial(address)) {
        again.getOutputStream().write(new byte[] {1, 0, 0, 0, 9});
        Await.until("a link again", () -> events.opened().size() == 5);
      }
    }
  }
}
