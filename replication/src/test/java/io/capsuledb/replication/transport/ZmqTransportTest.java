package io.capsuledb.replication.transport;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import org.junit.jupiter.api.Test;

class ZmqTransportTest extends TransportContract {

  @Override
  Network start(Transport.Events events) {
    return ZmqTransport.start(ZmqOptions.DEFAULT, Telemetry.NONE, events);
  }

  @Override
  String anyAddress() {
    return "127.0.0.1:0";
  }

  @Override
  String deadAddress() {
    return "tcp://127.0.0.1:1";
  }

  /** Whatever fails on the owner's thread: everything is made anew, at the same address. */
  @Test
  void aTransportThatBrokeListensAgainAndTellsThatItsLinksAreGone() {
    Pair pair = pair();
    pair.serverEvents()
        .onFrame(
            (link, frame) -> {
              throw new IllegalStateException("as if JeroMQ had thrown");
            });
    pair.client().send(pair.clientLink(), new byte[] {7});
    Await.until(
        "the end at the server", () -> pair.serverEvents().closed().containsKey(pair.serverLink()));
    Await.until(
        "the end at the client", () -> pair.clientEvents().closed().containsKey(pair.clientLink()));
    pair.serverEvents().onFrame((link, frame) -> {});
    assertThat(pair.server().counters().get("zmq.restarts")).isEqualTo(1);

    Await.until("a new link", () -> speaks(pair));
    assertThat(pair.serverEvents().mistakes()).isEmpty();
  }

  private static boolean speaks(Pair pair) {
    long again = pair.client().connect(pair.address());
    Await.until(
        "an answer",
        () ->
            pair.clientEvents().opened().contains(again)
                || pair.clientEvents().closed().containsKey(again));
    return pair.client().send(again, new byte[] {8});
  }
}
