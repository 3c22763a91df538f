package io.capsuledb.replication.router;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimScheduler;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.RouterMessage;
import io.capsuledb.replication.protocol.RouterMessageCodec;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Identity;
import io.capsuledb.replication.session.PeerLinks;
import io.capsuledb.replication.sim.Faults;
import io.capsuledb.replication.sim.SimNetwork;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Trees of routers, their clients, and those who mean them ill, on a simulated network. */
class RouterSimTest {

  private static final long STEP_NANOS = 5_000_000;
  private static final long PATIENCE_MS = 120_000;

  private static Identity identity(int n) {
    byte[] key = new byte[32];
    LittleEndian.putInt(key, 0, n);
    return Identity.of(SecretBytes.own(key));
  }

  /** A client, and how often it got what. */
  private static final class Leaf {
    final MulticastClient client;
    final Map<String, Integer> got = new HashMap<>();

    Leaf(World world, int n, List<String> routers) {
      client =
          MulticastClient.start(
              world.options,
              identity(1000 + n),
              routers,
              new MulticastClient.Ports(
                  world.clock, world.entropy.fork(), world.scheduler, Telemetry.NONE),
              events -> world.network.node("client" + n, events),
              payload ->
                  got.merge(
                      new String(payload.bytes(), java.nio.charset.StandardCharsets.UTF_8),
                      1,
                      Integer::sum));
    }

