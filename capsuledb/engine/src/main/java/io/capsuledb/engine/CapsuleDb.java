package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
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
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A key-value store inside a DataCapsule.
 *
 * <p>Every transaction becomes part of one encrypted, hash-linked, signed record. It is visible to
 * all readers at once when {@link Transaction#commit} returns, and <i>durable</i> a little later,
 * when {@link #durableTime()} reaches the fence that commit returned. Whoever shows a result to
 * somebody waits for its fence first; {@link #whenDurable} and {@link #onDurable} tell when.
 *
 * <p>Opening reads and verifies the whole capsule; see {@link Replay}. An opened engine is a new
 * writer: its index is drawn at random from 62 bits, never one that the capsule has seen, so that
 * neither a crash nor a store that was rolled back makes it repeat a nonce or contradict its own
 * chain.
 *
 * <p>Failure: when the store fails, or something that was verified turns out wrong, the engine
 * stops for good: {@link #failure()} says why, every further call throws it, nothing that was
 * acknowledged is lost. Reopening is the way on.
 *
 * <p>Thread-safe, transactions excepted. Reads take no lock; transactions take turns.
 */
public final class CapsuleDb implements AutoCloseable {

  /** Longest key, in bytes. */
  public static final int MAX_KEY_BYTES = 64 << 10;

  /** Longest value, in bytes. */
  public static final int MAX_VALUE_BYTES = 16 << 20;

  private static final System.Logger LOG = System.getLogger(CapsuleDb.class.getName());

  /** Expiry and tombstones are tended at least this often. */
  private static final long UPKEEP_INTERVAL_MS = 100;

  /** Keys looked at for expiry in one step, under the engine's lock. */
  private static final int EXPIRY_SAMPLE = 256;

  /** Draws of a writer index: that two of 62 random bits collide is not expected in a lifetime. */
  private static final int MAX_DRAWS = 64;

  /** Reads without a lock before a reader that meets one transaction after another takes it. */
  private static final int OPTIMISTIC_READS = 16;

  /** Durable tombstones dropped in passing by each commit. */
  private static final int TOMBSTONES_PER_COMMIT = 4;

  /** Durable tombstones dropped by one step of upkeep. */
  private static final int TOMBSTONES_PER_STEP = 4096;

  /** A tombstone that may be dropped once it is durable. */
  private static final class Tombstone {
    final byte[] key;
    final Version version;

    Tombstone(byte[] key, Version version) {
      this.key = key;
      this.version = version;
    }
  }

  private final CapsuleName name;
  private final CapsuleMetadata metadata;
  private final KeyRing keys;
  private final RecordStore store;
  private final Clock clock;
  private final Entropy entropy;
  private final Telemetry telemetry;
  private final Secp256k1 curve;
  private final Memtable memtable;
  private final long memtableBytes;
  private final WritePath writePath;
  private final long writer;
  private final long replayedRecords;

  private final ReentrantLock lock = new ReentrantLock();
  // Guarded by lock:
  private final Transaction transaction = new Transaction(this);
  private final ArrayDeque<Tombstone> tombstones = new ArrayDeque<>();
  private long committedTime;
  private long expiryCursor;
  private boolean closed;

  /**
   * Odd while a transaction of several operations is being applied. A reader that saw it odd, or
   * changed, may have seen the middle of one and reads again.
   */
  private volatile long applications;

  private volatile boolean collecting = true;
  private volatile long clearedTime;
  private volatile long committedTimeSeen;
  private Scheduler.@Nullable Running upkeep;

  private final Transaction.Applied applied =
      new Transaction.Applied() {
        @Override
        public void tombstone(byte[] key, Version version) {
          tombstones.add(new Tombstone(key, version));
        }

        @Override
        public void cleared(Version version) {
          clearedTime = version.time();
          tombstones.clear();
        }
      };

  private CapsuleDb(
      CapsuleName name,
      CapsuleMetadata metadata,
      KeyRing keys,
      CapsulePorts ports,
      Secp256k1 curve,
      Memtable memtable,
      long memtableBytes,
      WritePath writePath,
      long replayedRecords) {
    this.name = name;
    this.metadata = metadata;
    this.keys = keys;
    this.store = ports.store();
    this.clock = ports.clock();
    this.entropy = ports.entropy();
    this.telemetry = ports.telemetry();
    this.curve = curve;
    this.memtable = memtable;
    this.memtableBytes = memtableBytes;
    this.writePath = writePath;
    this.writer = writePath.head().writer();
    this.replayedRecords = replayedRecords;
    this.committedTime = writePath.durableTime();
    this.committedTimeSeen = committedTime;
  }

  /**
   * Opens a capsule: verifies and replays it, then introduces a new writer.
   *
   * @param key the application key of generation 0; owned and closed by the engine from here on
   * @param ports the store holds the capsule's metadata already ({@link
   *     io.capsuledb.core.capsule.NewCapsule} makes them)
   * @param progress hears now and then how many records were replayed
   * @throws IntegrityException if anything stored does not verify
   * @throws DeniedException if the key is not this capsule's
   * @throws UnavailableException if the memtable is too small for the data
   * @throws StorageException if the store fails
   * @throws InvalidRequestException if the store holds no capsule
   */
  public static CapsuleDb open(
      CapsuleDbOptions options, CapsulePorts ports, ApplicationKey key, LongConsumer progress) {
    boolean opened = false;
    try {
      CapsuleDb db = openOwned(options, ports, key, progress);
      opened = true;
      return db;
    } finally {
      if (!opened) {
        key.close();
      }
    }
  }

  private static CapsuleDb openOwned(
      CapsuleDbOptions options, CapsulePorts ports, ApplicationKey key, LongConsumer progress) {
    Secp256k1 curve = Secp256k1.best();
    byte[] signed = ports.store().metadata();
    if (signed == null) {
      throw new InvalidRequestException("the store holds no capsule");
    }
    CapsuleName name = MetadataCodec.nameOf(signed);
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    checkExpected(options, name, metadata);
    if (!metadata.applicationKey().equals(key.publicKey()) || key.generation() != 0) {
      throw new DeniedException("the key given is not the application key of capsule " + name);
    }
    if (!metadata.replicas().isEmpty()
        || metadata.directoryMode() != CapsuleMetadata.DirectoryMode.ROSTER) {
      throw new InvalidRequestException(
          "capsule "
              + name
              + " wants "
              + metadata.replicas().size()
              + " replicas and key directory "
              + metadata.directoryMode()
              + "; this version serves capsules on one node with key directory ROSTER");
    }
    byte[] seed = new byte[Long.BYTES];
    ports.entropy().fill(seed);
    Memtable memtable =
        new ChronicleMemtable(options.memtableBytes(), LittleEndian.getLong(seed, 0));
    boolean opened = false;
    try {
      KeyRing keys = new KeyRing(name, List.of(key));
      Replay replay =
          new Replay(
              name,
              metadata,
              keys,
              curve,
              ports.store(),
              memtable,
              options.memtableBytes(),
              progress,
              ports.clock().wallMs());
      replay.run();
      ports.telemetry().count(Telemetry.Counter.RECORDS_REPLAYED, replay.records());
      WritePath writePath = introduceWriter(name, keys, curve, ports, replay);
      CapsuleDb db =
          new CapsuleDb(
              name,
              metadata,
              keys,
              ports,
              curve,
              memtable,
              options.memtableBytes(),
              writePath,
              replay.records());
      writePath.start(ports.scheduler());
      db.upkeep = ports.scheduler().start("capsule-upkeep", db::upkeepStep, UPKEEP_INTERVAL_MS);
      LOG.log(
          System.Logger.Level.INFO,
          "event=writer.born capsule={0} writer={1} joined_chains={2} replayed_records={3}"
              + " lamport={4}",
          name,
          Long.toHexString(db.writer),
          replay.tips().size(),
          Long.toString(replay.records()),
          Long.toString(db.committedTime));
      opened = true;
      return db;
    } finally {
      if (!opened) {
        memtable.close();
      }
    }
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

  /** Draws a writer index the capsule has not seen and stores the writer's first record. */
  private static WritePath introduceWriter(
      CapsuleName name, KeyRing keys, Secp256k1 curve, CapsulePorts ports, Replay replay) {
    int generation = keys.currentGeneration();
    ApplicationKey application = keys.application(generation);
    long writer = drawWriter(ports.entropy(), replay.writers());
    List<Hash32> tips = replay.tips();
    if (tips.size() > RecordLayout.MAX_PARENTS) {
      throw new UnavailableException(
          "the capsule has "
              + tips.size()
              + " unjoined chains; a record joins at most "
              + RecordLayout.MAX_PARENTS);
    }
    long time = replay.newestTime() + 1;
    checkLamport(time);
    SecretBytes signingKey = application.writerPrivateKey(writer);
    RecordSealer sealer;
    try (SecretBytes dataKey = keys.dataKey(generation, writer)) {
      sealer = new RecordSealer(name, generation, writer, signingKey, dataKey, curve);
    }
    boolean introduced = false;
    try {
      WritePath path =
          introduce(name, application, sealer, curve.publicKey(signingKey), time, tips, ports);
      introduced = true;
      return path;
    } finally {
      if (!introduced) {
        sealer.close();
      }
    }
  }

  private static WritePath introduce(
      CapsuleName name,
      ApplicationKey application,
      RecordSealer sealer,
      PublicKey writerKey,
      long time,
      List<Hash32> tips,
      CapsulePorts ports) {
    long writer = sealer.writer();
    int generation = application.generation();
    RosterEntry entry = new RosterEntry(writer, writerKey, RosterEntry.Role.WORKER, generation);
    byte[] roster = RosterCodec.encode(name, generation, List.of(entry), application::sign);
    CapsuleRecord first = sealer.seal(RecordType.ROSTER, 0, time, tips, roster, 0, roster.length);
    ports.store().append(List.of(new StoredRecord(writer, 1, first.hash(), first.bytes())));
    return new WritePath(
        ports.store(),
        sealer,
        new WritePath.Head(writer, 1, first.hash(), time),
        time,
        ports.clock(),
        ports.telemetry());
  }

  private static long drawWriter(Entropy entropy, Set<Long> known) {
    byte[] draw = new byte[Long.BYTES];
    for (int i = 0; i < MAX_DRAWS; i++) {
      entropy.fill(draw);
      long writer = LittleEndian.getLong(draw, 0) & RosterEntry.MAX_WRITER;
      if (writer != 0 && !known.contains(writer)) {
        return writer;
      }
    }
    throw new IllegalStateException("the entropy source draws the same writers again and again");
  }

  private static void checkLamport(long time) {
    if (time > RecordLayout.MAX_LAMPORT) {
      throw new UnavailableException(
          "the capsule's Lamport time is used up: a writer jumped to the end of its range");
    }
  }

  private void checkRunning() {
    CapsuleException failure = writePath.failure();
    if (failure != null) {
      throw failure;
    }
  }

  /**
   * Reads a key. Takes no lock, and sees of each transaction either nothing or all it did to this
   * key; whoever reads several keys and wants them of one moment reads in a transaction.
   */
  public Lookup get(byte[] key) {
    return lookup(key, clock.wallMs());
  }

  Lookup lookup(byte[] key, long nowMs) {
    checkRunning();
    try {
      for (int i = 0; i < OPTIMISTIC_READS; i++) {
        long before = applications;
        if ((before & 1) == 0) {
          Lookup found = read(key, nowMs);
          VarHandle.acquireFence();
          if (applications == before) {
            return found;
          }
        }
      }
      lock.lock();
      try {
        return read(key, nowMs);
      } finally {
        lock.unlock();
      }
    } catch (IllegalStateException e) {
      // The memtable is closed under readers that were already inside when the engine ended.
      checkRunning();
      throw e;
    }
  }

  private Lookup read(byte[] key, long nowMs) {
    Memtable.Entry entry = memtable.get(key);
    if (entry == null) {
      return Lookup.absent(clearedTime);
    }
    long fence = entry.version().time();
    if (entry.tombstone() || (entry.expiryAtMs() != 0 && entry.expiryAtMs() <= nowMs)) {
      return Lookup.absent(fence);
    }
    return Lookup.found(
        entry.value(), entry.offset(), entry.length(), entry.type(), entry.expiryAtMs(), fence);
  }

  /**
   * Begins a transaction, after the one that is running has ended, and after the write path has
   * room for another. End it with {@link Transaction#close} on the same thread.
   *
   * @throws CapsuleException the engine's {@link #failure}
   */
  public Transaction begin() {
    writePath.awaitRoom();
    lock.lock();
    boolean begun = false;
    try {
      checkRunning();
      if (closed) {
        throw new UnavailableException("the engine is closed");
      }
      transaction.open(clock.wallMs());
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

  long commit(Transaction.Staged staged, long encodedBound) {
    checkRunning();
    long cost = Transaction.cost(staged);
    if (cost > 0 && memtable.usedBytes() + cost > memtableBytes) {
      throw new UnavailableException(
          "the memtable of "
              + (memtableBytes >> 20)
              + " MiB is full; delete keys or reopen with a larger one");
    }
    long first = committedTime + 1;
    checkLamport(first + staged.count());
    int place = writePath.append(staged, first, encodedBound);
    try {
      long even = applications;
      if (staged.isCompound()) {
        applications = even + 1;
      }
      Transaction.apply(staged, memtable, first, writer, place, applied);
      applications = even + (staged.isCompound() ? 2 : 0);
    } catch (RuntimeException | Error e) {
      writePath.fail(
          new StorageException("the memtable failed; it no longer agrees with the capsule", e));
      throw new OutcomeUnknownException(
          "the memtable failed while the write was under way; read it after reopening", e);
    }
    committedTime = first + staged.count() - 1;
    committedTimeSeen = committedTime;
    dropTombstones(TOMBSTONES_PER_COMMIT);
    return committedTime;
  }

  /** Drops tombstones that are durable: with one writer nothing older can arrive any more. */
  private boolean dropTombstones(int most) {
    long durable = writePath.durableTime();
    for (int i = 0; i < most; i++) {
      Tombstone oldest = tombstones.peek();
      if (oldest == null || oldest.version.time() > durable) {
        return false;
      }
      tombstones.remove();
      Memtable.Entry entry = memtable.get(oldest.key);
      if (entry != null && entry.tombstone() && entry.version().equals(oldest.version)) {
        memtable.remove(oldest.key);
      }
    }
    return true;
  }

  /** One step of the upkeep agent: collects some of what expired, and durable tombstones. */
  private boolean upkeepStep() {
    lock.lock();
    try {
      if (closed || writePath.failure() != null) {
        return false;
      }
      boolean moreTombstones = dropTombstones(TOMBSTONES_PER_STEP);
      return collectExpired() || moreTombstones;
    } catch (RuntimeException | Error e) {
      writePath.fail(new StorageException("upkeep of the memtable failed", e));
      return false;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Switches the collection of expired keys on or off; they are invisible either way. On at first;
   * off only for tests that look at what was not collected.
   */
  public void activeExpiry(boolean collect) {
    collecting = collect;
  }

  /** Returns true while many of the keys looked at had expired. */
  private boolean collectExpired() {
    if (memtable.expiring() == 0 || !collecting) {
      return false;
    }
    long nowMs = clock.wallMs();
    long durable = writePath.durableTime();
    List<byte[]> expired = new java.util.ArrayList<>();
    expiryCursor =
        memtable.scanExpiring(
            expiryCursor,
            EXPIRY_SAMPLE,
            key -> {
              Memtable.Entry entry = memtable.get(key);
              if (entry != null
                  && entry.expiryAtMs() <= nowMs
                  // An older, durable version would come back if a crash took this one.
                  && entry.version().time() <= durable) {
                expired.add(key);
              }
            });
    expired.forEach(memtable::remove);
    telemetry.count(Telemetry.Counter.KEYS_EXPIRED, expired.size());
    return expired.size() > EXPIRY_SAMPLE / 8;
  }

  /** Receives keys in a scan. */
  @FunctionalInterface
  public interface KeyVisitor {
    /** Takes one live key and its type. */
    void key(byte[] key, ValueType type);
  }

  /**
   * One step of an iteration over all keys. A key that exists from the first step to the last is
   * visited at least once; a key may be visited twice; steps keep no state here.
   *
   * @param cursor 0 to begin, else what the last step returned; any number is valid
   * @param count about how many keys to look at, at least 1
   * @return the next cursor, or 0 at the end
   */
  public long scan(long cursor, int count, KeyVisitor visitor) {
    checkRunning();
    if (count < 1) {
      throw new InvalidRequestException("count is " + count + "; allowed is 1 or more");
    }
    lock.lock();
    try {
      long nowMs = clock.wallMs();
      return memtable.scan(
          cursor,
          count,
          key -> {
            Lookup found = lookup(key, nowMs);
            if (found.found()) {
              visitor.key(key, found.type());
            }
          });
    } finally {
      lock.unlock();
    }
  }

  /** A key picked at random among the live ones, or null if there is none. */
  public byte @Nullable [] randomKey() {
    checkRunning();
    byte[] random = new byte[Long.BYTES];
    lock.lock();
    try {
      long nowMs = clock.wallMs();
      for (int tries = 0; tries < RANDOM_KEY_TRIES; tries++) {
        entropy.fill(random);
        byte[] key = memtable.anyKey(LittleEndian.getLong(random, 0));
        if (key == null || lookup(key, nowMs).found()) {
          return key;
        }
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  private static final int RANDOM_KEY_TRIES = 100;

  /** How many keys there are; keys that expired but were not yet collected count. */
  public long size() {
    return underLock(memtable::size);
  }

  /** How many keys have an expiry. */
  public long expiringKeys() {
    return underLock(memtable::expiring);
  }

  private long underLock(java.util.function.LongSupplier read) {
    lock.lock();
    try {
      return read.getAsLong();
    } finally {
      lock.unlock();
    }
  }

  /** The Lamport time of the newest committed operation: the fence of "everything so far". */
  public long committedTime() {
    return committedTimeSeen;
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
   * @param keys keys with a value
   * @param expiringKeys those with an expiry
   * @param memtableBytes bytes the memtable accounts
   * @param memtableLimitBytes bytes beyond which writes are refused
   * @param pendingBytes bytes committed and not yet durable
   * @param replayedRecords records read at opening
   */
  public record Stats(
      long keys,
      long expiringKeys,
      long memtableBytes,
      long memtableLimitBytes,
      long pendingBytes,
      long replayedRecords) {}

  /** A snapshot of {@link Stats}. */
  public Stats stats() {
    lock.lock();
    try {
      return new Stats(
          memtable.size(),
          memtable.expiring(),
          memtable.usedBytes(),
          memtableBytes,
          writePath.pendingBytes(),
          replayedRecords);
    } finally {
      lock.unlock();
    }
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
    Objects.requireNonNull(upkeep).close();
    writePath.close();
    writePath.fail(new UnavailableException("the engine is closed"));
    keys.close();
    memtable.close();
  }
}
