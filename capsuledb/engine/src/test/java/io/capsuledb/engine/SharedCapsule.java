package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimScheduler;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;

/**
 * A shared capsule in one simulated store, the engines that write it, a coordinator that ends its
 * epochs, and what all of it has to come to: a model that knows every operation by its version.
 * Everything follows from one seed.
 *
 * <p>What the simulation does for the engines is what their shells will do: it hands each one the
 * durable records of the others in causal order, late, in bursts and sometimes twice.
 */
final class SharedCapsule {

  /** When and by whom: the order in which operations count. */
  record At(long time, long writer) implements Comparable<At> {
    @Override
    public int compareTo(At other) {
      return Comparator.comparingLong(At::time).thenComparingLong(At::writer).compare(this, other);
    }
  }

  /** One operation; a CLEAR has no key, a deletion no value, only a merge an operator. */
  record Op(String key, String value, long expiryAtMs, MergeOperator operator, At at) {
    Op(String key, String value, long expiryAtMs, At at) {
      this(key, value, expiryAtMs, null, at);
    }
  }

  /** What somebody who knows some operations sees. */
  static final class View {
    private final Map<String, TreeMap<At, Op>> keys = new TreeMap<>();
    private final TreeMap<At, Op> clears = new TreeMap<>();

    void add(Op op) {
      (op.key == null ? clears : keys.computeIfAbsent(op.key, k -> new TreeMap<>())).put(op.at, op);
    }

    String value(String key, long time, long nowMs) {
      At last = new At(time, Long.MAX_VALUE);
      Map.Entry<At, Op> newest = keys.getOrDefault(key, new TreeMap<>()).floorEntry(last);
      Map.Entry<At, Op> clear = clears.floorEntry(last);
      if (newest == null || (clear != null && clear.getKey().compareTo(newest.getKey()) > 0)) {
        return null;
      }
      Op op = newest.getValue();
      if (op.operator != null) {
        return merged(key, last, clear == null ? new At(0, 0) : clear.getKey());
      }
      return op.expiryAtMs != 0 && op.expiryAtMs <= nowMs ? null : op.value;
    }

    /** Every operation on the key since the CLEAR, one after the other. */
    private String merged(String key, At last, At clear) {
      String value = null;
      for (Op op : keys.get(key).subMap(clear, false, last, true).values()) {
        value =
            op.operator == null
                ? op.value
                : Node.text(
                    op.operator.apply(0, value == null ? null : bytes(value), bytes(op.value)));
      }
      return value;
    }

    NavigableMap<String, String> live(long time, long nowMs) {
      NavigableMap<String, String> live = new TreeMap<>();
      for (String key : keys.keySet()) {
        String value = value(key, time, nowMs);
        if (value != null) {
          live.put(key, value);
        }
      }
      return live;
    }
  }

  /** One engine, and what it has been told. */
  final class Worker {
    final SimScheduler scheduler = new SimScheduler(random.nextLong());
    final CapsuleDb db;
    final long writer;
    final View view = new View();
    final Map<Hash32, CutResult> answers = new HashMap<>();
    boolean dead;

    Worker() {
      db =
          CapsuleDb.open(
              options(true),
              new CapsulePorts(
                  store, clock, new SimEntropy(random.nextLong()), scheduler, Telemetry.NONE),
              owner.application(0, 0),
              records -> {});
      writer = db.head().writer();
      operations.put(writer, new TreeMap<>());
      // What there is in the store is durable, and was replayed.
      operations.forEach(
          (of, ops) -> {
            long durable = lastTime(of);
            ops.headMap(durable, true).values().forEach(view::add);
          });
    }

    /** Writes one key, and makes it durable. */
    void put(String key, String value) {
      long time = Node.put(db, key, value);
      Op made = new Op(key, value, 0, new At(time, writer));
      operations.get(writer).put(time, made);
      view.add(made);
      scheduler.run();
    }

