package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimRun;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.MessageCodec;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The replicas of a simulation: real {@link ReplicaCore}s over simulated disks, a network among
 * them and to their clients that loses, delays, repeats and reorders, and what may happen to them.
 * {@link StatementOracle} hears all they say. Of one thread.
 */
public final class SimReplicas {

  private static final long MS = SimRun.MS;
  private static final long TICK = 50 * MS;

  /** Links below are those of replicas among themselves. */
  private static final long FIRST_CLIENT = 100;

  // States.
  private static final String DAMAGED = "state: replica with a damaged record";
  private static final String RESTARTED = "state: replica started again";

  /** What replicas may come to. */
  public static final List<String> STATES =
      List.of(StatementOracle.OPEN, StatementOracle.SEALED, DAMAGED, RESTARTED);

  // Faults.
  private static final String LOST = "fault: message lost";
  private static final String REPEATED = "fault: message repeated";
  private static final String CRASH = "fault: replica crashed";
  private static final String POWER_CUT = "fault: power cut at a commit";
  private static final String WIPED = "fault: disk lost";
  private static final String ROT = "fault: byte of a record flipped";
  private static final String RECORD_LOST = "fault: record lost by a disk";
  private static final String IO_ERROR = "fault: disk error in a commit";
  private static final String SPACE = "fault: disk full in the middle of a commit";
  private static final String FULL = "fault: disk full";
  private static final String CUT = "fault: replica cut off";
  private static final String COMMIT_FAILED = "fault: commit failed";

  /** What may happen to them. */
  public static final List<String> FAULTS =
      List.of(
          LOST,
          REPEATED,
          CRASH,
          POWER_CUT,
          WIPED,
          ROT,
          RECORD_LOST,
          IO_ERROR,
          SPACE,
          FULL,
          CUT,
          COMMIT_FAILED);

  /** How many promises to sealers there are for each disk that is lost just after one. */
  private static final int PROMISES_PER_LOSS = 6;

  private static final int MOST_LOST_AFTER_PROMISE = 3;

  /** What goes wrong, and how often. */
  public record Faults(
      double lose,
      double repeat,
      int maxDelayMs,
      boolean crashes,
      boolean loseDisks,
      boolean rot,
      boolean partitions,
      boolean full,
      int maxCommitMs,
      int maxPauseMs) {}

  /** Who talks to replicas. */
  public interface Client {
    /** A replica says something. */
    void receive(Replica from, Message message);

    /** There is a link to a replica. */
    default void up(Replica replica) {}

    /** There is none any more. */
    default void down(Replica replica) {}
  }

  private record Connected(PublicKey key, Client client) {}

  private final SimRun run;
  private final Faults faults;
  private final int quorum;
  private final List<Replica> replicas = new ArrayList<>();
  private final Map<Long, Connected> clients = new TreeMap<>();
  private long lastClient = FIRST_CLIENT - 1;
  private int lostAfterPromise;
  private @Nullable StatementOracle oracle;

  /** So many of them, which do not run yet. */
  public SimReplicas(SimRun run, Faults faults, int size) {
    this.run = run;
    this.faults = faults;
    this.quorum = size / 2 + 1;
    for (int i = 0; i < size; i++) {
      replicas.add(new Replica(i));
    }
  }

  /** All of them. */
  public List<Replica> all() {
    return replicas;
  }

  /** Their keys. */
  public List<PublicKey> keys() {
    return replicas.stream().map(Replica::key).toList();
  }

  /** How many are a quorum. */
  public int quorum() {
    return quorum;
  }

  /** Starts them. */
  public void start(StatementOracle hears) {
    oracle = hears;
    replicas.forEach(Replica::start);
  }

  /** What was said. */
  public StatementOracle oracle() {
    return java.util.Objects.requireNonNull(oracle);
  }

  /** Makes somebody known to replicas that run, now and later; returns the number of its links. */
  public long connect(PublicKey key, Client client) {
    long link = ++lastClient;
    clients.put(link, new Connected(key, client));
    for (Replica replica : replicas) {
      if (replica.running) {
        replica.core().up(link, key);
        client.up(replica);
      }
    }
    return link;
  }

