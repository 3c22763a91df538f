package io.capsuledb.engine;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Telemetry.Counter;
import io.capsuledb.core.port.Telemetry.Distribution;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.engine.lsm.Cut;
import io.capsuledb.engine.lsm.Manifest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * From committed operations to durable records.
 *
 * <p>Three stages overlap: transactions append to the <i>open batch</i>; the seal agent takes it,
 * encrypts, hashes, links and signs it as one DATA record; the store agent writes every sealed
 * record that waits in one durable append, and begins the next while a store that is far away is
 * still at it. Batches form by load alone: while a few appends are under way, one sealed record at
 * most waits behind them, and everything committed meanwhile gathers in the open batch. An idle
 * path seals and stores a lone operation at once; a busy one pays one signature and one sync for
 * thousands.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>operations are sealed in the order of their Lamport times, records are stored in the order
 *       of the chain;
 *   <li>{@link #durableTime()} never passes an operation whose record {@link RecordStore#append}
 *       has not returned for;
 *   <li>a transaction's operations are in one record;
 *   <li>in shared mode: what was merged before a record was begun is among its ancestors, and the
 *       record's operations are later. So a merge ends the open batch;
 *   <li>after a failure nothing more is sealed or stored; an append that was under way may still
 *       finish and count.
 * </ul>
 *
 * <p>Threads: {@link #append} under the engine's lock; each agent is stepped by one thread at a
 * time; what they share is guarded by {@code monitor}, held for moments.
 */
final class WritePath {

  /** A batch is closed at this size even if the sealer is busy. */
  static final int BATCH_TARGET_BYTES = 1 << 20;

  /** A batch is closed at this many operations. */
  static final int MAX_BATCH_OPERATIONS = 1 << 16;

  /** Committed but not yet durable bytes beyond which new transactions wait. */
  static final long MAX_PENDING_BYTES = 128L << 20;

  /** How often who waits for room looks whether the store has become unavailable. */
  private static final long ROOM_CHECK_MS = 100;

  /** Sealed records that may wait while the store syncs. */
  private static final int MAX_SEALED_AHEAD = 1;

  /** Appends under way at once, at a store that can have more than one. */
  private static final int MAX_APPENDS = 4;

  /** How long closing waits before it looks again whether appends came out. */
  private static final long CLOSE_CHECK_MS = 100;

  /** Batches kept for reuse. */
  private static final int MAX_SPARES = 4;

  private static final System.Logger LOG = System.getLogger(WritePath.class.getName());

  private static final double NANOS = 1e-9;

  /** Consecutive operations, to become one record; or the end of an epoch. */
  private static final class Batch {
    final BatchCodec operations = new BatchCodec();
    long firstTime;
    long openedNanos;
    long epoch;
    List<Hash32> parents = List.of();
    @Nullable EndOfEpoch end;

    long lastTime() {
      EndOfEpoch ending = end;
      return ending == null ? firstTime + operations.count() - 1 : ending.cutTime;
    }

    void reset() {
      operations.reset();
      parents = List.of();
      end = null;
    }
  }

  /** What an EOE record says, and who waits for it. */
  private static final class EndOfEpoch {
    final byte[] payload;
    final long cutTime;
    final CompletableFuture<ChainHead> durable = new CompletableFuture<>();

    EndOfEpoch(byte[] payload, long cutTime) {
      this.payload = payload;
      this.cutTime = cutTime;
    }
  }

  private record Sealed(
      CapsuleRecord record,
      long lastTime,
      int operations,
      long openedNanos,
      @Nullable EndOfEpoch end) {}

  private record Waiter(long fence, CompletableFuture<@Nullable Void> future)
      implements Comparable<Waiter> {
    @Override
    public int compareTo(Waiter other) {
      return Long.compare(fence, other.fence);
    }
  }

  private final RecordStore store;
  private volatile RecordSealer sealer;
  private final Clock clock;
  private final Telemetry telemetry;
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

  private final Object monitor = new Object();
  // Guarded by monitor:
  private Batch open = new Batch();
  private final ArrayDeque<Batch> closed = new ArrayDeque<>();
  private final ArrayDeque<Batch> spares = new ArrayDeque<>();
  private final ArrayDeque<Sealed> sealed = new ArrayDeque<>();
  private final PriorityQueue<Waiter> waiters = new PriorityQueue<>();
  private final ArrayDeque<Cut> cuts = new ArrayDeque<>();
  private long pendingBytes;
  private int appending;

  /** First Lamport times of the records that are not durable yet, in order. */
  private final ArrayDeque<Long> undurable = new ArrayDeque<>();

  /** Last records of this engine's writers before the present one that no cut has named yet. */
  private final List<Manifest.Chain> ended = new ArrayList<>();

  /** Everything that others did up to this Lamport time, and that was merged, is durable. */
  private long mergedTime;

  /** Heads of other chains that the next record names: what was merged since the one before. */
  private final Map<Long, Hash32> unjoined = new TreeMap<>();

  private long epoch;

  /** Ends of epochs that are not durable yet. */
  private final Set<EndOfEpoch> ends = new LinkedHashSet<>();

  private volatile long durableTime;
  private volatile boolean congested;
  private volatile @Nullable CapsuleException failure;
  private volatile Head head;

  private Scheduler.@Nullable Running sealing;
  private Scheduler.@Nullable Running storing;

  /** The newest durable record of this node's chain. */
  record Head(long writer, long sequence, io.capsuledb.core.crypto.Hash32 hash, long lamport) {}

  /**
   * A write path behind an introduced writer.
   *
   * @param sealer has sealed the chain's first record, {@code head}, which is durable
   * @param durableTime Lamport time of that record
   */
  WritePath(
      RecordStore store,
      RecordSealer sealer,
      Head head,
      long durableTime,
      Clock clock,
      Telemetry telemetry) {
    this.store = store;
    this.sealer = sealer;
    this.head = head;
    this.durableTime = durableTime;
    this.clock = clock;
    this.telemetry = telemetry;
  }

  void start(Scheduler scheduler) {
    storing = scheduler.start("capsule-store", this::storeStep, 0);
    sealing = scheduler.start("capsule-seal", this::sealStep, 0);
  }

  /**
   * Appends a transaction's operations. Under the engine's lock.
   *
   * @param firstTime Lamport time of the first; the others follow without a gap
   * @param encodedBound most bytes the operations take
   * @return the place of the first operation in its record
   */
  int append(Transaction.Staged operations, long firstTime, long encodedBound) {
    boolean wake;
    int place;
    synchronized (monitor) {
      Batch batch = open;
      if (batch.operations.count() > 0
          && (batch.operations.length() + encodedBound > BATCH_TARGET_BYTES
              || batch.operations.count() + operations.count() > MAX_BATCH_OPERATIONS)) {
        closed.add(batch);
        batch = newBatch();
        open = batch;
      }
      // A batch that was begun before has had its signal: the sealer either comes for it, or waits
      // for
      // the store, which will wake it. Waking it for each operation would cost more than the
      // operation.
      wake = batch.operations.count() == 0;
      if (wake) {
        begin(batch, firstTime);
      }
      place = batch.operations.count();
      int before = wake ? 0 : batch.operations.length();
      operations.encode(batch.operations);
      addPending(batch.operations.length() - before);
    }
    if (wake) {
      signal(sealing);
    }
    return place;
  }

  private void begin(Batch batch, long firstTime) {
    batch.firstTime = firstTime;
    batch.openedNanos = clock.monotonicNanos();
    batch.epoch = epoch;
    if (!unjoined.isEmpty()) {
      batch.parents = List.copyOf(unjoined.values());
      unjoined.clear();
    }
    undurable.add(firstTime);
  }

  // ------------------------------------------------------------------ shared mode

  /** The sequence number of the newest record that anything was put into. */
  long newestSequence() {
    synchronized (monitor) {
      return head.sequence() + undurable.size();
    }
  }

  /** The epoch that records carry from now on. Before anything is appended. */
  void beginEpoch(long first) {
    synchronized (monitor) {
      epoch = first;
    }
  }

  long epoch() {
    synchronized (monitor) {
      return epoch;
    }
  }

  /**
   * Notes that durable records of other chains were merged: the open batch ends, and the next one
   * names them. Under the engine's lock.
   *
   * @param time the clock now: every operation from here on is later
   * @param heads the newest record of each chain, by writer
   */
  void merged(long time, Map<Long, Hash32> heads) {
    List<Waiter> reached;
    boolean grew;
    synchronized (monitor) {
      // Whoever began the batch has told the sealer of it.
      closeOpen();
      unjoined.putAll(heads);
      mergedTime = time;
      long before = durableTime;
      reached = advance(before);
      grew = durableTime > before;
    }
    if (grew) {
      // Somebody may have read what was merged before it counted as durable here.
      tellListeners();
      reached.forEach(w -> w.future.complete(null));
    }
  }

  /**
   * Notes that heads of chains are ancestors of another head that was merged: no need to name them.
   */
  void implied(Collection<Long> writers) {
    synchronized (monitor) {
      unjoined.keySet().removeAll(writers);
    }
  }

  /** How many chains the next record would name. */
  int unjoined() {
    synchronized (monitor) {
      return unjoined.size();
    }
  }

  /** Whether everything that was committed is durable. */
  boolean isDrained() {
    synchronized (monitor) {
      return undurable.isEmpty();
    }
  }

  /**
   * Ends the epoch: everything appended before is in records before its EOE, which names what was
   * merged, the RTS included. Under the engine's lock.
   *
   * @param payload of the EOE
   * @param time of the EOE
   * @param cutTime at or after it, and before everything that is appended from now on
   * @param ending the epoch that ends; records from now on carry the next one
   * @return completes with the EOE's place when it is durable
   */
  CompletableFuture<ChainHead> endEpoch(byte[] payload, long time, long cutTime, long ending) {
    EndOfEpoch end = new EndOfEpoch(payload, cutTime);
    CapsuleException failed;
    synchronized (monitor) {
      closeOpen();
      Batch batch = newBatch();
      begin(batch, time);
      batch.epoch = ending;
      batch.end = end;
      closed.add(batch);
      epoch = ending + 1;
      mergedTime = cutTime;
      failed = failure;
      if (failed == null) {
        ends.add(end);
      }
    }
    if (failed != null) {
      end.durable.completeExceptionally(unknown(failed));
    }
    signal(sealing);
    return end.durable;
  }

  /** Closes the open batch if there is anything in it. Under the monitor. */
  private boolean closeOpen() {
    if (open.operations.count() == 0) {
      return false;
    }
    closed.add(open);
    open = newBatch();
    return true;
  }

  /**
   * Moves {@link #durableTime} as far as it may go; under the monitor.
   *
   * @param stored last time of the newest record that is durable
   * @return who waited for that
   */
  private List<Waiter> advance(long stored) {
    Long next = undurable.peek();
    long reaches = next == null ? Math.max(stored, mergedTime) : Math.max(stored, next - 1);
    if (reaches > durableTime) {
      durableTime = reaches;
    }
    if (waiters.isEmpty()) {
      return List.of();
    }
    List<Waiter> reached = new ArrayList<>();
    while (!waiters.isEmpty() && waiters.peek().fence <= durableTime) {
      reached.add(waiters.remove());
    }
    return reached;
  }

  // ------------------------------------------------------------------ cuts of one node

  /**
   * Ends the open batch, so that a record ends where a memtable does. Under the engine's lock, with
   * the newest committed operation's time.
   *
   * @return completed, and listeners told, when everything before it is durable
   */
  Cut cut(long time) {
    Cut cut = new Cut(time);
    synchronized (monitor) {
      closeOpen();
      if (durableTime >= time) {
        cut.complete(positions(head));
      } else {
        cuts.add(cut);
      }
    }
    return cut;
  }

  /** How far this engine's chains go, as far as no cut has said so; under the monitor. */
  private List<Manifest.Chain> positions(Head at) {
    List<Manifest.Chain> positions = new ArrayList<>(ended);
    ended.clear();
    positions.add(chainAt(at));
    return positions;
  }

  /**
   * Goes on as another writer; the chain of the one before has ended. Under the engine's lock,
   * after {@link #isDrained}.
   *
   * @param next has sealed its chain up to {@code first}, which is durable and names the head of
   *     the chain before
   */
  void goOnAs(RecordSealer next, Head first) {
    RecordSealer before;
    synchronized (monitor) {
      if (!undurable.isEmpty() || next.sequence() != first.sequence) {
        throw new IllegalStateException("a writer is replaced while it writes");
      }
      Manifest.Chain last = chainAt(head);
      ended.add(
          new Manifest.Chain(
              last.writer(), last.sequence(), last.hash(), last.lamport(), true, false));
      before = sealer;
      sealer = next;
      head = first;
      durableTime = Math.max(durableTime, first.lamport);
    }
    before.close();
  }

  private static Manifest.Chain chainAt(Head at) {
    return new Manifest.Chain(at.writer, at.sequence, at.hash, at.lamport, false, false);
  }

  private void addPending(long bytes) {
    pendingBytes += bytes;
    congested = pendingBytes > MAX_PENDING_BYTES;
  }

  private Batch newBatch() {
    Batch spare = spares.poll();
    return spare == null ? new Batch() : spare;
  }

  private static void signal(Scheduler.@Nullable Running agent) {
    if (agent != null) {
      agent.signal();
    }
  }

  /**
   * Waits until there is room for another transaction. Not under the engine's lock.
   *
   * @throws CapsuleException what the store says if it can make nothing durable for now: a
   *     transaction that began would only wait
   */
  void awaitRoom() {
    checkAvailable();
    if (!congested) {
      return;
    }
    synchronized (monitor) {
      boolean interrupted = false;
      while (congested && failure == null && store.unavailable() == null) {
        try {
          monitor.wait(ROOM_CHECK_MS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    checkAvailable();
  }

  private void checkAvailable() {
    CapsuleException unavailable = store.unavailable();
    if (unavailable != null && failure == null) {
      throw unavailable;
    }
  }

  /** One step of the seal agent: seals one batch, if the store is not too far behind. */
  boolean sealStep() {
    Batch batch;
    synchronized (monitor) {
      if (failure != null || sealed.size() >= MAX_SEALED_AHEAD) {
        return false;
      }
      batch = closed.poll();
      if (batch == null) {
        if (open.operations.count() == 0) {
          return false;
        }
        batch = open;
        open = newBatch();
      }
    }
    try {
      long begin = clock.monotonicNanos();
      EndOfEpoch end = batch.end;
      byte[] payload = end == null ? batch.operations.encoded() : end.payload;
      int bytes = end == null ? batch.operations.length() : payload.length;
      int count = batch.operations.count();
      CapsuleRecord record =
          sealer.seal(
              end == null ? RecordType.DATA : RecordType.EOE,
              batch.epoch,
              batch.firstTime,
              batch.parents,
              payload,
              0,
              bytes);
      telemetry.observe(Distribution.SEAL_SECONDS, (clock.monotonicNanos() - begin) * NANOS);
      telemetry.observe(Distribution.BATCH_OPERATIONS, count);
      telemetry.observe(Distribution.BATCH_BYTES, bytes);
      telemetry.count(Counter.RECORDS_SEALED, 1);
      telemetry.count(Counter.BYTES_SEALED, record.bytes().length);
      synchronized (monitor) {
        sealed.add(new Sealed(record, batch.lastTime(), count, batch.openedNanos, end));
        addPending(record.bytes().length - (end == null ? (long) bytes : 0));
        batch.reset();
        if (spares.size() < MAX_SPARES) {
          spares.add(batch);
        }
      }
    } catch (CapsuleException e) {
      fail(e);
      return false;
    } catch (RuntimeException | Error e) {
      fail(new StorageException("sealing a record failed", e));
      return false;
    }
    signal(storing);
    return true;
  }

  /** One step of the store agent: begins to make every sealed record durable in one append. */
  boolean storeStep() {
    List<Sealed> batch = new ArrayList<>();
    synchronized (monitor) {
      if (appending >= MAX_APPENDS) {
        return false;
      }
      while (!sealed.isEmpty() && batch.size() < RecordStore.MAX_BATCH_RECORDS) {
        batch.add(sealed.removeFirst());
      }
      if (failure != null || batch.isEmpty()) {
        return false;
      }
      appending++;
    }
    signal(sealing);
    List<StoredRecord> records = new ArrayList<>(batch.size());
    for (Sealed s : batch) {
      CapsuleRecord r = s.record;
      records.add(
          new StoredRecord(r.header().writer(), r.header().sequence(), r.hash(), r.bytes()));
    }
    long begin = clock.monotonicNanos();
    try {
      store.append(records, failed -> appended(batch, begin, failed));
    } catch (CapsuleException e) {
      fail(e);
      return false;
    } catch (RuntimeException | Error e) {
      fail(new StorageException("storing a record failed", e));
      return false;
    }
    return true;
  }

  /** An append came out. On any thread; for one append after the other, in their order. */
  private void appended(List<Sealed> batch, long begin, @Nullable CapsuleException failed) {
    if (failed != null) {
      fail(failed);
      return;
    }
    long end = clock.monotonicNanos();
    Sealed last = batch.getLast();
    List<Waiter> reached;
    synchronized (monitor) {
      for (Sealed s : batch) {
        undurable.remove();
        while (!cuts.isEmpty() && cuts.peek().time() == s.lastTime) {
          cuts.remove().complete(positions(headOf(s.record)));
        }
        if (s.end != null) {
          ends.remove(s.end);
        }
      }
      head = headOf(last.record);
      reached = advance(last.lastTime);
    }
    long operations = 0;
    long bytes = 0;
    for (Sealed s : batch) {
      bytes += s.record.bytes().length;
      operations += s.operations;
      telemetry.observe(Distribution.COMMIT_SECONDS, (end - s.openedNanos) * NANOS);
    }
    telemetry.observe(Distribution.STORE_SYNC_SECONDS, (end - begin) * NANOS);
    telemetry.count(Counter.OPERATIONS_WRITTEN, operations);
    telemetry.count(Counter.RECORDS_DURABLE, batch.size());
    synchronized (monitor) {
      addPending(-bytes);
      appending--;
      monitor.notifyAll();
    }
    signal(storing);
    tellListeners();
    reached.forEach(w -> w.future.complete(null));
    for (Sealed s : batch) {
      EndOfEpoch ended = s.end;
      if (ended != null) {
        ended.durable.complete(new ChainHead(s.record.header().sequence(), s.record.hash()));
      }
    }
  }

  private static Head headOf(CapsuleRecord record) {
    return new Head(
        record.header().writer(),
        record.header().sequence(),
        record.hash(),
        record.header().lamport());
  }

  /** Stops the path for good; the first failure stays. */
  void fail(CapsuleException cause) {
    List<Waiter> lost;
    List<EndOfEpoch> unended;
    synchronized (monitor) {
      if (failure != null) {
        return;
      }
      failure = cause;
      lost = new ArrayList<>(waiters);
      waiters.clear();
      unended = List.copyOf(ends);
      ends.clear();
      monitor.notifyAll();
    }
    tellListeners();
    for (Waiter waiter : lost) {
      waiter.future.completeExceptionally(unknown(cause));
    }
    unended.forEach(end -> end.durable.completeExceptionally(unknown(cause)));
  }

  /** A listener that breaks its contract must not take the agent, and with it everybody, down. */
  private void tellListeners() {
    for (Runnable listener : listeners) {
      try {
        listener.run();
      } catch (RuntimeException | Error e) {
        LOG.log(System.Logger.Level.ERROR, "event=durability_listener.failed", e);
      }
    }
  }

  private static OutcomeUnknownException unknown(CapsuleException cause) {
    return new OutcomeUnknownException(
        "the engine stopped before the write was known to be durable; read it after reopening",
        cause);
  }

  /** Completes when {@code fence} is durable. */
  CompletableFuture<@Nullable Void> whenDurable(long fence) {
    CompletableFuture<@Nullable Void> future = new CompletableFuture<>();
    @Nullable CapsuleException failed;
    synchronized (monitor) {
      failed = failure;
      if (failed == null && fence > durableTime) {
        waiters.add(new Waiter(fence, future));
        return future;
      }
    }
    if (failed != null && fence > durableTime) {
      future.completeExceptionally(unknown(failed));
    } else {
      future.complete(null);
    }
    return future;
  }

  void onDurable(Runnable listener) {
    listeners.add(listener);
  }

  long durableTime() {
    return durableTime;
  }

  @Nullable CapsuleException failure() {
    return failure;
  }

  Head head() {
    return head;
  }

  /** Bytes committed and not yet durable. */
  long pendingBytes() {
    synchronized (monitor) {
      return pendingBytes;
    }
  }

  /** Stops the agents, makes durable what was committed, and clears the writer's key. */
  void close() {
    if (sealing != null) {
      sealing.close();
    }
    if (storing != null) {
      storing.close();
    }
    boolean progress = true;
    while (progress) {
      progress = sealStep();
      progress |= storeStep();
      if (!progress) {
        progress = awaitAppended();
      }
    }
    sealer.close();
  }

  /** While closing: waits until an append came out. False if none is under way. */
  private boolean awaitAppended() {
    boolean interrupted = false;
    boolean waited = false;
    synchronized (monitor) {
      int before = appending;
      while (appending > 0 && appending == before && failure == null) {
        waited = true;
        try {
          monitor.wait(CLOSE_CHECK_MS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      waited &= failure == null;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return waited;
  }
}
