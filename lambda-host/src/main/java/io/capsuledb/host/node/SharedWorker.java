package io.capsuledb.host.node;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.Hmac;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CutResult;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.replication.client.QuorumClient;
import io.capsuledb.replication.client.QuorumClient.Found;
import io.capsuledb.replication.client.RecoveredFrontier;
import io.capsuledb.replication.client.ReplicatedStore;
import io.capsuledb.replication.client.WriterSealing;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.router.MulticastClient;
import io.capsuledb.scl.epoch.ChainClaim;
import io.capsuledb.scl.epoch.EpochCore;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.frame.Frame;
import io.capsuledb.scl.frame.FrameCodec;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.resp.Sharing;
import io.capsuledb.scl.session.SessionToken;
import io.capsuledb.scl.session.TokenCodec;
import io.capsuledb.scl.worker.WorkerCore;
import io.capsuledb.scl.worker.WorkerInput;
import io.capsuledb.scl.worker.WorkerOutput;
import io.capsuledb.scl.worker.WorkerStart;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The shell of a {@link WorkerCore}: one agent that steps it and does what it wants done with the
 * engine, the replicas and the multicast.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the core and everything it wants done belong to the agent; others put inputs into the
 *       inbox. What blocks, pulls, frontier reads and seals, runs on threads of its own, as many as
 *       the core has under way;
 *   <li>records are in the cache before the engine has merged them, and merged before anything else
 *       is done that follows from them, but for frames, which say nothing of the engine;
 *   <li>others' records are kept back while this worker's own are on their way to the disks of
 *       replicas, unless somebody waits: then they end its open batch once for each time that some
 *       of its own became durable, and not once for each frame;
 *   <li>frames that wait are bounded; what finds no room is lost, as on the way.
 * </ul>
 *
 * <p>Thread-safe.
 */
final class SharedWorker implements Sharing, AutoCloseable {

  private static final long MAX_FRAME_BYTES_WAITING = 64L << 20;
  private static final int INPUTS_PER_STEP = 256;

  /** How long replicas that are slower than a quorum are waited for: so many times a lease. */
  private static final int READ_GRACES = 64;

  private static final int PULL_BYTES = 8 << 20;
  private static final int TICKETS_REMEMBERED = 1024;
  private static final long MAX_KEPT_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
  private static final long ACQUIRE_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final long LEAVE_MS = 5_000;
  private static final byte[] LOCK_INFO =
      "capsuledb/v1/scl/lock".getBytes(StandardCharsets.US_ASCII);

  /** What it is made of; the engine and the store are the caller's. */
  record Parts(
      CapsuleDb db,
      ReplicatedStore store,
      QuorumClient client,
      Clock clock,
      Entropy entropy,
      Scheduler scheduler) {}

  private final Parts parts;
  private final CapsuleName capsule;
  private final WorkerOptions options;
  private final boolean linearizable;
  private final KeyRing keys;
  private final ChainChecks checks;
  private final FrameCodec frames;
  private final byte[] lockKey;
  private final long own;
  private final WriterSealing sealing;

  private final ConcurrentLinkedQueue<WorkerInput> inbox = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Blob> arrived = new ConcurrentLinkedQueue<>();
  private final AtomicLong arrivedBytes = new AtomicLong();
  private final AtomicLong framesLost = new AtomicLong();
  private final AtomicLong framesRefused = new AtomicLong();
  private final AtomicLong framesRelayed = new AtomicLong();
  private final AtomicLong locksAsked = new AtomicLong();
  private final AtomicLong tickets = new AtomicLong();
  private final AtomicInteger busy = new AtomicInteger();
  private final Map<Long, Heard<Object>> asked = new ConcurrentHashMap<>();
  private final CountDownLatch ready = new CountDownLatch(1);
  private final CountDownLatch over = new CountDownLatch(1);
  private final AtomicBoolean leaving = new AtomicBoolean();
  private volatile boolean closed;
  private volatile long leaseUntil = Long.MIN_VALUE;
  private volatile @Nullable CapsuleException failure;
  private volatile Map<String, String> info = Map.of();
  private volatile @Nullable CutPoint newestCut;
  private volatile SessionToken token = SessionToken.NOTHING;
  private volatile @Nullable MulticastClient multicast;
  private volatile Scheduler.@Nullable Running running;
  private volatile Consumer<@Nullable CapsuleException> onOver = failed -> {};
  private volatile Runnable onWorkerSealed = () -> {};

