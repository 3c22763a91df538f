package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.core.sim.WorkBudget;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Durability;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.MessageCodec;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Replicas, writers and sealers under one seeded scheduler with virtual time: the real {@link
 * ReplicaCore}s over simulated disks and a network that loses, delays, repeats and reorders.
 *
 * <p>Writers and sealers are small and stubborn: they send what is not acknowledged again and
 * again. An oracle sees every statement at the moment it is sent and knows from that alone what is
 * durable; what it checks after every event is written at {@link #check}.
 */
final class SimCluster {

  private static final long MS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final long TICK = 50 * MS;

  // Properties, as docs/testbed.md names them.
  private static final String CONVERGENCE = "convergence";
  private static final String NOTHING_LOST = "no acknowledged write lost";
  private static final String NOT_FORGED = "no forged or foreign value";
  private static final String SEALS = "seal safety";
  private static final String CHAINS = "chain integrity";
  private static final String NO_CONTRADICTION = "a replica never contradicts itself";
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
  private static final String OPEN = "state: chain stated, open or promised";
  private static final String SEALED = "state: chain stated, sealed";
  private static final String DAMAGED = "state: replica with a damaged record";
  private static final String RESTARTED = "state: replica started again";
  private static final String FORK_SEALED = "state: writer with two chains sealed";
  private static final String FORK_OPEN = "state: writer with two chains, and a replica that joins";
  static final List<String> STATES =
      List.of(OPEN, SEALED, DAMAGED, RESTARTED, FORK_SEALED, FORK_OPEN);

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
  private static final String FORGERY = "fault: forged record sent";
  private static final String FALSE_RELEASE = "fault: release that no CHECKPOINT names";
  private static final String FORK = "fault: writer with two chains";
  static final List<String> FAULTS =
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
          COMMIT_FAILED,
          FORGERY,
          FALSE_RELEASE,
          FORK);

  /** How many promises to sealers there are for each disk that is lost just after one. */
  private static final int PROMISES_PER_LOSS = 6;

  private static final int MOST_LOST_AFTER_PROMISE = 3;

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
  }

  private record Event(long at, long order, Runnable action) implements Comparable<Event> {
    @Override
    public int compareTo(Event other) {
      int byTime = Long.compare(at, other.at);
      return byTime != 0 ? byTime : Long.compare(order, other.order);
    }
  }

  final SplittableRandom random;
  final Faults faults;
  final Coverage coverage = new Coverage();
  final int quorum;
  final SampleCapsule capsule;
  final Membership membership;
  final List<Replica> replicas = new ArrayList<>();
  final List<Writer> writers = new ArrayList<>();
  final List<Sealer> sealers = new ArrayList<>();
  final List<Equivocator> equivocators = new ArrayList<>();
  private final Map<Long, Sender> byWriter = new HashMap<>();

  private final PriorityQueue<Event> events = new PriorityQueue<>();
  private final WorkBudget budget = new WorkBudget(MAX_EVENTS, MAX_PENDING);
  private long order;
  private long now = 1;
  private long trace = 1;
  private boolean calm;
  private long nextIndex = 1000;
  private long heard;
  private int lostAfterPromise;

  // The oracle.
  private final Map<Long, Map<PublicKey, Statement.Entry>> stated = new HashMap<>();
  private final Map<Long, ChainHead> durable = new HashMap<>();
  private final Map<Long, Map<Ballot, Set<PublicKey>>> acceptances = new HashMap<>();
  private final Map<Long, ChainHead> sealedAt = new HashMap<>();
  private final Set<Checkpoint.Range> released = new HashSet<>();

  SimCluster(long seed, int size) {
    this(seed, size, Map.of());
  }

  /** With some knobs set instead of drawn. */
  SimCluster(long seed, int size, Map<String, String> given) {
    this.random = new SplittableRandom(seed);
    this.faults = Knobs.with(Faults.of(random), given);
    this.quorum = size / 2 + 1;
    List<PublicKey> keys = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      Replica replica = new Replica(i);
      replicas.add(replica);
      keys.add(replica.identity.key());
    }
    capsule = new SampleCapsule(seed, keys, quorum);
    membership = Membership.initial(capsule.name, capsule.metadata);
    replicas.forEach(Replica::start);
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

  // ------------------------------------------------------------------ time

  private void at(long delay, Runnable action) {
    events.add(new Event(now + delay, order++, action));
  }

  /** Runs until a time, with faults or without. */
  void run(long untilMs, boolean withFaults) {
    calm = !withFaults;
    while (!events.isEmpty() && events.peek().at <= untilMs * MS) {
      Event next = events.poll();
      now = next.at;
      budget.spend(events.size());
      next.action.run();
      check();
    }
  }

  long nowMs() {
    return now / MS;
  }

  long trace() {
    return trace;
  }

  private void note(long what) {
    trace = trace * 31 + what + now;
  }

  // ------------------------------------------------------------------ network

  private interface Receiver {
    void receive(int from, Message message);
  }

  private void deliver(int from, int to, Message message, Receiver receiver) {
    byte[] bytes = MessageCodec.encode(message);
    note(Arrays.hashCode(bytes));
    boolean cut =
        (from < replicas.size() && replicas.get(from).cutOff)
            || (to < replicas.size() && to >= 0 && replicas.get(to).cutOff);
    coverage.hit(message.getClass());
    if (!calm && (cut || random.nextDouble() < faults.lose)) {
      coverage.hit(LOST);
      return;
    }
    int copies = !calm && random.nextDouble() < faults.repeat ? 2 : 1;
    if (copies > 1) {
      coverage.hit(REPEATED);
    }
    for (int i = 0; i < copies; i++) {
      at(
          1 + random.nextLong(calm ? MS : faults.maxDelayMs * MS),
          () -> receiver.receive(from, MessageCodec.decode(bytes).orThrow()));
    }
  }

  // ------------------------------------------------------------------ replicas

  /** Links are numbered by who is at the other end: replica i is i + 1, client j is 100 + j. */
  final class Replica implements ReplicaOutbox {
    final int index;
    final ReplicaIdentity identity;
    final SimReplicaDisk disk;
    SimReplicaLog log;
    ReplicaCore core;
    ReplicaReader reader;
    boolean running;
    boolean cutOff;
    int life;
    final ArrayDeque<SignedStatement> said = new ArrayDeque<>();

    Replica(int index) {
      this.index = index;
      byte[] key = new byte[32];
      new SimEntropy(random.nextLong()).fill(key);
      key[0] &= 0x7f;
      this.identity = new ReplicaIdentity(SampleCapsule.CURVE, SecretBytes.own(key));
      this.disk = new SimReplicaDisk(random.nextLong());
    }

    void start() {
      if (life > 0) {
        coverage.hit(RESTARTED);
      }
      life++;
      log = disk.open();
      running = true;
      core =
          new ReplicaCore(
              ReplicaOptions.builder().gossipMs(100).pullTimeoutMs(1000).build(),
              identity,
              SampleCapsule.CURVE,
              log,
              this,
              Telemetry.NONE,
              random.nextLong());
      reader = new ReplicaReader(log, core::damaged);
      for (Replica other : replicas) {
        if (other != this && other.running) {
          core.up(other.index + 1, other.identity.key());
          other.core.up(index + 1, identity.key());
        }
      }
      for (int client = 100; client < 100 + 64; client++) {
        core.up(client, identity.key());
      }
      int born = life;
      at(random.nextLong(TICK), () -> tick(born));
      core.endStep();
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

    private void tick(int born) {
      if (born != life || !running) {
        return;
      }
      if (core.failure() != null) {
        stop();
        at(TICK, this::startIfDown);
        return;
      }
      step(
          () -> {
            for (SimReplicaDisk.Place place : disk.damaged()) {
              coverage.hit(DAMAGED);
              core.damaged(place.capsule(), place.writer(), place.sequence());
            }
            core.tick(now);
          });
      at(TICK, () -> tick(born));
    }

    /** As the shell does it: a replica whose disk fails under it is started again. */
    private void step(Runnable input) {
      try {
        input.run();
        core.endStep();
      } catch (StorageException dead) {
        stop();
        at(TICK, this::startIfDown);
      }
    }

    void startIfDown() {
      if (!running) {
        start();
      }
    }

    void receive(int from, Message message) {
      if (running) {
        step(() -> core.receive(now, from < replicas.size() ? from + 1 : from, message));
      }
    }

    @Override
    public void send(long link, Message message) {
      if (message instanceof Message.Held held) {
        heard(held.statement());
      } else if (message instanceof Message.Frontier frontier) {
        heard(frontier.statement());
      } else if (message instanceof Message.Sealed sealed) {
        heard(sealed.statement());
        if (faults.loseDisks
            && !calm
            && lostAfterPromise < MOST_LOST_AFTER_PROMISE
            && random.nextInt(PROMISES_PER_LOSS) == 0) {
          at(random.nextLong(20 * MS), this::loseDiskIfItMay);
        }
      }
      if (link >= 100) {
        int client = (int) link;
        Client to = client(client);
        deliver(index, -1, message, (from, m) -> to.receive(this, m));
      } else {
        Replica to = replicas.get((int) link - 1);
        deliver(index, to.index, message, to::receive);
      }
    }

    /** The oracle hears everything that is stated. */
    private void heard(SignedStatement statement) {
      // Each is verified by somebody in a real cluster; here some are, to save time.
      if (++heard % 16 == 0 && !StatementCodec.verify(statement, SampleCapsule.CURVE)) {
        throw new Violation(NOT_FORGED, "a statement that does not verify: ", statement);
      }
      coverage.hit(NO_CONTRADICTION);
      for (SignedStatement before : said) {
        if (ContradictionProof.of(before, statement, SampleCapsule.CURVE) != null) {
          throw new Violation(
              NO_CONTRADICTION,
              "an honest replica contradicts itself:\n" + before + "\n" + statement);
        }
      }
      statement.statement().entries().forEach(this::checkAcceptance);
      said.add(statement);
      if (said.size() > 12) {
        said.remove();
      }
      for (Statement.Entry entry : statement.statement().entries()) {
        ChainHead head = entry.head();
        coverage.checked(
            NOT_FORGED,
            byWriter.get(entry.writer()).isWritten(head),
            "a head that nobody wrote: ",
            entry);
        coverage.hit(entry.seal().accepted().equals(Ballot.NONE) ? OPEN : SEALED);
        Map<PublicKey, Statement.Entry> entries =
            stated.computeIfAbsent(entry.writer(), w -> new HashMap<>());
        entries.put(identity.key(), entry);
        count(entry.writer(), entries);
      }
    }

    /** What is accepted against a promise was learned: a quorum of others has said it. */
    private void checkAcceptance(Statement.Entry entry) {
      Ballot accepted = entry.seal().accepted();
      if (accepted.equals(Ballot.NONE)) {
        return;
      }
      Set<PublicKey> others =
          acceptances
              .computeIfAbsent(entry.writer(), w -> new HashMap<>())
              .computeIfAbsent(accepted, b -> new HashSet<>());
      for (SignedStatement before : said) {
        Statement.Entry was = before.statement().entry(entry.writer());
        if (was != null
            && was.seal().accepted().compareTo(accepted) < 0
            && was.seal().promised().compareTo(accepted) > 0) {
          coverage.checked(
              SEALS,
              others.stream().filter(key -> !key.equals(identity.key())).count() >= quorum,
              "accepted ",
              accepted,
              " after it promised to ",
              was.seal().promised(),
              ", and no quorum says it did");
        }
      }
      others.add(identity.key());
    }

    @Override
    public void commit(ReplicaLog.Batch batch) {
      int born = life;
      at(
          1 + random.nextLong(calm ? MS : faults.maxCommitMs * MS),
          () -> {
            if (born != life || !running) {
              return;
            }
            CapsuleException failed = null;
            try {
              log.commit(batch);
            } catch (CapsuleException e) {
              failed = e;
              coverage.hit(COMMIT_FAILED);
            }
            note(batch.size());
            CapsuleException outcome = failed;
            step(() -> core.committed(outcome));
          });
    }

    @Override
    public void answer(long link, Message.Request read) {
      send(link, reader.answer(read));
    }

    /** A promise is lost when nobody else needs to have heard of it yet. */
    private void loseDiskIfItMay() {
      if (running && replicas.stream().allMatch(r -> r.running) && othersHoldAll(this)) {
        lostAfterPromise++;
        stop();
        loseDisk();
        at(random.nextLong(100 * MS), this::startIfDown);
      }
    }

    private void loseDisk() {
      coverage.hit(WIPED);
      disk.wipe();
      stated.values().forEach(entries -> entries.remove(identity.key()));
      said.clear();
    }
  }

  // ------------------------------------------------------------------ clients

  abstract class Client {
    final int link = 100 + clients.size();

    Client() {
      clients.add(this);
    }

    final void ask(Replica replica, Message message) {
      deliver(link, replica.index, message, replica::receive);
    }

    abstract void receive(Replica from, Message message);
  }

  private final List<Client> clients = new ArrayList<>();

  private Client client(int link) {
    return clients.get(link - 100);
  }

  /** The oracle finds out what is durable: what it finds once stays so. */
  private void count(long writer, Map<PublicKey, Statement.Entry> entries) {
    Sender sender = byWriter.get(writer);
    List<ChainHead> heads = entries.values().stream().map(Statement.Entry::head).toList();
    for (ChainHead candidate : sender.placesOf(heads)) {
      Map<PublicKey, Statement.Entry> holders = new HashMap<>();
      entries.forEach(
          (replica, entry) -> {
            if (sender.leadsTo(candidate, entry.head())) {
              holders.put(replica, entry);
            }
          });
      ChainHead before = durable.getOrDefault(writer, ChainHead.NONE);
      if (!sender.leadsTo(candidate, before)
          && Durability.isDurable(membership, holders, candidate.sequence())) {
        coverage.checked(
            SEALS,
            sender.leadsTo(before, candidate),
            "two branches of writer ",
            writer,
            " are durable: ",
            before,
            " and ",
            candidate);
        durable.put(writer, candidate);
      }
    }
  }

  private ChainHead durableOf(long writer) {
    return durable.getOrDefault(writer, ChainHead.NONE);
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

    final long[] acknowledged = new long[replicas.size()];
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
    List<CapsuleRecord> recordsFor(Replica replica) {
      return records;
    }

    private void tick() {
      act();
      for (Replica replica : replicas) {
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
      return durableOf(chain.writer()).sequence();
    }

    @Override
    void receive(Replica from, Message message) {
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
    private final int[] branchOf = new int[replicas.size()];
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
    List<CapsuleRecord> recordsFor(Replica replica) {
      return branches.get(branchOf[replica.index]);
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
                Replica any = replicas.get(random.nextInt(replicas.size()));
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
    void receive(Replica from, Message message) {
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
      Replica victim = replicas.get(random.nextInt(replicas.size()));
      List<Sender> all = senders();
      Sender sender = all.get(random.nextInt(all.size()));
      int next = (int) holds(victim, sender.chain.writer()).sequence() + random.nextInt(2);
      if (next < sender.records.size()) {
        coverage.hit(FORGERY);
        Blob forged = Blob.of(forge(sender.records.get(next)));
        ask(victim, new Message.Append(++requests, capsule.name, List.of(forged)));
      }
      at(TICK + random.nextLong(TICK), this::tick);
    }

    @Override
    void receive(Replica from, Message message) {
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
            .filter(one -> !sealedAt.containsKey(one.chain.writer()))
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
        for (Replica replica : replicas) {
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
    void receive(Replica from, Message message) {
      super.receive(from, message);
      if (message instanceof Message.Sealed sealed && target != 0) {
        Statement.Entry entry = sealed.statement().statement().entry(target);
        if (entry == null
            || !entry.seal().promised().equals(ballot())
            || sealed.statement().statement().incarnation() != from.log.recovered().incarnation()) {
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
        if (holders + replicas.size() - answers.size() >= quorum) {
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
      ChainHead before = sealedAt.putIfAbsent(target, last);
      coverage.checked(
          SEALS,
          before == null || before.equals(last),
          "writer ",
          target,
          " is sealed at ",
          before,
          " and at ",
          last);
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
    at(random.nextLong(500 * MS), this::nemesis);
  }

  private void nemesis() {
    if (calm) {
      return;
    }
    Replica victim = replicas.get(random.nextInt(replicas.size()));
    long down = replicas.stream().filter(r -> !r.running).count();
    switch (random.nextInt(6)) {
      case 0 -> {
        if (faults.crashes && victim.running) {
          coverage.hit(CRASH);
          victim.stop();
          at(random.nextLong(3000 * MS), victim::startIfDown);
        }
      }
      case 1 -> {
        if (faults.loseDisks && down == 0 && othersHoldAll(victim)) {
          victim.stop();
          victim.loseDisk();
          at(random.nextLong(1000 * MS), victim::startIfDown);
        }
      }
      case 2 -> {
        if (faults.rot && victim.running && othersHoldAll(victim)) {
          List<SimReplicaDisk.Place> places = victim.disk.places();
          if (!places.isEmpty()) {
            int which = random.nextInt(places.size());
            if (random.nextInt(3) == 0 && hasNext(places, which)) {
              coverage.hit(RECORD_LOST);
              victim.disk.lose(places.get(which));
            } else {
              coverage.hit(ROT);
              victim.disk.flipByte(places.get(which), random.nextInt(100));
            }
          }
        }
      }
      case 3 -> {
        if (faults.partitions) {
          coverage.hit(CUT);
          victim.cutOff = true;
          at(random.nextLong(2000 * MS), () -> victim.cutOff = false);
        }
      }
      case 4 -> {
        if (faults.full) {
          coverage.hit(FULL);
          victim.disk.capacityBytes(random.nextLong(20_000));
          at(random.nextLong(2000 * MS), () -> victim.disk.capacityBytes(Long.MAX_VALUE));
        }
      }
      default -> {
        if (faults.crashes && victim.running) {
          SimReplicaDisk.Fault fault = COMMIT_FAULTS.get(random.nextInt(COMMIT_FAULTS.size()));
          coverage.hit(
              switch (fault) {
                case POWER_CUT_BEFORE, POWER_CUT_AFTER -> POWER_CUT;
                case ERROR_BEFORE, ERROR_AFTER -> IO_ERROR;
                case OUT_OF_SPACE -> SPACE;
              });
          victim.disk.onNextCommit(fault);
        }
      }
    }
    at(random.nextLong(800 * MS), this::nemesis);
  }

  private static final List<SimReplicaDisk.Fault> COMMIT_FAULTS =
      List.of(SimReplicaDisk.Fault.values());

  /** Whether a record is not the newest of its chain, without which a disk cannot be opened. */
  private static boolean hasNext(List<SimReplicaDisk.Place> places, int which) {
    return which + 1 < places.size()
        && places.get(which + 1).capsule().equals(places.get(which).capsule())
        && places.get(which + 1).writer() == places.get(which).writer();
  }

  private ChainHead holds(Replica replica, long writer) {
    Statement.Entry entry = stated.getOrDefault(writer, Map.of()).get(replica.identity.key());
    return entry == null ? ChainHead.NONE : entry.head();
  }

  /** Whether everything durable is on a quorum of the other disks: one more may go wrong. */
  private boolean othersHoldAll(Replica victim) {
    for (Map.Entry<Long, ChainHead> head : durable.entrySet()) {
      int holders = 0;
      for (Replica other : replicas) {
        if (other != victim
            && other.disk.damaged().isEmpty()
            && byWriter.get(head.getKey()).leadsTo(head.getValue(), holds(other, head.getKey()))) {
          holders++;
        }
      }
      if (holders < quorum) {
        return false;
      }
    }
    return true;
  }

  /** Ends all faults and starts what is down. */
  void heal() {
    calm = true;
    for (Replica replica : replicas) {
      replica.cutOff = false;
      replica.disk.capacityBytes(Long.MAX_VALUE);
      replica.startIfDown();
    }
  }

  // ------------------------------------------------------------------ checks

  /**
   * What holds after every event: nothing beyond a final head is durable, and nothing that is
   * durable is beyond it; a writer is sealed at one head only (checked when it is), a replica never
   * contradicts itself and never names a head nobody wrote (checked when it speaks).
   */
  private void check() {
    sealedAt.forEach(
        (writer, last) -> {
          if (!byWriter.get(writer).leadsTo(durableOf(writer), last)) {
            throw new Violation(
                SEALS,
                "writer ",
                writer,
                " is sealed at ",
                last,
                " and durable up to ",
                durable.get(writer));
          }
        });
  }

  /** What holds at the end: all replicas hold the same, and all that was ever durable. */
  void checkConverged() {
    PROPERTIES.forEach(coverage::hit);
    CapsuleName name = capsule.name;
    for (Replica replica : replicas) {
      ReplicaCore core = replica.core;
      if (!replica.disk.damaged().isEmpty()) {
        throw new Violation(CONVERGENCE, core + " is damaged: " + replica.disk.damaged());
      }
      HeldCapsule held = core.capsule(name);
      if (held == null || !held.canSpeak()) {
        throw new Violation(CONVERGENCE, core + " has not joined");
      }
      for (Sender sender : senders()) {
        long writer = sender.chain.writer();
        HeldChain chain = held == null ? null : held.chain(writer);
        ChainHead head = chain == null ? ChainHead.NONE : held.held(chain);
        ChainHead last = sealedAt.get(writer);
        boolean whole = last == null ? sender.isWritten(head) : sender.leadsTo(head, last);
        if (sender instanceof Equivocator && last == null) {
          throw new Violation(CONVERGENCE, "writer " + writer + " equivocates and is not sealed");
        }
        if (!whole || !sender.leadsTo(durableOf(writer), head)) {
          throw new Violation(
              whole ? NOTHING_LOST : SEALS,
              core
                  + " holds writer "
                  + writer
                  + " up to "
                  + head
                  + ", durable is "
                  + durable.get(writer)
                  + ", sealed at "
                  + last);
        }
        ChainHead first =
            replicas
                .getFirst()
                .core
                .capsule(name)
                .held(replicas.getFirst().core.capsule(name).chain(writer));
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
          byte[] bytes = replica.log.read(name, writer, at);
          byte[] written = sender.chainOf(head).get((int) at - 1).bytes();
          if (!Arrays.equals(bytes, written) && !isReleased(writer, at)) {
            throw new Violation(CHAINS, core + ": writer " + writer + " sequence " + at);
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
    boolean open = equivocators.stream().anyMatch(one -> !sealedAt.containsKey(one.chain.writer()));
    boolean joining =
        replicas.stream()
            .map(replica -> replica.core.capsule(capsule.name))
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

  long events() {
    return budget.events();
  }

  long durableRecords() {
    return durable.values().stream().mapToLong(ChainHead::sequence).sum();
  }

  int seals() {
    return sealedAt.size();
  }
}
