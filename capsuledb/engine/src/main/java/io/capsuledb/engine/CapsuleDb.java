package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.proof.KeyProofCodec;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.rotation.Rotation;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.engine.CapsuleKeys.KeySource;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.lsm.TreeSnapshot;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A key-value store inside a DataCapsule.
 *
 * <p>Every transaction becomes part of one encrypted, hash-linked, signed record. It is visible to
 * all readers at once when {@link Transaction#commit} returns, and <i>durable</i> a little later,
 * when {@link #durableTime()} reaches the fence that commit returned. Whoever shows a result to
 * somebody waits for its fence first; {@link #whenDurable} and {@link #onDurable} tell when.
 *
 * <p>The data is a log-structured merge-tree whose blocks are records of the capsule too; see
 * {@link Tree}. Opening finds the newest manifest ({@link Survey}) and replays what came after it
 * ({@link Replay}). An opened engine is a new writer: its index is drawn at random from 62 bits,
 * never one that the capsule has seen, so that neither a crash nor a store that was rolled back
 * makes it repeat a nonce or contradict its own chain.
 *
 * <p>Every operation has a Lamport time, and every read is as of one: the newest committed one, or
 * that of a {@link Snapshot}. That is what makes transactions appear whole to readers that take no
 * lock.
 *
 * <p>Failure: when the store fails, or what replay verified turns out wrong, the engine stops for
 * good: {@link #failure()} says why, every further call throws it, nothing that was acknowledged is
 * lost. Reopening is the way on. A block that is damaged or missing is another matter: reads that
 * need it throw an {@link IntegrityException} that names it, everything else goes on.
 *
 * <p>In a <i>shared</i> capsule ({@link CapsuleDbOptions#shared}) several engines write at the same
 * time, each a chain of its own. Whoever runs this one hands it the others' records when they are
 * durable, in causal order ({@link #merge}), and the ends of epochs ({@link #beginCut}, {@link
 * #stable}); of all engines one writes tables ({@link #becomeCompactor}). The larger version of a
 * key wins everywhere, so all that have merged the same records show the same values. There a
 * {@link Snapshot} above {@link #stableTime} is of a moment into which others may still write.
 *
 * <p>Thread-safe, transactions and cursors excepted. Reads take no lock; transactions take turns.
 */
public final class CapsuleDb implements AutoCloseable {

  /** Longest key, in bytes. */
  public static final int MAX_KEY_BYTES = 64 << 10;

  /** Longest value, in bytes. */
  public static final int MAX_VALUE_BYTES = 16 << 20;

  private static final System.Logger LOG = System.getLogger(CapsuleDb.class.getName());

  /** Longest wait for a flush before a proof. */
  private static final long PROOF_WAIT_SECONDS = 30;

  /** Longest wait for what was committed before a rotation of keys. */
  private static final long ROTATION_WAIT_SECONDS = 30;

  private static final long NANOS_PER_SECOND = 1_000_000_000L;

  /** Keys tried before a random key is looked for in order. */
  private static final int RANDOM_KEY_TRIES = 100;

  private final CapsuleName name;
  private final CapsuleMetadata metadata;
  private final KeyRing keys;
  private final RecordStore store;
  private final Clock clock;
  private final Entropy entropy;
  private final Telemetry telemetry;
  private final Secp256k1 curve;
  private final Tree tree;
  private final WritePath writePath;
  private final WriteThrottle throttle;
  private final LamportClock lamport;
  private final WriterIndexes indexes;

  /** Another one after each rotation. */
  private volatile long writer;

  private final long replayedRecords;
  private final CapsuleDbOptions options;

  /** Of a shared capsule; null if one node writes. Guarded by the lock, as it says. */
  private final @Nullable SharedChains chains;

  private final ReentrantLock lock = new ReentrantLock();
  // Guarded by lock:
  private final Transaction transaction = new Transaction(this);
  private boolean closed;

  /** Who rotates keys waits here. */
  private final Scheduler.Gate drained;

  private volatile boolean draining;

  /** Size at a moment, so that asking again while nothing happens costs nothing. */
  private volatile @Nullable Counted counted;

  private record Counted(long time, long keys) {}

  private CapsuleDb(
      CapsuleName name,
      CapsuleMetadata metadata,
      KeyRing keys,
      CapsulePorts ports,
      Secp256k1 curve,
      Tree tree,
      WritePath writePath,
      LamportClock lamport,
      CapsuleDbOptions options,
      WriterIndexes indexes,
      @Nullable SharedChains chains,
      long replayedRecords) {
    this.indexes = indexes;
    this.chains = chains;
    this.name = name;
    this.metadata = metadata;
    this.keys = keys;
    this.store = ports.store();
    this.clock = ports.clock();
    this.entropy = ports.entropy();
    this.telemetry = ports.telemetry();
    this.curve = curve;
    this.drained = ports.scheduler().gate();
    this.tree = tree;
    this.writePath = writePath;
    this.throttle =
        new WriteThrottle(
            tree, ports.clock(), ports.telemetry(), () -> writePath.failure() != null);
    this.lamport = lamport;
    this.options = options;
    this.writer = writePath.head().writer();
    this.replayedRecords = replayedRecords;
  }

  /**
   * Opens a capsule: finds its newest manifest, verifies and replays what came after it, then
   * introduces a new writer.
   *
   * @param key the application key of the generation in force; owned and closed by the engine from
   *     here on
   * @param ports the store holds the capsule's metadata already ({@link
   *     io.capsuledb.core.capsule.NewCapsule} makes them)
   * @param progress hears now and then how many records were replayed
   * @throws IntegrityException if anything read does not verify
   * @throws DeniedException if the key is not this capsule's
   * @throws StorageException if the store fails
   * @throws InvalidRequestException if the store holds no capsule
   */
  public static CapsuleDb open(
      CapsuleDbOptions options, CapsulePorts ports, ApplicationKey key, LongConsumer progress) {
    boolean owned = false;
    try {
      CapsuleDb db = open(options, ports, KeySource.only(key), progress);
      owned = true;
      return db;
    } finally {
      if (!owned) {
        key.close();
      }
    }
  }

  /**
   * The same with a source of keys, which is asked for that of the generation in force, known only
   * from the store. If a rotation to the next generation was begun and did not come to its end, and
   * the source has that key too, it is carried out.
   */
  public static CapsuleDb open(
      CapsuleDbOptions options, CapsulePorts ports, KeySource source, LongConsumer progress) {
    return open(options, ports, new Keys.Sourced(source), progress);
  }

  /**
   * The same for whoever was given keys in place of the application's.
   *
   * @param granted of this capsule and the generation in force; owned and closed by the engine from
   *     here on
   * @throws DeniedException if it is of another capsule
   * @throws UnavailableException if it is not of the generation in force, or the next one was
   *     announced: new keys have to be asked for
   */
  public static CapsuleDb open(
      CapsuleDbOptions options, CapsulePorts ports, KeyRing granted, LongConsumer progress) {
    if (!granted.isGranted()) {
      throw new IllegalArgumentException("a ring with an application key is made by its source");
    }
    return open(options, ports, new Keys.Granted(granted), progress);
  }

  private static CapsuleDb open(
      CapsuleDbOptions options, CapsulePorts ports, Keys keys, LongConsumer progress) {
    AtomicReference<@Nullable KeyRing> ring =
        new AtomicReference<>(keys instanceof Keys.Granted(KeyRing granted) ? granted : null);
    boolean opened = false;
    try {
      CapsuleDb db = open(options, ports, keys, ring, progress);
      opened = true;
      return db;
    } finally {
      KeyRing made = ring.get();
      if (!opened && made != null) {
        made.close();
      }
    }
  }

  /** Where the keys come from. */
  private sealed interface Keys {

    /** From whoever has application keys. */
    record Sourced(KeySource source) implements Keys {}

    /** They are there. */
    record Granted(KeyRing ring) implements Keys {}
  }

  private static CapsuleDb open(
      CapsuleDbOptions options,
      CapsulePorts ports,
      Keys from,
      AtomicReference<@Nullable KeyRing> ring,
      LongConsumer progress) {
    Secp256k1 curve = Secp256k1.best();
    byte[] signed = ports.store().metadata();
    if (signed == null) {
      throw new InvalidRequestException("the store holds no capsule");
    }
    CapsuleName name = MetadataCodec.nameOf(signed);
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    checkExpected(options, name, metadata);
    if (!metadata.replicas().isEmpty() && !ports.store().isReplicated()) {
      throw new InvalidRequestException(
          "capsule "
              + name
              + " wants "
              + metadata.replicas().size()
              + " replicas; the store given replicates nothing");
    }
    ChainVerifier verifier = new ChainVerifier(name, metadata, curve);
    Survey survey =
        new Survey(
            name,
            metadata,
            ends -> {
              KeyRing made =
                  switch (from) {
                    case Keys.Sourced(KeySource source) ->
                        CapsuleKeys.ring(name, metadata, ends, source);
                    case Keys.Granted(KeyRing granted) -> {
                      CapsuleKeys.checkGranted(name, ends, granted);
                      yield granted;
                    }
                  };
              ring.set(made);
              return made;
            },
            curve,
            ports.store(),
            verifier);
    survey.run();
    KeyRing keys = java.util.Objects.requireNonNull(survey.keys());
    WriterIndexes indexes = new WriterIndexes(ports.entropy());
    survey.writers().forEach(indexes::add);
    LamportClock lamport = new LamportClock();
    lamport.advance(survey.recovered().manifest().coveredTime());
    // Also before a flush during replay: the order of the tree's chains is that of their times.
    lamport.advance(survey.newestLamport());
    LamportClock treeLamport = new LamportClock();
    treeLamport.advance(survey.newestLamport());
    AtomicReference<WritePath> path = new AtomicReference<>();
    Tree tree =
        new Tree(
            options.tree(),
            options.sharing(),
            new Tree.Ports(
                name,
                keys,
                curve,
                ports.store(),
                ports.clock(),
                ports.entropy(),
                ports.scheduler(),
                ports.telemetry()),
            survey.recovered(),
            indexes::draw,
            () -> Math.max(lamport.newest(), treeLamport.newest()),
            failure -> {
              WritePath running = path.get();
              if (running != null) {
                running.fail(failure);
              }
            });
    boolean opened = false;
    try {
      Replay replay =
          new Replay(
              name,
              metadata,
              curve,
              keys,
              ports.store(),
              verifier,
              tree,
              lamport,
              options.shared(),
              survey::names,
              progress);
      if (options.shared()) {
        survey.cut(CausalCut.of(name, ports.store(), survey.chains()));
      }
      List<Chain> positions = replay.run(survey.chains(), survey.treePositions(), survey::isNamed);
      ports.telemetry().count(Telemetry.Counter.RECORDS_REPLAYED, replay.records());
      List<Hash32> tips = tips(survey, verifier);
      long epoch = options.shared() ? firstEpoch(survey, replay) : 0;
      long time = lamport.newest() + 1;
      Birth birth =
          birth(
              options.shared(),
              name,
              metadata,
              keys,
              from,
              curve,
              ports.store(),
              tree,
              survey,
              indexes,
              tips,
              epoch,
              time);
      lamport.advance(birth.head().lamport());
      WritePath writePath =
          new WritePath(
              ports.store(),
              birth.sealer(),
              birth.head(),
              birth.head().lamport(),
              ports.clock(),
              ports.telemetry());
      writePath.beginEpoch(epoch);
      path.set(writePath);
      SharedChains chains = null;
      if (options.shared()) {
        chains =
            new SharedChains(
                name,
                metadata,
                keys,
                curve,
                ports.store(),
                tree,
                writePath,
                lamport,
                treeLamport,
                indexes::add,
                survey,
                verifier,
                replay.synced());
      } else {
        tree.replayed(joinedAll(positions));
      }
      CapsuleDb db =
          new CapsuleDb(
              name,
              metadata,
              keys,
              ports,
              curve,
              tree,
              writePath,
              lamport,
              options,
              indexes,
              chains,
              replay.records());
      writePath.onDurable(tree::signalFlush);
      writePath.onDurable(db::signalDrained);
      writePath.start(ports.scheduler());
      tree.start();
      LOG.log(
          System.Logger.Level.INFO,
          "event=writer.born capsule={0} writer={1} joined_chains={2} replayed_records={3}"
              + " lamport={4}",
          name,
          Long.toHexString(db.writer),
          tips.size(),
          Long.toString(replay.records()),
          Long.toString(lamport.newest()));
      opened = true;
      return db;
    } finally {
      if (!opened) {
        tree.close();
      }
    }
  }

  /** The epoch of a new worker: the one after the newest SYNC's. */
  private static long firstEpoch(Survey survey, Replay replay) {
    long epoch = Math.max(1, survey.newestEpoch());
    for (Replay.Synced one : replay.synced()) {
      epoch = Math.max(epoch, one.sync().epoch() + 1);
    }
    return epoch;
  }

  /** Heads of chains that no record names: what the next writer's first record joins. */
  private static List<Hash32> tips(Survey survey, ChainVerifier verifier) {
    List<Hash32> tips = new ArrayList<>();
    for (Survey.Surveyed chain : survey.chains()) {
      Hash32 head = verifier.head(chain.writer()).hash();
      if (!survey.isNamed(head)) {
        tips.add(head);
      }
    }
    return tips;
  }

  /** The new writer's first record names whatever was not named before. */
  private static List<Chain> joinedAll(List<Chain> chains) {
    List<Chain> joined = new ArrayList<>();
    for (Chain chain : chains) {
      joined.add(
          new Chain(
              chain.writer(),
              chain.sequence(),
              chain.hash(),
              chain.lamport(),
              true,
              chain.isTree()));
    }
    return joined;
  }

  private static void checkExpected(
      CapsuleDbOptions options, CapsuleName name, CapsuleMetadata metadata) {
    if (options.capsule() != null && !name.equals(options.capsule())) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.MISPLACED,
              "the store holds capsule " + name + " where " + options.capsule() + " belongs"));
    }
    if (options.owner() != null && !metadata.ownerKey().equals(options.owner())) {
      throw new DeniedException(
          "capsule "
              + name
              + " belongs to owner "
              + metadata.ownerKey()
              + ", not to "
              + options.owner());
    }
  }

  /**
   * Draws a writer index the capsule has not seen and stores the writer's first record. A rotation
   * that did not come to its end is carried out, unless the next generation's key is not to be had:
   * then this is a writer of the generation in force.
   */
  private static Birth birth(
      boolean shared,
      CapsuleName name,
      CapsuleMetadata metadata,
      KeyRing keys,
      Keys from,
      Secp256k1 curve,
      RecordStore store,
      Tree tree,
      Survey survey,
      WriterIndexes indexes,
      List<Hash32> tips,
      long epoch,
      long time) {
    int generation = keys.currentGeneration();
    if (survey.finals().newestGeneration() > generation
        && from instanceof Keys.Sourced(var source)) {
      ApplicationKey next = null;
      try {
        next = CapsuleKeys.key(name, metadata, generation + 1, source);
        ApplicationKey taken = next;
        if (shared && !survey.finals().isEnded(generation)) {
          throw new UnavailableException(
              "the keys are being rotated, and not all writers of generation "
                  + generation
                  + " have ended yet: repeat");
        }
        List<Birth> births = new ArrayList<>();
        // A flush during the replay may have begun a chain of the tree, which the survey does not
        // know of: the chain ends where it is now, and what it released stays superfluous.
        tree.renew(
            endedTree -> {
              List<Hash32> parents = new ArrayList<>(tips);
              long at = time;
              if (endedTree != null) {
                parents.add(endedTree.hash());
                at = Math.max(at, endedTree.lamport() + 1);
              }
              births.add(
                  Birth.rotating(
                      name,
                      taken,
                      indexes.draw(),
                      epoch,
                      at,
                      parents,
                      store,
                      curve,
                      () ->
                          rotation(
                              keys,
                              taken,
                              shared
                                  ? survey.finals().ends(generation)
                                  : CapsuleKeys.ends(store, curve, generation))));
              keys.advance(taken);
            });
        Birth born = births.getFirst();
        next = null;
        LOG.log(
            System.Logger.Level.INFO,
            "event=keys.rotated capsule={0} generation={1} begun_before=true",
            name,
            generation + 1);
        return born;
      } catch (DeniedException unknown) {
        if (shared) {
          throw unknown;
        }
        LOG.log(
            System.Logger.Level.WARNING,
            "event=keys.rotation_pending capsule={0} generation={1} reason=\"{2}\"",
            name,
            generation + 1,
            unknown.getMessage());
      } finally {
        if (next != null) {
          next.close();
        }
      }
    }
    return Birth.of(keys, indexes, epoch, time, tips, store, curve);
  }

  private static Rotation rotation(KeyRing keys, ApplicationKey next, List<Rotation.End> ends) {
    return new Rotation(
        next.generation(),
        java.util.Objects.requireNonNull(next.certificate()),
        keys.wrapUnder(next),
        ends);
  }

  /** The key generation that is written in. */
  public int keyGeneration() {
    return keys.currentGeneration();
  }

  /**
   * Begins the next key generation: what is committed from now on is encrypted and signed under new
   * keys by a new writer, and the application key before is cleared. What was written before stays
   * readable; nothing more under the old keys counts. Writers wait meanwhile, readers do not. When
   * this returns, it is durable. If it fails half-way, the engine stops, and opening the capsule
   * again carries it out or leaves it. Not for a shared capsule.
   *
   * @param next the application key of the next generation, with its certificate; owned and closed
   *     by the engine
   * @param before done when everything of the generation before is durable, with the new key
   * @throws DeniedException if it is not this capsule's next key
   * @throws InvalidRequestException if the capsule is shared, or a transaction is running on this
   *     thread
   * @throws UnavailableException if what was committed does not become durable in time
   */
  public void rotate(ApplicationKey next, Consumer<ApplicationKey> before) {
    ApplicationKey key = next;
    lock.lock();
    try {
      checkRunning();
      if (chains != null || lock.getHoldCount() > 1) {
        throw new InvalidRequestException(
            chains != null
                ? "the keys of a shared capsule are rotated by its coordinator"
                : "keys cannot be rotated within a transaction");
      }
      key = CapsuleKeys.inDirectory(name, metadata, keys.currentGeneration() + 1, next);
      drain();
      ApplicationKey taken = key;
      try {
        tree.renew(ended -> rotate(taken, before, ended));
      } catch (CapsuleException broken) {
        writePath.fail(broken);
        throw broken;
      } catch (RuntimeException | Error e) {
        StorageException broken = new StorageException("rotating the keys failed", e);
        writePath.fail(broken);
        throw broken;
      }
      key = null;
    } finally {
      lock.unlock();
      if (key != null) {
        key.close();
      }
    }
    LOG.log(
        System.Logger.Level.INFO,
        "event=keys.rotated capsule={0} generation={1} writer={2}",
        name,
        keys.currentGeneration(),
        Long.toHexString(writer));
  }

  private void signalDrained() {
    if (draining) {
      drained.signalAll();
    }
  }

  /**
   * Waits until everything that was committed is durable; under the lock, so nothing more comes.
   */
  private void drain() {
    draining = true;
    boolean done =
        drained.await(
            () -> writePath.isDrained() || writePath.failure() != null,
            ROTATION_WAIT_SECONDS * NANOS_PER_SECOND);
    draining = false;
    checkRunning();
    if (!done) {
      throw new UnavailableException(
          "what was committed did not become durable within " + ROTATION_WAIT_SECONDS + " s");
    }
  }

  private void rotate(
      ApplicationKey next, Consumer<ApplicationKey> before, @Nullable Chain endedTree) {
    before.accept(next);
    WritePath.Head last = writePath.head();
    List<Hash32> parents = new ArrayList<>();
    parents.add(last.hash());
    long time = Math.max(lamport.newest(), last.lamport());
    if (endedTree != null) {
      parents.add(endedTree.hash());
      time = Math.max(time, endedTree.lamport());
    }
    Birth birth =
        Birth.rotating(
            name,
            next,
            indexes.draw(),
            writePath.epoch(),
            time + 1,
            parents,
            store,
            curve,
            () -> rotation(keys, next, CapsuleKeys.ends(store, curve, keys.currentGeneration())));
    lamport.advance(birth.head().lamport());
    tree.note(lamport.newest());
    keys.advance(next);
    writer = birth.head().writer();
    writePath.goOnAs(birth.sealer(), birth.head());
  }

  private static void checkLamport(long time) {
    Birth.checkLamport(time);
  }

  private void checkRunning() {
    CapsuleException failure = writePath.failure();
    if (failure != null) {
      throw failure;
    }
  }

  // ------------------------------------------------------------------ reading

  /**
   * Reads a key. Takes no lock, and sees of each transaction either nothing or all of it; whoever
   * reads several keys and wants them of one moment reads in a transaction or a snapshot.
   *
   * @throws IntegrityException if a block that is needed is damaged or missing
   */
  public Lookup get(byte[] key) {
    return lookup(key, clock.wallMs(), true);
  }

  /**
   * Reads what there is to know about a key but its value: {@link Lookup#length()} is that of the
   * value, {@link Lookup#buffer()} is empty. Cheaper than {@link #get} where values are large.
   */
  public Lookup describe(byte[] key) {
    return lookup(key, clock.wallMs(), false);
  }

  Lookup lookup(byte[] key, long nowMs, boolean withValue) {
    checkRunning();
    try {
      return tree.read(
          key,
          lamport::newest,
          (entry, cleared, source) -> visible(entry, cleared, nowMs, withValue, source));
    } catch (IllegalStateException e) {
      // The tree is closed under readers that were already inside when the engine ended.
      checkRunning();
      throw e;
    }
  }

  /** Whether a key is absent because its newest value has expired. */
  boolean isExpired(byte[] key, long nowMs) {
    checkRunning();
    return tree.read(
        key,
        lamport::newest,
        (entry, cleared, source) ->
            entry != null
                && (cleared == null || entry.version().compareTo(cleared) >= 0)
                && !entry.isTombstone()
                && entry.isExpired(nowMs));
  }

  static Lookup visible(
      @Nullable Entry entry,
      @Nullable Version cleared,
      long nowMs,
      boolean withValue,
      Tree source) {
    if (entry == null || (cleared != null && entry.version().compareTo(cleared) < 0)) {
      return Lookup.absent(cleared == null ? 0 : cleared.time());
    }
    if (entry.isTombstone() || entry.isExpired(nowMs)) {
      return Lookup.absent(entry.time());
    }
    ValueType type = ValueType.of(entry);
    if (!withValue) {
      return Lookup.described(Tree.valueLength(entry), type, entry.expiryAtMs(), entry.time());
    }
    byte[] value = source.value(entry);
    return Lookup.found(value, 0, value.length, type, entry.expiryAtMs(), entry.time());
  }

  /**
   * Everything as it is now, for as long as the snapshot is open. Close it soon: what it needs is
   * kept, in memory and in the store.
   */
  public Snapshot snapshot() {
    checkRunning();
    return new Snapshot(hold());
  }

  /** The same, where a transaction has fixed what time it is. */
  Snapshot snapshotNow(long nowMs) {
    checkRunning();
    return new Snapshot(hold(nowMs));
  }

  /**
   * Everything as it was at a Lamport time.
   *
   * @param time of an operation; the snapshot shows it, and all before it
   * @throws InvalidRequestException if that is in the future, or further back than history is kept;
   *     in a shared capsule everything after {@link #stableTime} is the future
   */
  public Snapshot snapshotAt(long time) {
    checkRunning();
    if (time < 0 || time > (chains == null ? lamport.newest() : stableTime())) {
      throw new InvalidRequestException("Lamport time " + time + " has not come yet");
    }
    TreeSnapshot held = tree.snapshot(time, clock.wallMs());
    if (held == null) {
      throw new InvalidRequestException(
          "Lamport time " + time + " is further back than history is kept: to " + tree.floorTime());
    }
    return new Snapshot(held);
  }

  /**
   * The versions of a key, newest first: every one since {@link CapsuleDbOptions#historyMs} ago,
   * and the one before. Removals are versions too.
   *
   * @param most how many at most, at least 1
   */
  public List<KeyVersion> history(byte[] key, int most) {
    checkRunning();
    if (most < 1) {
      throw new InvalidRequestException("at most " + most + " versions; allowed is 1 or more");
    }
    try (TreeSnapshot held = hold()) {
      return new History(name, metadata, curve, store).of(held, key, most);
    }
  }

  /**
   * What shows, to whoever has the owner's public key and no other, which value a key has, or that
   * it has none: the bytes that {@link io.capsuledb.core.proof.KeyProofVerifier} takes, as
   * docs/format/proof.md has them. It shows the state after everything that was committed when this
   * was called, and of keys beside this one the neighbours in their order: not for readers who may
   * not see all keys.
   *
   * <p>If tables do not have all that there is of the key, memory is flushed first, and this thread
   * waits for that, for {@value #PROOF_WAIT_SECONDS} seconds at most: not to be called from where
   * waiting is not allowed, nor in a transaction.
   *
   * @param key at most {@link #MAX_KEY_BYTES}; kept, not to be modified before this returns
   * @throws UnavailableException if flushing takes too long
   * @throws IntegrityException if a block or record that is needed is damaged or missing
   * @throws InvalidRequestException if the key, or the proof, is too long
   */
  public byte[] proof(byte[] key) {
    if (key.length > MAX_KEY_BYTES) {
      throw new InvalidRequestException(
          "a key of " + key.length + " bytes; at most " + MAX_KEY_BYTES + " are allowed");
    }
    checkRunning();
    byte[] signed = store.metadata();
    if (signed == null || !MetadataCodec.nameOf(signed).equals(name)) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.MISPLACED, "the store has lost the metadata of capsule " + name));
    }
    try {
      if (!tree.isCovered(key)) {
        flushAndWait();
      }
      return KeyProofCodec.encode(tree.proof(key, signed));
    } catch (IllegalStateException e) {
      // The tree is closed under readers that were already inside when the engine ended.
      checkRunning();
      throw e;
    }
  }

  /** Flushes, also where there is nothing but a CLEAR to flush, and waits for the manifest. */
  private void flushAndWait() {
    long deadline = clock.monotonicNanos() + PROOF_WAIT_SECONDS * NANOS_PER_SECOND;
    Scheduler.Gate gate = tree.room();
    long cut = chains == null ? rotate() : lamport.newest();
    if (chains != null) {
      // It ends with the epoch, and it is for others to say when that is.
      tree.flushSoon();
    }
    while (cut < 0) {
      // Rotating is no condition: it takes the engine's lock, and those are looked at in the gate.
      waitUntil(gate, () -> tree.hasRoom() && tree.canRotate(), deadline);
      cut = rotate();
    }
    long covered = cut;
    waitUntil(gate, () -> tree.manifest().coveredTime() >= covered, deadline);
  }

  private void waitUntil(Scheduler.Gate gate, BooleanSupplier condition, long deadline) {
    boolean held =
        gate.await(
            () -> condition.getAsBoolean() || writePath.failure() != null,
            Math.max(0, deadline - clock.monotonicNanos()));
    checkRunning();
    if (!held) {
      throw new UnavailableException(
          "what is in memory could not be flushed within "
              + PROOF_WAIT_SECONDS
              + " s; repeat later");
    }
  }

  /** Freezes the memtable if there is room; returns the Lamport time it ends at, or -1. */
  private long rotate() {
    lock.lock();
    try {
      checkRunning();
      if (!tree.hasRoom() || !tree.canRotate()) {
        return -1;
      }
      long time = lamport.newest();
      tree.rotate(writePath.cut(time));
      tree.flushSoon();
      return time;
    } finally {
      lock.unlock();
    }
  }

  /** The Lamport time to which {@link #snapshotAt} reaches back at the moment; it grows. */
  public long historyFloor() {
    return tree.floorTime();
  }

  private TreeSnapshot hold() {
    return hold(clock.wallMs());
  }

  private TreeSnapshot hold(long nowMs) {
    while (true) {
      TreeSnapshot held = tree.snapshot(lamport.newest(), nowMs);
      if (held != null) {
        return held;
      }
    }
  }

  /**
   * The Lamport time of the last operation of a DATA record: where a {@link #snapshotAt} shows the
   * capsule as that record left it.
   *
   * @throws InvalidRequestException if there is no DATA record with the hash
   */
  public long timeOf(Hash32 record) {
    checkRunning();
    byte[] bytes = store.read(record);
    if (bytes == null || RecordCodec.typeOf(bytes) != RecordType.DATA) {
      throw new InvalidRequestException("no record of data has the hash " + record);
    }
    Decoded<SignedHeader> decoded = RecordCodec.decodeStored(name, bytes);
    RecordHeader header = decoded.orThrow().header();
    // The operations of a record are those before the next one's.
    if (!RecordCodec.isStub(bytes)) {
      return lastTime(bytes);
    }
    while (true) {
      long durable = durableTime();
      byte[] next = store.read(header.writer(), header.sequence() + 1);
      if (next != null) {
        Decoded<SignedHeader> after = RecordCodec.decodeStored(name, next);
        return after.orThrow().header().lamport() - 1;
      }
      if (header.writer() != writer) {
        // The newest record of a writer that has ended: what came after it is another's.
        return timeAtEndOf(header);
      }
      if (durableTime() == durable) {
        return durable;
      }
    }
  }

  /** The time before the first record of the writer that followed one that has ended. */
  private long timeAtEndOf(RecordHeader last) {
    long time = lamport.newest();
    for (long other : store.writers()) {
      byte[] first = store.read(other, 1);
      if (first != null
          && RecordCodec.decode(name, first)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord roster)
          && roster.header().lamport() > last.lamport()) {
        time = Math.min(time, roster.header().lamport() - 1);
      }
    }
    return time;
  }

  private long lastTime(byte[] bytes) {
    CapsuleRecord record = RecordCodec.decode(name, bytes).orThrow();
    try (RecordOpener opener = new RecordOpener(name, keys)) {
      byte[] payload = opener.open(record).orThrow();
      return record.header().lamport() + BatchCodec.count(payload) - 1;
    }
  }

  // ------------------------------------------------------------------ writing

  /**
   * Begins a transaction, after the one that is running has ended, and after there is room for
   * another: while flush and compaction are behind, writers are slowed down here. End it with
   * {@link Transaction#close} on the same thread.
   *
   * @throws CapsuleException the engine's {@link #failure}
   * @throws UnavailableException if there is no room for too long, or the store says that it can
   *     make nothing durable for now ({@link RecordStore#unavailable})
   */
  public Transaction begin() {
    writePath.awaitRoom();
    throttle.await();
    return begin(false);
  }

  /** Begins a transaction that only reads, and never waits for room. */
  public Transaction beginReading() {
    return begin(true);
  }

  private Transaction begin(boolean readOnly) {
    lock.lock();
    boolean begun = false;
    try {
      checkRunning();
      if (closed) {
        throw new UnavailableException("the engine is closed");
      }
      transaction.open(clock.wallMs(), readOnly);
      begun = true;
      return transaction;
    } finally {
      if (!begun) {
        lock.unlock();
      }
    }
  }

  /** Ends the running transaction; called by it. */
  void end() {
    lock.unlock();
  }

  /**
   * Writes a batch as one transaction.
   *
   * @return completes when it is durable, with its fence; see {@link #whenDurable}
   */
  public CompletionStage<Long> write(WriteBatch batch) {
    long fence;
    try (Transaction txn = begin()) {
      batch.stage(txn);
      fence = txn.commit();
    }
    return whenDurable(fence).thenApply(done -> fence);
  }

  long commit(Transaction.Staged staged, long encodedBound) {
    checkRunning();
    if (staged.hasClear()) {
      tree.checkClearable();
    }
    long first = lamport.newest() + 1;
    checkLamport(first + staged.count());
    int place = writePath.append(staged, first, encodedBound);
    long last = first + staged.count() - 1;
    try {
      Transaction.apply(staged, tree, first, writer, place);
      lamport.advance(last);
      tree.note(last);
      throttle.written(encodedBound);
      if (chains == null && tree.isFull() && tree.canRotate()) {
        tree.rotate(writePath.cut(last));
      }
    } catch (RuntimeException | Error e) {
      writePath.fail(
          new StorageException("the memtable failed; it no longer agrees with the capsule", e));
      throw new OutcomeUnknownException(
          "the memtable failed while the write was under way; read it after reopening", e);
    }
    return last;
  }

  // ------------------------------------------------------------------ other workers

  private SharedChains shared() {
    SharedChains known = chains;
    if (known == null) {
      throw new InvalidRequestException("the capsule was not opened to be shared");
    }
    return known;
  }

  /** What is done under the lock to chains of others. A failure half-way ends the engine. */
  private <T> T locked(Supplier<T> action) {
    lock.lock();
    try {
      checkRunning();
      return action.get();
    } catch (InvalidRequestException | UnavailableException refused) {
      throw refused;
    } catch (CapsuleException broken) {
      writePath.fail(broken);
      throw broken;
    } catch (RuntimeException | Error e) {
      writePath.fail(new StorageException("merging failed; memory no longer agrees with it", e));
      throw e;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Merges records of other writers' chains, each as one act: visible at once, idempotent. The
   * clock moves past them, and this worker's next record names their chains' heads. Waits for the
   * transaction that is running.
   *
   * <p>Whoever calls has seen to it that each record is durable, is linked and vouched for by its
   * writer's signature, and that its ancestors were merged before or are earlier in the list. RTS
   * records go to {@link #beginCut}. In bursts, please: each call ends the batch that is open.
   *
   * @throws InvalidRequestException if a record does not follow in its chain; those before it are
   *     merged
   * @throws UnavailableException if the next record could not name all these chains: write first
   * @throws IntegrityException if a payload is not what it has to be. The engine goes on if that
   *     was found before anything was merged
   */
  public void merge(List<CapsuleRecord> records) {
    if (records.isEmpty()) {
      return;
    }
    List<SharedChains.Prepared> prepared = shared().prepare(records);
    locked(
        () -> {
          shared().checkJoinable(prepared);
          shared().merge(prepared);
          return true;
        });
  }

  /**
   * Ends an epoch, in answer to an RTS that is durable and whose ancestors are merged: takes it up
   * like {@link #merge}, and in the same act has an EOE follow all that was committed before, and
   * moves the clock to the cut time. Everything committed later is later than that.
   *
   * @param idleIsEnough whether there need be no EOE if this worker wrote nothing since the newest
   *     SYNC
   * @return the same if it is called again with the same RTS
   * @throws InvalidRequestException if the record is no RTS, does not follow in its chain, or an
   *     RTS after it was answered
   */
  public CutResult beginCut(CapsuleRecord rts, boolean idleIsEnough) {
    List<SharedChains.Prepared> prepared = shared().prepare(List.of(rts));
    return locked(
        () -> {
          shared().checkJoinable(prepared);
          return shared().beginCut(prepared.getFirst(), idleIsEnough);
        });
  }

  /**
   * Takes note of a SYNC whose record was merged: from now on nothing can come at or before its cut
   * time. A SYNC that says of this worker that it is gone ends the engine.
   *
   * @param hash of its record
   * @throws InvalidRequestException if not everything up to its positions was merged
   */
  public void stable(Sync sync, Hash32 hash) {
    locked(
        () -> {
          shared().stable(sync, hash);
          return true;
        });
  }

  /**
   * The cut time of the newest SYNC that {@link #stable} took note of: up to there all workers have
   * the same history. 0 if there was none.
   */
  public long stableTime() {
    return shared().stableTime();
  }

  /**
   * The sequence number, in this worker's chain, of the newest record that anything committed so
   * far is in; it need not be durable.
   */
  public long newestSequence() {
    return writePath.newestSequence();
  }

  /** The epoch that this worker's records carry: one more than that of its newest EOE. */
  public long epoch() {
    return writePath.epoch();
  }

  /**
   * The newest record of each chain that was merged, by writer; of this worker's own chain, and of
   * the one with its tables, the newest durable one.
   */
  public Map<Long, ChainHead> frontier() {
    lock.lock();
    try {
      Map<Long, ChainHead> frontier = shared().frontier();
      WritePath.Head own = writePath.head();
      frontier.put(own.writer(), new ChainHead(own.sequence(), own.hash()));
      Chain tables = tree.treeHead();
      if (tables != null) {
        frontier.put(tables.writer(), new ChainHead(tables.sequence(), tables.hash()));
      }
      return frontier;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Makes this engine the one that writes tables and manifests, in a new chain. All chains of
   * compactors that there were must have been sealed before.
   *
   * @param sealed their final heads, by writer
   * @return false if not all of them was merged yet, or not everything that the newest manifest
   *     covers: repeat later
   */
  public boolean becomeCompactor(Map<Long, ChainHead> sealed) {
    return locked(() -> shared().becomeCompactor(sealed));
  }

  /** Ends that; the engine takes over the manifests of others again. */
  public void follow() {
    locked(
        () -> {
          shared();
          tree.dismiss();
          return true;
        });
  }

  /** Whether this engine writes tables and manifests. */
  public boolean isCompactor() {
    return tree.isAppointed();
  }

  /** The writer of the chain with this engine's tables and manifests, or 0 while there is none. */
  public long compactorWriter() {
    return tree.treeWriter();
  }

  // ------------------------------------------------------------------ maintenance

  /**
   * Has everything committed so far written to tables, in the background; {@link #isFlushed} tells
   * when that is done. In a shared capsule that is at the end of the epoch.
   *
   * @return false if flushes are so far behind that there is no room to begin one: repeat later
   */
  public boolean flush() {
    lock.lock();
    try {
      checkRunning();
      if (chains != null) {
        tree.flushSoon();
        return true;
      }
      boolean rotates = !tree.isActiveEmpty() && tree.canRotate();
      if (rotates) {
        tree.rotate(writePath.cut(lamport.newest()));
      }
      tree.flushSoon();
      return rotates || tree.isActiveEmpty();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Whether everything committed at or before a Lamport time is in tables, whatever was written
   * since.
   */
  public boolean isFlushed(long time) {
    checkRunning();
    return tree.isFlushed(time);
  }

  /**
   * Has all tables merged into one run without garbage, in the background.
   *
   * @return for {@link #isCompacted}
   * @throws IntegrityException if compaction has met a damaged block, and so goes no further
   */
  public long compact() {
    checkRunning();
    return tree.compactAll();
  }

  /**
   * Whether the tables there were when {@link #compact} returned a number have been merged,
   * whatever was flushed since.
   *
   * @throws IntegrityException if compaction has met a damaged block, and so goes no further
   */
  public boolean isCompacted(long request) {
    checkRunning();
    return tree.isCompacted(request);
  }

  /** Whether no flush or compaction is due or under way. While others write, it may never be so. */
  public boolean isSettled() {
    return tree.isSettled();
  }

  // ------------------------------------------------------------------ keys

  /** Receives keys in a walk. */
  @FunctionalInterface
  public interface KeyVisitor {
    /** Takes one live key and its type. */
    void key(byte[] key, ValueType type);
  }

  /**
   * One step of a walk over all live keys in their order. A key that exists from the first step to
   * the last is visited exactly once; steps keep no state here.
   *
   * @param after begin behind this key; null: at the first
   * @param count look at this many keys at most, at least 1
   * @return the last key looked at, to go on behind, or null at the end
   */
  public byte @Nullable [] walk(byte @Nullable [] after, int count, KeyVisitor visitor) {
    try (Snapshot snapshot = snapshot()) {
      return snapshot.walk(after, count, visitor);
    }
  }

  /** A key picked at random among the live ones, or null if there is none. */
  public byte @Nullable [] randomKey() {
    checkRunning();
    byte[] random = new byte[Long.BYTES];
    for (int tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
      entropy.fill(random);
      byte[] key = tree.anyKey(LittleEndian.getLong(random, 0));
      if (key == null) {
        return null;
      }
      if (describe(key).found()) {
        return key;
      }
    }
    // Nearly everything was deleted: the first key there is will do.
    byte[][] found = new byte[1][];
    byte[] at = null;
    do {
      at =
          walk(
              at,
              RANDOM_KEY_TRIES,
              (key, type) -> {
                if (found[0] == null) {
                  found[0] = key;
                }
              });
    } while (at != null && found[0] == null);
    return found[0];
  }

  /**
   * How many keys there are. Walks all of them, unless nothing was written since it was asked last.
   */
  public long size() {
    checkRunning();
    Counted known = counted;
    try (Snapshot snapshot = snapshot()) {
      if (known != null && known.time == snapshot.time() && !tree.hasExpiring()) {
        return known.keys;
      }
      long[] count = {0};
      byte[] at = null;
      do {
        at = snapshot.walk(at, Integer.MAX_VALUE, (key, type) -> count[0]++);
      } while (at != null);
      counted = new Counted(snapshot.time(), count[0]);
      return count[0];
    }
  }

  /** About how many entries a walk over all keys looks at: what {@link #size} costs. */
  public long approximateEntries() {
    Tree.Stats stats = tree.stats();
    return stats.memtableEntries() + stats.entries();
  }

  // ------------------------------------------------------------------ durability

  /** The Lamport time of the newest committed operation: the fence of "everything so far". */
  public long committedTime() {
    return lamport.newest();
  }

  /** Every operation at or before this Lamport time is durable. Grows; a volatile read. */
  public long durableTime() {
    return writePath.durableTime();
  }

  /** Why the engine stopped, or null while it runs. */
  public @Nullable CapsuleException failure() {
    return writePath.failure();
  }

  /**
   * Registers a callback that runs, on an engine thread, after {@link #durableTime()} grew or
   * {@link #failure()} appeared. It must return at once and not throw.
   */
  public void onDurable(Runnable listener) {
    writePath.onDurable(listener);
  }

  /**
   * Completes when {@code fence} is durable; fails with {@link OutcomeUnknownException} if the
   * engine stops first. What depends on it runs on an engine thread: it must not block, nor begin a
   * transaction; use the asynchronous methods of the stage for that.
   */
  public CompletionStage<@Nullable Void> whenDurable(long fence) {
    return writePath.whenDurable(fence);
  }

  /** How the engine was opened. */
  public CapsuleDbOptions options() {
    return options;
  }

  /** The capsule's name. */
  public CapsuleName name() {
    return name;
  }

  /** The capsule's metadata. */
  public CapsuleMetadata metadata() {
    return metadata;
  }

  /**
   * This node's newest durable record.
   *
   * @param writer this node's writer index
   * @param sequence sequence number of the record
   * @param hash its hash; whoever keeps it can later demand that the capsule still holds it
   * @param lamport Lamport time of its first operation
   */
  public record Head(long writer, long sequence, Hash32 hash, long lamport) {}

  /** This node's newest durable record. */
  public Head head() {
    WritePath.Head head = writePath.head();
    return new Head(head.writer(), head.sequence(), head.hash(), head.lamport());
  }

  /**
   * What shows to anybody, offline and without a key, that a record is durable: signed by a quorum
   * of the capsule's replicas. {@code capsule cert check} reads it.
   *
   * @param hash of the record; null for the newest of this node's chain
   * @throws InvalidRequestException if the capsule has no replicas, or no such record
   * @throws UnavailableException if there is no certificate of it, or not yet
   */
  public byte[] certificate(@Nullable Hash32 hash) {
    checkRunning();
    if (!store.isReplicated()) {
      throw new InvalidRequestException(
          "this capsule lives on one node: nobody signs that its records are durable");
    }
    WritePath.Head newest = writePath.head();
    long writer = newest.writer();
    long sequence = newest.sequence();
    if (hash != null) {
      CapsuleRecord record = record(hash);
      if (record == null) {
        throw new InvalidRequestException("there is no record " + hash);
      }
      writer = record.header().writer();
      sequence = record.header().sequence();
    }
    byte[] certificate = store.certificate(writer, sequence);
    if (certificate == null) {
      throw new UnavailableException(
          "there is no certificate of this record: it is not durable yet, or was written before"
              + " this node started, or too long ago");
    }
    return certificate;
  }

  /**
   * The durable record with a hash, its hash checked, or null if there is none.
   *
   * @throws IntegrityException if what is stored under the hash is something else
   */
  public @Nullable CapsuleRecord record(Hash32 hash) {
    checkRunning();
    try {
      byte[] bytes = store.read(hash);
      if (bytes == null) {
        return null;
      }
      CapsuleRecord record = RecordCodec.decode(name, bytes).orThrow();
      if (!record.hash().equals(hash)) {
        throw new IntegrityException(
            Rejection.of(Rejection.Reason.MISPLACED, record + " is stored as " + hash));
      }
      return record;
    } catch (IntegrityException damaged) {
      telemetry.rejected(damaged.rejection().reason());
      writePath.fail(damaged);
      throw damaged;
    }
  }

  /**
   * Verifies every durable record while the engine runs. A problem stops the engine: what it serves
   * may no longer be what is stored.
   */
  public CapsuleVerifier.Report verify(CapsuleVerifier.Progress progress) {
    checkRunning();
    CapsuleVerifier.Report report =
        new CapsuleVerifier(store, curve, keys, progress)
            .verify(name, List.of(writePath.head().hash()));
    if (!report.clean()) {
      CapsuleVerifier.Problem first = report.problems().getFirst();
      telemetry.rejected(first.rejection().reason());
      writePath.fail(
          new IntegrityException(
              Rejection.of(
                  first.rejection().reason(), first.where() + ": " + first.rejection().detail())));
    }
    return report;
  }

  /**
   * How full and how busy the engine is.
   *
   * @param memtableBytes bytes of all memtables
   * @param memtableLimitBytes bytes at which one is frozen
   * @param memtableEntries versions in memtables
   * @param level0Runs runs of level 0: flushes that were not compacted yet
   * @param levelBytes bytes of each level
   * @param levelTables tables of each level
   * @param tableEntries versions in tables
   * @param tombstones deletions in tables
   * @param expiring versions with an expiry, in memtables and tables
   * @param separateBytes bytes of values that are kept apart
   * @param cachedBytes bytes of blocks in memory
   * @param pendingBytes bytes committed and not yet durable
   * @param replayedRecords records read at opening
   * @param pressure from 0, writes go on freely, to 1, writes wait for flush and compaction
   */
  public record Stats(
      long memtableBytes,
      long memtableLimitBytes,
      long memtableEntries,
      int level0Runs,
      List<Long> levelBytes,
      List<Integer> levelTables,
      long tableEntries,
      long tombstones,
      long expiring,
      long separateBytes,
      long cachedBytes,
      long pendingBytes,
      long replayedRecords,
      double pressure) {}

  /** A moment's {@link Stats}. */
  public Stats stats() {
    Tree.Stats of = tree.stats();
    return new Stats(
        of.memtableBytes(),
        options.memtableBytes(),
        of.memtableEntries(),
        of.level0Runs(),
        of.levelBytes(),
        of.levelTables(),
        of.entries(),
        of.tombstones(),
        of.expiring(),
        of.separateBytes(),
        of.cachedBytes(),
        writePath.pendingBytes(),
        replayedRecords,
        tree.pressure());
  }

  /**
   * Makes durable what was committed, then ends the engine and clears its keys. The store stays
   * open: it belongs to whoever opened it. Idempotent.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
    } finally {
      lock.unlock();
    }
    tree.stop();
    writePath.close();
    writePath.fail(new UnavailableException("the engine is closed"));
    tree.close();
    keys.close();
  }
}
