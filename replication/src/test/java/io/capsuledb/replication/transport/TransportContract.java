package io.capsuledb.replication.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What holds for every {@link Network}, whatever it moves frames over. */
@Timeout(120)
abstract class TransportContract {

  private final List<Network> started = new ArrayList<>();

  /** A new network that tells {@code events}. */
  abstract Network start(Transport.Events events);

  /** Where a network of this kind may listen; port or name chosen by it. */
  abstract String anyAddress();

  /** An address that is well-formed and nobody listens on. */
  abstract String deadAddress();

  final Network open(Transport.Events events) {
    Network network = start(events);
    started.add(network);
    return network;
  }

  @AfterEach
  void closeAll() {
    started.forEach(Network::close);
  }

  /** Two ends of a link that works. The one who dials has to speak first. */
  record Pair(
      Network client,
      RecordingEvents clientEvents,
      long clientLink,
      Network server,
      RecordingEvents serverEvents,
      long serverLink,
      String address) {

    void admit() {
      client.admit(clientLink);
      server.admit(serverLink);
    }
  }

  final Pair pair() {
    RecordingEvents serverEvents = new RecordingEvents();
    Network server = open(serverEvents);
    String address = server.listen(anyAddress());
    RecordingEvents clientEvents = new RecordingEvents();
    Network client = open(clientEvents);
    long link = client.connect(address);
    Await.until("the client's link", () -> clientEvents.opened().contains(link));
    assertThat(client.send(link, new byte[] {1})).isTrue();
    Await.until("the server's link", () -> !serverEvents.opened().isEmpty());
    long serverLink = serverEvents.opened().getFirst();
    Await.until("the first frame", () -> serverEvents.frames(serverLink).size() == 1);
    return new Pair(client, clientEvents, link, server, serverEvents, serverLink, address);
  }

  @Test
  void framesOfAllLengthsArriveWholeAndInOrderBothWays() {
    Pair pair = pair();
    pair.admit();
    Random random = new Random(7);
    List<byte[]> frames = new ArrayList<>();
    for (int length :
        new int[] {1, 2, 255, 256, 65_535, 65_536, 262_143, 262_144, 262_145, 262_153, 3_000_001}) {
      byte[] frame = new byte[length];
      random.nextBytes(frame);
      frames.add(frame);
    }
    for (byte[] frame : frames) {
      Await.until("room", () -> pair.client().send(pair.clientLink(), frame.clone()));
      Await.until("room", () -> pair.server().send(pair.serverLink(), frame.clone()));
    }
    Await.until(
        "all frames",
        () ->
            pair.serverEvents().frames(pair.serverLink()).size() == frames.size() + 1
                && pair.clientEvents().frames(pair.clientLink()).size() == frames.size());
    List<byte[]> there = pair.serverEvents().frames(pair.serverLink());
    List<byte[]> back = pair.clientEvents().frames(pair.clientLink());
    for (int i = 0; i < frames.size(); i++) {
      assertThat(Arrays.equals(there.get(i + 1), frames.get(i))).isTrue();
      assertThat(Arrays.equals(back.get(i), frames.get(i))).isTrue();
    }
    assertThat(pair.serverEvents().mistakes()).isEmpty();
    assertThat(pair.clientEvents().mistakes()).isEmpty();
  }

  @Test
  void theLongestFrameArrivesAndALongerOneIsNotSent() {
    Pair pair = pair();
    pair.admit();
    byte[] longest = new byte[Transport.MAX_FRAME_BYTES];
    new Random(8).nextBytes(longest);
    assertThat(pair.client().send(pair.clientLink(), longest)).isTrue();
    Await.until(
        "the longest frame", () -> pair.serverEvents().frames(pair.serverLink()).size() == 2);
    assertThat(Arrays.equals(pair.serverEvents().frames(pair.serverLink()).getLast(), longest))
        .isTrue();
    assertThatThrownBy(
            () -> pair.client().send(pair.clientLink(), new byte[Transport.MAX_FRAME_BYTES + 1]))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> pair.client().send(pair.clientLink(), new byte[0]))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void beforeAPeerIsAdmittedALongFrameEndsItsLinkAndNoOtherOne() {
    Pair pair = pair();
    RecordingEvents otherEvents = new RecordingEvents();
    Network other = open(otherEvents);
    long otherLink = other.connect(pair.address());
    Await.until("another link", () -> otherEvents.opened().contains(otherLink));
    assertThat(other.send(otherLink, new byte[] {2})).isTrue();

    pair.client().send(pair.clientLink(), new byte[Network.MAX_NEW_LINK_FRAME_BYTES]);
    Await.until("a short frame", () -> pair.serverEvents().frames(pair.serverLink()).size() == 2);
    pair.client().send(pair.clientLink(), new byte[Network.MAX_NEW_LINK_FRAME_BYTES + 1]);
    Await.until(
        "the end at the server", () -> pair.serverEvents().closed().containsKey(pair.serverLink()));
    Await.until(
        "the end at the client", () -> pair.clientEvents().closed().containsKey(pair.clientLink()));
    assertThat(pair.serverEvents().frames(pair.serverLink())).hasSize(2);

    other.send(otherLink, new byte[] {3});
    Await.until("the other's second frame", () -> secondArrived(pair.serverEvents()));
    assertThat(otherEvents.closed()).isEmpty();
  }

