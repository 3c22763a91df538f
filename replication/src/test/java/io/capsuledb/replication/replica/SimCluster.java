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

  // States.
  private static final String FORK_SEALED = "state: writer with two chains sealed";
  private static final String FORK_OPEN = "state: writer with two chains, and a replica that joins";
  static final List<String> STATES =
      Stream.concat(SimReplicas.STATES.stream(), Stream.of(FORK_SEALED, FORK_OPEN)).toList();

  // Faults.
  private static final String FORGERY = "fault: forged record sent";
  private static final String FALSE_RELEASE = "fault: release that no CHECKPOINT names";
  private static final String FORK = "fault: writer with two chains";
  static final List<String> FAULTS =
      Stream.concat(SimReplicas.FAULTS.stream(), Stream.of(FORGERY, FALSE_RELEASE, FORK)).toList();

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
      boolean forgery,
      boolean equivocation) {
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
          random.nextInt(2) == 0,
          random.nextInt(3) == 0);
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
  final List<Equivocator> equivocators = new ArrayList<>();

  private final Map<Long, Sender> byWriter = new HashMap<>();
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
            coverage, Membership.initial(capsule.name, capsule.metadata), new Signed());
    replicas.start(oracle);
    for (int i = 0; i < 2 + random.nextInt(3); i++) {
      writers.add(new Writer(i % 3 == 2 ? Role.COMPACTOR : Role.WORKER));
    }
    writers.add(new Writer(Role.COMPACTOR));
    for (int i = 0; i < 2; i++) {
      Sealer sealer = new Sealer();
      sealers.add(sealer);
    }
    if (faults.equivocation()) {
      for (int i = 0; i <= random.nextInt(2); i++) {
        equivocators.add(new Equivocator());
      }
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

  /** What writers signed, which is more than a chain if they equivocate. */
  private final class Signed implements StatementOracle.Written {
    @Override
    public boolean isWritten(long writer, ChainHead head) {
      Sender sender = byWriter.get(writer);
      return sender != null && sender.isWritten(head);
    }

    @Override
    public boolean leadsTo(long writer, ChainHead record, ChainHead head) {
      Sender sender = byWriter.get(writer);
      return sender != null && sender.leadsTo(record, head);
    }

    @Override
    public List<ChainHead> placesOf(long writer, List<ChainHead> heads) {
      Sender sender = byWriter.get(writer);
      return sender == null ? heads : sender.placesOf(heads);
    }
  }

  private static ChainHead at(CapsuleRecord record) {
    return new ChainHead(record.header().sequence(), record.hash());
  }

  /** A chain that is sent to every replica until it is acknowledged. */
  abstract class Sender extends Client {
    final SampleCapsule.Chain chain;
    final List<CapsuleRecord> records = new ArrayList<>();

    /** All that its writer ever signed: one chain, unless it equivocates. */
    final List<List<CapsuleRecord>> branches = new ArrayList<>(List.of(records));

    final long[] acknowledged = new long[replicas.all().size()];
    long requests;

    Sender(Role role) {
      chain = capsule.chain(nextIndex++, role);
      byWriter.put(chain.writer(), this);
      add(chain.first());
      at(random.nextLong(TICK), this::tick);
    }

    final void add(CapsuleRecord record) {
      records.add(record);
    }

    private static boolean isOn(ChainHead head, List<CapsuleRecord> branch) {
      return head.sequence() == 0
          || (head.sequence() <= branch.size()
              && branch.get((int) head.sequence() - 1).hash().equals(head.hash()));
    }

    final boolean isWritten(ChainHead head) {
      return branches.stream().anyMatch(branch -> isOn(head, branch));
    }

    /** Whether a record is on the chain that ends with a head. */
    final boolean leadsTo(ChainHead record, ChainHead head) {
      return record.sequence() <= head.sequence()
          && branches.stream().anyMatch(branch -> isOn(head, branch) && isOn(record, branch));
    }

    /** The chain that ends with a head. */
    final List<CapsuleRecord> chainOf(ChainHead head) {
      return branches.stream()
          .filter(branch -> isOn(head, branch))
          .findFirst()
          .orElseThrow()
          .subList(0, (int) head.sequence());
    }

    /** Heads, and the last records before their chains part. */
    final List<ChainHead> placesOf(List<ChainHead> heads) {
      List<ChainHead> places = new ArrayList<>(heads);
      for (int i = 0; branches.size() > 1 && i < heads.size(); i++) {
        for (int j = 0; j < i; j++) {
          places.add(common(heads.get(i), heads.get(j)));
        }
      }
      places.removeIf(place -> place.sequence() == 0);
      return places;
    }

    private ChainHead common(ChainHead one, ChainHead other) {
      List<CapsuleRecord> a = chainOf(one);
      List<CapsuleRecord> b = chainOf(other);
      int same = 0;
      while (same < a.size() && same < b.size() && a.get(same).hash().equals(b.get(same).hash())) {
        same++;
      }
      return same == 0 ? ChainHead.NONE : at(a.get(same - 1));
    }

    /** What is sent to a replica. */
    List<CapsuleRecord> recordsFor(SimReplicas.Replica replica) {
      return records;
    }

    private void tick() {
      act();
      for (SimReplicas.Replica replica : replicas.all()) {
        List<CapsuleRecord> records = recordsFor(replica);
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
          case INVALID, EQUIVOCATION -> {
            if (branches.size() == 1) {
              throw new AssertionError("refused: " + refused);
            }
          }
          case NOT_A_MEMBER, STALE_MEMBERSHIP, DENIED ->
              throw new AssertionError("refused: " + refused);
        }
      }
    }

    void refused(Message.Refused refused) {}
  }

  /** A writer that signs two records at one place, or more, and sends each to some. */
  final class Equivocator extends Sender {
    private final List<SampleCapsule.Chain> others = new ArrayList<>();
    private final int[] branchOf = new int[replicas.all().size()];
    private final int forkAt = 1 + random.nextInt(30);
    private final int most = 40 + random.nextInt(60);

    Equivocator() {
      super(Role.WORKER);
      for (int i = 0; i <= random.nextInt(2); i++) {
        SampleCapsule.Chain other = capsule.chain(chain.writer(), Role.WORKER);
        List<CapsuleRecord> same = new ArrayList<>(List.of(other.first()));
        if (!same.getFirst().hash().equals(records.getFirst().hash())) {
          throw new AssertionError("a chain that does not begin alike");
        }
        others.add(other);
        branches.add(same);
      }
      for (int i = 0; i < branchOf.length; i++) {
        branchOf[i] = random.nextInt(branches.size());
      }
    }

    @Override
    List<CapsuleRecord> recordsFor(SimReplicas.Replica replica) {
      ChainHead last = oracle.sealedAt(chain.writer());
      // Who sealed it has read what it proposed, and hands it on if whoever held it has lost it.
      return last == null ? branches.get(branchOf[replica.index]) : chainOf(last);
    }

    @Override
    void act() {
      if (calm) {
        return;
      }
      for (int i = random.nextInt(4); i > 0 && records.size() < most; i--) {
        byte[] payload = new byte[16 + random.nextInt(100)];
        boolean forks = records.size() >= forkAt;
        add(chain.next(RecordType.DATA, payload));
        for (int b = 0; b < others.size(); b++) {
          if (forks) {
            coverage.hit(FORK);
            if (random.nextInt(4) == 0) {
              // One branch is longer than the other.
              continue;
            }
            payload = payload.clone();
            payload[0] = (byte) (b + 1);
          }
          branches.get(b + 1).add(others.get(b).next(RecordType.DATA, payload));
        }
      }
      if (random.nextInt(50) == 0) {
        // It tells somebody the other thing.
        int which = random.nextInt(branchOf.length);
        branchOf[which] = random.nextInt(branches.size());
        acknowledged[which] = 0;
      }
    }
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
      int next =
          (int) oracle.holds(victim.key(), sender.chain.writer()).sequence() + random.nextInt(2);
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

    /** Whom to seal next: in the end, when nothing keeps anybody from it, those that equivocate. */
    private @Nullable Sender victim() {
      if (calm) {
        return equivocators.stream()
            .filter(one -> oracle.sealedAt(one.chain.writer()) == null)
            .findFirst()
            .orElse(null);
      }
      if (random.nextInt(40) > 0) {
        return null;
      }
      List<Sender> all = new ArrayList<>(equivocators);
      if (faults.seals) {
        all.addAll(writers);
      }
      return all.isEmpty() ? null : all.get(random.nextInt(all.size()));
    }

    Sealer() {
      super(Role.LEADER);
    }

    private Ballot ballot() {
      return new Ballot(term, chain.writer());
    }

    @Override
    void act() {
      boolean stuck = random.nextInt(20) == 0;
      if (target == 0 || stuck) {
        if (target == 0) {
          Sender writer = victim();
          if (writer == null || (writer.durableUpTo() == 0 && writer instanceof Writer)) {
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
            if (value == null) {
              // Two branches may each be durable: those who have not answered know.
              return;
            }
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

    private @Nullable ChainHead value() {
      Ballot highest = Ballot.NONE;
      ChainHead value = ChainHead.NONE;
      for (SealState answer : answers.values()) {
        if (answer.accepted().compareTo(highest) > 0) {
          highest = answer.accepted();
          value = answer.last();
        }
      }
      return highest.equals(Ballot.NONE) ? longest() : value;
    }

    /**
     * The longest head that has all that may be durable on its chain; null if two branches may be.
     */
    private @Nullable ChainHead longest() {
      Sender of = byWriter.get(target);
      List<ChainHead> heads = answers.values().stream().map(SealState::head).toList();
      List<ChainHead> kept = new ArrayList<>();
      for (ChainHead place : of.placesOf(heads)) {
        long holders = heads.stream().filter(head -> of.leadsTo(place, head)).count();
        if (holders + replicas.all().size() - answers.size() >= quorum) {
          kept.add(place);
        }
      }
      ChainHead longest = null;
      for (ChainHead head : heads) {
        if ((longest == null || head.sequence() > longest.sequence())
            && kept.stream().allMatch(place -> of.leadsTo(place, head))) {
          longest = head;
        }
      }
      return longest;
    }

    private void complete(ChainHead last) {
      note(last.sequence());
      oracle.sealed(target, last);
      if (byWriter.get(target) instanceof Equivocator) {
        coverage.hit(FORK_SEALED);
      }
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
        boolean whole = last == null ? sender.isWritten(head) : sender.leadsTo(head, last);
        if (sender instanceof Equivocator && last == null) {
          throw new Violation(CONVERGENCE, "writer " + writer + " equivocates and is not sealed");
        }
        if (!whole || !sender.leadsTo(oracle.durableHead(writer), head)) {
          throw new Violation(
              whole ? NOTHING_LOST : SEALS,
              replica.index
                  + " holds writer "
                  + writer
                  + " up to "
                  + head
                  + ", durable is "
                  + oracle.durableHead(writer)
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
          byte[] written = sender.chainOf(head).get((int) at - 1).bytes();
          if (!Arrays.equals(bytes, written) && !isReleased(writer, at)) {
            throw new Violation(CHAINS, replica.index + ": writer " + writer + " sequence " + at);
          }
        }
      }
    }
  }

  /**
   * Whether a writer that equivocates cannot be sealed, because a replica has lost its disk, or is
   * new, and waits for the end of that seal: what its last word was of the branches nobody knows.
   * docs/consistency.md, Equivocation.
   */
  boolean isUndecidable() {
    boolean open =
        equivocators.stream().anyMatch(one -> oracle.sealedAt(one.chain.writer()) == null);
    boolean joining =
        replicas.all().stream()
            .map(replica -> replica.core().capsule(capsule.name))
            .anyMatch(held -> held == null || !held.canSpeak());
    if (open && joining) {
      coverage.hit(FORK_OPEN);
    }
    return open && joining;
  }

  private boolean isReleased(long writer, long sequence) {
    return released.stream().anyMatch(r -> r.contains(writer, sequence));
  }

  private List<Sender> senders() {
    List<Sender> all = new ArrayList<>(writers);
    all.addAll(sealers);
    all.addAll(equivocators);
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
    return oracle.durable().values().stream().mapToLong(ChainHead::sequence).sum();
  }

  int seals() {
    return oracle.seals();
  }
}
