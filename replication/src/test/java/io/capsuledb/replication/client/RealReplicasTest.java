package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.MessageCodec;
import io.capsuledb.replication.replica.ReplicaCore;
import io.capsuledb.replication.replica.ReplicaIdentity;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.replica.ReplicaOptions;
import io.capsuledb.replication.replica.ReplicaOutbox;
import io.capsuledb.replication.replica.ReplicaReader;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The client's core against real replica cores, on simulated disks and a network with virtual time:
 * messages are lost, delayed and repeated, links break, power fails, disks are lost, a minority at
 * a time. What the client calls durable is on the disks of a quorum; afterwards everything is.
 */
class RealReplicasTest {

  private static final long MS = 1_000_000;
  private static final long TICK = 20 * MS;
  private static final long CLIENT_TICK = 5 * MS;
  private static final int CLIENT = 100;
  private static final long[] WRITERS = {7, 8};

  private record Event(long at, long order, Runnable action) implements Comparable<Event> {
    @Override
    public int compareTo(Event other) {
      int byTime = Long.compare(at, other.at);
      return byTime != 0 ? byTime : Long.compare(order, other.order);
    }
  }

  private static final class World {
    final SplittableRandom random;
    final List<Node> nodes = new ArrayList<>();
    final SampleCapsule capsule;
    final QuorumClientCore core;
    final PriorityQueue<Event> events = new PriorityQueue<>();
    final List<QuorumOutput> outputs = new ArrayList<>();
    final Map<Long, List<StoredRecord>> chains = new HashMap<>();
    final Map<Long, Integer> appended = new HashMap<>();
    final int quorum;
    long now = 1_000_000_000L;
    long order;
    double loss;
    double repeat;

    World(long seed, int size) {
      random = new SplittableRandom(seed);
      quorum = size / 2 + 1;
      List<PublicKey> keys = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        nodes.add(new Node(this, i));
        keys.add(nodes.getLast().identity.key());
      }
      capsule = new SampleCapsule(seed, keys, quorum);
      core =
          new QuorumClientCore(
              capsule.name,
              FakeCluster.options().windowBytes(random.nextInt(50_000)).build(),
              SampleCapsule.CURVE,
              new SimEntropy(seed));
      core.know(now, Blob.of(capsule.signedMetadata));
      nodes.forEach(Node::start);
      tickClient();
      for (long writer : WRITERS) {
        chains.put(writer, chain(writer, 30 + random.nextInt(60)));
        appended.put(writer, 0);
      }
    }

    private List<StoredRecord> chain(long writer, int length) {
      List<StoredRecord> records = new ArrayList<>();
      try (SampleCapsule.Chain chain = capsule.chain(writer, Role.WORKER)) {
        records.add(FakeCluster.stored(chain.first()));
        while (records.size() < length) {
          records.add(
              FakeCluster.stored(
                  chain.next(
                      io.capsuledb.core.record.RecordType.DATA,
                      new byte[1 + random.nextInt(500)])));
        }
      }
      return records;
    }

    void at(long delay, Runnable action) {
      events.add(new Event(now + delay, order++, action));
    }

    private void tickClient() {
      core.tick(now);
      collect();
      at(CLIENT_TICK, this::tickClient);
    }

    void collect() {
      for (QuorumOutput output : core.take()) {
        if (output instanceof QuorumOutput.Send(PublicKey replica, Message message)) {
          Node node =
              nodes.stream().filter(n -> n.identity.key().equals(replica)).findAny().orElseThrow();
          deliver(message, node, () -> node.linked, m -> node.receive(CLIENT, m));
        } else {
          outputs.add(output);
          if (output instanceof QuorumOutput.Durable(long writer, long sequence)) {
            checkHeld(writer, sequence);
          }
        }
      }
    }

    /**
     * At the moment it is called durable a quorum has it on disk, whatever happens to the power.
     */
    private void checkHeld(long writer, long sequence) {
      long holders = nodes.stream().filter(n -> n.everHeld(writer, sequence)).count();
      assertThat(holders)
          .as("disks with record %s of %s", sequence, writer)
          .isGreaterThanOrEqualTo(quorum);
    }

