package io.capsuledb.scl.sim;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SimRun;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.core.sim.WorkBudget;
import io.capsuledb.engine.merge.MergeOperator;
import io.capsuledb.scl.epoch.CoordinatorCore;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.session.SessionToken;
import io.capsuledb.scl.worker.WorkerCore;
import io.capsuledb.scl.worker.WorkerInput;
import io.capsuledb.scl.worker.WorkerOutput;
import io.capsuledb.scl.worker.WorkerStart;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Workers, replicas and what is between them under one seeded scheduler with virtual time: the real
 * {@link WorkerCore}s with real records, over {@link SimStore}, {@link SimEngine} and a multicast
 * that loses, delays, repeats and reorders. What is checked is written at {@link #checkLocks},
 * {@link #checkEstablished}, {@link SimEngine} and {@link #checkAtEnd}.
 */
class SclSim extends SimRun {

  // Properties, as docs/testbed.md names them.
  static final String CONVERGENCE = "convergence";
  static final String NOTHING_LOST = "no acknowledged write lost";
  static final String NOT_FORGED = "no forged or foreign value";
  static final String READ_YOUR_WRITES = "read-your-writes";
  static final String MONOTONIC_READS = "monotonic reads";
  static final String MONOTONIC_WRITES = "monotonic writes";
  static final String WRITES_FOLLOW_READS = "writes-follow-reads";
  static final String CAUSAL = "causal order";
  static final String SYNC_AGREEMENT = "SYNC agreement";
  static final String ONE_SYNC = "one durable SYNC per epoch";
  static final String SEALS = "seal safety";
  static final String LOCKS = "lock exclusion";
  static final String SERIALIZABLE = "strict serializability";
  static final String SNAPSHOTS = "snapshot consistency";
  static final String CHAINS = "chain integrity";
  static final String ONLY_DURABLE = "only what is durable is merged";
  static final String ONE_COORDINATOR = "one coordinator";
  static final String MERGES = "each merged operand counts once";
  static final String LIVENESS = "liveness after healing";
  static final List<String> PROPERTIES =
      List.of(
          CONVERGENCE,
          NOTHING_LOST,
          NOT_FORGED,
          READ_YOUR_WRITES,
          MONOTONIC_READS,
          MONOTONIC_WRITES,
          WRITES_FOLLOW_READS,
          CAUSAL,
          SYNC_AGREEMENT,
          ONE_SYNC,
          SEALS,
          LOCKS,
          SERIALIZABLE,
          SNAPSHOTS,
          CHAINS,
          ONLY_DURABLE,
          ONE_COORDINATOR,
          MERGES,
          LIVENESS,
          WorkBudget.PROPERTY);

  // Faults.
  private static final String LOST_FRAME = "fault: frame lost";
  private static final String LATE_FRAME = "fault: frame repeated";
  private static final String LOST_QUESTION = "fault: question to a replica lost";
  private static final String FORGERY = "fault: forged record pulled";
  private static final String WITHHELD = "fault: record withheld by a replica";
  private static final String SHUFFLED = "fault: other records pulled than asked for";
  private static final String CRASH = "fault: worker crashed";
  private static final String BLACKOUT = "fault: all workers crashed at once";
  private static final String PAUSE = "fault: worker stood still";
  private static final String CUT = "fault: worker cut off";
  private static final String SPLIT = "fault: workers split";
  private static final String CONSPIRACY = "fault: coordinator apart with a friend";
  private static final String REPLICA_DOWN = "fault: replica down";
  private static final String NO_QUORUM = "fault: no quorum of replicas";
  private static final String LEAVE = "fault: worker left";
  private static final String SKEW = "fault: clocks of different rates";
  private static final String CLOCK_JUMP = "fault: clock jumped over a restart";
  static final List<String> FAULTS =
      List.of(
          LOST_FRAME,
          LATE_FRAME,
          LOST_QUESTION,
          FORGERY,
          WITHHELD,
          SHUFFLED,
          CRASH,
          BLACKOUT,
          PAUSE,
          CUT,
          SPLIT,
          CONSPIRACY,
          REPLICA_DOWN,
          NO_QUORUM,
          LEAVE,
          SKEW,
          CLOCK_JUMP);

  // A run has some ten thousand events, and hundreds that wait.
  private static final long MAX_EVENTS = 3_000_000;
  private static final int MAX_PENDING = 100_000;

  /** Most steps of one worker that follow from each other without any time passing. */
  private static final int MAX_STEPS_AT_ONCE = 10_000;

  /** A monotonic clock begins anywhere. */
  private static final long MAX_CLOCK_OFFSET = 1L << 39;

  static final int LIST_KEYS = 5;
  private static final int BLIND_KEYS = 12;
  private static final long LOCK_PATIENCE_MS = 400;

  /** What goes wrong, and how often: drawn from the seed. */
  record Faults(
      int slots,
      int replicas,
      double lose,
      double repeat,
      int maxDelayMs,
      int storeDelayMs,
      boolean crashes,
      boolean pauses,
      boolean partitions,
      boolean replicaCrashes,
      boolean leaves,
      boolean skew,
      boolean forgery,
      boolean tightCuts,
      int pollMs,
      boolean silent,
      boolean idles,
      boolean fewCachedLocks,
      boolean fewParkedRecords,
      boolean liar) {

    static Faults of(SplittableRandom random) {
      int slots =
          random.nextInt(10) == 0
              ? 8 + random.nextInt(9)
              : random.nextInt(8) == 0 ? 1 : 2 + random.nextInt(4);
      return new Faults(
          slots,
          random.nextInt(3) == 0 ? 4 + random.nextInt(2) : 3,
          random.nextInt(3) == 0 ? 0 : random.nextDouble() * 0.3,
          random.nextInt(2) == 0 ? 0 : random.nextDouble() * 0.2,
          1 + random.nextInt(random.nextInt(4) == 0 ? 150 : 15),
          1 + random.nextInt(random.nextInt(4) == 0 ? 60 : 5),
          random.nextInt(3) > 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(2) == 0,
          random.nextInt(3) == 0,
          random.nextInt(3) == 0,
          random.nextInt(3) == 0 ? 60 : random.nextInt(3) == 0 ? 3_000 : 400,
          random.nextInt(4) == 0,
          true,
          random.nextInt(4) == 0,
          random.nextInt(4) == 0,
          random.nextInt(3) == 0);
    }
  }

  final Faults faults;
  final SimStore store;
  final SimRecords records = new SimRecords();
  final SimEngine.Contents contents = new SimEngine.Contents();
  final WorkerOptions options;
  final List<Slot> slots = new ArrayList<>();
  final Set<Long> usedWriters = new HashSet<>();

  private boolean workload = true;

  // What happened, for the checks.
  final List<ListAppendChecker.Txn> history = new ArrayList<>();
  private final Map<Long, Hash32> syncOfEpoch = new TreeMap<>();
  private final Map<Long, Sync> syncs = new TreeMap<>();
  private final Map<Long, Long> digestOfEpoch = new HashMap<>();
  private final Map<Long, Long> chainOfTerm = new HashMap<>();
  private final List<CapsuleRecord> acknowledged = new ArrayList<>();
  private int elements;
  long takeovers;
  long seals;
  long lates;
  long sessionChecks;
  long forcedSyncs;
  long lastSyncAt;
  long longestSyncGap;
  long longestTakeover;
  long longestWithoutLocks;
  long longestHandover;
  long lastCommitAt;
  long longestCommitGap;
  long lockFrames;
  long mergedOperands;

  SclSim(long seed, @Nullable Faults given) {
    super(seed, MAX_EVENTS, MAX_PENDING);
    Faults drawn = Faults.of(random);
    this.faults = given == null ? drawn : given;
    this.store = new SimStore(faults.replicas(), coverage);
    this.options =
        WorkerOptions.builder()
            .leaseMs(600)
            .epochMs(150)
            .epochDeadlineMs(800)
            .pollMs(faults.pollMs())
            .pullTimeoutMs(300)
            .recordOperations(4)
            .cutMargin(faults.tightCuts() ? 6 : 1 << 20)
            .maxCachedLocks(faults.fewCachedLocks() ? 1 : 64)
            .maxParkedRecords(faults.fewParkedRecords() ? 16 : 1 << 12)
            .build();
    for (int i = 0; i < faults.slots(); i++) {
      Slot slot = new Slot(i);
      slots.add(slot);
      at(random.nextLong(100 * MS), slot::start);
    }
    at(50 * MS, this::gossip);
  }

  // ------------------------------------------------------------------ time

  private long netDelay() {
    return 50_000 + random.nextLong(calm ? 2 * MS : faults.maxDelayMs() * MS);
  }

  private long storeDelay() {
    return 50_000 + random.nextLong(calm ? MS : faults.storeDelayMs() * MS);
  }

  private void gossip() {
    for (SimStore.Replica replica : store.replicas) {
      SimStore.Replica other = store.replicas.get(random.nextInt(store.replicas.size()));
      if (replica.up && other.up && other != replica) {
        replica.healFrom(other);
      }
    }
    at(50 * MS, this::gossip);
  }

  // ------------------------------------------------------------------ machines

  /** A machine with a clock, and the worker that runs on it at a time. */
  final class Slot {
    final int index;
    final double rate;
    long offset;
    long muteUntil;
    long deafUntil;
    long noStoreUntil;
    long apartUntil;
    long pausedUntil;
    private boolean crashed;
    @Nullable Node node;

    Slot(int index) {
      this.index = index;
      this.rate = faults.skew() ? 0.9 + random.nextDouble() * 0.2 : 1;
      if (faults.skew()) {
        coverage.hit(SKEW);
      }
      this.offset = clockOffset();
    }

    private long clockOffset() {
      return random.nextLong(2 * MAX_CLOCK_OFFSET) - MAX_CLOCK_OFFSET;
    }

    boolean isMute() {
      return now < muteUntil;
    }

    boolean isDeaf() {
      return now < deafUntil;
    }

    boolean hasNoStore() {
      return now < noStoreUntil;
    }

    /** Whether it hears only those that are apart as well. */
    boolean isApart() {
      return now < apartUntil;
    }

    long local() {
      return offset + (long) (now * rate);
    }

    void start() {
      if (node == null) {
        if (faults.skew() && crashed && random.nextInt(3) == 0) {
          // The machine was started again, and not the process only. A monotonic clock jumps at no
          // other time, and other clocks decide nothing.
          coverage.hit(CLOCK_JUMP);
          offset = clockOffset();
        }
        Node started = new Node(this);
        node = started;
        started.begin();
      }
    }

    void crash() {
      Node running = node;
      if (running != null) {
        coverage.hit(CRASH);
        running.die();
      }
      crashed = true;
      node = null;
    }
  }

  /** Keeps sending a chain's records to replicas until a quorum holds them. */
  final class Pusher {
    final Node node;
    final long writer;
    final List<CapsuleRecord> chain = new ArrayList<>();
    final Map<Integer, SimStore.Said> said = new TreeMap<>();
    long durable;
    boolean ended;
    private boolean timer;

    Pusher(Node node, long writer) {
      this.node = node;
      this.writer = writer;
    }

    ChainHead head() {
      return chain.isEmpty() ? ChainHead.NONE : new ChainHead(chain.size(), chain.getLast().hash());
    }

    /** Epochs never fall along a chain: the one that it is at. */
    final long epoch() {
      return chain.isEmpty() ? 0 : chain.getLast().header().epoch();
    }

    void append(CapsuleRecord record) {
      chain.add(record);
      push();
    }

    private void push() {
      for (SimStore.Replica replica : store.replicas) {
        SimStore.Said known = said.get(replica.index);
        int from = known == null ? 0 : (int) known.head().sequence();
        if (from >= chain.size()) {
          continue;
        }
        List<CapsuleRecord> piece =
            List.copyOf(chain.subList(from, Math.min(chain.size(), from + 64)));
        ask(node, replica, () -> replica.take(writer, piece), s -> answered(replica.index, s));
      }
      if (!timer) {
        timer = true;
        at(40 * MS, this::again);
      }
    }

    private void again() {
      timer = false;
      if (!ended && node.alive && durable < chain.size()) {
        push();
      }
    }

    private void answered(int replica, SimStore.Said answer) {
      if (ended) {
        return;
      }
      said.put(replica, answer);
      long known = Math.min(chain.size(), SimStore.durable(said.values(), store.quorum));
      if (known > durable) {
        List<CapsuleRecord> more = List.copyOf(chain.subList((int) durable, (int) known));
        durable = known;
        node.durable(this, more);
      }
      ChainHead last = SimStore.last(said.values(), store.quorum);
      if (last != null && !ended) {
        ended = true;
        node.ended(this);
      }
    }
  }

  /** A question to a replica and its answer, either of which may be lost. */
  private <T> void ask(
      Node node,
      SimStore.Replica replica,
      java.util.function.Supplier<T> question,
      java.util.function.Consumer<T> answer) {
    if (lostToStore(node)) {
      return;
    }
    at(
        storeDelay(),
        () -> {
          if (!replica.up) {
            return;
          }
          T value = question.get();
          if (lostToStore(node)) {
            return;
          }
          at(
              storeDelay(),
              () -> {
                if (node.alive && replica.up) {
                  node.whenAwake(() -> answer.accept(value));
                }
              });
        });
  }

  private boolean lostToStore(Node node) {
    if (!node.alive || node.slot.hasNoStore()) {
      return true;
    }
    if (!calm && chance(faults.lose() / 2)) {
      coverage.hit(LOST_QUESTION);
      return true;
    }
    return false;
  }

  /** A worker's process: the core, its engine, and the thinnest of shells. */
  final class Node {
    final Slot slot;
    final long writer;
    final WorkerCore core;
    final SimEngine engine;
    final Pusher own;
    @Nullable Pusher coordinator;
    boolean alive = true;
    boolean ready;
    boolean leaving;
    private final ArrayDeque<WorkerInput> inputs = new ArrayDeque<>();
    private boolean running;
    private long lastTicket;
    private final Map<Long, Runnable> granted = new HashMap<>();
    private final Map<Long, Runnable> denied = new HashMap<>();
    private final Map<Long, Runnable> reached = new HashMap<>();
    private final Map<Long, Runnable> atDurable = new LinkedHashMap<>();
    private final Map<Long, Runnable> synced = new HashMap<>();
    private final Map<Long, Long> forcedAfter = new HashMap<>();
    private final List<Runnable> atDeath = new ArrayList<>();
    private final List<SealOp> sealOps = new ArrayList<>();
    private long readTicket;
    private CoordinatorCore.Phase phase = CoordinatorCore.Phase.OFF;

    Node(Slot slot) {
      this.slot = slot;
      this.writer = freshWriter();
      this.engine = new SimEngine(records, contents, writer, coverage);
      this.core =
          new WorkerCore(
              writer, options, random.nextBoolean() ? replayed() : WorkerStart.EMPTY, records);
      this.own = new Pusher(this, writer);
    }

    /** What the engine has replayed when it opens. */
    private WorkerStart replayed() {
      List<CapsuleRecord> all = engine.replay(store.statedChains().values());
      Map<Long, WorkerStart.Start> chains = new TreeMap<>();
      CapsuleRecord newest = null;
      for (CapsuleRecord record : all) {
        long of = record.header().writer();
        RosterEntry entry =
            record.header().sequence() == 1
                ? records.introduced(record).orThrow()
                : Objects.requireNonNull(chains.get(of)).entry();
        chains.put(
            of,
            new WorkerStart.Start(
                entry,
                new ChainHead(record.header().sequence(), record.hash()),
                record.header().lamport()));
        if (record.header().type() == RecordType.SYNC
            && (newest == null || record.header().epoch() > newest.header().epoch())) {
          newest = record;
        }
      }
      List<CapsuleRecord> epochs = new ArrayList<>();
      long joined = 0;
      if (newest != null) {
        epochs.add(newest);
        joined = newest.header().epoch();
      }
      long after = joined;
      all.stream()
          .filter(r -> r.header().type() == RecordType.RTS && r.header().epoch() > after)
          .sorted(Comparator.comparingLong(r -> r.header().epoch()))
          .forEach(epochs::add);
      return new WorkerStart(List.copyOf(chains.values()), epochs);
    }

    void begin() {
      own.append(engine.introduce(Role.WORKER));
      tick();
    }

    private void tick() {
      if (!alive) {
        return;
      }
      whenAwake(() -> input(new WorkerInput.Tick(engine.clock, own.durable < own.chain.size())));
      at((long) (options.beatNanos() / (3 * slot.rate)), this::tick);
    }

    /** Runs something now, or when a pause of this process ends. */
    void whenAwake(Runnable action) {
      if (!alive) {
        return;
      }
      if (now < slot.pausedUntil) {
        at(slot.pausedUntil - now, () -> whenAwake(action));
      } else {
        action.run();
      }
    }

    void input(WorkerInput input) {
      inputs.add(input);
      if (running) {
        return;
      }
      running = true;
      int steps = 0;
      for (WorkerInput next = inputs.poll(); next != null && alive; next = inputs.poll()) {
        if (++steps > MAX_STEPS_AT_ONCE) {
          throw new Violation(
              WorkBudget.PROPERTY, "worker ", writer, " does not come to rest after ", next);
        }
        List<WorkerOutput> outputs = core.step(slot.local(), next);
        note(writer * 31 + outputs.size());
        coverage.hit(next.getClass());
        for (WorkerOutput output : outputs) {
          note(output.getClass().getName().hashCode());
          coverage.hit(output.getClass());
          carryOut(output);
          if (isCritical(output)) {
            criticalMoment(slot);
          }
        }
        if (core.coordinator().phase() != phase) {
          phase = core.coordinator().phase();
          coverage.hit(phase);
          if (Boolean.getBoolean("scl.log")) {
            System.out.println(
                now / MS
                    + " slot "
                    + slot.index
                    + " "
                    + phase
                    + " after "
                    + next.getClass()
                    + " chain "
                    + core.coordinator().chain());
          }
          if (phase == CoordinatorCore.Phase.ESTABLISHED) {
            takeovers++;
            checkEstablished(this);
          }
        }
        if (next instanceof WorkerInput.Received(long _, SclMessage message)
            && message instanceof SclMessage.Grant) {
          checkLocks(this);
        }
      }
      running = false;
    }

    private void carryOut(WorkerOutput output) {
      switch (output) {
        case WorkerOutput.Send(long receiver, SclMessage message) ->
            multicast(this, receiver, message);
        case WorkerOutput.Merge(List<CapsuleRecord> merged) ->
            merged.forEach(
                record -> {
                  checkDurable(record);
                  engine.merge(record);
                });
        case WorkerOutput.BeginCut(CapsuleRecord record, Rts rts, boolean _) -> {
          checkDurable(record);
          SimEngine.CutResult result = engine.beginCut(record, rts);
          if (result.eoe() != null) {
            own.append(result.eoe());
          }
          lates += result.late() ? 1 : 0;
          input(
              new WorkerInput.CutMade(
                  rts.epoch(),
                  result.idle()
                      ? WorkerInput.Cut.IDLE
                      : result.late() ? WorkerInput.Cut.LATE : WorkerInput.Cut.MADE,
                  engine.head,
                  engine.clock));
        }
        case WorkerOutput.Stable(CapsuleRecord record, Sync sync) -> {
          engine.stable(sync);
          Hash32 known = syncOfEpoch.putIfAbsent(sync.epoch(), record.hash());
          check(
              SYNC_AGREEMENT,
              known == null || known.equals(record.hash()),
              "two SYNCs of ",
              sync.epoch());
          syncs.putIfAbsent(sync.epoch(), sync);
          long digest = engine.digest(sync.cutTime());
          Long other = digestOfEpoch.putIfAbsent(sync.epoch(), digest);
          check(
              SNAPSHOTS,
              other == null || other == digest,
              "snapshots differ at SYNC ",
              sync.epoch());
        }
        case WorkerOutput.Ready() -> ready = true;
        case WorkerOutput.IntroduceCoordinator() -> {
          Pusher chain = new Pusher(this, freshWriter());
          coordinator = chain;
          input(new WorkerInput.CoordinatorIntroduced(chain.writer));
          chain.append(records.roster(chain.writer, Role.COORDINATOR, ++engine.clock));
        }
        case WorkerOutput.AppendRts(long chain, Rts rts, List<Hash32> parents) ->
            appendCoordinator(chain, RecordType.RTS, rts.epoch(), parents, RtsCodec.encode(rts));
        case WorkerOutput.AppendSync(long chain, Sync sync, List<Hash32> parents) ->
            appendCoordinator(
                chain, RecordType.SYNC, sync.epoch(), parents, SyncCodec.encode(sync));
        case WorkerOutput.SealWriter(long chain, long target, long term) -> {
          Pusher of = coordinator;
          if (of != null && of.writer == chain) {
            SealOp op = new SealOp(this, of, target, new Ballot(term, chain));
            sealOps.add(op);
            op.begin();
          }
        }
        case WorkerOutput.EndCoordinator(long chain) -> {
          Pusher of = coordinator;
          if (of != null && of.writer == chain) {
            of.ended = true;
            coordinator = null;
            sealOps.clear();
          }
        }
        case WorkerOutput.PullRange(long ticket, long chain, long from, long to) ->
            // More than was asked for may come: it need not be durable.
            pull(
                ticket,
                replica -> range(replica, chain, from, to + (random.nextInt(4) == 0 ? 8 : 0)));
        case WorkerOutput.PullHash(long ticket, Hash32 hash) ->
            pull(ticket, replica -> byHash(replica, hash));
        case WorkerOutput.Blame _ -> note(7);
        case WorkerOutput.ReadFrontier(long ticket) -> {
          readTicket = ticket;
          readFrontier(ticket, new TreeMap<>());
        }
        case WorkerOutput.Granted(long ticket) -> run(granted.remove(ticket));
        case WorkerOutput.Reached(long ticket) -> run(reached.remove(ticket));
        case WorkerOutput.Synced(long ticket, CapsuleRecord record, Sync sync) -> {
          forcedSyncs++;
          checkDurable(record);
          check(
              SNAPSHOTS,
              engine.stable >= sync.cutTime()
                  && forcedAfter.getOrDefault(ticket, 0L) <= sync.cutTime(),
              "a SYNC that was forced lacks what was there before");
          run(synced.remove(ticket));
        }
        case WorkerOutput.Denied(long ticket, var _) -> run(denied.remove(ticket));
        case WorkerOutput.Lease _, WorkerOutput.Compactor _ -> {
          // The core knows the one; nobody compacts here.
        }
        case WorkerOutput.Stopped(var _) -> {
          slot.crash();
          at(20 * MS, slot::start);
        }
      }
    }

    private void run(@Nullable Runnable action) {
      if (action != null) {
        action.run();
      }
    }

    private void appendCoordinator(
        long chain, RecordType type, long epoch, List<Hash32> parents, byte[] payload) {
      Pusher of = coordinator;
      if (of != null && of.writer == chain) {
        of.append(records.make(type, chain, of.head(), epoch, ++engine.clock, parents, payload));
      }
    }

    void durable(Pusher chain, List<CapsuleRecord> more) {
      if (chain == own) {
        engine.durable = own.durable;
        input(new WorkerInput.OwnDurable(more));
        for (Map.Entry<Long, Runnable> waiting : List.copyOf(atDurable.entrySet())) {
          if (waiting.getKey() / 1000 <= own.durable) {
            atDurable.remove(waiting.getKey());
            waiting.getValue().run();
          }
        }
      } else if (chain == coordinator) {
        for (CapsuleRecord record : more) {
          if (record.header().type() == RecordType.SYNC) {
            longestSyncGap = Math.max(longestSyncGap, now - lastSyncAt);
            lastSyncAt = now;
          }
        }
        input(new WorkerInput.CoordinatorDurable(more));
      }
    }

    /** Runs something when the own chain is durable up to a record. */
    void whenDurable(long sequence, Runnable action) {
      if (own.durable >= sequence) {
        action.run();
      } else {
        atDurable.put(sequence * 1000 + atDurable.size() % 1000, action);
      }
    }

    void ended(Pusher chain) {
      if (chain == own) {
        input(new WorkerInput.EngineFailed(new UnavailableException("sealed")));
      } else if (chain == coordinator) {
        input(new WorkerInput.CoordinatorEnded(chain.writer));
      }
    }

    private void readFrontier(long ticket, Map<Integer, Map<Long, SimStore.Said>> answers) {
      for (SimStore.Replica replica : store.replicas) {
        if (!answers.containsKey(replica.index)) {
          ask(
              this,
              replica,
              replica::sayAll,
              said -> {
                boolean open = answers.size() < store.quorum;
                answers.put(replica.index, said);
                if (open && answers.size() == store.quorum && ticket == readTicket) {
                  input(
                      new WorkerInput.FrontierRead(
                          ticket, store.claims(List.copyOf(answers.values()))));
                }
              });
        }
      }
      at(
          80 * MS,
          () -> {
            if (alive && ticket == readTicket && answers.size() < store.quorum) {
              readFrontier(ticket, answers);
            }
          });
    }

    private void pull(
        long ticket, java.util.function.Function<SimStore.Replica, List<CapsuleRecord>> question) {
      SimStore.Replica replica = store.replicas.get(random.nextInt(store.replicas.size()));
      ask(
          this,
          replica,
          () -> question.apply(replica),
          found -> {
            List<CapsuleRecord> given = found;
            if (!calm && faults.forgery() && !found.isEmpty() && chance(0.2)) {
              coverage.hit(FORGERY);
              int which = random.nextInt(found.size());
              given = new ArrayList<>(found.subList(0, which + 1));
              given.set(which, records.forge(found.get(which)));
            }
            if (!calm && faults.liar() && replica.index == 0) {
              given = lie(given);
            }
            input(new WorkerInput.Pulled(ticket, given));
          });
    }

    /** A replica that withholds what it holds, or sends what nobody asked for. */
    private List<CapsuleRecord> lie(List<CapsuleRecord> truth) {
      int how = random.nextInt(4);
      if (how == 0) {
        coverage.hit(WITHHELD);
        return List.of();
      }
      if (how == 1) {
        coverage.hit(SHUFFLED);
        return truth.reversed();
      }
      List<SimStore.Held> chains = List.copyOf(store.replicas.getFirst().chains.values());
      if (how == 2 && !chains.isEmpty()) {
        List<CapsuleRecord> some = chains.get(random.nextInt(chains.size())).records;
        if (!some.isEmpty()) {
          coverage.hit(SHUFFLED);
          List<CapsuleRecord> other = new ArrayList<>(truth);
          other.add(random.nextInt(other.size() + 1), some.get(random.nextInt(some.size())));
          return other;
        }
      }
      return truth;
    }

    long acquire(List<LockWish> wishes, Runnable onGranted, Runnable onDenied) {
      long ticket = ++lastTicket;
      granted.put(ticket, onGranted);
      denied.put(ticket, onDenied);
      input(new WorkerInput.Acquire(ticket, wishes, LOCK_PATIENCE_MS * MS));
      return ticket;
    }

    void waitFor(SessionToken token, Runnable onReached, Runnable onDenied) {
      long ticket = ++lastTicket;
      reached.put(ticket, onReached);
      denied.put(ticket, onDenied);
      input(new WorkerInput.WaitFor(ticket, token, 1000 * MS));
    }

    void forceSync(Runnable onSynced) {
      long ticket = ++lastTicket;
      synced.put(ticket, onSynced);
      forcedAfter.put(ticket, engine.lastOperation);
      input(new WorkerInput.ForceSync(ticket, 2000 * MS));
    }

    CapsuleRecord commit(List<SimEngine.Op> ops) {
      CapsuleRecord record = engine.commit(ops);
      own.append(record);
      return record;
    }

    void atDeath(Runnable action) {
      atDeath.add(action);
    }

    void die() {
      alive = false;
      own.ended = true;
      Pusher of = coordinator;
      if (of != null) {
        of.ended = true;
      }
      atDeath.forEach(Runnable::run);
    }
  }

  private List<CapsuleRecord> range(SimStore.Replica replica, long chain, long from, long to) {
    SimStore.Held held = replica.chains.get(chain);
    return held == null || held.records.size() < from
        ? List.of()
        : List.copyOf(
            held.records.subList((int) from - 1, (int) Math.min(to, held.records.size())));
  }

  private static List<CapsuleRecord> byHash(SimStore.Replica replica, Hash32 hash) {
    for (SimStore.Held held : replica.chains.values()) {
      for (CapsuleRecord record : held.records) {
        if (record.hash().equals(hash)) {
          return List.of(record);
        }
      }
    }
    return List.of();
  }

  private long freshWriter() {
    long writer;
    do {
      writer = 1 + random.nextLong(1L << 40);
    } while (!usedWriters.add(writer));
    return writer;
  }

  private void multicast(Node from, long receiver, SclMessage message) {
    coverage.hit(message.getClass());
    if (message instanceof SclMessage.LockRequest
        || message instanceof SclMessage.Grant
        || message instanceof SclMessage.Recall
        || message instanceof SclMessage.Release) {
      lockFrames++;
    }
    if (from.slot.isMute() || (!calm && faults.silent() && message instanceof SclMessage.Records)) {
      return;
    }
    for (Slot slot : slots) {
      Node to = slot.node;
      if (to == null || to == from || (receiver != 0 && to.writer != receiver)) {
        continue;
      }
      if (slot.isDeaf() || slot.isApart() != from.slot.isApart()) {
        continue;
      }
      if (!calm && chance(faults.lose())) {
        coverage.hit(LOST_FRAME);
        continue;
      }
      // A frame passes the receiver's window once: copies count only if the sender made them.
      at(
          netDelay(),
          () -> to.whenAwake(() -> to.input(new WorkerInput.Received(from.writer, message))));
      if (!calm && chance(faults.repeat())) {
        coverage.hit(LATE_FRAME);
        // Sometimes long after, and to whoever is there then: routers may keep what they carry.
        at(
            random.nextInt(4) == 0 ? random.nextLong(2_000 * MS) : 3 * netDelay(),
            () -> {
              Node late = slot.node;
              if (late != null && (receiver == 0 || late.writer == receiver)) {
                late.whenAwake(() -> late.input(new WorkerInput.Received(from.writer, message)));
              }
            });
      }
    }
  }

  /** PREPARE and FINAL for one writer, as records of the sealer's chain. */
  final class SealOp {
    final Node node;
    final Pusher chain;
    final long target;
    final Ballot ballot;
    final Map<Integer, SimStore.Said> said = new TreeMap<>();
    private boolean proposed;
    private boolean done;

    SealOp(Node node, Pusher chain, long target, Ballot ballot) {
      this.node = node;
      this.chain = chain;
      this.target = target;
      this.ballot = ballot;
    }

    void begin() {
      order(SealOrder.Kind.PREPARE, ChainHead.NONE);
      poll();
    }

    private void order(SealOrder.Kind kind, ChainHead last) {
      chain.append(
          records.make(
              RecordType.SEAL,
              chain.writer,
              chain.head(),
              chain.epoch(),
              ++node.engine.clock,
              List.of(),
              SealOrderCodec.encode(new SealOrder(kind, target, ballot.term(), last))));
    }

    private void poll() {
      if (done || chain.ended || !node.alive) {
        return;
      }
      for (SimStore.Replica replica : store.replicas) {
        ask(
            node,
            replica,
            () -> replica.say(target),
            answer -> {
              said.put(replica.index, answer);
              look();
            });
      }
      at(30 * MS, this::poll);
    }

    private void look() {
      if (done || chain.ended) {
        return;
      }
      int promised = 0;
      int accepted = 0;
      int beyond = 0;
      long highest = 0;
      Ballot best = Ballot.NONE;
      ChainHead value = ChainHead.NONE;
      for (SimStore.Said one : said.values()) {
        if (one.promised().compareTo(ballot) > 0) {
          beyond++;
          highest = Math.max(highest, one.promised().term());
        }
        if (one.accepted().equals(ballot)) {
          accepted++;
        }
        if (one.promised().equals(ballot)) {
          promised++;
          if (one.accepted().compareTo(best) > 0) {
            best = one.accepted();
            value = one.last();
          } else if (best.equals(Ballot.NONE)
              && one.accepted().equals(Ballot.NONE)
              && one.head().sequence() > value.sequence()) {
            value = one.head();
          }
        }
      }
      if (!proposed && promised >= store.quorum) {
        proposed = true;
        order(SealOrder.Kind.FINAL, value);
      } else if (proposed && accepted >= store.quorum) {
        done = true;
        seals++;
        ChainHead last = store.sealedAt(target);
        check(SEALS, last != null, "sealed, and it is not");
        node.input(new WorkerInput.Sealed(target, last == null ? value : last));
      } else if (beyond > store.replicas.size() - store.quorum) {
        done = true;
        node.input(new WorkerInput.SealOverruled(target, highest));
      }
    }
  }

  // ------------------------------------------------------------------ nemesis

  void startNemesis() {
    at(200 * MS, this::nemesis);
  }

  private void nemesis() {
    if (calm) {
      return;
    }
    Slot slot = slots.get(random.nextInt(slots.size()));
    switch (random.nextInt(7)) {
      case 6 -> conspire(slot);
      case 0 -> {
        if (faults.crashes() && slot.node != null) {
          slot.crash();
          at(random.nextLong(800 * MS), slot::start);
        }
      }
      case 1 -> {
        if (faults.pauses()) {
          coverage.hit(PAUSE);
          slot.pausedUntil = now + random.nextLong(random.nextInt(3) == 0 ? 2000 * MS : 300 * MS);
        }
      }
      case 2 -> {
        if (faults.partitions()) {
          if (random.nextInt(3) == 0) {
            split();
            break;
          }
          cut(slot);
        }
      }
      case 3 -> {
        SimStore.Replica replica = store.replicas.get(random.nextInt(store.replicas.size()));
        long down = store.replicas.stream().filter(r -> !r.up).count();
        if (faults.replicaCrashes()
            && replica.up
            && (down < store.replicas.size() - store.quorum || random.nextInt(8) == 0)) {
          coverage.hit(down + 1 > store.replicas.size() - store.quorum ? NO_QUORUM : REPLICA_DOWN);
          replica.up = false;
          at(random.nextLong(1000 * MS), () -> replica.up = true);
        }
      }
      case 4 -> {
        Node node = slot.node;
        if (faults.leaves() && node != null && node.ready && slots.size() > 1) {
          coverage.hit(LEAVE);
          node.leaving = true;
          node.input(new WorkerInput.Leave());
        }
      }
      default -> {
        // The coordinator, wherever it is.
        for (Slot each : slots) {
          Node node = each.node;
          if (node != null
              && node.phase == CoordinatorCore.Phase.ESTABLISHED
              && faults.crashes()
              && random.nextInt(3) == 0) {
            each.crash();
            at(random.nextLong(800 * MS), each::start);
          }
        }
      }
    }
    at(random.nextLong(400 * MS), this::nemesis);
  }

  /** What a coordinator says at moments when its end is most awkward. */
  private static boolean isCritical(WorkerOutput output) {
    return output instanceof WorkerOutput.AppendSync
        || output instanceof WorkerOutput.AppendRts
        || output instanceof WorkerOutput.SealWriter
        || output instanceof WorkerOutput.BeginCut
        || (output instanceof WorkerOutput.Send(long _, SclMessage message)
            && (message instanceof SclMessage.Grant || message instanceof SclMessage.Release));
  }

  /** Soon after such a moment a process may end, stand still or be cut off. */
  private void criticalMoment(Slot slot) {
    if (calm || random.nextInt(150) > 0) {
      return;
    }
    at(
        random.nextLong(random.nextInt(2) == 0 ? 2 * storeDelay() : 20 * MS),
        () -> {
          if (calm) {
            return;
          }
          switch (random.nextInt(3)) {
            case 0 -> {
              if (faults.crashes()) {
                // Now and then the lights go out for all.
                List<Slot> dark = random.nextInt(4) == 0 ? slots : List.of(slot);
                if (dark.size() > 1) {
                  coverage.hit(BLACKOUT);
                }
                for (Slot each : dark) {
                  each.crash();
                  at(random.nextLong(1_500 * MS), each::start);
                }
              }
            }
            case 1 -> {
              if (faults.pauses()) {
                coverage.hit(PAUSE);
                slot.pausedUntil = now + random.nextLong(2_500 * MS);
              }
            }
            default -> {
              if (faults.partitions()) {
                cut(slot);
              }
            }
          }
        });
  }

  private void cut(Slot slot) {
    int kind = random.nextInt(5);
    cut(
        slot,
        kind == 0 || kind == 2 || kind == 4,
        kind == 1 || kind == 2 || kind == 4,
        kind >= 3,
        random.nextLong(1_500 * MS));
  }

  /** For a while a machine is not heard by others, does not hear them, does not reach replicas. */
  void cut(Slot slot, boolean mute, boolean deaf, boolean noStore, long nanos) {
    coverage.hit(CUT);
    long until = now + nanos;
    slot.muteUntil = mute ? until : 0;
    slot.deafUntil = deaf ? until : 0;
    slot.noStoreUntil = noStore ? until : 0;
  }

  /**
   * The coordinator and one more worker hear only each other, for long enough that the rest goes on
   * without them; they may stand still meanwhile, or reach no replicas.
   */
  private void conspire(Slot friend) {
    Node coordinator = established();
    if (!faults.partitions() || coordinator == null || coordinator.slot == friend) {
      return;
    }
    coverage.hit(CONSPIRACY);
    long nanos = 300 * MS + random.nextLong(2_200 * MS);
    for (Slot slot : List.of(coordinator.slot, friend)) {
      slot.apartUntil = now + nanos;
      slot.noStoreUntil = random.nextInt(3) == 0 ? now + nanos - random.nextLong(nanos / 4) : 0;
      if (faults.pauses() && random.nextInt(3) == 0) {
        slot.pausedUntil = now + nanos - random.nextLong(nanos / 2);
      }
    }
    if (faults.crashes() && random.nextInt(3) == 0) {
      friend.crash();
      at(random.nextLong(nanos), friend::start);
    }
  }

  /** Some hear only each other for a while; of them some do not reach replicas either. */
  private void split() {
    coverage.hit(SPLIT);
    long until = now + random.nextLong(2_500 * MS);
    for (Slot slot : slots) {
      if (random.nextInt(3) == 0) {
        slot.apartUntil = until;
        slot.noStoreUntil = random.nextInt(3) == 0 ? until : 0;
      }
    }
  }

  void heal() {
    calm = true;
    for (Slot slot : slots) {
      slot.apartUntil = 0;
      slot.muteUntil = 0;
      slot.deafUntil = 0;
      slot.noStoreUntil = 0;
      slot.pausedUntil = 0;
      at(1, slot::start);
    }
    store.replicas.forEach(r -> r.up = true);
  }

  // ------------------------------------------------------------------ workload

  void startWorkload() {
    for (Slot slot : slots) {
      at(random.nextLong(200 * MS), () -> client(slot));
    }
    for (int i = 0; i < 2; i++) {
      at(random.nextLong(200 * MS), () -> new Session().next());
    }
    at(random.nextLong(300 * MS), this::bursts);
  }

  void stopWorkload() {
    workload = false;
  }

  private boolean idle;

  /** Idle phases alternate with busy ones. */
  private void bursts() {
    idle = faults.idles() && random.nextInt(4) == 0;
    at(random.nextLong(600 * MS), this::bursts);
  }

  private void client(Slot slot) {
    if (!workload) {
      return;
    }
    Node node = slot.node;
    if (!idle && node != null && node.ready && !node.leaving) {
      node.whenAwake(
          () -> {
            if (!node.core.isReady() || node.leaving) {
              return;
            }
            switch (random.nextInt(10)) {
              case 0, 1, 2, 3 -> blind(node);
              case 4 -> node.forceSync(() -> {});
              default -> transaction(node);
            }
          });
    }
    at(random.nextLong(60 * MS), () -> client(slot));
  }

  private void blind(Node node) {
    List<SimEngine.Op> ops = new ArrayList<>();
    for (int i = 0; i <= random.nextInt(3); i++) {
      ops.add(blindOp());
    }
    CapsuleRecord record = node.commit(ops);
    node.whenDurable(record.header().sequence(), () -> acknowledged.add(record));
  }

  private SimEngine.Op blindOp() {
    if (random.nextInt(3) == 0) {
      return mergeOp();
    }
    String key = "k" + random.nextInt(BLIND_KEYS);
    return new SimEngine.Op(key, random.nextInt(5) == 0 ? null : "v" + ++elements);
  }

  /**
   * Something is merged into a key: into "only..." nothing else is ever done, "mixed..." are also
   * set and deleted.
   */
  private SimEngine.Op mergeOp() {
    MergeOperator operator = Objects.requireNonNull(MergeOperator.ofNumber(1 + random.nextInt(4)));
    int number = random.nextInt(1_000) - 500;
    String operand =
        operator == MergeOperator.UNION
            ? setOf(random.nextInt(64))
            : operator == MergeOperator.COUNTER || random.nextBoolean()
                ? Integer.toString(number)
                : number + ".5";
    if (random.nextInt(3) > 0) {
      return new SimEngine.Op("only" + operator.number(), operand, operator);
    }
    String mixed = "mixed" + operator.number();
    return switch (random.nextInt(4)) {
      case 0 -> new SimEngine.Op(mixed, null);
      case 1 -> new SimEngine.Op(mixed, operand);
      default -> new SimEngine.Op(mixed, operand, operator);
    };
  }

  /** The set of one byte, as docs/format/collections.md has it. */
  private static String setOf(int element) {
    return "\u0001\u0001\u0000\u0000\u0000\u0001" + (char) element;
  }

  private void transaction(Node node) {
    boolean all = random.nextInt(20) == 0;
    TreeMap<Integer, Boolean> keys = new TreeMap<>();
    int many = 1 + random.nextInt(3);
    boolean readOnly = random.nextInt(3) == 0;
    for (int i = 0; i < many; i++) {
      keys.put(1 + random.nextInt(LIST_KEYS), !readOnly && random.nextBoolean());
    }
    transaction(node, keys, all, () -> {});
  }

  /** A worker appends to every list, so that it has all their locks, if it gets them in time. */
  void takeAllLists(Node node) {
    int[] granted = {0};
    for (int key = 1; key <= LIST_KEYS; key++) {
      append(node, key, () -> granted[0]++);
    }
    long until = nowMs() + LOCK_PATIENCE_MS;
    while (granted[0] < LIST_KEYS && nowMs() < until) {
      run(nowMs() + 1);
    }
  }

  /** Appends to one list under its lock. */
  void append(Node node, int key, Runnable onGranted) {
    TreeMap<Integer, Boolean> keys = new TreeMap<>();
    keys.put(key, true);
    transaction(node, keys, false, onGranted);
  }

  private void transaction(
      Node node, NavigableMap<Integer, Boolean> keys, boolean all, Runnable onGranted) {
    List<LockWish> wishes = new ArrayList<>();
    wishes.add(new LockWish(LockGrant.ALL, all ? LockMode.EXCLUSIVE : LockMode.SHARED));
    if (!all) {
      keys.forEach(
          (key, append) ->
              wishes.add(new LockWish(key, append ? LockMode.EXCLUSIVE : LockMode.SHARED)));
    }
    ListAppendChecker.Txn txn = new ListAppendChecker.Txn(history.size(), now);
    history.add(txn);
    boolean[] committed = {false};
    long[] ticket = {0};
    node.atDeath(
        () -> {
          if (txn.completed == Long.MAX_VALUE && !committed[0]) {
            txn.outcome = ListAppendChecker.Outcome.FAILED;
          }
        });
    ticket[0] =
        node.acquire(
            wishes,
            () -> {
              onGranted.run();
              if (faults.pauses() && !calm && random.nextInt(40) == 0) {
                // The worst moment: granted, and not read yet.
                coverage.hit(PAUSE);
                node.slot.pausedUntil = now + random.nextLong(2_500 * MS);
              }
              at(
                  random.nextLong(random.nextInt(10) == 0 ? 100 * MS : MS),
                  () -> node.whenAwake(() -> perform(node, txn, keys, committed, ticket)));
            },
            () -> {
              txn.outcome = ListAppendChecker.Outcome.FAILED;
              txn.completed = now;
            });
  }

  private void perform(
      Node node,
      ListAppendChecker.Txn txn,
      Map<Integer, Boolean> keys,
      boolean[] committed,
      long[] ticket) {
    if (!node.core.isReady()) {
      return;
    }
    List<SimEngine.Op> ops = new ArrayList<>();
    keys.forEach(
        (number, append) -> {
          String key = "list" + number;
          List<Integer> list = parse(node.engine.read(key));
          txn.reads.put(key, list);
          if (append) {
            int element = ++elements;
            txn.appends.put(key, element);
            List<Integer> longer = new ArrayList<>(list);
            longer.add(element);
            ops.add(new SimEngine.Op(key, print(longer)));
          }
        });
    if (ops.isEmpty()) {
      boolean valid = node.slot.local() - node.core.leaseUntilNanos() < 0;
      // What was read may be this worker's own and not durable yet.
      long head = node.engine.head.sequence();
      node.whenDurable(
          head,
          () -> {
            txn.outcome = valid ? ListAppendChecker.Outcome.OK : ListAppendChecker.Outcome.FAILED;
            txn.completed = now;
            if (!valid) {
              txn.reads.clear();
            }
          });
      committed[0] = true;
      node.input(new WorkerInput.Finish(ticket[0], 0));
      return;
    }
    committed[0] = true;
    CapsuleRecord record = node.commit(ops);
    node.whenDurable(
        record.header().sequence(),
        () -> {
          txn.outcome = ListAppendChecker.Outcome.OK;
          txn.completed = now;
          longestCommitGap = Math.max(longestCommitGap, now - lastCommitAt);
          lastCommitAt = now;
          acknowledged.add(record);
        });
    node.input(new WorkerInput.Finish(ticket[0], record.header().sequence()));
  }

  static List<Integer> parse(@Nullable String list) {
    return list == null || list.isEmpty()
        ? List.of()
        : Arrays.stream(list.split(",", -1)).map(Integer::valueOf).toList();
  }

  private static String print(List<Integer> list) {
    StringBuilder text = new StringBuilder();
    for (int element : list) {
      text.append(text.isEmpty() ? "" : ",").append(element);
    }
    return text.toString();
  }

  /** A client that goes from worker to worker with a token. */
  private final class Session {
    private final Map<String, SimEngine.Version> seen = new TreeMap<>();

    /** Keys whose last seen version is one of its own. */
    private final Set<String> mine = new HashSet<>();

    private SessionToken token = SessionToken.NOTHING;

    void next() {
      if (!workload) {
        return;
      }
      Node node = slots.get(random.nextInt(slots.size())).node;
      if (node == null || !node.ready || node.leaving) {
        later();
        return;
      }
      boolean[] over = {false};
      node.atDeath(
          () -> {
            if (!over[0]) {
              over[0] = true;
              // Its write may or may not have an effect: the session ends.
              at(50 * MS, () -> new Session().next());
            }
          });
      node.waitFor(
          token,
          () -> at(random.nextLong(MS), () -> node.whenAwake(() -> arrived(node, over))),
          () -> {
            over[0] = true;
            later();
          });
    }

    private void arrived(Node node, boolean[] over) {
      if (over[0] || !node.core.isReady()) {
        return;
      }
      seen.forEach(
          (key, version) -> {
            Map.Entry<SimEngine.Version, SimEngine.Op> newest = node.engine.newest(key);
            check(
                mine.contains(key) ? READ_YOUR_WRITES : MONOTONIC_READS,
                newest != null && newest.getKey().compareTo(version) >= 0,
                "a session sees something older than before at ",
                key);
            sessionChecks++;
          });
      for (int i = 0; i < BLIND_KEYS; i += 3) {
        Map.Entry<SimEngine.Version, SimEngine.Op> newest = node.engine.newest("k" + i);
        if (newest != null) {
          if (!newest.getKey().equals(seen.put("k" + i, newest.getKey()))) {
            mine.remove("k" + i);
          }
        }
      }
      if (random.nextBoolean() && !node.leaving) {
        String key = "k" + 3 * random.nextInt(BLIND_KEYS / 3);
        CapsuleRecord record = node.commit(List.of(new SimEngine.Op(key, "s" + ++elements)));
        SimEngine.Version version =
            new SimEngine.Version(record.header().lamport(), node.writer, 0);
        seen.forEach(
            (other, before) ->
                check(
                    mine.contains(other) ? MONOTONIC_WRITES : WRITES_FOLLOW_READS,
                    version.compareTo(before) > 0,
                    "a write is before what was seen"));
        seen.put(key, version);
        mine.add(key);
        node.whenDurable(record.header().sequence(), () -> acknowledged.add(record));
      }
      node.whenDurable(
          node.engine.head.sequence(),
          () -> {
            if (!over[0]) {
              over[0] = true;
              token = token.join(node.core.token());
              later();
            }
          });
    }

    private void later() {
      at(random.nextLong(100 * MS), this::next);
    }
  }

  // ------------------------------------------------------------------ checks

  /** Nothing is merged that a quorum does not hold. */
  private void checkDurable(CapsuleRecord record) {
    check(ONLY_DURABLE, store.isHeld(record), record, " is merged and not durable");
    check(NOT_FORGED, records.isMade(record), record, " is merged and nobody made it");
  }

  /** Of all established coordinators at most one is not sealed, and it has the largest term. */
  private void checkEstablished(Node node) {
    long mine = node.core.coordinator().chain();
    Long same = chainOfTerm.putIfAbsent(node.core.coordinator().term(), mine);
    check(
        ONE_COORDINATOR,
        same == null || same == mine,
        "two coordinators of one term are established");
    if (store.sealedAt(node.core.coordinator().chain()) != null) {
      return;
    }
    for (Slot slot : slots) {
      Node other = slot.node;
      if (other != null && other != node && other.phase == CoordinatorCore.Phase.ESTABLISHED) {
        check(
            ONE_COORDINATOR,
            store.sealedAt(other.core.coordinator().chain()) != null,
            "two established coordinators are not sealed");
        check(
            ONE_COORDINATOR,
            other.core.coordinator().term() < node.core.coordinator().term(),
            "terms do not grow");
      }
    }
  }

  /**
   * No lock is held by two in modes that do not agree, of workers that are not sealed, or whose
   * lease lasts.
   */
  private void checkLocks(Node node) {
    if (!counts(node)) {
      return;
    }
    for (LockGrant mine : node.core.heldLocks()) {
      coverage.hit(LOCKS);
      for (Slot slot : slots) {
        Node other = slot.node;
        if (other == null || other == node) {
          continue;
        }
        for (LockGrant theirs : other.core.heldLocks()) {
          if (theirs.lock() == mine.lock()
              && !theirs.mode().agreesWith(mine.mode())
              && counts(other)) {
            throw new Violation(
                LOCKS,
                "lock " + mine.lock() + " is held by " + node.writer + " and " + other.writer);
          }
        }
      }
    }
  }

  private boolean counts(Node node) {
    return node.alive
        && (node.slot.local() - node.core.leaseUntilNanos() < 0
            || store.sealedAt(node.writer) == null);
  }

  /** Whether there is a coordinator that waits for nobody, and everybody is ready. */
  boolean isSettled() {
    Node coordinator = established();
    return coordinator != null
        && coordinator.core.coordinator().waitingFor().isEmpty()
        && slots.stream()
            .allMatch(
                slot ->
                    slot.node != null
                        && slot.node.core.isReady()
                        && slot.node.core.term() == coordinator.core.term());
  }

  /** Whether all workers are ready and have merged what is durable, and nobody has more. */
  boolean isConverged() {
    Map<Long, List<CapsuleRecord>> durable = store.durableChains();
    int coordinators = 0;
    for (Slot slot : slots) {
      Node node = slot.node;
      if (node == null
          || node.leaving
          || !node.core.isReady()
          || node.own.durable < node.own.chain.size()) {
        return false;
      }
      if (node.core.coordinator().isOpen()) {
        coordinators++;
        if (!node.core.coordinator().waitingFor().isEmpty()) {
          return false;
        }
      }
      for (Map.Entry<Long, List<CapsuleRecord>> chain : durable.entrySet()) {
        if (node.core.merged(chain.getKey()).sequence() < chain.getValue().size()) {
          return false;
        }
      }
    }
    return coordinators == 1;
  }

  @Nullable Node established() {
    for (Slot slot : slots) {
      Node node = slot.node;
      if (node != null && node.core.coordinator().isOpen()) {
        return node;
      }
    }
    return null;
  }

  /** Why it is not converged, for a failure's message. */
  String state() {
    StringBuilder text = new StringBuilder("at " + nowMs() + " ms, " + faults);
    Map<Long, List<CapsuleRecord>> durable = store.durableChains();
    for (Slot slot : slots) {
      Node node = slot.node;
      text.append("\n slot ").append(slot.index);
      if (node == null) {
        text.append(" empty");
        continue;
      }
      text.append(" writer ").append(node.writer).append(" ready ").append(node.core.isReady());
      text.append(" term ")
          .append(node.core.term())
          .append(' ')
          .append(node.core.coordinator().phase());
      text.append(" chain ").append(node.core.coordinator().chain());
      text.append(node.core.coordinator().isOpen() ? " open" : "");
      text.append(' ').append(node.core.coordinator().waitingFor());
      text.append(" durable ").append(node.own.durable).append('/').append(node.own.chain.size());
      text.append(" rejected ").append(node.core.rejections());
      durable.forEach(
          (writer, chain) -> {
            if (node.core.merged(writer).sequence() < chain.size()) {
              text.append("\n   lacks ")
                  .append(writer)
                  .append(" from ")
                  .append(node.core.merged(writer).sequence())
                  .append(" to ")
                  .append(chain.size())
                  .append(chain.isEmpty() ? "" : " of " + chain.getFirst().header().type());
            }
          });
    }
    return text.toString();
  }

  /**
   * At the end: all workers agree; everything durable and everything acknowledged is there; each
   * SYNC's frontier is exactly what lies at or before its cut time; the transactions' history is
   * strictly serializable.
   */
  void checkAtEnd() {
    Map<Long, List<CapsuleRecord>> durable = store.durableChains();
    Set<Hash32> hashes = new HashSet<>();
    durable.values().forEach(chain -> chain.forEach(record -> hashes.add(record.hash())));
    for (CapsuleRecord record : acknowledged) {
      check(NOTHING_LOST, hashes.contains(record.hash()), record, " was acknowledged and is gone");
    }
    Long digest = null;
    Node any = null;
    for (Slot slot : slots) {
      Node node = slot.node;
      if (node == null) {
        throw new Violation(CONVERGENCE, "a worker is missing");
      }
      long mine = node.engine.digest(Long.MAX_VALUE);
      check(CONVERGENCE, digest == null || digest == mine, "workers do not agree");
      digest = mine;
      any = node;
    }
    Map<Long, Long> frontier = new HashMap<>();
    long cut = 0;
    for (Sync sync : syncs.values()) {
      check(SNAPSHOTS, sync.cutTime() > cut, "cut times do not grow");
      cut = sync.cutTime();
      for (Sync.Position position : sync.positions()) {
        Long before = frontier.put(position.writer(), position.head().sequence());
        check(
            SNAPSHOTS,
            before == null || before <= position.head().sequence(),
            "a position of SYNC ",
            sync.epoch(),
            " goes back");
      }
      for (Map.Entry<Long, List<CapsuleRecord>> chain : durable.entrySet()) {
        long position = frontier.getOrDefault(chain.getKey(), 0L);
        for (CapsuleRecord record : chain.getValue()) {
          List<SimEngine.Op> ops = contents.ops.get(record.hash());
          if (ops == null) {
            continue;
          }
          long first = record.header().lamport();
          long last = first + ops.size() - 1;
          boolean inside = record.header().sequence() <= position;
          check(
              SNAPSHOTS,
              inside ? last <= cut : first > cut,
              record,
              " of time ",
              first,
              " is ",
              (inside ? "inside" : "outside"),
              " of SYNC ",
              sync.epoch(),
              " at ",
              cut);
        }
      }
    }
    Set<Long> ended = new HashSet<>();
    durable
        .values()
        .forEach(
            chain ->
                chain.forEach(
                    record ->
                        check(
                            ONE_SYNC,
                            record.header().type() != RecordType.SYNC
                                || ended.add(record.header().epoch()),
                            "two durable SYNCs of ",
                            record.header().epoch())));
    check(
        SYNC_AGREEMENT,
        ended.equals(syncs.keySet()),
        "SYNCs that are durable and SYNCs that were merged");
    if (any != null) {
      checkMerged(any, durable);
      Map<String, List<Integer>> last = new TreeMap<>();
      for (int i = 1; i <= LIST_KEYS; i++) {
        last.put("list" + i, parse(any.engine.read("list" + i)));
      }
      coverage.hit(SERIALIZABLE);
      ListAppendChecker.check(history, last);
    }
  }

  /** Whatever is durable of what was merged into a key counts, once. */
  private void checkMerged(Node node, Map<Long, List<CapsuleRecord>> durable) {
    Map<String, List<String>> operands = new TreeMap<>();
    for (List<CapsuleRecord> chain : durable.values()) {
      for (CapsuleRecord record : chain) {
        for (SimEngine.Op op : contents.ops.getOrDefault(record.hash(), List.of())) {
          String operand = op.value();
          if (op.key().startsWith("only") && operand != null) {
            operands.computeIfAbsent(op.key(), k -> new ArrayList<>()).add(operand);
          }
        }
      }
    }
    operands.forEach(
        (key, all) -> {
          String value = String.valueOf(node.engine.read(key));
          mergedOperands += all.size();
          switch (key.charAt(key.length() - 1)) {
            case '1' ->
                check(
                    MERGES,
                    number(value) == all.stream().mapToDouble(SclSim::number).min().orElseThrow(),
                    "MIN ",
                    value,
                    " of ",
                    all);
            case '2' ->
                check(
                    MERGES,
                    number(value) == all.stream().mapToDouble(SclSim::number).max().orElseThrow(),
                    "MAX ",
                    value,
                    " of ",
                    all);
            case '3' ->
                check(
                    MERGES,
                    Long.parseLong(value) == all.stream().mapToLong(Long::parseLong).sum(),
                    "COUNTER ",
                    value,
                    " of ",
                    all);
            default ->
                check(
                    MERGES, value.charAt(1) == new HashSet<>(all).size(), "UNION of another size");
          }
        });
  }

  private static double number(String text) {
    return Double.parseDouble(text);
  }

  long committedTransactions() {
    return history.stream().filter(t -> t.outcome == ListAppendChecker.Outcome.OK).count();
  }

  int syncCount() {
    return syncs.size();
  }

  Set<Long> epochsSeen() {
    return new TreeSet<>(syncs.keySet());
  }
}
