package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.proof.KeyProof;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.CheckpointLayout;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.MergeCursor;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Manifest.Run;
import io.capsuledb.engine.memtable.Memtable;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The log-structured merge-tree of a capsule.
 *
 * <p>New entries go into the active memtable. A full one is frozen; the flush agent turns it into a
 * run of tables of level 0 when the records its entries came from are durable. The compaction agent
 * merges level 0 into level 1, and each level that is too large into the next. Every such change is
 * a MANIFEST record, and a CHECKPOINT that says in clear which records' payloads it makes
 * superfluous; the compaction agent releases these when it has nothing else to do.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a manifest is appended when the blocks it names are durable, and installed, that is shown
 *       to readers, when it is durable itself;
 *   <li>a view, once published, shows every entry put before, until it is superseded; what it
 *       refers to is neither reused nor released while somebody holds it;
 *   <li>a read as of a Lamport time at or above {@link Retention#floorTime} finds the newest
 *       version at that time, whatever was flushed, merged and dropped;
 *   <li>the records up to the frontier of the newest manifest, and none after it, are what the
 *       tables hold.
 * </ul>
 *
 * <p>In a <i>shared</i> capsule several workers have a tree each over the same tables, and one of
 * them is appointed to write these. Then
 *
 * <ul>
 *   <li>a memtable ends at the cut time of an epoch ({@link #cutAt}), and is frozen when a durable
 *       SYNC says which records hold everything up to there ({@link #stable}): later no operation
 *       at or before it can come. So nothing is dropped that an operation under way might need;
 *   <li>whoever is not appointed flushes and merges nothing, takes over the manifests of the one
 *       who is ({@link #follow}), and lets go of memtables that these cover;
 *   <li>everything at or before {@link Manifest#coveredTime} is in the tables, whatever memtables
 *       hold of it;
 *   <li>what is released stays a while, for workers who have not seen the newest manifest.
 * </ul>
 *
 * <p>Threads: {@link #put}, {@link #clear}, {@link #rotate} under the engine's lock; each agent is
 * stepped by one thread; anybody reads. Lock order: the engine's lock; {@code manifestLock}, held
 * while a manifest is made durable; the chain's; {@code monitor}, held for moments.
 */
public final class Tree implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(Tree.class.getName());

  /** The compaction agent looks for work at least this often. */
  private static final long COMPACTION_IDLE_MS = 20;

  /** The flush agent looks this often whether what it has put off is due. */
  private static final long FLUSH_IDLE_MS = 50;

  /** A frozen memtable waits no longer than this for clients to be less busy. */
  private static final long MAX_FLUSH_DELAY_NANOS = 60_000_000_000L;

  /** Less than this is not worth asking the store for. */
  private static final long MIN_RECLAIM_BYTES = 32L << 20;

  /** An idle tree asks for its room back at this part of what is live. */
  private static final int IDLE_RECLAIM_PART = 8;

  /** A tree that is not idle asks for its room back at so many bytes more than what is live. */
  private static final long EARLY_RECLAIM_BYTES = 1L << 30;

  private static final int SEED_BYTES = Long.BYTES;

  private static final long NANOS_PER_MS = 1_000_000L;

  /** In a shared capsule a memtable ends at a cut when it is full to one part of so many. */
  private static final int CUT_PART = 2;

  /** Memtables that wait for their SYNC, of cuts that came to nothing; then no more are begun. */
  private static final int MAX_CLOSING = 64;

  /** What the tree is given. */
  public record Ports(
      CapsuleName name,
      KeyRing keys,
      Secp256k1 curve,
      RecordStore store,
      Clock clock,
      Entropy entropy,
      Scheduler scheduler,
      Telemetry telemetry) {}

  /**
   * What was found in the capsule.
   *
   * @param manifest the newest manifest
   * @param manifestHash hash of its record; zero if there is none
   * @param manifestRange where that record is, or null if there is none
   * @param position how far the chain that record is in need not be read again, or null
   * @param releasing ranges that a crash may have kept from being released
   * @param orphans records of chains that have ended which nobody needs: what came after the newest
   *     manifest, and what it says it does not need
   */
  public record Recovered(
      Manifest manifest,
      Hash32 manifestHash,
      Checkpoint.@Nullable Range manifestRange,
      @Nullable Chain position,
      List<Checkpoint.Range> releasing,
      List<Checkpoint.Range> orphans) {

    /** Of a capsule that was never flushed. */
    public static final Recovered NOTHING =
        new Recovered(Manifest.EMPTY, Hash32.ZERO, null, null, List.of(), List.of());
  }

  /** Memtables on their way to the tables, to be one run. */
  record Frozen(List<Memtable> memtables, Cut cut, List<Chain> replayed, long sinceNanos) {}

  /** A memtable that takes nothing later than a cut time, and has not been frozen yet. */
  private record Closing(Memtable memtable, long cutTime) {}

  /**
   * How a capsule is shared with other workers.
   *
   * @param shared whether it is
   * @param releaseDelayMs how long released payloads stay
   */
  public record Sharing(boolean shared, long releaseDelayMs) {
    /** One node writes. */
    public static final Sharing ALONE = new Sharing(false, 0);
  }

  private final TreeOptions options;
  private final boolean shared;
  private final Ports ports;
  private final BlockStore blocks;
  private final TreeChain chain;
  private final Retention retention;
  private final Releaser releaser;
  private final Compactor compactor;
  private final Consumer<CapsuleException> failed;
  private final Scheduler.Gate room;
  private final ForegroundLoad load;

  /** Serialises manifests. Fair, so that a merge gets its turn beside flushes without a pause. */
  private final ReentrantLock manifestLock = new ReentrantLock(true);

  private final Object monitor = new Object();
  // Guarded by monitor:
  private final ArrayDeque<Frozen> frozen = new ArrayDeque<>();

  /** Oldest first. Changed under the engine's lock too. */
  private final ArrayList<Closing> closing = new ArrayList<>();

  private final ArrayDeque<Memtable> spares = new ArrayDeque<>();
  private final Set<Memtable> retired = new LinkedHashSet<>();
  private final Set<ReadView> liveViews = new LinkedHashSet<>();
  private final List<Doomed> doomed = new ArrayList<>();
  private int memtables;
  private boolean closed;

  /** Written under the engine's lock. */
  private Memtable active;

  /** Chains that replay went through since the last rotation. Under the engine's lock. */
  private List<Chain> replayed = List.of();

  // Guarded by manifestLock:
  private final TreeMap<Long, Chain> frontier = new TreeMap<>();
  private List<Checkpoint.Range> nextReleased;
  private Checkpoint.@Nullable Range manifestRange;

  private volatile ReadView view;
  private volatile int level0Runs;
  private volatile int frozenCount;

  /** Whether somebody waits for everything that is frozen to be flushed. */
  private volatile boolean flushHurried;

  /** Whether the flush agent has work that it has put off. */
  private volatile boolean flushPatient;

  private volatile boolean rotatable = true;

  /** Whether this tree writes tables and manifests. */
  private volatile boolean appointed;

  /** Whether the memtable is to end at the next cut, however little it holds. */
  private volatile boolean flushAsked;

  private volatile boolean ended;
  private Scheduler.@Nullable Running flushing;

  /** The flush under way. Of the flush agent, and of replay before it runs. */
  private @Nullable FlushJob flushJob;

  private Scheduler.@Nullable Running compacting;
  private Scheduler.@Nullable Running reclaiming;
  private volatile boolean reclaimDue;

  /** Of the compaction agent: the chain's tenure when what it does began, or later. */
  private int compactTenure;

  /** Whether room is to be given back as soon as there is nothing else to do. */
  private volatile boolean reclaimAsked;

  /**
   * A tree over what was recovered; its agents are not running.
   *
   * @param newWriter draws a writer index that the capsule does not have
   * @param newestTime a Lamport time at or above every operation's so far
   * @param failed hears of a failure that ends the engine
   */
  public Tree(
      TreeOptions options,
      Sharing sharing,
      Ports ports,
      Recovered recovered,
      LongSupplier newWriter,
      LongSupplier newestTime,
      Consumer<CapsuleException> failed) {
    this.options = options;
    this.shared = sharing.shared();
    this.appointed = !shared;
    this.ports = ports;
    this.failed = failed;
    this.room = ports.scheduler().gate();
    this.load = new ForegroundLoad(ports.clock());
    this.blocks =
        new BlockStore(
            ports.name(), ports.keys(), ports.store(), options.cacheBytes(), ports.telemetry());
    this.chain =
        new TreeChain(
            ports.name(),
            ports.keys(),
            ports.curve(),
            ports.store(),
            newWriter,
            newestTime,
            appointed);
    Manifest manifest = recovered.manifest();
    this.retention = new Retention(ports.clock(), options.historyMs(), manifest);
    this.releaser =
        new Releaser(
            ports.name(),
            ports.store(),
            ports.clock(),
            sharing.releaseDelayMs() * NANOS_PER_MS,
            recovered.releasing());
    this.nextReleased = new ArrayList<>(recovered.orphans());
    this.manifestRange = recovered.manifestRange();
    for (Chain known : manifest.frontier()) {
      frontier.put(known.writer(), known);
    }
    if (recovered.position() != null) {
      frontier.put(recovered.position().writer(), recovered.position());
    }
    this.active = newMemtable();
    this.memtables = 1;
    ReadView first =
        new ReadView(
            0,
            List.of(active),
            runsOf(manifest),
            Clears.of(manifest.clears()),
            manifest,
            recovered.manifestHash(),
            recovered.manifestRange(),
            this::afterRelease);
    this.view = first;
    liveViews.add(first);
    this.level0Runs = countLevel0(manifest);
    this.compactor = new Compactor(this, options, ports, chain);
  }

  private Memtable newMemtable() {
    byte[] seed = new byte[SEED_BYTES];
    ports.entropy().fill(seed);
    return new Memtable(io.capsuledb.core.bytes.LittleEndian.getLong(seed, 0));
  }

  private List<TableRun> runsOf(Manifest manifest) {
    // Tables are shared with the view before, so that nothing about them is made anew.
    List<TableRun> runs = new ArrayList<>();
    for (Run run : manifest.runs()) {
      List<Table> tables = new ArrayList<>(run.tables().size());
      for (TableDescriptor descriptor : run.tables()) {
        tables.add(new Table(descriptor, blocks));
      }
      runs.add(new TableRun(run.level(), tables));
    }
    return runs;
  }

  private static int countLevel0(Manifest manifest) {
    int count = 0;
    for (Run run : manifest.runs()) {
      count += run.level() == 0 ? 1 : 0;
    }
    return count;
  }

  /** Starts the agents. */
  public void start() {
    flushing = ports.scheduler().start("capsule-flush", this::flushStep, FLUSH_IDLE_MS);
    compacting = ports.scheduler().start("capsule-compact", this::compactStep, COMPACTION_IDLE_MS);
    reclaiming = ports.scheduler().start("capsule-reclaim", this::reclaimStep, 0);
  }

  // ------------------------------------------------------------------ writing

  /** Adds an entry to the active memtable, or to the one that its time belongs to. */
  public void put(Entry entry) {
    memtableAt(entry.time()).put(entry);
    load.operation();
  }

  private Memtable memtableAt(long time) {
    for (int i = 0; i < closing.size(); i++) {
      if (time <= closing.get(i).cutTime) {
        return closing.get(i).memtable;
      }
    }
    return active;
  }

  /** Hides every entry with a smaller version from reads as of its time or later. */
  public void clear(Version version) {
    synchronized (monitor) {
      Clears clears = view.clears().with(version);
      if (clears.size() > Manifest.MAX_CLEARS) {
        clears = clears.from(retention.floorTime());
      }
      publish(view.runs(), clears, view.manifest(), view.manifestHash(), view.manifestRange());
    }
  }

  /**
   * Whether a CLEAR can be remembered.
   *
   * @throws UnavailableException if not: too many of them within the history that is kept
   */
  public void checkClearable() {
    if (view.clears().size() >= Manifest.MAX_CLEARS
        && view.clears().from(retention.raiseFloor(view.manifest().coveredTime())).size()
            >= Manifest.MAX_CLEARS) {
      throw new UnavailableException(
          Manifest.MAX_CLEARS
              + " times everything was cleared within the history that is kept; wait until some of"
              + " it is forgotten");
    }
  }

  /** Notes that everything up to a Lamport time is committed by now. */
  public void note(long time) {
    retention.note(time);
  }

  /** Whether the active memtable should be frozen. */
  public boolean isFull() {
    return active.usedBytes() >= options.memtableBytes();
  }

  /** Whether the active memtable holds nothing. */
  public boolean isActiveEmpty() {
    return active.isEmpty();
  }

  /** Whether there may be another memtable. */
  public boolean canRotate() {
    // Not under the monitor: whoever waits at the gate asks this inside it, and the gate is
    // signalled under the monitor.
    return rotatable;
  }

  /** Under the monitor, after its fields changed. */
  private void noteRotatable() {
    rotatable = !spares.isEmpty() || memtables < TreeOptions.MEMTABLES;
  }

  /**
   * Remembers how far chains were replayed into the active memtable. The tree's own chains hold no
   * operations: they are covered at once, and have to be before their orphans are released.
   */
  public void replayed(List<Chain> chains) {
    replayed = chains;
    manifestLock.lock();
    try {
      for (Chain chain : chains) {
        if (chain.isTree()) {
          frontier.put(chain.writer(), chain);
        }
      }
    } finally {
      manifestLock.unlock();
    }
  }

  /**
   * Freezes the active memtable.
   *
   * @param cut where it ends
   */
  public void rotate(Cut cut) {
    synchronized (monitor) {
      Memtable fresh = spares.poll();
      if (fresh == null) {
        if (memtables >= TreeOptions.MEMTABLES) {
          throw new IllegalStateException("more memtables than there may be");
        }
        fresh = newMemtable();
        memtables++;
      }
      frozen.add(new Frozen(List.of(active), cut, replayed, ports.clock().monotonicNanos()));
      frozenCount = frozen.size();
      replayed = List.of();
      active = fresh;
      noteRotatable();
      publish(
          view.runs(), view.clears(), view.manifest(), view.manifestHash(), view.manifestRange());
    }
    signalFlush();
  }

  // ------------------------------------------------------------------ shared mode

  /**
   * Lets the active memtable end at a cut time, if it holds enough for that: entries up to there go
   * into it, later ones into the next.
   *
   * @param time later than any cut time before; every entry so far is at or before it, or belongs
   *     to the time of an earlier cut
   * @param evenIfEmpty for a cut that is known before the entries are
   */
  public void cutAt(long time, boolean evenIfEmpty) {
    synchronized (monitor) {
      boolean wanted =
          evenIfEmpty
              || !closing.isEmpty()
              || (!active.isEmpty()
                  && (flushAsked || active.usedBytes() >= options.memtableBytes() / CUT_PART));
      if (!wanted || closing.size() >= MAX_CLOSING) {
        return;
      }
      Memtable fresh = spares.poll();
      if (fresh == null) {
        fresh = newMemtable();
        memtables++;
      }
      closing.add(new Closing(active, time));
      active = fresh;
      flushAsked = false;
      noteRotatable();
      republish();
    }
  }

  /**
   * A durable SYNC says that everything at or before its cut time is merged: freezes the memtables
   * that end there. Under the engine's lock.
   *
   * @param positions the records that hold all of it
   */
  public void stable(long cutTime, Supplier<List<Chain>> positions) {
    boolean ends = false;
    for (Closing one : closing) {
      ends |= one.cutTime == cutTime;
    }
    if (!ends) {
      return;
    }
    Cut cut = new Cut(cutTime);
    cut.complete(positions.get());
    synchronized (monitor) {
      List<Memtable> ended = new ArrayList<>();
      while (!closing.isEmpty() && closing.getFirst().cutTime <= cutTime) {
        ended.add(closing.removeFirst().memtable);
      }
      frozen.add(new Frozen(List.copyOf(ended), cut, List.of(), ports.clock().monotonicNanos()));
      frozenCount = frozen.size();
      retireCovered(view.manifest().coveredTime());
      republish();
    }
    signalFlush();
  }

  /** Lets go of frozen memtables that tables cover. Under the monitor. */
  private void retireCovered(long coveredTime) {
    while (!frozen.isEmpty() && frozen.peek().cut.time() <= coveredTime) {
      retired.addAll(frozen.remove().memtables);
    }
    frozenCount = frozen.size();
  }

  /** The same with other memtables. Under the monitor. */
  private void republish() {
    publish(view.runs(), view.clears(), view.manifest(), view.manifestHash(), view.manifestRange());
  }

  /**
   * Takes over a manifest that another worker's tree has made durable. Everything up to its
   * frontier has been merged here.
   *
   * @param place where its record is
   */
  public void follow(Manifest next, Hash32 hash, Checkpoint.Range place) {
    manifestLock.lock();
    try {
      // Who reads below the new floor is told so from here on, and only then loses what it needs.
      retention.adopt(next.floorTime());
      synchronized (monitor) {
        retireCovered(next.coveredTime());
        Clears clears = Clears.of(next.clears());
        for (Version clear : view.clears().versions()) {
          clears = clears.with(clear);
        }
        level0Runs = countLevel0(next);
        publish(shared(next, view.runs()), clears.from(next.floorTime()), next, hash, place);
      }
      manifestRange = place;
    } finally {
      manifestLock.unlock();
    }
    room.signalAll();
  }

  /**
   * Releases what a durable checkpoint of another worker's tree names, when nobody here reads it
   * any more.
   */
  public void released(List<Checkpoint.Range> ranges) {
    if (!ranges.isEmpty()) {
      synchronized (monitor) {
        doomed.add(new Doomed(view, ranges));
        republish();
      }
      signalCompaction();
    }
  }

  /** Where the newest manifest's record is, or null if there is none. */
  public Checkpoint.@Nullable Range manifestPlace() {
    return view.manifestRange();
  }

  /** Whether this tree writes tables and manifests. */
  public boolean isAppointed() {
    return appointed;
  }

  /** The newest durable record of the chain that this tree's manifests are in, or null. */
  public @Nullable Chain treeHead() {
    TreeChain.Ref head = chain.head();
    return head == null
        ? null
        : new Chain(head.writer(), head.sequence(), head.hash(), head.lamport(), true, true);
  }

  /** The writer of the chain that this tree's manifests are in, or 0 before its first record. */
  public long treeWriter() {
    return chain.writer();
  }

  /**
   * Begins to write tables and manifests, after the newest manifest of whoever did before was taken
   * over.
   *
   * @param ended the chains of those, which have ended for good
   * @param orphans their records that nobody needs
   */
  public void appoint(List<Chain> ended, List<Checkpoint.Range> orphans) {
    manifestLock.lock();
    try {
      if (appointed) {
        return;
      }
      frontier.clear();
      view.manifest().frontier().forEach(known -> frontier.put(known.writer(), known));
      ended.forEach(tree -> frontier.put(tree.writer(), tree));
      nextReleased = new ArrayList<>(orphans);
      chain.appoint();
      appointed = true;
    } finally {
      manifestLock.unlock();
    }
    signalFlush();
    signalCompaction();
  }

  /** Chains that this tree has written and that ended since this was asked last. */
  public List<EndedChain> takeEndedChains() {
    List<EndedChain> chains = new ArrayList<>();
    for (TreeChain.Ended one : chain.takeEnded()) {
      TreeChain.Ref at = one.newest();
      chains.add(
          new EndedChain(
              new Chain(at.writer(), at.sequence(), at.hash(), at.lamport(), true, true),
              one.firstLamport()));
    }
    return chains;
  }

  /**
   * A chain that this tree has written.
   *
   * @param chain its newest record
   * @param firstLamport Lamport time of its first one
   */
  public record EndedChain(Chain chain, long firstLamport) {}

  /** Ends that; what is under way comes to nothing. */
  public void dismiss() {
    manifestLock.lock();
    try {
      appointed = false;
      chain.dismiss();
    } finally {
      manifestLock.unlock();
    }
  }

  /**
   * Ends the chain of this tree's records for good, and goes on in another: for the rotation of
   * keys. A flush or merge that is under way is given up and begins anew.
   *
   * @param between done in between, with the newest record of the chain that ended, or null if
   *     there was none
   */
  public void renew(Consumer<@Nullable Chain> between) {
    manifestLock.lock();
    try {
      chain.renew(
          ended -> {
            Chain at = null;
            if (ended != null) {
              TreeChain.Ref last = ended.newest();
              at =
                  new Chain(
                      last.writer(), last.sequence(), last.hash(), last.lamport(), true, true);
              frontier.put(at.writer(), at);
            }
            between.accept(at);
          });
    } finally {
      manifestLock.unlock();
    }
    signalFlush();
    signalCompaction();
  }

  /**
   * Whether a failure of an agent only says that another worker has been appointed: its chain was
   * sealed, or ended meanwhile, perhaps to begin again.
   *
   * @param tenure of the chain when what failed began
   */
  private boolean isDismissal(CapsuleException failure, int tenure) {
    if (!shared) {
      return failure instanceof UnavailableException && chain.tenure() != tenure;
    }
    boolean sealed =
        failure instanceof IntegrityException refused
            && refused.rejection().reason() == Rejection.Reason.SEALED_WRITER;
    if (sealed) {
      dismiss();
    }
    return !appointed || failure instanceof UnavailableException;
  }

  // ------------------------------------------------------------------ agents' signals

  /**
   * Wakes the flush agent if there is something to flush: a cut may have become durable. (Called at
   * each sync of the store: waking an agent for nothing costs as much as a client's command. A cut
   * that is completed before its memtable counts is seen by the call that freezes it. What the
   * agent has put off it looks at by itself.)
   */
  public void signalFlush() {
    Scheduler.Running agent = flushing;
    int waiting = frozenCount;
    if (agent != null
        && waiting > 0
        && (!flushPatient || waiting > TreeOptions.PATIENT_MEMTABLES)) {
      agent.signal();
    }
  }

  /** Has what is frozen flushed at once, however busy clients are. */
  public void flushSoon() {
    flushHurried = true;
    flushPatient = false;
    if (shared) {
      flushAsked = true;
    }
    signalFlush();
  }

  private void signalCompaction() {
    Scheduler.Running agent = compacting;
    if (agent != null) {
      agent.signal();
    }
  }

  /** Makes and publishes the next view. Under the monitor. */
  private void publish(
      List<TableRun> runs,
      Clears clears,
      Manifest manifest,
      Hash32 hash,
      Checkpoint.@Nullable Range range) {
    List<Memtable> newestFirst = new ArrayList<>();
    newestFirst.add(active);
    for (Closing one : closing.reversed()) {
      newestFirst.add(one.memtable);
    }
    frozen.descendingIterator().forEachRemaining(f -> newestFirst.addAll(f.memtables.reversed()));
    ReadView next =
        new ReadView(
            view.number() + 1,
            newestFirst,
            runs,
            clears,
            manifest,
            hash,
            range,
            this::afterRelease);
    ReadView before = view;
    liveViews.add(next);
    view = next;
    before.release();
  }

  /** A view is held by nobody any more: reuses and releases what only it referred to. */
  private void afterRelease() {
    synchronized (monitor) {
      liveViews.removeIf(v -> !v.isHeld());
      retired.removeIf(
          memtable -> {
            for (ReadView live : liveViews) {
              if (live.memtables().contains(memtable)) {
                return false;
              }
            }
            if (closed || spares.size() >= TreeOptions.MEMTABLES) {
              memtable.close();
              memtables--;
            } else {
              memtable.reset();
              spares.add(memtable);
            }
            return true;
          });
      noteRotatable();
    }
    room.signalAll();
  }

  // ------------------------------------------------------------------ room

  /** From 0, writers may go on, to 1, writers have to wait. */
  public double pressure() {
    int runs = level0Runs;
    double byRuns =
        (double) (runs - TreeOptions.SLOWDOWN_RUNS)
            / (TreeOptions.STOP_RUNS - TreeOptions.SLOWDOWN_RUNS);
    double byMemtables = 0;
    if (shared) {
      byMemtables = 2.0 * memoryBytes() / sharedBytes() - 1;
    } else if (frozenCount >= TreeOptions.MEMTABLES - 1) {
      // The last memtable is being filled: half full is where slowing down begins.
      byMemtables = 2.0 * active.usedBytes() / options.memtableBytes() - 1;
    }
    return Math.clamp(Math.max(byRuns, byMemtables), 0, 1);
  }

  /** Whether a transaction may begin. */
  public boolean hasRoom() {
    return level0Runs < TreeOptions.STOP_RUNS
        && (shared ? memoryBytes() < sharedBytes() : !isFull() || canRotate());
  }

  /** What memtables may hold in a shared capsule, where they wait for epochs to end. */
  private long sharedBytes() {
    return TreeOptions.MEMTABLES * options.memtableBytes();
  }

  private long memoryBytes() {
    long bytes = 0;
    for (Memtable memtable : view.memtables()) {
      bytes += memtable.usedBytes();
    }
    return bytes;
  }

  /**
   * Checks that a moment that a snapshot holds is still there: another worker's compactor knows of
   * no snapshot here.
   *
   * @throws UnavailableException if it is not
   */
  void checkInReach(long time) {
    if (shared && time < retention.floorTime()) {
      throw new UnavailableException(
          "Lamport time " + time + " is further back than history is kept now; begin again");
    }
  }

  /** Where writers wait for {@link #hasRoom}. */
  public Scheduler.Gate room() {
    return room;
  }

  // ------------------------------------------------------------------ reading

  /** The newest view, held: to be released. */
  ReadView acquire() {
    while (true) {
      ReadView newest = view;
      if (newest.tryAcquire()) {
        return newest;
      }
      if (ended) {
        throw new IllegalStateException("the tree is closed");
      }
    }
  }

  /**
   * The newest version of a key as of a moment that a caller names afresh if it has passed out of
   * reach.
   *
   * @param time gives the Lamport time to read as of
   * @param visible takes what was found, with the newest CLEAR at that time, while all is in place
   */
  public <T> T read(byte[] key, LongSupplier time, Visible<T> visible) {
    load.operation();
    while (true) {
      long moment = time.getAsLong();
      ReadView held = acquire();
      try {
        if (moment >= retention.floorTime()) {
          Version cleared = held.clears().at(moment);
          return visible.see(held.value(key, moment, cleared, this::value), cleared, this);
        }
      } finally {
        held.release();
      }
      if (time.getAsLong() == moment) {
        checkInReach(moment);
      }
    }
  }

  /** Takes what a read found. */
  @FunctionalInterface
  public interface Visible<T> {
    /** An entry or null, and the newest CLEAR or null. */
    T see(@Nullable Entry entry, @Nullable Version cleared, Tree tree);
  }

  /** The value that an operand has made of what was before it. */
  Entry settled(Entry operand) {
    ReadView held = acquire();
    try {
      if (operand.time() > held.manifest().coveredTime()) {
        return held.folded(operand, held.clears().before(operand.version()), this::value);
      }
      // It has been flushed meanwhile: it became a value, unless that has expired.
      Entry flushed = held.find(operand.key(), operand.version());
      return flushed == null ? Entry.tombstone(operand.key(), operand.version()) : flushed;
    } finally {
      held.release();
    }
  }

  /** The value of an entry, wherever it is. */
  public byte[] value(Entry entry) {
    if (entry.kind() != EntryKind.POINTER) {
      return entry.value();
    }
    return blocks.value(ValuePointer.decode(entry.value()).orThrow(), "the entry " + entry);
  }

  /** Whether the newest manifest has all that there is of a key, so that a proof shows it. */
  public boolean isCovered(byte[] key) {
    ReadView held = acquire();
    try {
      return held.isCovered(key);
    } finally {
      held.release();
    }
  }

  /**
   * What shows to others which value a key has in the state of the newest manifest.
   *
   * @param metadata the capsule's signed metadata
   * @throws UnavailableException if there is no manifest yet
   * @throws IntegrityException if a block or record that is needed is damaged or missing
   */
  public KeyProof proof(byte[] key, byte[] metadata) {
    ReadView held = acquire();
    try {
      return new ProofBuilder(ports.name(), ports.store(), this, held, key).build(metadata);
    } finally {
      held.release();
    }
  }

  /** Length of the value of an entry, which is not read if it is kept apart. */
  public static int valueLength(Entry entry) {
    return entry.kind() == EntryKind.POINTER
        ? ValuePointer.decode(entry.value()).orThrow().length()
        : entry.value().length;
  }

  /**
   * Holds everything that reads as of a Lamport time need.
   *
   * @param nowMs the wall clock by which they judge what has expired
   * @return null if that time is out of reach already
   */
  public @Nullable TreeSnapshot snapshot(long time, long nowMs) {
    return retention.pin(time, nowMs) ? new TreeSnapshot(this, time, nowMs) : null;
  }

  Clears clears() {
    return view.clears();
  }

  /** The tables of the newest view without its memtables, held: for long work. */
  ReadView acquireTables() {
    synchronized (monitor) {
      ReadView newest = view;
      ReadView tables =
          new ReadView(
              newest.number(),
              List.of(),
              newest.runs(),
              newest.clears(),
              newest.manifest(),
              newest.manifestHash(),
              newest.manifestRange(),
              this::afterRelease);
      liveViews.add(tables);
      return tables;
    }
  }

  void unpin(long time, long nowMs) {
    retention.unpin(time, nowMs);
  }

  /** Reads as of this Lamport time and later ones are answered. */
  public long floorTime() {
    return retention.floorTime();
  }

  // ------------------------------------------------------------------ flushing

  /**
   * One step of the flush agent: one more table of the oldest frozen memtable, and with its last
   * one the manifest.
   */
  private boolean flushStep() {
    Frozen oldest;
    boolean may;
    synchronized (monitor) {
      oldest = frozen.peek();
      if (oldest == null) {
        flushHurried = false;
      }
      flushPatient = oldest != null && mayWait(oldest);
      may = !closed && oldest != null && !flushPatient && oldest.cut.chains() != null;
      if (closed) {
        return false;
      }
    }
    FlushJob job = flushJob;
    if (job != null && (!appointed || !job.frozen().equals(oldest))) {
      giveUpFlush();
      job = null;
    }
    if (!appointed || !may || oldest == null) {
      return false;
    }
    int tenure = job == null ? chain.tenure() : job.tenure();
    try {
      if (job == null) {
        job = beginFlush(oldest);
        flushJob = job;
      }
      if (!flushStep(job)) {
        return true;
      }
      flushJob = null;
    } catch (CapsuleException e) {
      giveUpFlush();
      if (!isDismissal(e, tenure)) {
        failed.accept(e);
      }
      return false;
    } catch (RuntimeException | Error e) {
      giveUpFlush();
      failed.accept(new StorageException("flushing a memtable failed", e));
      return false;
    }
    signalCompaction();
    return true;
  }

  /**
   * Whether a flush, or the rest of it, may be put off: it takes a processor and the disk from
   * clients that are busy now, and may be done when they are not, as long as there is room for what
   * they write.
   */
  private boolean mayWait(Frozen oldest) {
    return !flushHurried
        && frozenCount <= TreeOptions.PATIENT_MEMTABLES
        && ports.clock().monotonicNanos() - oldest.sinceNanos < MAX_FLUSH_DELAY_NANOS
        && load.isBusy();
  }

  /** Flushes on this thread while no agent runs: for replay. */
  public void flushNow() {
    while (true) {
      Frozen oldest;
      synchronized (monitor) {
        oldest = frozen.peek();
      }
      if (oldest == null) {
        return;
      }
      try {
        FlushJob job = beginFlush(oldest);
        flushJob = job;
        while (!flushStep(job)) {
          // One table after the other.
        }
        flushJob = null;
      } finally {
        giveUpFlush();
      }
    }
  }

  private FlushJob beginFlush(Frozen oldest) {
    int tenure = chain.tenure();
    TreeChain.Work work = chain.work();
    ReadView below = acquire();
    boolean begun = false;
    try {
      long floor = retention.raiseFloor(oldest.cut.time());
      List<EntryCursor> sources = new ArrayList<>();
      for (Memtable memtable : oldest.memtables) {
        ReadView.addUncovered(memtable, below.manifest().coveredTime(), sources);
      }
      EntrySieve sieve =
          new EntrySieve(
              new Folding.Cursor(
                  new MergeCursor(sources),
                  below::newestInTables,
                  below.clears().versions(),
                  floor,
                  this::value),
              floor,
              below.clears().at(floor),
              retention.expiredByMs(),
              below::mayHold,
              entry -> {});
      FlushJob job =
          new FlushJob(
              oldest,
              below,
              work,
              tenure,
              new RunWriter(sieve, chain, work, options, ports.entropy()));
      begun = true;
      return job;
    } finally {
      if (!begun) {
        below.release();
        leave(work);
      }
    }
  }

  /** Goes on with a flush; returns whether its manifest is in force. */
  private boolean flushStep(FlushJob job) {
    long begin = ports.clock().monotonicNanos();
    if (!job.isDone()) {
      job.step();
    }
    if (!job.isDone()) {
      job.took(ports.clock().monotonicNanos() - begin);
      return false;
    }
    job.end();
    List<TableDescriptor> tables = job.tables();
    install(
        manifest -> {
          List<Run> runs = new ArrayList<>(manifest.runs());
          if (!tables.isEmpty()) {
            runs.addFirst(new Run(0, List.copyOf(tables)));
          }
          return runs;
        },
        job.work(),
        job.frozen(),
        List.of());
    job.took(ports.clock().monotonicNanos() - begin);
    ports.telemetry().count(Telemetry.Counter.MEMTABLES_FLUSHED, 1);
    ports.telemetry().observe(Telemetry.Distribution.FLUSH_SECONDS, job.nanos() * 1e-9);
    return true;
  }

  /** Gives up the flush under way, if there is one: it is begun anew, or was done elsewhere. */
  private void giveUpFlush() {
    FlushJob job = flushJob;
    if (job != null) {
      flushJob = null;
      job.end();
      leave(job.work());
    }
  }

  // ------------------------------------------------------------------ manifests

  /** Changes the runs of a manifest. */
  @FunctionalInterface
  interface Edit {
    List<Run> apply(Manifest manifest);
  }

  /**
   * Makes a manifest of the newest one and an edit, makes it durable and shows it to readers.
   *
   * @param work what wrote the tables that the edit adds
   * @param flushed the memtable that the edit replaces, or null
   * @param superseded records that the edit makes superfluous: of tables, and values that no entry
   *     points to any more. Who reads them now may go on
   */
  void install(
      Edit edit, TreeChain.Work work, @Nullable Frozen flushed, List<Checkpoint.Range> superseded) {
    manifestLock.lock();
    try {
      // First of all: what follows cannot be taken back. The chain ends under this lock only.
      chain.check(work);
      ReadView before = view;
      List<Checkpoint.Range> released = new ArrayList<>(nextReleased);
      nextReleased = new ArrayList<>();
      released.addAll(freed());
      if (flushed != null) {
        cover(flushed.replayed, released);
        cover(java.util.Objects.requireNonNull(flushed.cut.chains()), released);
      }
      long covered = before.manifest().coveredTime();
      Clears clears;
      synchronized (monitor) {
        clears = view.clears();
      }
      long newCovered = flushed == null ? covered : Math.max(covered, flushed.cut.time());
      Clears kept = clears.from(retention.floorTime()).upTo(newCovered);
      List<Run> runs = edit.apply(before.manifest());
      if (manifestRange != null) {
        released.add(manifestRange);
      }
      List<Checkpoint.Range> sorted = boundedRanges(released);
      List<Checkpoint.Range> leftovers = new ArrayList<>(superseded);
      leftovers.addAll(nextReleased);
      synchronized (monitor) {
        doomed.forEach(gone -> leftovers.addAll(gone.ranges));
      }
      Manifest next;
      TreeChain.Ref ref;
      int unsynced = releaser.unsynced();
      try (TreeChain.Appender appender = chain.begin()) {
        // Nobody writes blocks now: what is unfinished is all that is before this manifest.
        leftovers.addAll(appender.unfinished(work));
        next =
            new Manifest(
                before.manifestHash(),
                newCovered,
                Math.min(newCovered, retention.floorTime()),
                List.copyOf(frontier.values()),
                kept.versions(),
                retention.momentsUpTo(newCovered),
                runs,
                boundedLeftovers(leftovers));
        ref = appender.append(RecordType.MANIFEST, List.of(), ManifestCodec.encode(next));
        Checkpoint checkpoint =
            new Checkpoint(ref.hash(), StateRoot.of(next), newCovered, withPending(sorted));
        appender.append(RecordType.CHECKPOINT, List.of(), CheckpointCodec.encode(checkpoint));
        appender.flush();
      }
      releaser.settled(unsynced);
      work.end();
      manifestRange = new Checkpoint.Range(ref.writer(), ref.sequence(), ref.sequence());
      releaser.release(sorted);
      synchronized (monitor) {
        if (flushed != null) {
          Frozen done = frozen.remove();
          if (!done.equals(flushed)) {
            throw new IllegalStateException("memtables are flushed out of order");
          }
          frozenCount = frozen.size();
          retired.addAll(flushed.memtables);
        }
        ReadView last = view;
        if (!superseded.isEmpty()) {
          doomed.add(new Doomed(last, superseded));
        }
        level0Runs = countLevel0(next);
        publish(
            shared(next, last.runs()),
            last.clears().from(retention.floorTime()),
            next,
            ref.hash(),
            manifestRange);
      }
    } finally {
      manifestLock.unlock();
    }
    room.signalAll();
  }

  /**
   * As many leftovers as a manifest may name, in order. (Beyond: they are released all the same
   * unless there is a crash before.)
   */
  private static List<Checkpoint.Range> boundedLeftovers(List<Checkpoint.Range> leftovers) {
    List<Checkpoint.Range> sorted = Ranges.normalise(leftovers);
    return List.copyOf(sorted.subList(0, Math.min(sorted.size(), Manifest.MAX_LEFTOVERS)));
  }

  /** Gives up a flush or merge: the next checkpoint releases what it wrote. */
  void leave(TreeChain.Work work) {
    manifestLock.lock();
    try {
      nextReleased.addAll(work.end());
    } finally {
      manifestLock.unlock();
    }
  }

  /** Where the record with a hash is, or null if it is not there or damaged. */
  Checkpoint.@Nullable Range rangeOf(Hash32 hash) {
    return releaser.rangeOf(hash);
  }

  /**
   * Releases what has become free since the newest manifest, in a checkpoint of its own.
   *
   * @return whether there was anything
   */
  private boolean releaseFreed() {
    manifestLock.lock();
    try {
      List<Checkpoint.Range> released = freed();
      if (released.isEmpty() || view.manifestHash().isZero()) {
        nextReleased.addAll(released);
        return false;
      }
      released.addAll(nextReleased);
      nextReleased = new ArrayList<>();
      checkpoint(Hash32.ZERO, Hash32.ZERO, released);
      return true;
    } finally {
      manifestLock.unlock();
    }
  }

  private void checkpoint(Hash32 manifest, Hash32 root, List<Checkpoint.Range> released) {
    List<Checkpoint.Range> sorted = boundedRanges(released);
    int unsynced = releaser.unsynced();
    try (TreeChain.Appender appender = chain.begin()) {
      Checkpoint checkpoint =
          new Checkpoint(manifest, root, view.manifest().coveredTime(), withPending(sorted));
      appender.append(RecordType.CHECKPOINT, List.of(), CheckpointCodec.encode(checkpoint));
      appender.flush();
    }
    releaser.settled(unsynced);
    releaser.release(sorted);
  }

  private List<Checkpoint.Range> withPending(List<Checkpoint.Range> released) {
    List<Checkpoint.Range> all = new ArrayList<>(releaser.pending());
    all.addAll(released);
    List<Checkpoint.Range> sorted = Ranges.normalise(all);
    return sorted.size() <= CheckpointLayout.MAX_RANGES ? sorted : released;
  }

  /**
   * Says once more which manifest is in force. A long merge calls it now and then: whoever opens
   * the capsule looks for the newest checkpoint from the end of the chain.
   */
  void remind() {
    manifestLock.lock();
    try {
      Checkpoint.Range place = manifestRange;
      if (place != null
          && place.writer() == chain.writer()
          && Ranges.normalise(releaser.pending()).size() <= CheckpointLayout.MAX_RANGES) {
        checkpoint(view.manifestHash(), StateRoot.of(view.manifest()), List.of());
      }
    } finally {
      manifestLock.unlock();
    }
  }

  /** What fits one checkpoint; the rest is for the next. Under the manifest lock. */
  private List<Checkpoint.Range> boundedRanges(List<Checkpoint.Range> released) {
    List<Checkpoint.Range> sorted = Ranges.normalise(released);
    if (sorted.size() <= CheckpointLayout.MAX_RANGES) {
      return sorted;
    }
    nextReleased.addAll(sorted.subList(CheckpointLayout.MAX_RANGES, sorted.size()));
    return sorted.subList(0, CheckpointLayout.MAX_RANGES);
  }

  /** The runs of a manifest, with the tables of a view where they are the same. */
  private List<TableRun> shared(Manifest manifest, List<TableRun> known) {
    java.util.HashMap<Hash32, Table> tables = new java.util.HashMap<>();
    for (TableRun run : known) {
      for (Table table : run.tables()) {
        tables.put(table.descriptor().index(), table);
      }
    }
    List<TableRun> runs = new ArrayList<>();
    for (Run run : manifest.runs()) {
      List<Table> shared = new ArrayList<>(run.tables().size());
      for (TableDescriptor descriptor : run.tables()) {
        Table table = tables.get(descriptor.index());
        shared.add(table == null ? new Table(descriptor, blocks) : table);
      }
      runs.add(new TableRun(run.level(), shared));
    }
    return runs;
  }

  /** Moves the frontier, and releases the records it passes. Under the manifest lock. */
  private void cover(List<Chain> chains, List<Checkpoint.Range> released) {
    for (Chain head : chains) {
      Chain before = frontier.get(head.writer());
      if (before != null && before.sequence() > head.sequence()) {
        continue;
      }
      frontier.put(head.writer(), head);
      // A chain's first record introduces its writer and stays.
      long from = Math.max(2, before == null ? 0 : before.sequence() + 1);
      if (from <= head.sequence() && !head.isTree()) {
        released.add(new Checkpoint.Range(head.writer(), from, head.sequence()));
      }
    }
  }

  /** Records whose last readers are gone. Under the manifest lock. */
  private List<Checkpoint.Range> freed() {
    List<Doomed> free = new ArrayList<>();
    synchronized (monitor) {
      doomed.removeIf(
          gone -> {
            for (ReadView live : liveViews) {
              if (!live.isNewerThan(gone.lastView)) {
                return false;
              }
            }
            free.add(gone);
            return true;
          });
    }
    List<Checkpoint.Range> ranges = new ArrayList<>();
    free.forEach(gone -> ranges.addAll(gone.ranges));
    return ranges;
  }

  // ------------------------------------------------------------------ compaction

  private boolean compactStep() {
    if (compactor.isIdle()) {
      compactTenure = chain.tenure();
    }
    try {
      synchronized (monitor) {
        if (closed) {
          return false;
        }
      }
      if (!appointed) {
        compactor.drop();
        releaser.release(freed());
        return releaser.step();
      }
      boolean asked = reclaimAsked;
      boolean more = compactor.step() || releaser.step() || (compactor.isIdle() && releaseFreed());
      boolean idle = !more && compactor.isIdle();
      considerReclaim(idle, asked);
      if (idle && asked) {
        reclaimAsked = false;
      }
      return more;
    } catch (IntegrityException damaged) {
      if (isDismissal(damaged, compactTenure)) {
        compactor.drop();
        return true;
      }
      compactor.abandon(damaged);
      LOG.log(
          System.Logger.Level.ERROR,
          "event=compaction.blocked reason={0} detail=\"{1}\"",
          damaged.rejection().reason(),
          damaged.rejection().detail());
      return false;
    } catch (CapsuleException e) {
      if (!isDismissal(e, compactTenure)) {
        failed.accept(e);
        return false;
      }
      compactTenure = chain.tenure();
      compactor.drop();
      return true;
    } catch (RuntimeException | Error e) {
      failed.accept(new StorageException("compaction failed", e));
      return false;
    }
  }

  /**
   * The store keeps what was released until it is asked to give the room back, and that costs it
   * about as much as what is live, and takes the disk from clients meanwhile: so not before there
   * is a good deal more to gain, or nothing else to do.
   */
  private void considerReclaim(boolean idle, boolean asked) {
    boolean atOnce = idle && (asked || load.isQuiet());
    long released = releaser.releasedBytes();
    if (!reclaimDue && released > MIN_RECLAIM_BYTES && released > worthReclaiming(atOnce)) {
      reclaimDue = true;
      Scheduler.Running agent = reclaiming;
      if (agent != null) {
        agent.signal();
      }
    }
  }

  private long worthReclaiming(boolean atOnce) {
    long live = 0;
    for (TableRun run : view.runs()) {
      live += run.bytes();
    }
    return atOnce ? live / IDLE_RECLAIM_PART : live + EARLY_RECLAIM_BYTES;
  }

  private boolean reclaimStep() {
    if (!reclaimDue) {
      return false;
    }
    try {
      releaser.reclaim();
    } catch (CapsuleException e) {
      failed.accept(e);
    } catch (RuntimeException | Error e) {
      failed.accept(new StorageException("giving back room in the store failed", e));
    }
    reclaimDue = false;
    return false;
  }

  /**
   * Merges everything into one run, on the compaction agent; returns at once.
   *
   * @return for {@link #isCompacted}
   * @throws IntegrityException if compaction met a damaged block, and so goes no further
   */
  public long compactAll() {
    IntegrityException damaged = compactor.blocked();
    if (damaged != null) {
      throw damaged;
    }
    long request = compactor.requestAll();
    reclaimAsked = true;
    signalCompaction();
    return request;
  }

  /**
   * Whether everything there was when {@link #compactAll} returned a number has been merged.
   *
   * @throws IntegrityException if compaction met a damaged block, and so goes no further
   */
  public boolean isCompacted(long request) {
    IntegrityException damaged = compactor.blocked();
    if (damaged != null) {
      throw damaged;
    }
    return compactor.isDone(request);
  }

  /** Whether every operation at or before a Lamport time is in the tables. */
  public boolean isFlushed(long time) {
    ReadView held = acquire();
    try {
      return held.manifest().coveredTime() >= time
          || held.memtables().stream().allMatch(Memtable::isEmpty);
    } finally {
      held.release();
    }
  }

  /** Whether nothing is being flushed or compacted, and nothing is due. */
  public boolean isSettled() {
    synchronized (monitor) {
      if (!doomed.isEmpty()) {
        return false;
      }
    }
    return frozenCount == 0
        && compactor.isIdle()
        && releaser.isIdle()
        && !reclaimAsked
        && !reclaimDue;
  }

  /** Whether any version of a key has an expiry. */
  public boolean hasExpiring() {
    return stats().expiring() > 0;
  }

  /**
   * A key of any entry, deleted ones included, or null if there is none.
   *
   * @param random any number
   */
  public byte @Nullable [] anyKey(long random) {
    ReadView held = acquire();
    try {
      return held.anyKey(random);
    } finally {
      held.release();
    }
  }

  Retention retention() {
    return retention;
  }

  ForegroundLoad load() {
    return load;
  }

  int level0Runs() {
    return level0Runs;
  }

  // ------------------------------------------------------------------ what there is

  /**
   * How large the tree is.
   *
   * @param memtableBytes bytes of all memtables
   * @param memtableEntries versions in them
   * @param level0Runs runs of level 0
   * @param levelBytes bytes of each level
   * @param levelTables tables of each level
   * @param entries versions in tables
   * @param tombstones deletions in tables
   * @param expiring versions with an expiry in memtables and tables
   * @param separateBytes bytes of values that are kept apart
   * @param cachedBytes bytes of blocks in memory
   */
  public record Stats(
      long memtableBytes,
      long memtableEntries,
      int level0Runs,
      List<Long> levelBytes,
      List<Integer> levelTables,
      long entries,
      long tombstones,
      long expiring,
      long separateBytes,
      long cachedBytes) {}

  /** A moment's {@link Stats}. */
  public Stats stats() {
    ReadView held = acquire();
    try {
      long memtableBytes = 0;
      long memtableEntries = 0;
      long expiring = 0;
      for (Memtable memtable : held.memtables()) {
        memtableBytes += memtable.usedBytes();
        memtableEntries += memtable.entries();
        expiring += memtable.expiring();
      }
      Long[] bytes = new Long[Manifest.LEVELS];
      Integer[] tables = new Integer[Manifest.LEVELS];
      Arrays.fill(bytes, 0L);
      Arrays.fill(tables, 0);
      long entries = 0;
      long tombstones = 0;
      long separate = 0;
      int runs = 0;
      for (TableRun run : held.runs()) {
        runs += run.level() == 0 ? 1 : 0;
        bytes[run.level()] += run.bytes();
        tables[run.level()] += run.tables().size();
        for (Table table : run.tables()) {
          entries += table.descriptor().entries();
          tombstones += table.descriptor().tombstones();
          expiring += table.descriptor().expiring();
          separate += table.descriptor().separateBytes();
        }
      }
      return new Stats(
          memtableBytes,
          memtableEntries,
          runs,
          List.of(bytes),
          List.of(tables),
          entries,
          tombstones,
          expiring,
          separate,
          blocks.cachedBytes());
    } finally {
      held.release();
    }
  }

  /** The newest manifest and the hash of its record. */
  public Manifest manifest() {
    return view.manifest();
  }

  /** Hash of the newest manifest's record; zero if there is none. */
  public Hash32 manifestHash() {
    return view.manifestHash();
  }

  /** Stops the agents; what is not flushed stays in the capsule's DATA records. */
  public void stop() {
    if (flushing != null) {
      flushing.close();
    }
    if (compacting != null) {
      compacting.close();
    }
    if (reclaiming != null) {
      reclaiming.close();
    }
    synchronized (monitor) {
      closed = true;
    }
  }

  /** Frees the memory; nobody may read any more. */
  @Override
  public void close() {
    stop();
    List<Memtable> all = new ArrayList<>();
    synchronized (monitor) {
      all.addAll(spares);
      spares.clear();
      frozen.forEach(f -> retired.addAll(f.memtables));
      closing.forEach(one -> retired.add(one.memtable));
      retired.add(active);
    }
    all.forEach(Memtable::close);
    ended = true;
    view.release();
    chain.close();
    blocks.close();
  }
}