    void write() {
      List<Op> ops = new ArrayList<>();
      long fence;
      try (Transaction txn = db.begin()) {
        int count = 1 + random.nextInt(random.nextInt(8) == 0 ? 20 : 3);
        for (int i = 0; i < count; i++) {
          ops.add(stage(txn));
        }
        fence = txn.commit();
      } catch (UnavailableException full) {
        unavailable++;
        return;
      }
      for (int i = 0; i < ops.size(); i++) {
        Op op = ops.get(i);
        At at = new At(fence - ops.size() + 1 + i, writer);
        Op made = new Op(op.key, op.value, op.expiryAtMs, op.operator, at);
        operations.get(writer).put(at.time, made);
        view.add(made);
      }
    }

    private Op stage(Transaction txn) {
      int number = random.nextInt(KEYS);
      String key = "k" + number;
      int dice = random.nextInt(40);
      if (number >= NUMBERS && dice > 0) {
        return stageNumber(txn, key);
      }
      if (dice == 0) {
        txn.clear();
        return new Op(null, null, 0, null);
      }
      if (dice < 10) {
        txn.delete(bytes(key));
        return new Op(key, null, 0, null);
      }
      long expiry = dice < 15 ? txn.nowMs() + 1 + random.nextInt(100) : 0;
      String value =
          "v" + random.nextInt(1000) + (dice == 39 ? "x".repeat(200 + random.nextInt(200)) : "");
      txn.put(bytes(key), ValueType.STRING, bytes(value), expiry);
      return new Op(key, value, expiry, null);
    }

    /** On keys that hold numbers and never expire. */
    private Op stageNumber(Transaction txn, String key) {
      String value = "" + (random.nextInt(200) - 100);
      int dice = random.nextInt(8);
      if (dice == 0) {
        txn.delete(bytes(key));
        return new Op(key, null, 0, null);
      }
      if (dice == 1) {
        txn.put(bytes(key), ValueType.STRING, bytes(value), 0);
        return new Op(key, value, 0, null);
      }
      MergeOperator operator = MergeOperator.ofNumber(1 + random.nextInt(3));
      txn.merge(bytes(key), operator, bytes(value));
      return new Op(key, value, 0, operator, null);
    }

    void check() {
      for (int i = 0; i < KEYS; i++) {
        assertThat(Node.get(db, "k" + i))
            .as("seed %d, writer %x, key k%d", seed, writer, i)
            .isEqualTo(view.value("k" + i, Long.MAX_VALUE, clock.wallMs()));
      }
    }

    void checkScan() {
      NavigableMap<String, String> walked = new TreeMap<>();
      try (Snapshot snapshot = db.snapshot()) {
        Cursor cursor = snapshot.cursor();
        for (boolean there = cursor.seekToFirst(); there; there = cursor.next()) {
          assertThat(walked.put(Node.text(cursor.key()), Node.text(cursor.value()))).isNull();
        }
      }
      assertThat(walked).as("seed %d", seed).isEqualTo(view.live(Long.MAX_VALUE, clock.wallMs()));
    }

    /** Versions are met once, newest first. */
    void checkHistory() {
      String key = "k" + random.nextInt(KEYS);
      long before = Long.MAX_VALUE;
      long writerBefore = Long.MAX_VALUE;
      for (KeyVersion version : db.history(bytes(key), 50)) {
        assertThat(
                version.time() < before
                    || (version.time() == before && version.writer() < writerBefore))
            .as("seed %d, history of %s", seed, key)
            .isTrue();
        before = version.time();
        writerBefore = version.writer();
      }
    }

    /** A SYNC is a cut: its moment shows what is at or before its time, now and later. */
    void checkMoments() {
      for (long cut : cutTimes) {
        if (cut <= db.stableTime() && cut >= db.historyFloor()) {
          try (Snapshot snapshot = db.snapshotAt(cut)) {
            NavigableMap<String, String> shown = new TreeMap<>();
            Cursor cursor = snapshot.cursor();
            for (boolean there = cursor.seekToFirst(); there; there = cursor.next()) {
              shown.put(Node.text(cursor.key()), Node.text(cursor.value()));
            }
            assertThat(shown)
                .as("seed %d, cut %d", seed, cut)
                .isEqualTo(durable().live(cut, clock.wallMs()));
            moments++;
          }
        }
      }
    }

