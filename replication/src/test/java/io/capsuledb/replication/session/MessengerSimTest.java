package io.capsuledb.replication.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimScheduler;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.sim.Faults;
import io.capsuledb.replication.sim.SimNetwork;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.BooleanSupplier;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Messengers on a simulated network, under virtual time. */
class MessengerSimTest {

  private static final long STEP_NANOS = 5_000_000;

  private static Identity identity(int n) {
    byte[] key = new byte[32];
    key[31] = (byte) n;
    return Identity.of(SecretBytes.own(key));
  }

  private static final Identity CLIENT = identity(1);
  private static final Identity SERVER = identity(2);
  private static final Identity EVE = identity(3);

  /** A world with one clock. */
  private static final class World {
    final SimNetwork network;
    final SimClock clock = new SimClock(0, 1);
    final SimScheduler scheduler;
    final SimEntropy entropy;

    World(long seed) {
      network = new SimNetwork(seed);
      scheduler = new SimScheduler(seed);
      entropy = new SimEntropy(seed);
    }

    Messenger messenger(String name, Identity self, MessengerOptions options, RecordingPeer peer) {
      return Messenger.start(
          self,
          options,
          new Messenger.Ports(clock, entropy.fork(), scheduler, Telemetry.NONE),
          events -> network.node(name, events),
          peer);
    }

    Messenger messenger(String name, Identity self, RecordingPeer peer) {
      return messenger(name, self, MessengerOptions.DEFAULT, peer);
    }

    void run(long ms) {
      for (long end = clock.monotonicNanos() + ms * 1_000_000; clock.monotonicNanos() < end; ) {
        step();
      }
    }

    boolean until(long ms, BooleanSupplier condition) {
      long end = clock.monotonicNanos() + ms * 1_000_000;
      while (!condition.getAsBoolean() && clock.monotonicNanos() < end) {
        step();
      }
      return condition.getAsBoolean();
    }

    private void step() {
      clock.advanceNanos(STEP_NANOS);
      network.advance(clock.monotonicNanos());
      scheduler.tick();
      scheduler.run();
      network.advance(clock.monotonicNanos());
    }
  }

  private static Message ask(long n) {
    return new Message.AskStatus(n);
  }

  @Test
  void peersLearnWhoTheyAreAndAnswerEachOther() {
    World world = new World(1);
    RecordingPeer atServer = new RecordingPeer();
    Messenger server = world.messenger("server", SERVER, atServer);
    server.listen("sim://server");
    atServer.onMessage(
        (link, message) ->
            server.send(link, new Message.Done(((Message.AskStatus) message).request())));
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    long dial = client.connect("sim://server", SERVER.key());
    assertThat(world.until(1000, () -> atClient.live().size() == 1)).isTrue();
    long link = atClient.live().getFirst();
    assertThat(atClient.ups().get(link)).isEqualTo(new RecordingPeer.Up(SERVER.key(), dial));
    assertThat(atServer.ups().values()).containsExactly(new RecordingPeer.Up(CLIENT.key(), 0));
    for (int i = 0; i < 100; i++) {
      assertThat(client.send(link, ask(i))).isTrue();
    }
    world.run(100);
    assertThat(atServer.messages()).hasSize(100);
    assertThat(atClient.messages()).hasSize(100).startsWith(new Message.Done(0));
    // Quiet for minutes: pings keep it.
    world.run(120_000);
    assertThat(atClient.live()).containsExactly(link);
    client.close();
    world.run(100);
    assertThat(atClient.downs()).containsEntry(link, DropReason.CLOSING);
    assertThat(atServer.downs()).containsValue(DropReason.TRANSPORT);
    assertThat(atServer.mistakes()).isEmpty();
    assertThat(atClient.mistakes()).isEmpty();
  }

  @Test
  void aServerWithAnotherKeyIsNeverUpHoweverOftenItIsDialled() {
    World world = new World(2);
    RecordingPeer atServer = new RecordingPeer();
    world.messenger("server", EVE, atServer).listen("sim://server");
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    client.connect("sim://server", SERVER.key());
    world.run(60_000);
    assertThat(atClient.ups()).isEmpty();
    assertThat(atServer.ups()).isEmpty();
    // Each time later than the time before, up to five seconds.
    assertThat(client.counters().get("session.dropped.wrong_identity")).isBetween(10L, 40L);
  }

  @Test
  void afterARestartOfTheServerTheClientComesBackByItself() {
    World world = new World(3);
    RecordingPeer atServer = new RecordingPeer();
    Messenger server = world.messenger("server", SERVER, atServer);
    server.listen("sim://server");
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    long dial = client.connect("sim://server", SERVER.key());
    assertThat(world.until(1000, () -> atClient.live().size() == 1)).isTrue();
    server.close();
    world.run(20_000);
    assertThat(atClient.live()).isEmpty();
    RecordingPeer again = new RecordingPeer();
    world.messenger("server", SERVER, again).listen("sim://server");
    assertThat(world.until(6_000, () -> again.live().size() == 1)).isTrue();
    assertThat(world.until(100, () -> atClient.live().size() == 1)).isTrue();
    client.disconnect(dial);
    world.run(10_000);
    assertThat(atClient.live()).isEmpty();
    assertThat(again.live()).isEmpty();
    assertThat(atClient.ups()).hasSize(2);
  }