    void deliver(
        Message message,
        Node about,
        java.util.function.BooleanSupplier open,
        java.util.function.Consumer<Message> to) {
      byte[] bytes = MessageCodec.encode(message);
      if (!open.getAsBoolean() || random.nextDouble() < loss) {
        return;
      }
      long life = about.linkLife;
      int copies = random.nextDouble() < repeat ? 2 : 1;
      for (int i = 0; i < copies; i++) {
        at(
            1 + random.nextLong(4 * MS),
            () -> {
              if (life == about.linkLife) {
                to.accept(MessageCodec.decode(bytes).orThrow());
              }
            });
      }
    }

    void run(long milliseconds) {
      long end = now + milliseconds * MS;
      while (events.peek().at <= end) {
        Event next = events.poll();
        now = next.at;
        next.action.run();
      }
      now = end;
    }

    boolean allDurable() {
      return appended.entrySet().stream().allMatch(e -> core.durable(e.getKey()) == e.getValue());
    }
  }

  private static final class Node implements ReplicaOutbox {
    final World world;
    final int index;
    final ReplicaIdentity identity;
    SimReplicaDisk disk;
    SimReplicaLog log;
    ReplicaCore core;
    ReplicaReader reader;
    boolean running;
    boolean linked;
    long life;
    long linkLife;
    private final ArrayDeque<Message.Request> reads = new ArrayDeque<>();

    Node(World world, int index) {
      this.world = world;
      this.index = index;
      this.identity =
          new ReplicaIdentity(
              SampleCapsule.CURVE,
              FakeReplica.secret(world.random.nextInt(1_000_000) * 10L + index));
      this.disk = new SimReplicaDisk(world.random.nextLong());
    }

    void start() {
      life++;
      log = disk.open();
      running = true;
      core =
          new ReplicaCore(
              ReplicaOptions.builder().gossipMs(100).pullTimeoutMs(500).build(),
              identity,
              SampleCapsule.CURVE,
              log,
              this,
              Telemetry.NONE,
              world.random.nextLong());
      reader = new ReplicaReader(log, core::damaged);
      for (Node other : world.nodes) {
        if (other != this && other.running) {
          core.up(other.index + 1, other.identity.key());
          other.core.up(index + 1, identity.key());
        }
      }
      long born = life;
      world.at(TICK, () -> tick(born));
      step(() -> {});
      link();
    }

    void link() {
      linkLife++;
      linked = true;
      core.up(CLIENT, FakeReplica.key(4711));
      world.core.linkUp(world.now, identity.key());
      world.collect();
    }

    void unlink() {
      linkLife++;
      linked = false;
      if (running) {
        core.down(CLIENT);
      }
      world.core.linkDown(world.now, identity.key());
      world.collect();
    }

    void crash() {
      running = false;
      unlink();
      disk.powerCut();
      for (Node other : world.nodes) {
        if (other != this && other.running) {
          other.core.down(index + 1);
        }
      }
    }

    private void tick(long born) {
      if (born == life && running) {
        step(() -> core.tick(world.now));
        world.at(TICK, () -> tick(born));
      }
    }

    private void step(Runnable input) {
      try {
        input.run();
        core.endStep();
      } catch (StorageException dead) {
        throw new AssertionError("no disk fails here", dead);
      }
    }

    void receive(long link, Message message) {
      if (running) {
        step(() -> core.receive(world.now, link, message));
      }
    }

    @Override
    public void send(long link, Message message) {
      if (link == CLIENT) {
        world.deliver(
            message,
            this,
            () -> linked,
            m -> {
              world.core.received(world.now, identity.key(), m);
              world.collect();
            });
      } else {
        Node to = world.nodes.get((int) link - 1);
        if (to.running) {
          world.at(1 + world.random.nextLong(2 * MS), () -> to.receive(index + 1, message));
        }
      }
    }

    @Override
    public void commit(ReplicaLog.Batch batch) {
      long born = life;
      SimReplicaLog to = log;
      world.at(
          1 + world.random.nextLong(2 * MS),
          () -> {
            if (born == life && running) {
              to.commit(batch);
              step(() -> core.committed(null));
            }
          });
    }

    @Override
    public void answer(long link, Message.Request read) {
      reads.add(read);
      send(link, reader.answer(reads.remove()));
    }

    boolean everHeld(long writer, long sequence) {
      return running
          ? log.read(world.capsule.name, writer, sequence) != null
          : lastHeld.getOrDefault(writer, 0L) >= sequence;
    }

    private final Map<Long, Long> lastHeld = new HashMap<>();

    void noteHeld() {
      for (long writer : WRITERS) {
        long have = 0;
        while (log.read(world.capsule.name, writer, have + 1) != null) {
          have++;
        }
        lastHeld.put(writer, have);
      }
    }
  }

  private static void storm(long seed) {
    World world = new World(seed, seed % 3 == 0 ? 5 : 3);
    SplittableRandom random = world.random;
    world.loss = random.nextDouble() * 0.15;
    world.repeat = random.nextDouble() * 0.1;
    int down = 0;
    Map<Long, StoredRecord> asked = new HashMap<>();
    for (int i = 0; i < 150; i++) {
      Node node = world.nodes.get(random.nextInt(world.nodes.size()));
      switch (random.nextInt(8)) {
        case 0 -> {
          if (!node.running) {
            node.start();
            down--;
          } else if (down < world.nodes.size() - world.quorum) {
            node.noteHeld();
            node.crash();
            down++;
          }
        }
        case 1 -> {
          if (node.running) {
            node.unlink();
            node.link();
          }
        }
        case 2 -> {
          long writer = WRITERS[random.nextInt(WRITERS.length)];
          if (world.core.durable(writer) > 0) {
            StoredRecord wanted =
                world.chains.get(writer).get(random.nextInt((int) world.core.durable(writer)));
            asked.put(
                world.core.read(world.now, wanted.hash(), true, world.now + 3000 * MS), wanted);
            world.collect();
          }
        }
        case 3, 4, 5 -> {
          long writer = WRITERS[random.nextInt(WRITERS.length)];
          List<StoredRecord> chain = world.chains.get(writer);
          int from = world.appended.get(writer);
          int to = Math.min(chain.size(), from + 1 + random.nextInt(6));
          if (to > from) {
            world.core.append(world.now, true, chain.subList(from, to), world.now + 1000 * MS);
            world.appended.put(writer, to);
            world.collect();
          }
        }
        default -> world.run(1 + random.nextInt(60));
      }
    }
    world.loss = 0;
    for (Node node : world.nodes) {
      if (!node.running) {
        node.start();
      }
    }
    for (int i = 0; i < 400 && !world.allDurable(); i++) {
      world.run(100);
    }
    assertThat(world.core.failure()).as("seed %s", seed).isNull();
    assertThat(world.allDurable()).as("seed %s: all durable", seed).isTrue();
    assertThat(world.outputs).noneMatch(o -> o instanceof QuorumOutput.Accused);
    for (QuorumOutput output : world.outputs) {
      if (output instanceof QuorumOutput.Read read && read.failure() == null) {
        assertThat(read.records())
            .as("seed %s", seed)
            .containsExactly(Blob.of(asked.get(read.ticket()).bytes()));
      }
    }
    // Whoever lagged heals, from the client or from its peers.
    for (int i = 0; i < 300 && !everybodyHasAll(world); i++) {
      world.run(100);
    }
    assertThat(everybodyHasAll(world)).as("seed %s: all heal", seed).isTrue();
  }

  private static boolean everybodyHasAll(World world) {
    return world.appended.entrySet().stream()
        .allMatch(
            e ->
                world.nodes.stream()
                    .allMatch(
                        n ->
                            n.everHeld(e.getKey(), Math.max(1, e.getValue()))
                                || e.getValue() == 0));
  }

  @Test
  void aCalmDay() {
    World world = new World(1, 3);
    for (long writer : WRITERS) {
      world.core.append(world.now, true, world.chains.get(writer), world.now + 1000 * MS);
      world.appended.put(writer, world.chains.get(writer).size());
    }
    world.collect();
    world.run(1000);
    assertThat(world.allDurable()).isTrue();
    assertThat(world.core.stats().struck()).isZero();
  }

  @Property(tries = 60)
  void storms(@ForAll long seed) {
    storm(Math.floorMod(seed, 1_000_000_000L));
  }

  @Tag("long")
  @Property(tries = 3000)
  void manyStorms(@ForAll long seed) {
    storm(Math.floorMod(seed, 1_000_000_000L));
  }
}