  /** Its links are gone. */
  public void disconnect(long link) {
    clients.remove(link);
    for (Replica replica : replicas) {
      if (replica.running) {
        replica.core().down(link);
      }
    }
  }

  /** Says something to a replica. */
  public void send(long link, Replica to, Message message) {
    deliver(null, to, message, copy -> to.receive(link, copy));
  }

  // ------------------------------------------------------------------ network

  private interface Arrival {
    void receive(Message message);
  }

  private void deliver(
      @Nullable Replica from, @Nullable Replica to, Message message, Arrival arrival) {
    byte[] bytes = MessageCodec.encode(message);
    run.note(Arrays.hashCode(bytes));
    boolean cut = (from != null && from.cutOff) || (to != null && to.cutOff);
    run.coverage.hit(message.getClass());
    if (!run.calm && (cut || run.random.nextDouble() < faults.lose)) {
      run.coverage.hit(LOST);
      return;
    }
    int copies = !run.calm && run.random.nextDouble() < faults.repeat ? 2 : 1;
    if (copies > 1) {
      run.coverage.hit(REPEATED);
    }
    for (int i = 0; i < copies; i++) {
      run.at(
          1 + run.random.nextLong(run.calm ? MS : faults.maxDelayMs * MS),
          () -> arrival.receive(MessageCodec.decode(bytes).orThrow()));
    }
  }

  // ------------------------------------------------------------------ replicas

  /** A replica's process and its disk. Links to replica i have number i + 1. */
  public final class Replica implements ReplicaOutbox {
    public final int index;
    private final ReplicaIdentity identity;
    public final SimReplicaDisk disk;
    @Nullable SimReplicaLog log;
    @Nullable ReplicaCore core;
    @Nullable ReplicaReader reader;
    boolean running;
    boolean cutOff;
    int life;

    Replica(int index) {
      this.index = index;
      byte[] key = new byte[32];
      new SimEntropy(run.random.nextLong()).fill(key);
      key[0] &= 0x7f;
      this.identity = new ReplicaIdentity(SampleCapsule.CURVE, SecretBytes.own(key));
      this.disk = new SimReplicaDisk(run.random.nextLong());
    }

    void start() {
      if (life > 0) {
        run.coverage.hit(RESTARTED);
      }
      life++;
      SimReplicaLog opened = disk.open();
      log = opened;
      running = true;
      ReplicaCore started =
          new ReplicaCore(
              ReplicaOptions.builder().gossipMs(100).pullTimeoutMs(1000).build(),
              identity,
              SampleCapsule.CURVE,
              opened,
              this,
              Telemetry.NONE,
              run.random.nextLong());
      core = started;
      reader = new ReplicaReader(opened, started::damaged);
      for (Replica other : replicas) {
        if (other != this && other.running) {
          started.up(other.index + 1, other.identity.key());
          other.core().up(index + 1, identity.key());
        }
      }
      clients.forEach((link, client) -> started.up(link, client.key));
      int born = life;
      run.at(run.random.nextLong(TICK), () -> tick(born));
      started.endStep();
      List.copyOf(clients.values()).forEach(client -> client.client.up(this));
    }

    /** Its key. */
    public PublicKey key() {
      return identity.key();
    }

    ReplicaCore core() {
      return java.util.Objects.requireNonNull(core);
    }

    SimReplicaLog log() {
      return java.util.Objects.requireNonNull(log);
    }

    /** Whether its process runs. */
    public boolean isRunning() {
      return running;
    }

    /** Ends its process, and with it the power of its disk. */
    public void stop() {
      running = false;
      disk.powerCut();
      for (Replica other : replicas) {
        if (other != this && other.running) {
          other.core().down(index + 1);
        }
      }
      List.copyOf(clients.values()).forEach(client -> client.client.down(this));
    }

    private void tick(int born) {
      if (born != life || !running) {
        return;
      }
      if (core().failure() != null) {
        stop();
        run.at(TICK, this::startIfDown);
        return;
      }
      step(
          () -> {
            for (SimReplicaDisk.Place place : disk.damaged()) {
              run.coverage.hit(DAMAGED);
              core().damaged(place.capsule(), place.writer(), place.sequence());
            }
            core().tick(run.now);
          });
      run.at(TICK, () -> tick(born));
    }