  // The agent's.
  private final WorkerCore core;
  private volatile @Nullable CoordinatorChain chain;
  private final RecordBursts bursts = new RecordBursts();
  private final List<CapsuleRecord> unmerged = new ArrayList<>();
  private long keptSince;
  private @Nullable Map<Long, ChainHead> toCompact;
  private final LinkedHashMap<Long, PublicKey> givers = new LinkedHashMap<>();
  private long nextTick;

  /** Whether replicas were told that this worker hears the others only by them. */
  private boolean needsRelays = true;

  /** What the store made durable before this was there, and from then on what it makes durable. */
  static final class Appended implements Consumer<List<StoredRecord>> {
    private final List<List<StoredRecord>> early = new ArrayList<>();
    private @Nullable Consumer<List<StoredRecord>> to;

    @Override
    public synchronized void accept(List<StoredRecord> batch) {
      Consumer<List<StoredRecord>> known = to;
      if (known == null) {
        early.add(batch);
      } else {
        known.accept(batch);
      }
    }

    synchronized void attach(Consumer<List<StoredRecord>> listener) {
      early.forEach(listener);
      early.clear();
      to = listener;
    }
  }

  private SharedWorker(Parts parts, WorkerOptions options, boolean linearizable, KeyRing keys) {
    this.parts = parts;
    this.options = options;
    this.linearizable = linearizable;
    this.keys = keys;
    capsule = parts.db().name();
    checks = new ChainChecks(capsule, parts.db().metadata(), keys);
    own = parts.db().head().writer();
    int generation = keys.currentGeneration();
    frames = new FrameCodec(capsule, keys, generation, own);
    try (SecretBytes root = keys.dataKey(generation, RosterEntry.MAX_WRITER);
        SecretBytes derived = Hkdf.sha256(root, capsule.toBytes(), LOCK_INFO, Hash32.BYTES)) {
      lockKey = derived.expose().clone();
    }
    sealing =
        new WriterSealing(parts.db().metadata(), Secp256k1.best(), parts.client(), parts.entropy());
    core = new WorkerCore(own, options, start(), checks);
    nextTick = parts.clock().monotonicNanos();
  }

  /**
   * Starts a worker over an engine that was opened to be shared.
   *
   * @param keys of the engine's capsule; cleared with the worker
   * @param appended hears what the store appends, since before the engine was opened
   * @param network joins the multicast, given who hears frames; or null: replicas relay them
   */
  static SharedWorker start(
      Parts parts,
      WorkerOptions options,
      boolean linearizable,
      KeyRing keys,
      Appended appended,
      @Nullable Function<Consumer<Blob>, MulticastClient> network) {
    SharedWorker worker = new SharedWorker(parts, options, linearizable, keys);
    appended.attach(worker::appended);
    worker.multicast = network == null ? null : network.apply(worker::arrived);
    parts.client().listen(worker::arrived, true);
    parts.db().onDurable(worker::looked);
    worker.running =
        parts
            .scheduler()
            .start(
                "scl-worker",
                worker::step,
                Math.max(1, TimeUnit.NANOSECONDS.toMillis(options.tickNanos())));
    return worker;
  }

