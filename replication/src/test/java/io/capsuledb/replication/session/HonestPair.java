package io.capsuledb.replication.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.transport.Await;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/** A server and a client that mean well, over real sockets, while others do not. */
final class HonestPair implements AutoCloseable {

  final Messenger server;
  final Messenger client;
  final String address;
  final RecordingPeer atServer = new RecordingPeer();
  final RecordingPeer atClient = new RecordingPeer();
  private final AtomicLong answered = new AtomicLong();
  private long asked;

  HonestPair(MessengerOptions options, Function<Transport.Events, Network> network) {
    server = messenger(2, options, network, atServer);
    client = messenger(1, MessengerOptions.DEFAULT, network, atClient);
    atServer.onMessage(
        (link, message) -> {
          if (message instanceof Message.AskStatus ask) {
            server.send(link, new Message.Done(ask.request()));
          }
        });
    atClient.onMessage((link, message) -> answered.incrementAndGet());
    address = server.listen("127.0.0.1:0");
    client.connect(address, server.identity());
    Await.until("the honest link", () -> !atClient.live().isEmpty());
  }

  static Messenger messenger(
      int key,
      MessengerOptions options,
      Function<Transport.Events, Network> network,
      RecordingPeer peer) {
    byte[] secret = new byte[32];
    secret[31] = (byte) key;
    return Messenger.start(
        Identity.of(SecretBytes.own(secret)),
        options,
        new Messenger.Ports(
            new SystemClock(), new SystemEntropy(), new ThreadScheduler(), Telemetry.NONE),
        network,
        peer);
  }

  int port() {
    return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
  }

  /** The honest client asks, and is answered, over the link it had from the beginning. */
  void work() {
    assertThat(atClient.downs()).isEmpty();
    long link = atClient.live().getFirst();
    for (int i = 0; i < 20; i++) {
      Await.until("room", () -> client.send(link, new Message.AskStatus(asked)));
      asked++;
    }
    Await.until("all answers", () -> answered.get() == asked);
  }

  /** A fresh client still gets in. */
  void welcomesAnother(Function<Transport.Events, Network> network) {
    RecordingPeer peer = new RecordingPeer();
    try (Messenger another = messenger(4, MessengerOptions.DEFAULT, network, peer)) {
      another.connect(address, server.identity());
      Await.until("another honest link", () -> !peer.live().isEmpty());
    }
  }

  @Override
  public void close() {
    client.close();
    server.close();
  }
}