    /** As the shell does it: a replica whose disk fails under it is started again. */
    private void step(Runnable input) {
      try {
        input.run();
        core().endStep();
      } catch (StorageException dead) {
        stop();
        run.at(TICK, this::startIfDown);
      }
    }

    /** Starts its process if it does not run. */
    public void startIfDown() {
      if (!running) {
        start();
      }
    }

    private void receive(long link, Message message) {
      if (running && (link < FIRST_CLIENT || clients.containsKey(link))) {
        step(() -> core().receive(run.now, link, message));
      }
    }

    @Override
    public void send(long link, Message message) {
      if (message instanceof Message.Held held) {
        oracle().heard(held.statement());
      } else if (message instanceof Message.Frontier frontier) {
        oracle().heard(frontier.statement());
      } else if (message instanceof Message.Sealed sealed) {
        oracle().heard(sealed.statement());
        if (faults.loseDisks
            && !run.calm
            && lostAfterPromise < MOST_LOST_AFTER_PROMISE
            && run.random.nextInt(PROMISES_PER_LOSS) == 0) {
          run.at(run.random.nextLong(20 * MS), this::loseDiskIfItMay);
        }
      }
      if (link >= FIRST_CLIENT) {
        deliver(
            this,
            null,
            message,
            copy -> {
              Connected to = clients.get(link);
              if (to != null) {
                to.client.receive(this, copy);
              }
            });
      } else {
        Replica to = replicas.get((int) link - 1);
        deliver(this, to, message, copy -> to.receive(index + 1, copy));
      }
    }

    @Override
    public void commit(ReplicaLog.Batch batch) {
      int born = life;
      run.at(
          1 + run.random.nextLong(run.calm ? MS : faults.maxCommitMs * MS),
          () -> {
            if (born != life || !running) {
              return;
            }
            CapsuleException failed = null;
            try {
              log().commit(batch);
            } catch (CapsuleException e) {
              failed = e;
              run.coverage.hit(COMMIT_FAILED);
            }
            run.note(batch.size());
            CapsuleException outcome = failed;
            step(() -> core().committed(outcome));
          });
    }

    @Override
    public void answer(long link, Message.Request read) {
      send(link, java.util.Objects.requireNonNull(reader).answer(read));
    }

    /** A promise is lost when nobody else needs to have heard of it yet. */
    private void loseDiskIfItMay() {
      if (replicas.stream().allMatch(r -> r.running)
          && othersHaveJoined(this)
          && othersHoldAll(this)) {
        lostAfterPromise++;
        stop();
        loseDisk();
        run.at(run.random.nextLong(100 * MS), this::startIfDown);
      }
    }

    private void loseDisk() {
      run.coverage.hit(WIPED);
      disk.wipe();
      oracle().forget(identity.key());
    }
  }

  // ------------------------------------------------------------------ nemesis

  /** Lets faults happen from now on. */
  public void startNemesis() {
    run.at(run.random.nextLong(500 * MS), this::nemesis);
  }