    private boolean isMerged(Hash32 hash, Map<Long, Long> merged) {
      SignedHeader record = known(hash);
      long of = record.header().writer();
      return of == writer || merged.getOrDefault(of, 0L) >= record.header().sequence();
    }

    /** Hands over some of what is durable and new here. */
    void hear(int most) {
      Map<Long, Long> merged = new HashMap<>();
      db.frontier().forEach((of, head) -> merged.put(of, head.sequence()));
      List<CapsuleRecord> burst = new ArrayList<>();
      List<Long> writers = new ArrayList<>();
      for (long of : store.writers()) {
        if (of != writer && of != db.compactorWriter()) {
          writers.add(of);
        }
      }
      for (int i = 0; i < most && !writers.isEmpty(); i++) {
        long of = writers.get(random.nextInt(writers.size()));
        long next = merged.getOrDefault(of, 0L) + 1;
        CapsuleRecord record =
            next > store.newestSequence(of) ? null : decode(store.read(of, next));
        if (record == null
            || !record.header().parents().stream().allMatch(p -> isMerged(p, merged))) {
          writers.remove(of);
          continue;
        }
        merged.put(of, next);
        if (record.header().type() == RecordType.RTS) {
          merge(burst);
          burst.clear();
          CutResult result = db.beginCut(record, random.nextInt(4) > 0);
          assertThat(db.beginCut(record, true)).isEqualTo(result);
          answers.put(record.hash(), result);
        } else {
          burst.add(record);
          if (random.nextInt(20) == 0) {
            burst.add(decode(store.read(of, next)));
          }
        }
        if (burst.size() > random.nextInt(6)) {
          merge(burst);
          burst.clear();
        }
      }
      merge(burst);
    }

    private void merge(List<CapsuleRecord> burst) {
      if (burst.isEmpty()) {
        return;
      }
      db.merge(burst);
      for (CapsuleRecord record : burst) {
        if (record.header().type() == RecordType.DATA) {
          opsOf(record).values().forEach(view::add);
        }
        if (record.header().type() == RecordType.SYNC) {
          db.stable(SyncCodec.decode(open(record)).orThrow(), record.hash());
        }
      }
    }

    boolean hasHeardAll() {
      Map<Long, ChainHead> frontier = db.frontier();
      for (long of : store.writers()) {
        if (of != db.compactorWriter()
            && (frontier.get(of) == null
                || frontier.get(of).sequence() < store.newestSequence(of))) {
          return false;
        }
      }
      return true;
    }

    void die() {
      dead = true;
      scheduler.kill();
      if (compactor == this) {
        compactor = null;
      }
      if (next == this) {
        next = null;
      }
    }
  }

  static final int KEYS = 25;

  /** Keys from here on hold numbers. */
  static final int NUMBERS = 20;

  final long seed;
  final Random random;
  final SimClock clock = new SimClock();
  final SealingStore store = new SealingStore(new SimDisk().open());
  final KeyTree owner;
  final CapsuleName name;
  final CapsuleMetadata metadata;
  final KeyRing keys;
  final List<Worker> workers = new ArrayList<>();

  /** Every operation that was committed, by writer and time: durable or not. */
  final Map<Long, TreeMap<Long, Op>> operations = new TreeMap<>();

  /** By the hash of a record that was the newest of its chain. */
  private final Map<Hash32, Long> lastTimes = new HashMap<>();

  final List<Long> cutTimes = new ArrayList<>();
  long memtableBytes;
  long historyMs;
  int unavailable;
  int moments;
  int syncs;
  int lates;
  int idles;

  // The compactor: who is, and who is to be.
  Worker compactor;
  Worker next;