  /** What the engine has replayed, read again from the store. */
  private WorkerStart start() {
    List<WorkerStart.Start> chains = new ArrayList<>();
    List<CapsuleRecord> syncs = new ArrayList<>();
    List<CapsuleRecord> calls = new ArrayList<>();
    parts
        .db()
        .frontier()
        .forEach(
            (writer, head) -> {
              if (writer == own || head.sequence() == 0) {
                return;
              }
              RosterEntry entry = checks.introduced(whole(writer, 1)).orThrow();
              byte[] newest = stored(writer, head.sequence());
              SignedHeader header = RecordCodec.decodeStored(capsule, newest).orThrow();
              chains.add(new WorkerStart.Start(entry, head, header.header().lamport()));
              if (entry.role() == RosterEntry.Role.COORDINATOR) {
                parts
                    .store()
                    .scan(
                        writer,
                        1,
                        (_, sequence, bytes) -> {
                          RecordType type = RecordCodec.typeOf(bytes);
                          if (type == RecordType.SYNC || type == RecordType.RTS) {
                            (type == RecordType.SYNC ? syncs : calls)
                                .add(RecordCodec.decode(capsule, bytes).orThrow());
                          }
                          return sequence < head.sequence();
                        });
              }
            });
    List<CapsuleRecord> epochs = new ArrayList<>();
    syncs.stream()
        .max(Comparator.comparingLong(record -> record.header().epoch()))
        .ifPresent(epochs::add);
    long joined = epochs.isEmpty() ? 0 : epochs.getFirst().header().epoch();
    calls.stream()
        .filter(record -> record.header().epoch() > joined)
        .sorted(
            Comparator.<CapsuleRecord>comparingLong(record -> record.header().epoch())
                .thenComparingLong(record -> record.header().lamport()))
        .forEach(epochs::add);
    return new WorkerStart(chains, epochs);
  }

  private byte[] stored(long writer, long sequence) {
    byte[] bytes = parts.store().read(writer, sequence);
    if (bytes == null) {
      throw new StorageException(
          CapsuleRecord.describe(writer, sequence) + " was replayed and is not stored");
    }
    return bytes;
  }

  private CapsuleRecord whole(long writer, long sequence) {
    return RecordCodec.decode(capsule, stored(writer, sequence)).orThrow();
  }

