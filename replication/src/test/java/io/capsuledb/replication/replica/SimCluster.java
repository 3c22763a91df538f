package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimRun;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.core.sim.WorkBudget;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Replicas, writers and sealers under one seeded scheduler with virtual time: the real {@link
 * ReplicaCore}s over simulated disks and a network that loses, delays, repeats and reorders.
 *
 * <p>Writers and sealers are small and stubborn: they send what is not acknowledged again and
 * again. An oracle sees every statement at the moment it is sent and knows from that alone what is
 * durable; what it checks after every event is written at {@link #check}.
 */
final class SimCluster extends SimRun {

  private static final long MS = SimRun.MS;
  private static final long TICK = 50 * MS;

  // Properties, as docs/testbed.md names them.
  private static final String CONVERGENCE = "convergence";
  private static final String NOTHING_LOST = "no acknowledged write lost";
  private static final String NOT_FORGED = StatementOracle.NOT_FORGED;
  private static final String SEALS = StatementOracle.SEALS;
  private static final String CHAINS = "chain integrity";
  private static final String NO_CONTRADICTION = StatementOracle.NO_CONTRADICTION;
  static final List<String> PROPERTIES =
      List.of(
          CONVERGENCE,
          NOTHING_LOST,
          NOT_FORGED,
          SEALS,
          CHAINS,
          NO_CONTRADICTION,
          WorkBudget.PROPERTY);

  // Faults.
  private static final String FORGERY = "fault: forged record sent";
  private static final String FALSE_RELEASE = "fault: release that no CHECKPOINT names";
  static final List<String> FAULTS =
      Stream.concat(SimReplicas.FAULTS.stream(), Stream.of(FORGERY, FALSE_RELEASE)).toList();

  /** Most between two things that happen to replicas. */
  private static final int MAX_PAUSE_MS = 800;

  // A run has some ten thousand events, and hundreds that wait.
  private static final long MAX_EVENTS = 3_000_000;
  private static final int MAX_PENDING = 100_000;

  // docs/format/record.md.
  private static final int HEADER_BYTES = 112;
  private static final int PAYLOAD_HASH_OFFSET = 80;

  /** What goes wrong, and how often: drawn from the seed. */
  record Faults(
      double lose,
      double repeat,
      int maxDelayMs,
      boolean crashes,
      boolean loseDisks,
      boolean rot,
      boolean partitions,
      boolean seals,
      boolean full,
      int maxCommitMs,
      boolean forgery) {
    static Faults of(SplittableRandom random) {
      return new Faults(
          random.nextInt(3) == 0 ? 0 : random.nextDouble() * 0.3,
          random.nextInt(2) == 0 ? 0 : random.nextDouble() * 0.2,
          1 + random.nextInt(random.nextInt(4) == 0 ? 400 : 20),
          random.nextInt(3) > 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(3) > 0,
          random.nextInt(4) == 0,
          1 + random.nextInt(random.nextInt(3) == 0 ? 300 : 3),
          random.nextInt(2) == 0);
    }

    SimReplicas.Faults ofReplicas() {
      return new SimReplicas.Faults(
          lose,
          repeat,
          maxDelayMs,
          crashes,
          loseDisks,
          rot,
          partitions,
          full,
          maxCommitMs,
          MAX_PAUSE_MS);
    }
  }

  final Faults faults;
  final int quorum;
  final SampleCapsule capsule;
  final SimReplicas replicas;
  final StatementOracle oracle;
  final List<Writer> writers = new ArrayList<>();
  final List<Sealer> sealers = new ArrayList<>();

  private final Map<Long, Hash32[]> hashes = new HashMap<>();
  private final Set<Checkpoint.Range> released = new HashSet<>();
  private long nextIndex = 1000;

  SimCluster(long seed, int size) {
    this(seed, size, Map.of());
  }

  /** With some knobs set instead of drawn. */
  SimCluster(long seed, int size, Map<String, String> given) {
    super(seed, MAX_EVENTS, MAX_PENDING);
    this.faults = Knobs.with(Faults.of(random), given);
    replicas = new SimReplicas(this, faults.ofReplicas(), size);
    quorum = replicas.quorum();
    capsule = new SampleCapsule(seed, replicas.keys(), quorum);
    oracle =
        new StatementOracle(
            coverage, Membership.initial(capsule.name, capsule.metadata), this::hash);
    replicas.start(oracle);
    for (int i = 0; i < 2 + random.nextInt(3); i++) {
      writers.add(new Writer(i % 3 == 2 ? Role.COMPACTOR : Role.WORKER));
    }
    writers.add(new Writer(Role.COMPACTOR));
    for (int i = 0; i < 2; i++) {
      Sealer sealer = new Sealer();
      sealers.add(sealer);
    }
    if (faults.forgery()) {
      new Forger();
    }
  }

  /** Runs until a time, with faults or without. */
  void run(long untilMs, boolean withFaults) {
    calm = !withFaults;
    run(untilMs);
  }

  // ------------------------------------------------------------------ clients

  abstract class Client implements SimReplicas.Client {
    private final long link = replicas.connect(capsule.owner.ownerPublicKey(), this);

    final void ask(SimReplicas.Replica replica, Message message) {
      replicas.send(link, replica, message);
    }
  }

  private @Nullable Hash32 hash(long writer, long sequence) {
    Hash32[] known = hashes.get(writer);
    return known == null || sequence > known.length ? null : known[(int) sequence - 1];
  }

  /** A chain that is sent to every replica until it is acknowledged. */
  abstract class Sender extends Client {
    final SampleCapsule.Chain chain;
    final List<CapsuleRecord> records = new ArrayList<>();
    final long[] acknowledged = new long[replicas.all().size()];
    long requests;

    Sender(Role role) {
      chain = capsule.chain(nextIndex++, role);
      add(chain.first());
      at(random.nextLong(TICK), this::tick);
    }

    final void add(CapsuleRecord record) {
      records.add(record);
      hashes.put(chain.writer(), records.stream().map(CapsuleRecord::hash).toArray(Hash32[]::new));
    }

    private void tick() {
      act();
      for (SimReplicas.Replica replica : replicas.all()) {
        long from = acknowledged[replica.index];
        int count = Math.min(records.size() - (int) from, 1 + random.nextInt(20));
        if (count > 0) {
          int skip = random.nextInt(10) == 0 ? random.nextInt(count) : 0;
          List<Blob> batch = new ArrayList<>();
          for (int i = skip; i < count; i++) {
            batch.add(Blob.of(records.get((int) from + i).bytes()));
          }
          ask(replica, new Message.Append(++requests, capsule.name, batch));
        }
      }
      at(TICK + random.nextLong(TICK), this::tick);
    }

    abstract void act();

    long durableUpTo() {
      return oracle.durable(chain.writer());
    }

    @Override
    public void receive(SimReplicas.Replica from, Message message) {
      if (message instanceof Message.Held held) {
        Statement.Entry entry = held.statement().statement().entry(chain.writer());
        if (entry != null) {
          acknowledged[from.index] = entry.head().sequence();
        }
      } else if (message instanceof Message.Refused refused) {
        switch (refused.code()) {
          case UNKNOWN_CAPSULE ->
              ask(
                  from,
                  new Message.Found(++requests, capsule.name, Blob.of(capsule.signedMetadata)));
          case GAP -> {
            if (refused.writer() == chain.writer()) {
              acknowledged[from.index] = refused.sequence() - 1;
            }
          }
          case SEALED, BUSY, FULL, DAMAGED, JOINING -> refused(refused);
          case INVALID, EQUIVOCATION, NOT_A_MEMBER, STALE_MEMBERSHIP, DENIED ->
              throw new AssertionError("refused: " + refused);
        }
      }
    }

    void refused(Message.Refused refused) {}
  }

  final class Writer extends Sender {
    final Role role;
    private long nextRelease = 2;

    Writer(Role role) {
      super(role);
      this.role = role;
    }

    @Override
    void act() {
      if (calm) {
        return;
      }
      for (int i = random.nextInt(4); i > 0 && records.size() < 400; i--) {
        byte[] payload = new byte[16 + random.nextInt(100)];
        if (role == Role.WORKER) {
          add(chain.next(RecordType.DATA, payload));
        } else if (random.nextInt(5) > 0 || records.size() < 5) {
          add(chain.next(RecordType.BLOCK, payload));
        } else {
          long to = nextRelease + random.nextInt(4);
          if (to >= records.size() || to > durableUpTo()) {
            continue;
          }
          Checkpoint.Range range = new Checkpoint.Range(chain.writer(), nextRelease, to);
          nextRelease = to + 1 + random.nextInt(2);
          add(
              chain.next(
                  RecordType.CHECKPOINT,
                  CheckpointCodec.encode(
                      new Checkpoint(Hash32.ZERO, Hash32.ZERO, 0, List.of(range)))));
          releases.put((long) records.size(), range);
        }
      }
      releases
          .headMap(durableUpTo(), true)
          .forEach(
              (sequence, range) -> {
                released.add(range);
                SimReplicas.Replica any = anyReplica();
                ask(
                    any,
                    new Message.Release(
                        ++requests, capsule.name, chain.writer(), sequence, List.of(range)));
                if (faults.forgery() && random.nextInt(4) == 0) {
                  coverage.hit(FALSE_RELEASE);
                  // What the CHECKPOINT does not say: the payload of the CHECKPOINT itself.
                  ask(
                      any,
                      new Message.Release(
                          ++requests,
                          capsule.name,
                          chain.writer(),
                          sequence,
                          List.of(
                              new Checkpoint.Range(
                                  chain.writer(), range.toSequence() + 1, sequence))));
                }
              });
    }

    private final TreeMap<Long, Checkpoint.Range> releases = new TreeMap<>();

    @Override
    public void receive(SimReplicas.Replica from, Message message) {
      if (message instanceof Message.Refused refused
          && refused.code() == io.capsuledb.replication.protocol.Refusal.INVALID
          && refused.detail().contains("CHECKPOINT")) {
        return;
      }
      super.receive(from, message);
    }
  }

  /** Somebody without keys, who sends what the next record of a chain might be. */
  final class Forger extends Client {
    private long requests;

    Forger() {
      at(random.nextLong(TICK), this::tick);
    }

    private void tick() {
      if (calm) {
        return;
      }
      SimReplicas.Replica victim = anyReplica();
      List<Sender> all = senders();
      Sender sender = all.get(random.nextInt(all.size()));
      int next = (int) oracle.holds(victim.key(), sender.chain.writer()) + random.nextInt(2);
      if (next < sender.records.size()) {
        coverage.hit(FORGERY);
        Blob forged = Blob.of(forge(sender.records.get(next)));
        ask(victim, new Message.Append(++requests, capsule.name, List.of(forged)));
      }
      at(TICK + random.nextLong(TICK), this::tick);
    }

    @Override
    public void receive(SimReplicas.Replica from, Message message) {
      // Whatever is said to it: what counts is what replicas then say they hold.
    }
  }

  /** The record with another payload, hashed as it should be, and with a signature of the first. */
  private static byte[] forge(CapsuleRecord record) {
    byte[] bytes = record.bytes().clone();
    int header = HEADER_BYTES + Hash32.BYTES * record.header().parents().size();
    int length = record.header().payloadLength();
    bytes[header + length - 1] ^= 1;
    Hashes.sha256(bytes, header, length).copyTo(bytes, PAYLOAD_HASH_OFFSET);
    return bytes;
  }

  /** Seals writers, one after the other; two of them may want the same one. */
  final class Sealer extends Sender {
    private long term;
    private long target;
    private boolean finishing;
    private final Map<Integer, SealState> answers = new TreeMap<>();

    Sealer() {
      super(Role.LEADER);
    }

    private Ballot ballot() {
      return new Ballot(term, chain.writer());
    }

    @Override
    void act() {
      boolean stuck = random.nextInt(20) == 0;
      if ((target == 0 || stuck) && (faults.seals || target != 0)) {
        if (target == 0) {
          if (calm || random.nextInt(40) > 0) {
            return;
          }
          Writer writer = writers.get(random.nextInt(writers.size()));
          if (writer.durableUpTo() == 0) {
            return;
          }
          target = writer.chain.writer();
          for (Sealer other : sealers) {
            if (other.target != 0 && random.nextBoolean()) {
              target = other.target;
            }
          }
        }
        term += 1 + random.nextInt(3);
        finishing = false;
        answers.clear();
        order(SealOrder.Kind.PREPARE, ChainHead.NONE);
      } else if (target != 0) {
        // What is sent again is answered again, also when everything was acknowledged.
        for (SimReplicas.Replica replica : replicas.all()) {
          if (acknowledged[replica.index] == records.size()) {
            ask(
                replica,
                new Message.Append(
                    ++requests, capsule.name, List.of(Blob.of(records.getLast().bytes()))));
          }
        }
      }
    }

    private void order(SealOrder.Kind kind, ChainHead last) {
      add(
          chain.next(
              RecordType.SEAL, SealOrderCodec.encode(new SealOrder(kind, target, term, last))));
    }

    @Override
    public void receive(SimReplicas.Replica from, Message message) {
      super.receive(from, message);
      if (message instanceof Message.Sealed sealed && target != 0) {
        Statement.Entry entry = sealed.statement().statement().entry(target);
        if (entry == null
            || !entry.seal().promised().equals(ballot())
            || sealed.statement().statement().incarnation()
                != from.log().recovered().incarnation()) {
          return;
        }
        if (finishing) {
          if (entry.seal().accepted().equals(ballot())) {
            answers.put(from.index, entry.seal());
          }
          if (answers.size() >= quorum) {
            complete(answers.values().iterator().next().last());
          }
        } else {
          answers.put(from.index, entry.seal());
          if (answers.size() >= quorum) {
            ChainHead value = value();
            finishing = true;
            answers.clear();
            if (random.nextInt(4) == 0) {
              // Between its two halves much may happen to those who promised.
              long of = term;
              at(random.nextLong(3000 * MS), () -> finish(of, value));
            } else {
              finish(term, value);
            }
          }
        }
      }
    }

    private void finish(long of, ChainHead value) {
      if (finishing && of == term && target != 0) {
        order(SealOrder.Kind.FINAL, value);
      }
    }

    private ChainHead value() {
      Ballot highest = Ballot.NONE;
      ChainHead value = ChainHead.NONE;
      for (SealState answer : answers.values()) {
        if (answer.accepted().compareTo(highest) > 0) {
          highest = answer.accepted();
          value = answer.last();
        }
      }
      if (highest.equals(Ballot.NONE)) {
        for (SealState answer : answers.values()) {
          if (answer.head().sequence() > value.sequence()) {
            value = answer.head();
          }
        }
      }
      return value;
    }

    private void complete(ChainHead last) {
      note(last.sequence());
      oracle.sealed(target, last);
      target = 0;
      answers.clear();
      finishing = false;
    }
  }

  // ------------------------------------------------------------------ nemesis

  /** Lets faults happen from now on. */
  void startNemesis() {
    replicas.startNemesis();
  }

  /** Ends all faults and starts what is down. */
  void heal() {
    calm = true;
    replicas.heal();
  }

  private SimReplicas.Replica anyReplica() {
    return replicas.all().get(random.nextInt(replicas.all().size()));
  }

  // ------------------------------------------------------------------ checks

  /** What holds at the end: all replicas hold the same, and all that was ever durable. */
  void checkConverged() {
    PROPERTIES.forEach(coverage::hit);
    CapsuleName name = capsule.name;
    for (SimReplicas.Replica replica : replicas.all()) {
      String ailment = replicas.ailment(replica, name);
      if (ailment != null) {
        throw new Violation(CONVERGENCE, replica.index + " " + ailment);
      }
      for (Sender sender : senders()) {
        long writer = sender.chain.writer();
        ChainHead head = replicas.held(replica, name, writer);
        ChainHead last = oracle.sealedAt(writer);
        long most = last == null ? sender.records.size() : last.sequence();
        if (head.sequence() > most || head.sequence() < oracle.durable(writer)) {
          throw new Violation(
              head.sequence() > most ? SEALS : NOTHING_LOST,
              replica.index
                  + " holds writer "
                  + writer
                  + " up to "
                  + head
                  + ", durable is "
                  + oracle.durable(writer)
                  + ", sealed at "
                  + last);
        }
        ChainHead first = replicas.held(replicas.all().getFirst(), name, writer);
        if (!head.equals(first)) {
          throw new Violation(
              CONVERGENCE,
              "writer "
                  + writer
                  + " ends at "
                  + head
                  + " in one replica and at "
                  + first
                  + " in another");
        }
        for (long at = 1; at <= head.sequence(); at++) {
          byte[] bytes = replicas.stored(replica, name, writer, at);
          byte[] written = sender.records.get((int) at - 1).bytes();
          if (!Arrays.equals(bytes, written) && !isReleased(writer, at)) {
            throw new Violation(CHAINS, replica.index + ": writer " + writer + " sequence " + at);
          }
        }
      }
    }
  }

  private boolean isReleased(long writer, long sequence) {
    return released.stream().anyMatch(r -> r.contains(writer, sequence));
  }

  private List<Sender> senders() {
    List<Sender> all = new ArrayList<>(writers);
    all.addAll(sealers);
    return all;
  }

  /** Whether all replicas hold the same of everything, for a loop that waits for that. */
  boolean isConverged() {
    try {
      checkConverged();
      return true;
    } catch (AssertionError | CapsuleException e) {
      return false;
    }
  }

  long durableRecords() {
    return oracle.durable().values().stream().mapToLong(Long::longValue).sum();
  }

  int seals() {
    return oracle.seals();
  }
}