  // The coordinator.
  private RecordSealer coordinator;
  private long coordinatorLamport;
  private long term;
  private long epoch = 1;
  private int attempt;
  private CapsuleRecord rts;
  private long cutTime;
  private final List<Worker> members = new ArrayList<>();
  private final List<Worker> gone = new ArrayList<>();
  private final Set<Worker> sealed = new HashSet<>();
  private CapsuleRecord lastSync;
  private final Map<Long, ChainHead> lastPositions = new TreeMap<>();

  SharedCapsule(long seed) {
    this.seed = seed;
    random = new Random(seed);
    byte[] masterSeed = new byte[64];
    new SimEntropy(seed).fill(masterSeed);
    owner = KeyTree.fromSeed(SecretBytes.own(masterSeed));
    byte[] signed = NewCapsule.sign(owner, 0, List.of(), 0, new SimEntropy(seed + 1));
    store.initialize(signed);
    name = MetadataCodec.nameOf(signed);
    metadata = MetadataCodec.decode(signed, Secp256k1.best()).orThrow();
    keys = new KeyRing(name, List.of(owner.application(0, 0)));
    memtableBytes = random.nextBoolean() ? 4 << 10 : 16 << 10;
    historyMs = random.nextInt(3) * 200L;
  }

  CapsuleDbOptions options(boolean shared) {
    return CapsuleDbOptions.builder()
        .memtableBytes(memtableBytes)
        .blockBytes(128)
        .tableBytes(512)
        .separateBytes(256)
        .cacheBytes(4 << 10)
        .historyMs(historyMs)
        .compactionBytesPerSecond(0)
        .shared(shared)
        .build();
  }

  Worker open() {
    Worker worker = new Worker();
    workers.add(worker);
    return worker;
  }

  List<Worker> alive() {
    return workers.stream().filter(w -> !w.dead).toList();
  }

  Worker any() {
    List<Worker> alive = alive();
    return alive.get(random.nextInt(alive.size()));
  }

  // ------------------------------------------------------------------ records

  CapsuleRecord decode(byte[] bytes) {
    return RecordCodec.decode(name, bytes).orThrow();
  }

  private SignedHeader known(Hash32 hash) {
    return RecordCodec.decodeStored(name, Objects.requireNonNull(store.read(hash))).orThrow();
  }

  byte[] open(CapsuleRecord record) {
    try (RecordOpener opener = new RecordOpener(name, keys)) {
      return opener.open(record).orThrow();
    }
  }

  /** The operations of a DATA record, as they were committed. */
  private NavigableMap<Long, Op> opsOf(CapsuleRecord record) {
    long first = record.header().lamport();
    long count = BatchCodec.count(open(record));
    NavigableMap<Long, Op> ops =
        operations.get(record.header().writer()).subMap(first, true, first + count - 1, true);
    assertThat(ops).hasSize((int) count);
    return ops;
  }

  /** Lets time pass until what was released is gone. */
  void letReleasesHappen() {
    // Of a record without its payload nobody can tell any more how many operations it had.
    operations.keySet().forEach(this::lastTime);
    clock.advanceMs(61_000);
    settle();
  }

  /** The latest time of anything durable of a writer. */
  private long lastTime(long of) {
    long newest = store.newestSequence(of);
    SignedHeader record = RecordCodec.decodeStored(name, store.read(of, newest)).orThrow();
    return lastTimes.computeIfAbsent(
        record.hash(),
        hash ->
            record instanceof CapsuleRecord whole && record.header().type() == RecordType.DATA
                ? opsOf(whole).lastKey()
                : record.header().lamport());
  }

  private long newestTime() {
    long newest = coordinatorLamport;
    for (long of : store.writers()) {
      newest =
          Math.max(
              newest,
              operations.containsKey(of)
                  ? lastTime(of)
                  : RecordCodec.decodeStored(name, store.read(of, store.newestSequence(of)))
                      .orThrow()
                      .header()
                      .lamport());
    }
    return newest;
  }

  View durable() {
    View view = new View();
    operations.forEach((of, ops) -> ops.headMap(lastTime(of), true).values().forEach(view::add));
    return view;
  }

  // ------------------------------------------------------------------ epochs