  /** Waits until it may write; false if it is over, or time is. */
  boolean awaitReady(long timeoutMs) {
    try {
      return ready.await(timeoutMs, TimeUnit.MILLISECONDS) && failure == null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Why it is over, or null. */
  @Nullable CapsuleException failure() {
    return failure;
  }

  /** Hears once that it is over without having been closed; at once if it is. */
  void onOver(Consumer<@Nullable CapsuleException> hears) {
    onOver = hears;
    if (over.getCount() == 0 && !closed) {
      hears.accept(failure);
    }
  }

  // ------------------------------------------------------------------ inputs, from any thread

  private void enqueue(WorkerInput input) {
    inbox.add(input);
    signal();
  }

  private void signal() {
    Scheduler.Running agent = running;
    if (agent != null) {
      agent.signal();
    }
  }

  private void looked() {
    CapsuleException broken = parts.db().failure();
    if (broken != null && failure == null) {
      enqueue(new WorkerInput.EngineFailed(broken));
    }
  }

  private void appended(List<StoredRecord> batch) {
    List<CapsuleRecord> run = new ArrayList<>();
    for (StoredRecord stored : batch) {
      if (!run.isEmpty() && run.getLast().header().writer() != stored.writer()) {
        appendedRun(run);
        run = new ArrayList<>();
      }
      run.add(RecordCodec.decode(capsule, stored.bytes()).orThrow());
    }
    if (!run.isEmpty()) {
      appendedRun(run);
    }
  }

  private void appendedRun(List<CapsuleRecord> run) {
    long writer = run.getFirst().header().writer();
    CoordinatorChain coordinator = chain;
    if (writer == own) {
      enqueue(new WorkerInput.OwnDurable(run));
    } else if (coordinator != null && writer == coordinator.writer()) {
      enqueue(new WorkerInput.CoordinatorDurable(run));
    } else if (writer == parts.db().compactorWriter()) {
      // This engine's tables: known here, and so not to be fetched.
      for (int from = 0; from < run.size(); from += SclMessage.MAX_RECORDS) {
        List<CapsuleRecord> piece =
            run.subList(from, Math.min(run.size(), from + SclMessage.MAX_RECORDS));
        enqueue(
            new WorkerInput.Received(
                own,
                new SclMessage.Records(
                    writer,
                    piece.getFirst().header().sequence(),
                    piece.getLast().header().sequence(),
                    piece)));
      }
    }
  }

  private void arrived(Blob frame) {
    if (over.getCount() == 0) {
      return;
    }
    if (arrivedBytes.addAndGet(frame.length()) > MAX_FRAME_BYTES_WAITING) {
      arrivedBytes.addAndGet(-frame.length());
      framesLost.incrementAndGet();
      return;
    }
    arrived.add(frame);
    signal();
  }

  // ------------------------------------------------------------------ the agent

  private boolean step() {
    if (over.getCount() == 0) {
      return false;
    }
    try {
      boolean more = false;
      for (int i = 0; i < INPUTS_PER_STEP; i++) {
        WorkerInput input = inbox.poll();
        if (input == null) {
          input = opened();
        }
        if (input == null) {
          break;
        }
        more = true;
        if (input instanceof WorkerInput.Received(long sender, SclMessage.Records records)) {
          if (records.writer() != own) {
            keep(sender, records);
          }
        } else if (input instanceof WorkerInput.OwnDurable) {
          apply(input);
          takeUp();
        } else {
          takeUp();
          merge();
          apply(input);
        }
      }
      long now = parts.clock().monotonicNanos();
      boolean isTime = now - nextTick >= 0;
      if (isTime || mayNotWait(now)) {
        takeUp();
      }
      merge();
      if (isTime) {
        nextTick = now + options.tickNanos();
        apply(
            new WorkerInput.Tick(
                parts.db().committedTime(), parts.db().committedTime() > parts.db().durableTime()));
        compact();
        report();
      }
      return more;
    } catch (CapsuleException e) {
      end(e);
    } catch (RuntimeException | AssertionError e) {
      EventLog.error("worker.defect", e);
      end(new StorageException("the worker met a defect", e));
    }
    return false;
  }

  private void keep(long sender, SclMessage.Records records) {
    if (bursts.isEmpty()) {
      keptSince = parts.clock().monotonicNanos();
    }
    bursts.add(sender, records);
    if (bursts.isFull()) {
      takeUp();
    }
  }

  /** Whether what is kept is to be taken up though nothing of this worker's became durable. */
  private boolean mayNotWait(long now) {
    return !asked.isEmpty()
        || parts.db().committedTime() <= parts.db().durableTime()
        || now - keptSince >= MAX_KEPT_NANOS;
  }

  private void takeUp() {
    bursts.take().forEach(this::apply);
  }

  /** Has the engine merge what the core has found mergeable. */
  private void merge() {
    if (!unmerged.isEmpty()) {
      List<CapsuleRecord> records = List.copyOf(unmerged);
      unmerged.clear();
      adopt(records);
      // Before anybody can read any of it: a session's token names all that the session has seen.
      token = core.token();
      parts.db().merge(records);
    }
  }

  /** The next frame that can be opened, or null. */
  private @Nullable WorkerInput opened() {
    for (Blob frame = arrived.poll(); frame != null; frame = arrived.poll()) {
      arrivedBytes.addAndGet(-frame.length());
      switch (frames.open(frame.bytes())) {
        case Decoded.Accepted<Frame>(Frame opened) -> {
          return new WorkerInput.Received(opened.sender(), opened.message());
        }
        case Decoded.Rejected<Frame>(Rejection rejection) -> {
          // For another worker, or come by two ways: nothing is wrong with it.
          if (rejection.reason() != Rejection.Reason.MISPLACED
              && rejection.reason() != Rejection.Reason.SEQUENCE_GAP) {
            framesRefused.incrementAndGet();
          }
        }
      }
    }
    return null;
  }

  private void apply(WorkerInput input) {
    for (WorkerOutput output : core.step(parts.clock().monotonicNanos(), input)) {
      if (!(output instanceof WorkerOutput.Merge || output instanceof WorkerOutput.Send)) {
        merge();
      }
      perform(output);
    }
  }

  private void perform(WorkerOutput output) {
    switch (output) {
      case WorkerOutput.Send(long receiver, SclMessage message) -> {
        send(receiver, message);
      }
      case WorkerOutput.Merge(List<CapsuleRecord> records) -> unmerged.addAll(records);
      case WorkerOutput.BeginCut cut -> beginCut(cut);
      case WorkerOutput.Stable(CapsuleRecord record, Sync sync) -> stable(record, sync);
      case WorkerOutput.Ready() -> ready.countDown();
      case WorkerOutput.IntroduceCoordinator() -> introduce();
      case WorkerOutput.AppendRts(long writer, var rts, List<Hash32> parents) ->
          append(writer, RecordType.RTS, rts.epoch(), parents, RtsCodec.encode(rts));
      case WorkerOutput.AppendSync(long writer, var sync, List<Hash32> parents) ->
          append(writer, RecordType.SYNC, sync.epoch(), parents, SyncCodec.encode(sync));
      case WorkerOutput.SealWriter(long writer, long target, long term) ->
          seal(writer, target, term);
      case WorkerOutput.EndCoordinator(long writer) -> endCoordinator(writer);
      case WorkerOutput.PullRange(long ticket, long writer, long from, long to) ->
          pull(
              ticket,
              parts.client().readRange(writer, from, to, PULL_BYTES, options.pullTimeoutNanos()));
      case WorkerOutput.PullHash(long ticket, Hash32 hash) ->
          pull(ticket, parts.client().read(hash, true, options.pullTimeoutNanos()));
      case WorkerOutput.Blame(long ticket, var rejection) -> {
        PublicKey giver;
        synchronized (givers) {
          giver = givers.get(ticket);
        }
        if (giver != null) {
          parts.client().blame(giver, String.valueOf(rejection));
        }
      }
      case WorkerOutput.ReadFrontier(long ticket) -> readFrontier(ticket);
      case WorkerOutput.Granted(long ticket) -> answer(ticket, new Held(ticket), null);
      case WorkerOutput.Reached(long ticket) -> answer(ticket, true, null);
      case WorkerOutput.Synced(long ticket, CapsuleRecord record, Sync sync) ->
          answer(ticket, point(record, sync), null);
      case WorkerOutput.Denied(long ticket, CapsuleException reason) ->
          answer(ticket, null, reason);
      case WorkerOutput.Lease(long until) -> leaseUntil = until;
      case WorkerOutput.Compactor(boolean appointed, List<Long> sealed) -> {
        if (appointed) {
          Map<Long, ChainHead> heads = new TreeMap<>();
          sealed.forEach(writer -> heads.put(writer, core.merged(writer)));
          toCompact = heads;
        } else {
          toCompact = null;
          parts.db().follow();
        }
      }
      case WorkerOutput.Stopped(CapsuleException why) -> end(why);
    }
  }

  /**
   * Through routers, and through replicas if this worker or another one has no router: then only
   * what is durable is said of records, and they are pulled.
   */
  private void send(long receiver, SclMessage message) {
    if (message instanceof SclMessage.LockRequest(_, _, List<LockGrant> locks)) {
      locksAsked.addAndGet(locks.size());
    }
    MulticastClient network = multicast;
    boolean joined = network != null && network.isJoined();
    if (network != null && joined) {
      network.send(frames.seal(receiver, message));
    }
    if (!joined || parts.client().othersNeedRelays()) {
      SclMessage said =
          message instanceof SclMessage.Records(long writer, long from, long to, _)
              ? new SclMessage.Records(writer, from, to, List.of())
              : message;
      parts.client().relay(frames.seal(receiver, said));
      framesRelayed.incrementAndGet();
    }
    if (joined == needsRelays) {
      needsRelays = !joined;
      parts.client().listen(this::arrived, needsRelays);
    }
  }

  private void adopt(List<CapsuleRecord> records) {
    List<StoredRecord> stored = new ArrayList<>(records.size());
    for (CapsuleRecord record : records) {
      stored.add(
          new StoredRecord(
              record.header().writer(), record.header().sequence(), record.hash(), record.bytes()));
    }
    parts.store().adopt(stored);
  }

  private ChainHead head() {
    CapsuleDb.Head head = parts.db().head();
    return new ChainHead(head.sequence(), head.hash());
  }

  private void beginCut(WorkerOutput.BeginCut cut) {
    adopt(List.of(cut.record()));
    long epoch = cut.rts().epoch();
    CutResult result;
    try {
      result = parts.db().beginCut(cut.record(), cut.idleIsEnough());
    } catch (InvalidRequestException replayed) {
      // Replayed when the engine was opened, which moved the clock; nothing was written before.
      EventLog.info("worker.cut_replayed", "epoch", epoch);
      enqueue(
          new WorkerInput.CutMade(epoch, WorkerInput.Cut.IDLE, head(), parts.db().committedTime()));
      return;
    }
    switch (result) {
      case CutResult.Cut(var eoe) -> {
        var unused =
            eoe.whenComplete(
                (head, failed) -> {
                  if (failed == null) {
                    enqueue(
                        new WorkerInput.CutMade(
                            epoch, WorkerInput.Cut.MADE, head, parts.db().committedTime()));
                  }
                });
        assert unused != null;
      }
      case CutResult.Idle(ChainHead head) ->
          enqueue(
              new WorkerInput.CutMade(
                  epoch, WorkerInput.Cut.IDLE, head, parts.db().committedTime()));
      case CutResult.Late(long clock) ->
          enqueue(new WorkerInput.CutMade(epoch, WorkerInput.Cut.LATE, head(), clock));
    }
  }

  private void stable(CapsuleRecord record, Sync sync) {
    parts.db().stable(sync, record.hash());
    newestCut = point(record, sync);
  }

  private CutPoint point(CapsuleRecord record, Sync sync) {
    return new CutPoint(sync.epoch(), sync.cutTime(), record.hash(), core.token());
  }

  private void introduce() {
    endCoordinator(0);
    AtomicLong writer = new AtomicLong();
    try {
      CoordinatorChain introduced =
          CoordinatorChain.introduce(
              capsule,
              keys,
              parts.store(),
              parts.client(),
              parts.entropy(),
              parts.db()::committedTime,
              failed -> enqueue(new WorkerInput.CoordinatorEnded(writer.get())),
              made -> {
                // Before its first record can be durable.
                writer.set(made.writer());
                chain = made;
              });
      EventLog.info("coordinator.claims", "writer", Long.toHexString(introduced.writer()));
      enqueue(new WorkerInput.CoordinatorIntroduced(introduced.writer()));
    } catch (UnavailableException | DeniedException e) {
      // Somebody else was appointed, or who appoints is away: claimed again later, if need be.
      EventLog.info("coordinator.not_appointed", "reason", String.valueOf(e.getMessage()));
      enqueue(new WorkerInput.CoordinatorEnded(0));
    }
  }

  private @Nullable CoordinatorChain of(long writer) {
    CoordinatorChain known = chain;
    return known != null && known.writer() == writer ? known : null;
  }

  private void append(
      long writer, RecordType type, long epoch, List<Hash32> parents, byte[] payload) {
    CoordinatorChain known = of(writer);
    if (known != null) {
      known.append(type, epoch, parents, payload);
    }
  }

  private void endCoordinator(long writer) {
    CoordinatorChain known = chain;
    if (known != null && (writer == 0 || known.writer() == writer)) {
      chain = null;
      known.close();
    }
  }

  private void seal(long writer, long target, long term) {
    CoordinatorChain known = of(writer);
    if (known == null) {
      return;
    }
    EventLog.info(
        "coordinator.seals", "writer", Long.toHexString(target), "term", Long.toString(term));
    work(
        () -> {
          WriterSealing.Outcome outcome =
              sealing.seal(
                  writer,
                  target,
                  term,
                  order ->
                      known.append(RecordType.SEAL, 0, List.of(), SealOrderCodec.encode(order)));
          enqueue(
              switch (outcome) {
                case WriterSealing.Sealed(ChainHead last) -> new WorkerInput.Sealed(target, last);
                case WriterSealing.Overruled(long beyond) ->
                    new WorkerInput.SealOverruled(target, beyond);
                case null -> new WorkerInput.CoordinatorEnded(writer);
              });
          if (outcome instanceof WriterSealing.Sealed && isWorker(target)) {
            onWorkerSealed.run();
          }
        },
        failed -> enqueue(new WorkerInput.CoordinatorEnded(writer)));
  }

  /** Hears that this node, as coordinator, has sealed a worker that was silent. */
  void onWorkerSealed(Runnable hears) {
    onWorkerSealed = hears;
  }

  private boolean isWorker(long writer) {
    byte[] first = parts.store().read(writer, 1);
    return first != null
        && checks.introduced(RecordCodec.decode(capsule, first).orThrow())
            instanceof Decoded.Accepted<RosterEntry>(RosterEntry entry)
        && entry.role() == RosterEntry.Role.WORKER;
  }

  /** Runs what blocks on a thread of its own. */
  private void work(Runnable task, Consumer<CapsuleException> failed) {
    busy.incrementAndGet();
    Thread.ofVirtual()
        .name("scl-work")
        .start(
            () -> {
              try {
                task.run();
              } catch (CapsuleException e) {
                failed.accept(e);
              } catch (RuntimeException | AssertionError e) {
                EventLog.error("worker.defect", e);
                failed.accept(new StorageException("the worker met a defect", e));
              } finally {
                busy.decrementAndGet();
              }
            });
  }

  private void pull(long ticket, QuorumClient.Answer<Found> answer) {
    work(
        () -> {
          Found found = parts.client().await(answer, 2 * options.pullTimeoutNanos());
          List<CapsuleRecord> records = new ArrayList<>();
          PublicKey from = found == null ? null : found.from();
          if (found != null) {
            for (Blob blob : found.records()) {
              if (RecordCodec.decode(capsule, blob.bytes())
                  instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)) {
                records.add(record);
              } else {
                break;
              }
            }
          }
          if (from != null) {
            remember(ticket, from);
          }
          enqueue(new WorkerInput.Pulled(ticket, records));
        },
        failed -> enqueue(new WorkerInput.Pulled(ticket, List.of())));
  }

  private void remember(long ticket, PublicKey from) {
    synchronized (givers) {
      givers.put(ticket, from);
      if (givers.size() > TICKETS_REMEMBERED) {
        givers.pollFirstEntry();
      }
    }
  }

  private void readFrontier(long ticket) {
    work(
        () -> {
          RecoveredFrontier frontier =
              parts
                  .client()
                  .await(
                      parts.client().recover(options.leaseNanos() / READ_GRACES),
                      options.pullTimeoutNanos());
          if (frontier == null) {
            return;
          }
          List<ChainClaim> claims = new ArrayList<>();
          for (long writer : frontier.writers()) {
            // What one replica alone says, and others deny, is not waited for.
            long claimed =
                frontier.claims(writer).stream()
                    .mapToLong(claim -> claim.head().sequence())
                    .filter(sequence -> frontier.mayBeDurable(writer, sequence))
                    .max()
                    .orElse(0);
            if (claimed == 0
                && frontier.seal(writer).equals(SealState.OPEN)
                && !frontier.claims(writer).isEmpty()) {
              continue;
            }
            claims.add(
                new ChainClaim(
                    writer,
                    frontier.durable(writer),
                    claimed,
                    frontier.seal(writer).isFinal(),
                    frontier.finalHead(writer)));
          }
          enqueue(new WorkerInput.FrontierRead(ticket, claims));
        },
        failed ->
            EventLog.warn("worker.frontier_failed", "reason", String.valueOf(failed.getMessage())));
  }

  private void compact() {
    Map<Long, ChainHead> sealed = toCompact;
    if (sealed != null && parts.db().becomeCompactor(sealed)) {
      toCompact = null;
      EventLog.info("worker.compacts", "writer", Long.toHexString(own));
    }
  }

  private void report() {
    Map<String, String> fields = new LinkedHashMap<>();
    EpochCore.Merged sync = core.lastSync();
    fields.put("epoch", Long.toString(parts.db().epoch()));
    fields.put("synced_epoch", sync == null ? "0" : Long.toString(sync.sync().epoch()));
    fields.put("term", Long.toString(core.term()));
    fields.put("coordinator", chain == null ? "no" : "yes");
    fields.put("compactor", parts.db().isCompactor() ? "yes" : "no");
    fields.put(
        "roster",
        sync == null
            ? ""
            : String.join(
                ",",
                sync.sync().positions().stream()
                    .filter(position -> position.state() == Sync.State.LIVE)
                    .map(position -> Long.toHexString(position.writer()))
                    .toList()));
    fields.put("stable_time", Long.toString(parts.db().stableTime()));
    fields.put("chains", Integer.toString(core.writers().size()));
    fields.put("locks", Integer.toString(core.heldLocks().size()));
    fields.put("locks_asked", Long.toString(locksAsked.get()));
    fields.put(
        "lease_ms",
        Long.toString(
            Math.max(
                0, TimeUnit.NANOSECONDS.toMillis(leaseUntil - parts.clock().monotonicNanos()))));
    MulticastClient network = multicast;
    fields.put("router", network == null ? "none" : network.isJoined() ? "joined" : "lost");
    fields.put("frames_relayed", Long.toString(framesRelayed.get()));
    fields.put("frames_refused", Long.toString(framesRefused.get() + framesLost.get()));
    info = fields;
    token = core.token();
  }

  private void end(@Nullable CapsuleException why) {
    if (over.getCount() == 0) {
      return;
    }
    failure = why;
    endCoordinator(0);
    over.countDown();
    ready.countDown();
    CapsuleException told = why == null ? new UnavailableException("this worker has left") : why;
    asked.keySet().forEach(ticket -> answer(ticket, null, told));
    if (!leaving.get()) {
      EventLog.warn(
          "worker.over",
          "writer",
          Long.toHexString(own),
          "reason",
          String.valueOf(told.getMessage()));
      onOver.accept(why);
    }
  }

  // ------------------------------------------------------------------ for the server

  private void answer(long ticket, @Nullable Object value, @Nullable CapsuleException refused) {
    Heard<Object> hears = asked.remove(ticket);
    if (hears != null) {
      hears.heard(value, refused);
    } else if (value instanceof Held) {
      enqueue(new WorkerInput.Finish(ticket, 0));
    }
  }

  @SuppressWarnings("unchecked") // Each ticket is answered by what its input is answered by.
  private <T> void ask(Heard<T> told, Function<Long, WorkerInput> input) {
    long ticket = tickets.incrementAndGet();
    asked.put(ticket, (Heard<Object>) told);
    if (over.getCount() == 0) {
      answer(ticket, null, new UnavailableException("this worker is over; connect again"));
    } else {
      enqueue(input.apply(ticket));
    }
  }

  @Override
  public boolean linearizable() {
    return linearizable;
  }

  @Override
  public long lockOf(byte[] key) {
    long lock = LittleEndian.getLong(Hmac.sha256(lockKey, key), 0);
    return lock == LockGrant.ALL ? 1 : lock;
  }

  @Override
  public void acquire(List<LockWish> wishes, Heard<Held> told) {
    ask(told, ticket -> new WorkerInput.Acquire(ticket, wishes, ACQUIRE_NANOS));
  }

  @Override
  public void finish(long ticket, boolean wrote) {
    enqueue(new WorkerInput.Finish(ticket, wrote ? parts.db().newestSequence() : 0));
  }

  @Override
  public long leaseEndNanos() {
    return leaseUntil;
  }

  @Override
  public SessionToken token() {
    // Made before the newest merge: what this worker's own chain has since then is added.
    ChainHead head = head();
    return token.join(
        new SessionToken(
            List.of(new io.capsuledb.scl.session.Position(own, Math.max(1, head.sequence())))));
  }

  @Override
  public String encode(SessionToken seen) {
    return TokenCodec.encode(capsule, seen);
  }

  @Override
  public Decoded<SessionToken> decode(String text) {
    return TokenCodec.decode(capsule, text);
  }

  @Override
  public void waitFor(SessionToken seen, long timeoutMs, Heard<Boolean> told) {
    ask(
        told,
        ticket -> new WorkerInput.WaitFor(ticket, seen, TimeUnit.MILLISECONDS.toNanos(timeoutMs)));
  }

  @Override
  public void sync(long timeoutMs, Heard<CutPoint> told) {
    ask(
        told,
        ticket -> new WorkerInput.ForceSync(ticket, TimeUnit.MILLISECONDS.toNanos(timeoutMs)));
  }

  @Override
  public @Nullable CutPoint newestCut() {
    return newestCut;
  }

  @Override
  public Map<String, String> info() {
    return info;
  }

  /** Leaves in good order, for a moment at most, and ends. Idempotent. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      leaving.set(true);
      if (over.getCount() > 0) {
        enqueue(new WorkerInput.Leave());
        try {
          if (!over.await(LEAVE_MS, TimeUnit.MILLISECONDS)) {
            EventLog.warn("worker.left_in_haste");
          }
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      }
      Scheduler.Running agent = running;
      if (agent != null) {
        agent.close();
      }
      end(null);
      MulticastClient network = multicast;
      if (network != null) {
        network.close();
      }
      frames.close();
      checks.close();
      keys.close();
      java.util.Arrays.fill(lockKey, (byte) 0);
    }
  }
}
