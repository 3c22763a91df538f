package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Who hears which frames. */
class FrameRelayTest {

  private static final List<CapsuleName> CAPSULES =
      List.of(
          new CapsuleName(Hashes.sha256(new byte[] {1})),
          new CapsuleName(Hashes.sha256(new byte[] {2})));

  private record Sent(long link, Message message) {}

  private record Said(boolean needy, long request, long at) {}

  private final List<Sent> sent = new ArrayList<>();
  private FrameRelay relay = relay();
  private long now = 1;

  private FrameRelay relay() {
    return new FrameRelay(
        new ReplicaOutbox() {
          @Override
          public void send(long link, Message message) {
            sent.add(new Sent(link, message));
          }

          @Override
          public void commit(ReplicaLog.Batch batch) {
            throw new AssertionError("a frame is not stored");
          }

          @Override
          public void answer(long link, Message.Request read) {
            throw new AssertionError("a frame is not a read");
          }
        });
  }

  private List<Sent> taken() {
    List<Sent> taken = List.copyOf(sent);
    sent.clear();
    return taken;
  }

  /** A frame goes to whoever of its capsule has listened of late, but for who sent it. */
  @Property(tries = 200)
  void eachFrameGoesToAllOthersThatListen(@ForAll long seed) {
    Random random = new Random(seed);
    relay = relay();
    List<Map<Long, Said>> model = List.of(new HashMap<>(), new HashMap<>());
    for (int i = 0; i < 300; i++) {
      now += random.nextLong(FrameRelay.LISTEN_NANOS / 4);
      long link = random.nextInt(6);
      int of = random.nextInt(2);
      model.forEach(
          one -> one.values().removeIf(listener -> now - listener.at >= FrameRelay.LISTEN_NANOS));
      switch (random.nextInt(8)) {
        case 0, 1, 2 -> {
          boolean needy = random.nextBoolean();
          model.get(of).put(link, new Said(needy, i, now));
          long others =
              model.get(of).entrySet().stream()
                  .filter(one -> one.getKey() != link && one.getValue().needy)
                  .count();
          assertThat(relay.listen(now, link, new Message.Listen(i, CAPSULES.get(of), needy)))
              .isTrue();
          assertThat(taken())
              .containsExactly(new Sent(link, new Message.Listening(i, (int) others)));
        }
        case 3 -> {
          relay.down(link);
          model.forEach(one -> one.remove(link));
        }
        default -> {
          Blob frame = Blob.of(new byte[] {(byte) i});
          assertThat(relay.relay(now, link, new Message.Relay(i, CAPSULES.get(of), frame)))
              .isTrue();
          assertThat(taken())
              .containsExactlyInAnyOrderElementsOf(
                  model.get(of).entrySet().stream()
                      .filter(one -> one.getKey() != link)
                      .map(
                          one ->
                              new Sent(
                                  one.getKey(), new Message.Relayed(one.getValue().request, frame)))
                      .toList());
        }
      }
    }
  }

  @Test
  void whatOneLinkRelaysAndHowManyListenIsBounded() {
    CapsuleName name = CAPSULES.getFirst();
    for (long link = 1; link <= FrameRelay.MAX_LISTENERS; link++) {
      assertThat(relay.listen(now, link, new Message.Listen(1, name, true))).isTrue();
    }
    assertThat(relay.listen(now, 10_000, new Message.Listen(1, name, true))).isFalse();
    // Who listens already goes on.
    assertThat(relay.listen(now, 1, new Message.Listen(2, name, true))).isTrue();
    sent.clear();
    Blob large = Blob.of(new byte[Message.MAX_RELAYED_BYTES]);
    int taken = 0;
    while (relay.relay(now, 1, new Message.Relay(1, name, large))) {
      taken++;
      assertThat(taken).isLessThan(100);
    }
    assertThat(taken).isBetween(1, 8);
    assertThat(sent).hasSize(taken * (FrameRelay.MAX_LISTENERS - 1));
    // Another link has a share of its own, and in a second there is another share.
    assertThat(relay.relay(now, 2, new Message.Relay(1, name, large))).isTrue();
    now += TimeUnit.SECONDS.toNanos(1);
    assertThat(relay.relay(now, 1, new Message.Relay(1, name, large))).isTrue();
  }

  private static CapsuleName capsule(int i) {
    return new CapsuleName(Hashes.sha256(new byte[] {3, (byte) (i >> 8), (byte) i}));
  }

  /** Whoever says that it listens to more and more takes nobody's place. */
  @Test
  void oneLinkListensToFewCapsules() {
    int taken = 0;
    for (int i = 0; i < 2 * FrameRelay.MAX_ALL_LISTENERS; i++) {
      taken += relay.listen(now, 1, new Message.Listen(1, capsule(i), true)) ? 1 : 0;
    }
    assertThat(taken).isEqualTo(FrameRelay.MAX_CAPSULES_OF_LINK);
    assertThat(relay.listening()).isEqualTo(taken);
    assertThat(relay.listen(now, 2, new Message.Listen(1, capsule(5_000), true))).isTrue();
    // What it has not said for long makes room, for itself and for all.
    now += FrameRelay.LISTEN_NANOS;
    assertThat(relay.listen(now, 1, new Message.Listen(1, capsule(6_000), true))).isTrue();
    assertThat(relay.listening()).isEqualTo(2);
    relay.down(1);
    relay.down(2);
    assertThat(relay.listening()).isZero();
  }

  @Test
  void thoseWhoFellSilentMakeRoomForAll() {
    long links = FrameRelay.MAX_ALL_LISTENERS / FrameRelay.MAX_CAPSULES_OF_LINK;
    for (long link = 1; link <= links; link++) {
      for (int i = 0; i < FrameRelay.MAX_CAPSULES_OF_LINK; i++) {
        CapsuleName of = capsule((int) link * FrameRelay.MAX_CAPSULES_OF_LINK + i);
        assertThat(relay.listen(now, link, new Message.Listen(1, of, true))).isTrue();
      }
    }
    Message.Listen another = new Message.Listen(1, capsule(1), true);
    assertThat(relay.listen(now, links + 1, another)).isFalse();
    now += FrameRelay.LISTEN_NANOS;
    assertThat(relay.listen(now, links + 1, another)).isTrue();
    assertThat(relay.listening()).isEqualTo(1);
  }
}