  private CapsuleRecord append(RecordType type, List<Hash32> parents, byte[] payload, long time) {
    coordinatorLamport = time;
    CapsuleRecord record = coordinator.seal(type, epoch, time, parents, payload, 0, payload.length);
    store.append(
        List.of(
            new StoredRecord(
                record.header().writer(),
                record.header().sequence(),
                record.hash(),
                record.bytes())));
    return record;
  }

  /** A coordinator of the next term, in a chain of its own. */
  void changeCoordinator() {
    term++;
    long writer = 1 + random.nextLong(RosterEntry.MAX_WRITER);
    ApplicationKey application = keys.application(0);
    try (SecretBytes dataKey = keys.dataKey(0, writer)) {
      coordinator =
          new RecordSealer(
              name, 0, writer, application.writerPrivateKey(writer), dataKey, Secp256k1.best());
    }
    byte[] roster =
        RosterCodec.encode(
            name,
            0,
            List.of(
                new RosterEntry(
                    writer, application.writerPublicKey(writer), RosterEntry.Role.COORDINATOR, 0)),
            application::sign);
    append(RecordType.ROSTER, List.of(), roster, newestTime() + 1);
    rts = null;
  }

  boolean isCutUnderWay() {
    return rts != null;
  }

  /** Calls for the end of the epoch. */
  void call() {
    attempt++;
    long time = newestTime() + 1;
    cutTime = time + (random.nextInt(3) == 0 ? 1 + random.nextInt(30) : 10_000);
    members.clear();
    gone.clear();
    for (Worker worker : workers) {
      if (!worker.dead) {
        members.add(worker);
      } else if (!sealed.contains(worker)) {
        gone.add(worker);
      }
    }
    rts =
        append(
            RecordType.RTS,
            List.of(),
            RtsCodec.encode(new Rts(epoch, attempt, term, cutTime, 1000)),
            time);
  }

  /** Ends the epoch if all have answered. */
  void tryToFinish() {
    List<Sync.Position> positions = new ArrayList<>();
    for (Worker member : members) {
      CutResult answer = member.answers.get(rts.hash());
      if (answer == null && !member.dead) {
        return;
      }
      ChainHead head = null;
      switch (answer) {
        case CutResult.Late late -> {
          assertThat(late.clock()).isGreaterThanOrEqualTo(cutTime);
          lates++;
        }
        case CutResult.Idle idle -> {
          head = idle.head();
          idles++;
        }
        case CutResult.Cut cut -> {
          var done = cut.eoe().toCompletableFuture();
          if (!done.isDone() && !member.dead) {
            return;
          }
          head = done.isDone() && !done.isCompletedExceptionally() ? done.join() : null;
        }
        case null -> head = null;
      }
      if (head == null) {
        // Too late, or gone without an answer: nobody knows on which side of the cut its last
        // records are, so there has to be another one.
        call();
        return;
      }
      positions.add(position(member.writer, RosterEntry.Role.WORKER, Sync.State.LIVE, head));
    }
    for (Worker one : gone) {
      long newest = store.newestSequence(one.writer);
      Hash32 hash = RecordCodec.decodeStored(name, store.read(one.writer, newest)).orThrow().hash();
      positions.add(
          position(
              one.writer, RosterEntry.Role.WORKER, Sync.State.GONE, new ChainHead(newest, hash)));
    }
    if (random.nextBoolean()) {
      positions.add(
          position(
              coordinator.writer(),
              RosterEntry.Role.COORDINATOR,
              Sync.State.LIVE,
              new ChainHead(coordinator.sequence(), coordinator.head())));
    }
    finish(positions);
  }

  private static Sync.Position position(
      long writer, RosterEntry.Role role, Sync.State state, ChainHead head) {
    return new Sync.Position(writer, role, state, head);
  }