  @Test
  void aSilentNetworkIsNoticedAndLeft() {
    World world = new World(4);
    RecordingPeer atServer = new RecordingPeer();
    world.messenger("server", SERVER, atServer).listen("sim://server");
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    client.connect("sim://server", SERVER.key());
    assertThat(world.until(1000, () -> atClient.live().size() == 1)).isTrue();
    world.network.partition(Set.of("server"));
    world.run(16_000);
    assertThat(atClient.downs()).containsValue(DropReason.IDLE_TIMEOUT);
    assertThat(atServer.live()).isEmpty();
    world.network.heal();
    assertThat(world.until(12_000, () -> atClient.live().size() == 1)).isTrue();
  }

  @Test
  void halfOpenLinksPushOneAnotherOutAndAnHonestPeerComesThrough() {
    World world = new World(5);
    RecordingPeer atServer = new RecordingPeer();
    MessengerOptions tight = new MessengerOptions(SessionOptions.DEFAULT, 100, 8, 50, 1000);
    Messenger server = world.messenger("server", SERVER, tight, atServer);
    server.listen("sim://server");
    Network mute =
        world.network.node(
            "mute",
            new io.capsuledb.core.port.Transport.Events() {
              @Override
              public void opened(long link) {}

              @Override
              public void received(long link, byte[] frame) {}

              @Override
              public void closed(long link, String reason) {}
            });
    for (int i = 0; i < 60; i++) {
      mute.connect("sim://server");
    }
    world.run(50);
    assertThat(server.counters().get("session.links")).isEqualTo(8);
    RecordingPeer atClient = new RecordingPeer();
    world.messenger("client", CLIENT, atClient).connect("sim://server", SERVER.key());
    assertThat(world.until(2_000, () -> atClient.live().size() == 1)).isTrue();
    assertThat(server.counters().get("session.dropped.too_many_half_open")).isEqualTo(53);
    world.run(6_000);
    assertThat(server.counters().get("session.links")).isEqualTo(1);
    assertThat(server.counters().get("session.dropped.handshake_timeout")).isEqualTo(7);
    assertThat(atClient.live()).hasSize(1);
  }

  @Test
  void aFailingListenerLosesItsLinkAndNothingElse() {
    World world = new World(6);
    RecordingPeer atServer = new RecordingPeer();
    Messenger server = world.messenger("server", SERVER, atServer);
    server.listen("sim://server");
    atServer.onMessage(
        (link, message) -> {
          throw new IllegalStateException("a bug");
        });
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    client.connect("sim://server", SERVER.key());
    assertThat(world.until(1000, () -> atClient.live().size() == 1)).isTrue();
    client.send(atClient.live().getFirst(), ask(1));
    world.run(100);
    assertThat(atServer.downs()).containsValue(DropReason.LOCAL);
    assertThat(world.until(6000, () -> atClient.live().size() == 1)).isTrue();
  }

  /**
   * Whoever sits on the wire and alters, doubles, reorders and loses frames as he likes: what
   * arrives was sent, and arrives once, from the peer it is said to be from.
   */
  @Property(tries = 25)
  void whatArrivesWasSentHoweverRoughTheNetworkIs(@ForAll long seed) {
    World world = new World(seed);
    Random random = new Random(seed);
    world.network.faults(Faults.ROUGH);
    world.network.filter(
        (from, to, frame) -> {
          if (random.nextInt(40) == 0) {
            frame[random.nextInt(frame.length)] ^= (byte) (1 << random.nextInt(8));
          }
          return true;
        });
    RecordingPeer atServer = new RecordingPeer();
    Messenger server = world.messenger("server", SERVER, atServer);
    server.listen("sim://server");
    RecordingPeer atClient = new RecordingPeer();
    Messenger client = world.messenger("client", CLIENT, atClient);
    client.connect("sim://server", SERVER.key());
    long next = 0;
    for (int round = 0; round < 300; round++) {
      for (long link : atClient.live()) {
        client.send(link, ask(next++));
      }
      world.run(20);
    }
    List<Long> arrived =
        atServer.messages().stream().map(m -> ((Message.AskStatus) m).request()).toList();
    assertThat(new HashSet<>(arrived)).hasSameSizeAs(arrived);
    assertThat(arrived).allMatch(n -> n >= 0);
    if (!arrived.isEmpty()) {
      assertThat(arrived.stream().mapToLong(n -> n).max().getAsLong()).isLessThan(next);
    }
    for (RecordingPeer.Up up : atServer.ups().values()) {
      assertThat(up.peer()).isEqualTo(CLIENT.key());
    }
    for (RecordingPeer.Up up : atClient.ups().values()) {
      assertThat(up.peer()).isEqualTo(SERVER.key());
    }
    assertThat(atServer.mistakes()).isEmpty();
    assertThat(atClient.mistakes()).isEmpty();

    // And when it becomes calm again, everything works again.
    world.network.faults(Faults.NONE);
    world.network.filter((from, to, frame) -> true);
    int before = atServer.messages().size();
    boolean works =
        world.until(
            40_000,
            () -> {
              for (long link : atClient.live()) {
                client.send(link, ask(1_000_000));
              }
              return atServer.messages().size() > before;
            });
    assertThat(works).isTrue();
    PublicKey last = atServer.ups().get(atServer.live().getLast()).peer();
    assertThat(last).isEqualTo(CLIENT.key());
  }
}