  private static boolean secondArrived(RecordingEvents events) {
    return events.opened().stream()
        .anyMatch(link -> events.frames(link).size() == 2 && events.frames(link).getLast()[0] == 3);
  }

  @Test
  void droppingALinkIsToldOnceToBothSides() {
    Pair pair = pair();
    pair.server().drop(pair.serverLink());
    pair.server().drop(pair.serverLink());
    Await.until(
        "the end at the server", () -> pair.serverEvents().closed().containsKey(pair.serverLink()));
    Await.until(
        "the end at the client", () -> pair.clientEvents().closed().containsKey(pair.clientLink()));
    assertThat(pair.server().send(pair.serverLink(), new byte[] {1})).isFalse();
    assertThat(pair.client().send(pair.clientLink(), new byte[] {1})).isFalse();
    assertThat(pair.serverEvents().mistakes()).isEmpty();
    assertThat(pair.clientEvents().mistakes()).isEmpty();
  }

  @Test
  void aPeerThatClosesIsNoticedAndAnotherLinkCanBeMade() {
    Pair pair = pair();
    pair.client().drop(pair.clientLink());
    Await.until(
        "the end at the server", () -> pair.serverEvents().closed().containsKey(pair.serverLink()));
    long again = pair.client().connect(pair.address());
    assertThat(again).isNotEqualTo(pair.clientLink());
    Await.until("a new link", () -> pair.clientEvents().opened().contains(again));
    assertThat(pair.client().send(again, new byte[] {9})).isTrue();
    Await.until("the server's new link", () -> pair.serverEvents().opened().size() == 2);
  }

  @Test
  void whatNobodyTakesIsBoundedAndToldByFalse() {
    Pair pair = pair();
    pair.admit();
    AtomicInteger got = new AtomicInteger();
    int taken = 0;
    Object gate = new Object();
    synchronized (gate) {
      pair.serverEvents()
          .onFrame(
              (link, frame) -> {
                synchronized (gate) {
                  got.incrementAndGet();
                }
              });
      byte[] frame = new byte[1 << 20];
      while (taken < 4096 && pair.client().send(pair.clientLink(), frame)) {
        taken++;
      }
      assertThat(taken).isBetween(16, 512);
    }
    Await.until("room again", () -> pair.client().send(pair.clientLink(), new byte[] {1}));
    int expected = taken;
    Await.until("all that was taken, and one more", () -> got.get() == expected + 1);
  }

  @Test
  void aLinkNobodyAnswersIsClosedWithoutHavingBeenOpened() {
    RecordingEvents events = new RecordingEvents();
    Network network = open(events);
    long link = network.connect(deadAddress());
    Await.until("the end", () -> events.closed().containsKey(link));
    assertThat(events.opened()).isEmpty();
    assertThat(network.send(link, new byte[] {1})).isFalse();
  }

  @Test
  void nonsenseForAnAddressIsTheCallersMistake() {
    Network network = open(new RecordingEvents());
    for (String address : List.of("", "localhost", "a b:1", "localhost:70000", "udp://a:1")) {
      assertThatThrownBy(() -> network.connect(address))
          .isInstanceOf(InvalidRequestException.class);
      assertThatThrownBy(() -> network.listen(address)).isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void closingTellsAllLinksAndIsIdempotent() {
    Pair pair = pair();
    pair.server().close();
    pair.server().close();
    assertThat(pair.serverEvents().closed()).containsKey(pair.serverLink());
    Await.until(
        "the end at the client", () -> pair.clientEvents().closed().containsKey(pair.clientLink()));
    assertThat(pair.server().send(pair.serverLink(), new byte[] {1})).isFalse();
  }

  @Test
  void manyLinksAtOnceEachKeepTheirOrder() {
    RecordingEvents serverEvents = new RecordingEvents();
    Network server = open(serverEvents);
    String address = server.listen(anyAddress());
    serverEvents.onFrame((link, frame) -> server.send(link, frame));
    RecordingEvents clientEvents = new RecordingEvents();
    Network client = open(clientEvents);
    int links = 20;
    int each = 200;
    List<Long> numbers = new ArrayList<>();
    for (int i = 0; i < links; i++) {
      numbers.add(client.connect(address));
    }
    Await.until("all links", () -> clientEvents.opened().size() == links);
    for (int n = 0; n < each; n++) {
      for (long link : numbers) {
        byte[] frame = {(byte) n, (byte) (n >> 8), (byte) link};
        Await.until("room", () -> client.send(link, frame));
      }
    }
    for (long link : numbers) {
      Await.until("all echoes", () -> clientEvents.frames(link).size() == each);
      for (int n = 0; n < each; n++) {
        assertThat(clientEvents.frames(link).get(n))
            .containsExactly((byte) n, (byte) (n >> 8), (byte) link);
      }
    }
  }
}