  private void finish(List<Sync.Position> positions) {
    positions.sort(Comparator.comparingLong(Sync.Position::writer));
    List<Hash32> parents = new ArrayList<>();
    for (Sync.Position position : positions) {
      if (position.writer() != coordinator.writer()
          && !position.head().equals(lastPositions.put(position.writer(), position.head()))) {
        parents.add(position.head().hash());
      }
    }
    if (lastSync != null && lastSync.header().writer() != coordinator.writer()) {
      parents.add(lastSync.hash());
    }
    Sync sync =
        new Sync(
            epoch,
            attempt,
            term,
            cutTime,
            0,
            compactor == null ? 0 : compactor.db.compactorWriter(),
            lastSync == null ? Hash32.ZERO : lastSync.hash(),
            positions);
    checkCut(sync);
    lastSync =
        append(
            RecordType.SYNC, parents, SyncCodec.encode(sync), Math.max(newestTime(), cutTime) + 1);
    cutTimes.add(cutTime);
    sealed.addAll(gone);
    syncs++;
    epoch++;
    attempt = 0;
    rts = null;
  }

  /** Operations up to the positions are those up to the cut time. */
  private void checkCut(Sync sync) {
    operations.forEach(
        (of, ops) -> {
          Sync.Position position = sync.of(of);
          ChainHead head =
              position == null ? lastPositions.getOrDefault(of, ChainHead.NONE) : position.head();
          for (long sequence = 1; sequence <= store.newestSequence(of); sequence++) {
            byte[] bytes = store.read(of, sequence);
            if (!RecordCodec.isStub(bytes) && RecordCodec.typeOf(bytes) == RecordType.DATA) {
              NavigableMap<Long, Op> in = opsOf(decode(bytes));
              if (sequence <= head.sequence()) {
                assertThat(in.lastKey()).as("seed %d", seed).isLessThanOrEqualTo(cutTime);
              } else {
                assertThat(in.firstKey()).as("seed %d", seed).isGreaterThan(cutTime);
              }
            }
          }
        });
  }

  // ------------------------------------------------------------------ the compactor

  /** Appoints another one; who was it, if it lives, hears of that. */
  void changeCompactor(Worker to) {
    if (compactor != null) {
      compactor.db.follow();
    }
    compactor = null;
    next = to;
  }

  void tryToAppoint() {
    if (next == null) {
      return;
    }
    Map<Long, ChainHead> sealedTrees = new TreeMap<>();
    for (long of : store.writers()) {
      CapsuleRecord roster = decode(store.read(of, 1));
      RosterEntry entry =
          RosterCodec.decode(name, roster.payload(), metadata, Secp256k1.best())
              .orThrow()
              .getFirst();
      if (entry.role() == RosterEntry.Role.COMPACTOR) {
        long newest = store.newestSequence(of);
        sealedTrees.put(
            of,
            new ChainHead(
                newest, RecordCodec.decodeStored(name, store.read(of, newest)).orThrow().hash()));
      }
    }
    if (next.db.becomeCompactor(sealedTrees)) {
      compactor = next;
      next = null;
    }
  }

  // ------------------------------------------------------------------ all of it

  void step(Worker worker) {
    worker.scheduler.step();
  }

  /** Everybody hears everything, and nothing is under way. */
  void settle() {
    for (int round = 0; round < 1000; round++) {
      boolean calm = true;
      for (Worker worker : alive()) {
        worker.scheduler.tick();
        worker.scheduler.run();
        worker.hear(200);
        worker.scheduler.run();
        assertThat(worker.db.failure()).as("seed %d", seed).isNull();
      }
      for (Worker worker : alive()) {
        calm &= worker.hasHeardAll();
      }
      tryToAppoint();
      if (rts != null) {
        tryToFinish();
        calm = false;
      }
      if (calm && next == null) {
        return;
      }
    }
    throw new AssertionError(
        "seed "
            + seed
            + ": the capsule does not settle; epoch under way "
            + (rts != null)
            + ", compactor to be "
            + (next != null)
            + ", heard "
            + alive().stream().map(Worker::hasHeardAll).toList());
  }

  void epoch() {
    if (rts == null) {
      call();
    }
    settle();
  }

  CapsuleVerifier.Report fsck() {
    return new CapsuleVerifier(store, Secp256k1.best(), keys, (done, total) -> {})
        .verify(null, List.of());
  }
}