  private void nemesis() {
    if (run.calm) {
      return;
    }
    Replica victim = replicas.get(run.random.nextInt(replicas.size()));
    switch (run.random.nextInt(6)) {
      case 0 -> {
        if (faults.crashes && victim.running) {
          run.coverage.hit(CRASH);
          victim.stop();
          run.at(run.random.nextLong(3000 * MS), victim::startIfDown);
        }
      }
      case 1 -> {
        if (faults.loseDisks
            && replicas.stream().allMatch(r -> r.running)
            && othersHaveJoined(victim)
            && othersHoldAll(victim)) {
          victim.stop();
          victim.loseDisk();
          run.at(run.random.nextLong(1000 * MS), victim::startIfDown);
        }
      }
      case 2 -> {
        if (faults.rot && victim.running && othersHaveJoined(victim) && othersHoldAll(victim)) {
          List<SimReplicaDisk.Place> places = victim.disk.places();
          if (!places.isEmpty()) {
            int which = run.random.nextInt(places.size());
            if (run.random.nextInt(3) == 0 && hasNext(places, which)) {
              run.coverage.hit(RECORD_LOST);
              victim.disk.lose(places.get(which));
            } else {
              run.coverage.hit(ROT);
              victim.disk.flipByte(places.get(which), run.random.nextInt(100));
            }
          }
        }
      }
      case 3 -> {
        if (faults.partitions) {
          run.coverage.hit(CUT);
          victim.cutOff = true;
          run.at(run.random.nextLong(2000 * MS), () -> victim.cutOff = false);
        }
      }
      case 4 -> {
        if (faults.full) {
          run.coverage.hit(FULL);
          victim.disk.capacityBytes(run.random.nextLong(20_000));
          run.at(run.random.nextLong(2000 * MS), () -> victim.disk.capacityBytes(Long.MAX_VALUE));
        }
      }
      default -> {
        if (faults.crashes && victim.running) {
          SimReplicaDisk.Fault fault = COMMIT_FAULTS.get(run.random.nextInt(COMMIT_FAULTS.size()));
          run.coverage.hit(
              switch (fault) {
                case POWER_CUT_BEFORE, POWER_CUT_AFTER -> POWER_CUT;
                case ERROR_BEFORE, ERROR_AFTER -> IO_ERROR;
                case OUT_OF_SPACE -> SPACE;
              });
          victim.disk.onNextCommit(fault);
        }
      }
    }
    run.at(run.random.nextLong(faults.maxPauseMs * MS), this::nemesis);
  }

  private static final List<SimReplicaDisk.Fault> COMMIT_FAULTS =
      List.of(SimReplicaDisk.Fault.values());

  /** Whether a record is not the newest of its chain, without which a disk cannot be opened. */
  private static boolean hasNext(List<SimReplicaDisk.Place> places, int which) {
    return which + 1 < places.size()
        && places.get(which + 1).capsule().equals(places.get(which).capsule())
        && places.get(which + 1).writer() == places.get(which).writer();
  }

  /**
   * Whether the others have joined what anybody knows: who has not counts among those that may
   * fail, as one whose disk is lost does.
   */
  private boolean othersHaveJoined(Replica victim) {
    Set<CapsuleName> known = new HashSet<>();
    replicas.forEach(replica -> known.addAll(replica.disk.rebuilding().keySet()));
    return replicas.stream()
        .filter(replica -> replica != victim)
        .map(replica -> replica.disk.rebuilding())
        .allMatch(
            held ->
                held.keySet().equals(known) && !held.containsValue(ReplicaLog.Rebuilding.JOINING));
  }

  /** Whether everything durable is on a quorum of the other disks: one more may go wrong. */
  private boolean othersHoldAll(Replica victim) {
    for (Map.Entry<Long, ChainHead> head : oracle().durable().entrySet()) {
      int holders = 0;
      for (Replica other : replicas) {
        if (other != victim
            && other.disk.damaged().isEmpty()
            && oracle().isHeld(other.key(), head.getKey(), head.getValue())) {
          holders++;
        }
      }
      if (holders < quorum) {
        return false;
      }
    }
    return true;
  }

  /** Starts what is down, and mends what can be mended. */
  public void heal() {
    for (Replica replica : replicas) {
      replica.cutOff = false;
      replica.disk.capacityBytes(Long.MAX_VALUE);
      replica.startIfDown();
    }
  }

  // ------------------------------------------------------------------ the end

  /** How far a replica holds a chain, by what it keeps. */
  public ChainHead held(Replica replica, CapsuleName name, long writer) {
    HeldCapsule held = replica.core().capsule(name);
    HeldChain chain = held == null ? null : held.chain(writer);
    return held == null || chain == null ? ChainHead.NONE : held.held(chain);
  }

  /** What it keeps in one place of a chain, or null. */
  public byte @Nullable [] stored(Replica replica, CapsuleName name, long writer, long sequence) {
    return replica.log().read(name, writer, sequence);
  }

  /** Why a replica is not well, or null. */
  public @Nullable String ailment(Replica replica, CapsuleName name) {
    if (!replica.running) {
      return "does not run";
    }
    if (!replica.disk.damaged().isEmpty()) {
      return "is damaged: " + replica.disk.damaged();
    }
    HeldCapsule held = replica.core().capsule(name);
    return held == null || !held.canSpeak() ? "has not joined" : null;
  }
}