    boolean send(String text) {
      return client.send(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
  }

  /** Routers and clients under one clock. */
  private static final class World {
    final SimNetwork network;
    final SimClock clock = new SimClock(0, 1);
    final SimScheduler scheduler;
    final SimEntropy entropy;
    final RouterOptions options;
    final Map<Integer, RouterServer> routers = new TreeMap<>();
    final Map<Integer, Leaf> leaves = new LinkedHashMap<>();

    World(long seed, RouterOptions options) {
      network = new SimNetwork(seed);
      network.faults(Faults.DELAYS);
      scheduler = new SimScheduler(seed);
      entropy = new SimEntropy(seed);
      this.options = options;
    }

    static String address(int router) {
      return "sim://router" + router;
    }

    void router(int n, List<String> parents) {
      routers.put(
          n,
          RouterServer.start(
              options,
              identity(1 + n),
              address(n),
              "",
              parents,
              new RouterServer.Ports(clock, entropy.fork(), scheduler, Telemetry.NONE),
              events -> network.node("router" + n, events)));
    }

    void kill(int router) {
      routers.remove(router).close();
    }

    void run(long ms) {
      for (long end = clock.monotonicNanos() + ms * 1_000_000; clock.monotonicNanos() < end; ) {
        step();
      }
    }

    boolean until(BooleanSupplier condition) {
      long end = clock.monotonicNanos() + PATIENCE_MS * 1_000_000;
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

    /** One tree: one root, nobody without a way to it, and every client in it. */
    boolean isWhole() {
      long roots = routers.values().stream().filter(router -> router.path().isEmpty()).count();
      List<Hash32> rootIds = new ArrayList<>();
      for (RouterServer router : routers.values()) {
        if (!router.path().isEmpty()) {
          rootIds.add(router.path().getFirst().id());
        }
      }
      long children =
          routers.values().stream()
              .mapToLong(
                  router ->
                      router.counters().getOrDefault("children.routers", 0L)
                          + router.counters().getOrDefault("children.clients", 0L))
              .sum();
      return roots == 1
          && rootIds.stream().distinct().count() <= 1
          && leaves.values().stream().allMatch(leaf -> leaf.client.isJoined())
          && children == leaves.size() + routers.size() - 1;
    }

    String describe() {
      StringBuilder text = new StringBuilder();
      routers.forEach(
          (n, router) ->
              text.append(n)
                  .append(" path ")
                  .append(router.path().stream().map(RouterMessage.Hop::address).toList())
                  .append(' ')
                  .append(router.counters())
                  .append('\n'));
      leaves.forEach(
          (n, leaf) ->
              text.append("client ").append(n).append(leaf.client.isJoined()).append('\n'));
      return text.toString();
    }

    /** Every client sends; every other one gets each frame once. */
    void checkEverybodyHearsEverybodyOnce(String round) {
      for (int i = 0; i < 5; i++) {
        for (Map.Entry<Integer, Leaf> leaf : leaves.entrySet()) {
          assertThat(leaf.getValue().send(round + ":" + leaf.getKey() + ":" + i)).isTrue();
        }
        run(20);
      }
      run(500);
      for (Map.Entry<Integer, Leaf> to : leaves.entrySet()) {
        for (int from : leaves.keySet()) {
          for (int i = 0; i < 5; i++) {
            assertThat(to.getValue().got.get(round + ":" + from + ":" + i))
                .as("%s at %s of %s\n%s", i, to.getKey(), from, describe())
                .isEqualTo(from == to.getKey() ? null : Integer.valueOf(1));
          }
        }
        assertThat(to.getValue().got.values()).containsOnly(1);
      }
    }
  }

  private static List<String> shuffled(Random random, List<String> addresses) {
    List<String> copy = new ArrayList<>(addresses);
    Collections.shuffle(copy, random);
    return copy;
  }

  private static World randomTree(long seed, boolean offerLoops) {
    Random random = new Random(seed);
    int routers = 1 + random.nextInt(7);
    int clients = 2 + random.nextInt(6);
    World world =
        new World(
            seed,
            RouterOptions.builder().fanOut(1 + random.nextInt(3)).maxClients(clients).build());
    List<String> all = new ArrayList<>();
    for (int i = 0; i < routers; i++) {
      all.add(World.address(i));
    }
    for (int i = 0; i < routers; i++) {
      world.router(i, shuffled(random, offerLoops ? all : all.subList(0, i)));
    }
    for (int i = 0; i < clients; i++) {
      world.leaves.put(i, new Leaf(world, i, shuffled(random, all)));
    }
    return world;
  }

  @Property(tries = 40)
  void aQuietTreeBringsEveryFrameToEveryClientOnce(@ForAll long seed) {
    World world = randomTree(seed, false);
    assertThat(world.until(world::isWhole)).as(world::describe).isTrue();
    world.checkEverybodyHearsEverybodyOnce("quiet");
  }

  @Property(tries = 40)
  void whereLoopsAreOfferedOneTreeComesOfIt(@ForAll long seed) {
    World world = randomTree(seed, true);
    assertThat(world.until(world::isWhole)).as(world::describe).isTrue();
    world.checkEverybodyHearsEverybodyOnce("loops");
  }

  @Property(tries = 40)
  void afterDeathsTheTreeHealsAndNothingComesTwice(@ForAll long seed) {
    Random random = new Random(seed);
    World world = randomTree(seed, random.nextBoolean());
    assertThat(world.until(world::isWhole)).as(world::describe).isTrue();
    int sent = 0;
    for (int deaths = 1 + random.nextInt(3); deaths > 0 && world.routers.size() > 1; deaths--) {
      List<Integer> living = List.copyOf(world.routers.keySet());
      int victim = living.get(random.nextInt(living.size()));
      world.kill(victim);
      for (int i = 0; i < 20; i++) {
        world.run(random.nextInt(100));
        for (Leaf leaf : world.leaves.values()) {
          leaf.send("meanwhile:" + sent++);
        }
      }
      if (random.nextBoolean()) {
        List<String> all = new ArrayList<>();
        for (int n : living) {
          all.add(World.address(n));
        }
        world.router(victim, shuffled(random, all));
      }
    }
    assertThat(world.until(world::isWhole)).as(world::describe).isTrue();
    world.checkEverybodyHearsEverybodyOnce("healed");
  }

  /** A peer that says what the test wants. */
  private static final class Attacker implements PeerLinks.Events {
    final PeerLinks links;
    final Identity self;
    long link;
    long downs;

    Attacker(World world, int n, String router) {
      self = identity(5000 + n);
      links =
          PeerLinks.start(
              self,
              RouterServer.links(RouterOptions.defaults()),
              new PeerLinks.Ports(
                  world.clock, world.entropy.fork(), world.scheduler, Telemetry.NONE),
              events -> world.network.node("attacker" + n, events),
              this);
      links.connect(router, null);
    }

    @Override
    public void up(long number, PublicKey peer, long dial) {
      link = number;
    }

    @Override
    public @Nullable Rejection received(long number, PublicKey peer, Blob body) {
      return null;
    }

    @Override
    public void down(long number, DropReason reason, String detail) {
      link = 0;
      downs++;
    }

    boolean say(RouterMessage message) {
      return links.send(link, RouterMessageCodec.encode(message));
    }
  }

  private static World pair(RouterOptions options) {
    World world = new World(11, options);
    world.router(0, List.of());
    world.router(1, List.of(World.address(0)));
    for (int i = 0; i < 2; i++) {
      world.leaves.put(i, new Leaf(world, i, List.of(World.address(i))));
    }
    assertThat(world.until(world::isWhole)).isTrue();
    return world;
  }

  @Test
  void aFloodIsCutDownToItsRateAndOthersAreHeard() {
    World world = pair(RouterOptions.builder().framesPerSecond(100).build());
    Attacker attacker = new Attacker(world, 0, World.address(0));
    assertThat(world.until(() -> attacker.link != 0)).isTrue();
    long salt = 7;
    attacker.say(new RouterMessage.Join(RouterMessage.Role.CLIENT, salt, ""));
    Hash32 origin = RouterMessageCodec.origin(attacker.self.key(), salt);
    long counter = 0;
    for (int ms = 0; ms < 2_000; ms += 10) {
      for (int i = 0; i < 30; i++) {
        attacker.say(new RouterMessage.Multicast(origin, ++counter, 0, Blob.of(new byte[] {'x'})));
      }
      if (ms % 100 == 0) {
        world.leaves.get(0).send("fine:" + ms);
      }
      world.run(10);
    }
    world.run(200);
    Leaf other = world.leaves.get(1);
    assertThat(other.got.keySet()).hasSize(21);
    assertThat(other.got.get("x")).isBetween(200, 330);
    assertThat(world.routers.get(0).counters().get("dropped.rate")).isGreaterThan(5_000);
    assertThat(world.isWhole()).isFalse();
    attacker.links.close();
    assertThat(world.until(world::isWhole)).isTrue();
  }

  @Test
  void aRouterThatInventsOriginsFillsNothing() {
    World world = pair(RouterOptions.builder().maxOrigins(64).build());
    Attacker attacker = new Attacker(world, 0, World.address(0));
    assertThat(world.until(() -> attacker.link != 0)).isTrue();
    attacker.say(new RouterMessage.Join(RouterMessage.Role.ROUTER, 0, "sim://nowhere"));
    Random random = new Random(3);
    byte[] origin = new byte[32];
    for (int i = 0; i < 2_000; i++) {
      random.nextBytes(origin);
      attacker.say(
          new RouterMessage.Multicast(
              Hash32.of(origin), Long.MAX_VALUE, 0, Blob.of(new byte[] {'x'})));
      if (i % 100 == 0) {
        world.run(10);
      }
    }
    world.run(500);
    for (RouterServer router : world.routers.values()) {
      assertThat(router.counters().get("origins")).isLessThanOrEqualTo(64);
    }
    assertThat(world.leaves.get(1).send("still")).isTrue();
    world.run(100);
    assertThat(world.leaves.get(0).got).containsEntry("still", 1);
  }

  @Test
  void whoSendsInAnothersNameOrOutOfTurnLosesTheLink() {
    World world = pair(RouterOptions.defaults());
    Attacker thief = new Attacker(world, 0, World.address(0));
    Attacker rude = new Attacker(world, 1, World.address(0));
    Attacker silent = new Attacker(world, 2, World.address(0));
    assertThat(world.until(() -> thief.link != 0 && rude.link != 0 && silent.link != 0)).isTrue();
    thief.say(new RouterMessage.Join(RouterMessage.Role.CLIENT, 1, ""));
    thief.say(
        new RouterMessage.Multicast(
            RouterMessageCodec.origin(identity(1000).key(), 0), 1, 0, Blob.of(new byte[] {'t'})));
    rude.say(new RouterMessage.Beat());
    world.run(500);
    assertThat(thief.downs).isPositive();
    assertThat(rude.downs).isPositive();
    assertThat(world.routers.get(0).counters().get("dropped.origin")).isEqualTo(1);
    world.run(3_000);
    assertThat(silent.downs).isPositive();
    assertThat(world.leaves.get(1).got).isEmpty();
  }

  @Test
  void onlyKeysTheOperatorKnowsJoinWhereHeNamesThem() {
    RouterOptions options =
        RouterOptions.builder()
            .allowed(List.of(identity(1).key(), identity(2).key(), identity(1000).key()))
            .build();
    World world = new World(12, options);
    world.router(0, List.of());
    world.router(1, List.of(World.address(0)));
    world.leaves.put(0, new Leaf(world, 0, List.of(World.address(1))));
    assertThat(world.until(world::isWhole)).isTrue();
    Leaf stranger = new Leaf(world, 1, List.of(World.address(1)));
    world.run(5_000);
    assertThat(stranger.client.isJoined()).isFalse();
    assertThat(world.routers.get(1).counters().get("refused.denied")).isPositive();
  }

  @Test
  void whereAllPlacesAreTakenARouterBelowHasOne() {
    World world = new World(13, RouterOptions.builder().fanOut(1).maxClients(1).build());
    for (int i = 0; i < 5; i++) {
      world.router(i, i == 0 ? List.of() : List.of(World.address(0)));
      world.leaves.put(i, new Leaf(world, i, List.of(World.address(0))));
    }
    assertThat(world.until(world::isWhole)).as(world::describe).isTrue();
    assertThat(world.routers.values().stream().mapToInt(router -> router.path().size()).max())
        .hasValue(4);
    world.checkEverybodyHearsEverybodyOnce("chain");
  }
}
