package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.replica.ReplicaCore;
import io.capsuledb.replication.replica.ReplicaIdentity;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.replica.ReplicaOptions;
import io.capsuledb.replication.replica.ReplicaOutbox;
import io.capsuledb.replication.replica.ReplicaReader;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Real replica cores on simulated disks, all on one thread, and real clients that talk to them. A
 * client's messages end after a number of them, as if its process had stopped there.
 */
final class LiveReplicas implements AutoCloseable {

  private static final int TICK_MS = 5;

  final SampleCapsule capsule;
  final List<Replica> replicas = new ArrayList<>();
  private final ScheduledExecutorService wire = Executors.newSingleThreadScheduledExecutor();
  private final SystemClock clock = new SystemClock();
  private final ScheduledFuture<?> ticking;
  private final AtomicLong links = new AtomicLong(1000);

  LiveReplicas(long seed, int size) {
    List<PublicKey> keys = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      replicas.add(new Replica(i, seed));
      keys.add(replicas.getLast().identity.key());
    }
    capsule = new SampleCapsule(seed, keys, size / 2 + 1);
    at(
        () -> {
          replicas.forEach(Replica::start);
          return true;
        });
    ticking =
        wire.scheduleAtFixedRate(
            () -> replicas.forEach(Replica::tick), TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
  }

  /** Does something where the replicas live. */
  <T> T at(Callable<T> task) {
    return CompletableFuture.supplyAsync(
            () -> {
              try {
                return task.call();
              } catch (Exception e) {
                throw new AssertionError(e);
              }
            },
            wire)
        .join();
  }

  /** A client, and the network between it and the replicas. */
  final class Client implements ReplicaLinks, AutoCloseable {
    final QuorumClient client;
    private final long link = links.incrementAndGet();
    private final Set<PublicKey> cut = ConcurrentHashMap.newKeySet();

    /** How many messages it sends before it is gone. */
    final AtomicLong left;

    Client(long messages) {
      left = new AtomicLong(messages);
      client =
          QuorumClient.start(
              capsule.name,
              QuorumOptions.builder()
                  .requestTimeoutMs(300)
                  .maxBackoffMs(50)
                  .recoveryGraceMs(30)
                  .refuseAfterMs(500)
                  .build(),
              SampleCapsule.CURVE,
              new QuorumClient.Ports(this, clock, new SystemEntropy(), new ThreadScheduler()),
              QuorumClient.Listener.NONE);
      for (Replica replica : replicas) {
        at(
            () -> {
              replica.clients.put(link, this);
              if (replica.running) {
                replica.core.up(link, FakeReplica.key(4711));
              }
              return true;
            });
        client.up(replica.identity.key());
      }
    }

    @Override
    public boolean send(PublicKey to, Message message) {
      if (cut.contains(to) || left.decrementAndGet() < 0) {
        return !cut.contains(to);
      }
      wire.execute(
          () -> {
            for (Replica replica : replicas) {
              if (replica.identity.key().equals(to)) {
                replica.receive(link, message);
              }
            }
          });
      return true;
    }

    boolean isGone() {
      return left.get() < 0;
    }

    void cut(int replica) {
      PublicKey key = replicas.get(replica).identity.key();
      cut.add(key);
      client.down(key);
    }

    void mend(int replica) {
      PublicKey key = replicas.get(replica).identity.key();
      cut.remove(key);
      client.up(key);
    }

    @Override
    public void close() {
      client.close();
    }
  }

  /** One replica. */
  final class Replica implements ReplicaOutbox {
    final ReplicaIdentity identity;
    final SimReplicaDisk disk;
    final java.util.Map<Long, Client> clients = new ConcurrentHashMap<>();
    private final int index;
    SimReplicaLog log;
    ReplicaCore core;
    ReplicaReader reader;
    boolean running;
    private long life;

    Replica(int index, long seed) {
      this.index = index;
      this.identity =
          new ReplicaIdentity(SampleCapsule.CURVE, FakeReplica.secret(seed * 100 + index + 1));
      this.disk = new SimReplicaDisk(seed + index);
      this.log = disk.open();
      this.core = newCore();
      this.reader = new ReplicaReader(log, core::damaged);
    }

    private ReplicaCore newCore() {
      return new ReplicaCore(
          ReplicaOptions.builder().gossipMs(50).pullTimeoutMs(200).build(),
          identity,
          SampleCapsule.CURVE,
          log,
          this,
          Telemetry.NONE,
          index);
    }

    void start() {
      life++;
      running = true;
      for (Replica other : replicas) {
        if (other != this && other.running) {
          core.up(other.index + 1, other.identity.key());
          other.core.up(index + 1, identity.key());
        }
      }
      clients.forEach((link, client) -> core.up(link, FakeReplica.key(4711)));
      core.endStep();
    }

    /** The power goes and comes back. */
    void restart() {
      stop();
      log = disk.open();
      core = newCore();
      reader = new ReplicaReader(log, core::damaged);
      start();
    }

    void stop() {
      running = false;
      disk.powerCut();
      for (Replica other : replicas) {
        if (other != this && other.running) {
          other.core.down(index + 1);
        }
      }
    }

    private void tick() {
      if (running) {
        core.tick(clock.monotonicNanos());
        core.endStep();
      }
    }

    void receive(long link, Message message) {
      if (running) {
        core.receive(clock.monotonicNanos(), link, message);
        core.endStep();
      }
    }

    @Override
    public void send(long link, Message message) {
      Client client = clients.get(link);
      if (client != null) {
        if (!client.cut.contains(identity.key())) {
          client.client.received(identity.key(), message);
        }
      } else {
        Replica to = replicas.get((int) link - 1);
        wire.execute(() -> to.receive(index + 1, message));
      }
    }

    @Override
    public void commit(ReplicaLog.Batch batch) {
      long born = life;
      SimReplicaLog to = log;
      wire.execute(
          () -> {
            if (born == life && running) {
              to.commit(batch);
              core.committed(null);
              core.endStep();
            }
          });
    }

    @Override
    public void answer(long link, Message.Request read) {
      send(link, reader.answer(read));
    }

    long held(long writer) {
      long have = 0;
      while (log.read(capsule.name, writer, have + 1) != null) {
        have++;
      }
      return have;
    }
  }

  @Override
  public void close() {
    boolean went = ticking.cancel(false);
    wire.shutdownNow();
    if (!went) {
      throw new AssertionError("a replica failed at a tick", ticking.exceptionNow());
    }
  }
}
