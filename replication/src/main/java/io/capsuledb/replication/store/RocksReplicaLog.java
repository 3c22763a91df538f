package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.store.OpenDatabase.Cursor;
import io.capsuledb.replication.store.OpenDatabase.Family;
import io.capsuledb.replication.store.StoreCodec.Position;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.rocksdb.WriteBatch;

/**
 * A replica's log in one directory, which has the format of a {@link RocksStorage} and one column
 * family more; {@link RocksStorage#openReadOnly} reads its capsules. docs/format/store.md.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a commit is one synced write: after a crash all of its batch is there or nothing;
 *   <li>every chain is stored without a gap from 1 to its head, a damaged record included; opening
 *       checks the end of each, reading the rest costs nothing until it is asked for;
 *   <li>any single damaged byte of a stored value is found when the value is read;
 *   <li>a batch that breaks the port's contract (a record that is not the next of its chain, a
 *       capsule that is not held) is an {@link AssertionError}, and nothing of it is written.
 * </ul>
 *
 * <p><b>No space.</b> A commit is refused with an {@link UnavailableException} while less than
 * {@code minFreeBytes} would be left on the file system: then nothing was written, and the same
 * commit may be tried again. Batches that store no record pass down to half of that, so that a full
 * replica can still promise, sign and release. If the file system is full nevertheless and a write
 * fails in the middle, that commit is an {@code UnavailableException} too, every later one a {@link
 * StorageException}, and only closing and opening again helps, once there is space; what the failed
 * commit had is then there as a whole or not at all. Reads go on all the while.
 *
 * <p><b>Damaged tables.</b> RocksDB stops all writing when it finds a damaged block while merging
 * tables. The commit that meets this is an {@link IntegrityException}; the next opening mends the
 * tables: it copies every record that can be read, which takes time and space in proportion to the
 * store, and leaves a damaged one in the place of every other. Those are found by reads and by the
 * {@link Scrubber}, and {@code repair} heals them.
 *
 * <p>Thread-safe; commits are made one after the other.
 */
public final class RocksReplicaLog implements ReplicaLog {

  /** Most bytes of one commit, keys and framing included. */
  private static final long MAX_COMMIT_BYTES = 512L << 20;

  private final RocksStorage storage;
  private final OpenDatabase database;
  private final ReplicaState state;
  private final Recovered recovered;
  private final FileStore fileStore;
  private final long minFreeBytes;
  private final Object committing = new Object();

  /** Bytes of payloads that were replaced by stubs and whose room was not given back, about. */
  private final AtomicLong releasedBytes = new AtomicLong();

  /** Where the scrubber is; goes along with the next commit. */
  private volatile ReplicaCodec.@Nullable CursorRow cursor;

  private ReplicaCodec.@Nullable CursorRow storedCursor;

  private RocksReplicaLog(
      RocksStorage storage, ReplicaState.Loaded loaded, FileStore fileStore, long minFreeBytes) {
    this.storage = storage;
    this.database = storage.database();
    this.state = loaded.state();
    this.recovered = loaded.recovered();
    this.cursor = loaded.cursor();
    this.storedCursor = loaded.cursor();
    this.fileStore = fileStore;
    this.minFreeBytes = minFreeBytes;
  }

  /**
   * Opens the log in {@code directory}, which is created if it is not there; mends its tables first
   * if that is needed.
   *
   * @param entropy draws the incarnation of a log that is created
   * @throws UnavailableException if another process has it open
   * @throws IntegrityException if something that was stored is damaged or gone that this replica
   *     cannot do without: the directory is to be set aside, and a new one to be filled from peers
   * @throws StorageException if the directory cannot be read or written
   * @throws InvalidRequestException if it holds something else, or the options are those of a cache
   */
  public static RocksReplicaLog open(Path directory, RocksStorageOptions options, Entropy entropy) {
    if (!options.durable()) {
      throw new InvalidRequestException("durable is false; a replica's log is durable");
    }
    RocksStorage storage =
        RocksStorage.openReplica(
            directory, options, (made, rows) -> addStoreRow(made, rows, entropy));
    boolean opened = false;
    OpenDatabase database = storage.database();
    database.enter();
    try {
      ReplicaState.Loaded loaded = ReplicaState.load(database);
      loaded.state().checkHeads(database);
      RocksReplicaLog log =
          new RocksReplicaLog(
              storage, loaded, Files.getFileStore(directory), options.minFreeBytes());
      opened = true;
      return log;
    } catch (IOException e) {
      throw RocksFailures.io(e, directory, "reading");
    } finally {
      database.exit();
      if (!opened) {
        storage.close();
      }
    }
  }

  private static void addStoreRow(OpenDatabase made, WriteBatch rows, Entropy entropy) {
    byte[] drawn = new byte[Long.BYTES];
    entropy.fill(drawn);
    putStoreRow(made, rows, new ReplicaCodec.StoreRow(ByteBuffer.wrap(drawn).getLong(), 0));
  }

  private static void putStoreRow(
      OpenDatabase database, WriteBatch rows, ReplicaCodec.StoreRow row) {
    byte[] key = ReplicaCodec.storeKey(ReplicaLayout.STORE);
    database.put(rows, Family.REPLICA, key, StoreCodec.seal(key, ReplicaCodec.store(row)));
  }

  @Override
  public Recovered recovered() {
    return recovered;
  }

  /** Where it is. */
  public Path directory() {
    return storage.directory();
  }

  // ------------------------------------------------------------------ committing

  /**
   * {@inheritDoc}
   *
   * @throws IntegrityException if RocksDB found damage and stopped; open the log again, which mends
   *     it
   */
  @Override
  public void commit(Batch batch) {
    // First this, then the monitor: the order in which readers take them, with close in between.
    database.enter();
    try {
      synchronized (committing) {
        commitAlone(batch);
      }
    } finally {
      database.exit();
    }
  }

  private void commitAlone(Batch batch) {
    storage.checkWritable();
    if (batch.isEmpty()) {
      return;
    }
    try (WriteBatch writes = new WriteBatch()) {
      Changes changes = new Changes(writes);
      batch.replay(changes);
      changes.finish();
      refuseWithoutSpace(writes.getDataSize(), changes.storesRecords);
      write(writes);
      changes.publish();
      releasedBytes.addAndGet(changes.released);
    }
  }

  private void refuseWithoutSpace(long bytes, boolean storesRecords) {
    if (bytes > MAX_COMMIT_BYTES) {
      throw new InvalidRequestException(
          "a commit of " + bytes + " bytes; at most " + MAX_COMMIT_BYTES);
    }
    long reserve = storesRecords ? minFreeBytes : minFreeBytes / 2;
    if (reserve == 0) {
      return;
    }
    long free;
    try {
      free = fileStore.getUsableSpace();
    } catch (IOException e) {
      throw RocksFailures.io(e, database.directory(), "asking for the free space of");
    }
    if (free - bytes < reserve) {
      throw new UnavailableException(
          "out of space: "
              + free
              + " bytes are free in "
              + database.directory()
              + ", of which "
              + reserve
              + " stay free");
    }
  }

  private void write(WriteBatch writes) {
    try {
      storage.commit(writes);
    } catch (IntegrityException e) {
      askForMending(e);
      throw e;
    } catch (StorageException e) {
      if (RocksFailures.isFull(e)) {
        throw new UnavailableException(String.valueOf(e.getMessage()), e);
      }
      throw e;
    }
  }

  /** Bytes of payloads whose room {@link #reclaim} gives back, about, since this log was opened. */
  public long releasedBytes() {
    return releasedBytes.get();
  }

  /**
   * Gives back the room of payloads that were released, on this thread, beside commits and reads;
   * takes as long as it takes to rewrite what lies between them.
   *
   * @throws IntegrityException if a damaged table is met: open the log again, which mends it
   */
  public void reclaim() {
    long before = releasedBytes.get();
    database.enter();
    try {
      storage.checkWritable();
      for (Hash32 capsule : List.copyOf(state.capsules.keySet())) {
        database.reclaim(Family.RECORDS, capsule.toBytes());
      }
    } finally {
      database.exit();
    }
    releasedBytes.addAndGet(-before);
  }

  /**
   * Makes the next opening mend the tables: for a block that RocksDB cannot read, which {@code
   * repair} leaves where it is, before merging tables stumbles over it.
   */
  public void mendAtNextOpening() {
    TableMending.ask(database.directory());
  }

  private void askForMending(IntegrityException because) {
    try {
      TableMending.ask(database.directory());
    } catch (StorageException e) {
      // Then the next opening does not mend, and the next merge asks again.
      because.addSuppressed(e);
    }
  }

  /** A chain as the batch leaves it so far. */
  private static final class Staged {
    final RosterEntry entry;
    ChainHead head;
    long lamport;

    /** The newest record that was stored before the batch and is not dropped by it. */
    ChainHead kept;

    /** Hashes of the records that the batch adds, by sequence number. */
    final NavigableMap<Long, Hash32> added = new TreeMap<>();

    Staged(RosterEntry entry, ChainHead head, long lamport) {
      this.entry = entry;
      this.head = head;
      this.lamport = lamport;
      this.kept = head;
    }
  }

  private record ChainId(Hash32 capsule, long writer) {}

  /** Makes the rows of a batch, and checks that each change is one a replica may make. */
  private final class Changes implements Writer {
    private final WriteBatch writes;
    private final Map<Hash32, Integer> memberships = new HashMap<>();
    private final Map<ChainId, Staged> chains = new LinkedHashMap<>();
    private long numberFloor = state.numberFloor();
    private boolean storesRecords;
    private long released;

    Changes(WriteBatch writes) {
      this.writes = writes;
    }

    private void put(Family family, byte[] key, byte[] body) {
      database.put(writes, family, key, StoreCodec.seal(key, body));
    }

    /** How many memberships a capsule has that is held. */
    private int memberships(CapsuleName capsule) {
      Integer changed = memberships.get(capsule.hash());
      if (changed != null) {
        return changed;
      }
      ReplicaState.Capsule held = state.capsules.get(capsule.hash());
      if (held == null) {
        throw new AssertionError("not held: capsule " + capsule);
      }
      return held.memberships;
    }

    private @Nullable Staged chainOrNull(CapsuleName capsule, long writer) {
      int _ = memberships(capsule);
      ChainId id = new ChainId(capsule.hash(), writer);
      Staged staged = chains.get(id);
      if (staged != null) {
        return staged;
      }
      ReplicaState.Capsule held = state.capsules.get(capsule.hash());
      ReplicaState.Chain chain = held == null ? null : held.chains.get(writer);
      return chain == null ? null : new Staged(chain.entry(), chain.head(), chain.lamport());
    }

    private Staged chain(CapsuleName capsule, long writer) {
      Staged chain = chainOrNull(capsule, writer);
      if (chain == null) {
        throw new AssertionError("not introduced: writer " + Long.toHexString(writer));
      }
      return chain;
    }

    private void stage(CapsuleName capsule, Staged chain) {
      chains.put(new ChainId(capsule.hash(), chain.entry.writer()), chain);
    }

    @Override
    public void numberFloor(long floor) {
      check(floor >= numberFloor, "the number floor falls from", numberFloor, "to", floor);
      numberFloor = floor;
    }

    @Override
    public void found(CapsuleName capsule, Blob metadata) {
      check(
          !state.capsules.containsKey(capsule.hash())
              && memberships.putIfAbsent(capsule.hash(), 0) == null,
          "held already: capsule",
          capsule);
      put(Family.CAPSULES, capsule.toBytes(), metadata.bytes());
    }

    @Override
    public void membership(CapsuleName capsule, int version, Blob membership) {
      int before = memberships(capsule);
      check(version == before + 1, "membership", version, "after", before);
      memberships.put(capsule.hash(), version);
      put(Family.REPLICA, ReplicaCodec.membershipKey(capsule.hash(), version), membership.bytes());
    }

    @Override
    public void introduce(CapsuleName capsule, RosterEntry entry) {
      Staged known = chainOrNull(capsule, entry.writer());
      if (known == null) {
        stage(capsule, new Staged(entry, ChainHead.NONE, 0));
      } else {
        check(known.entry.equals(entry), "a second identity of writer", entry.writer());
      }
    }

    @Override
    public void record(CapsuleName capsule, StoredRecord record, long lamport) {
      Staged chain = chain(capsule, record.writer());
      check(
          record.sequence() == chain.head.sequence() + 1,
          "sequence",
          record.sequence(),
          "after",
          chain.head.sequence());
      check(lamport > chain.lamport, "Lamport time", lamport, "after", chain.lamport);
      chain.head = new ChainHead(record.sequence(), record.hash());
      chain.lamport = lamport;
      chain.added.put(record.sequence(), record.hash());
      stage(capsule, chain);
      putRecord(capsule, record);
      putIndex(capsule, record);
      storesRecords = true;
    }

    private void putRecord(CapsuleName capsule, StoredRecord record) {
      check(record.bytes().length <= StoreLayout.MAX_RECORD_BYTES, "too long:", record);
      byte[] key = StoreCodec.recordKey(capsule.toBytes(), record.writer(), record.sequence());
      put(Family.RECORDS, key, record.bytes());
    }

    private void putIndex(CapsuleName capsule, StoredRecord record) {
      put(
          Family.HASHES,
          StoreCodec.hashKey(capsule.toBytes(), record.hash()),
          StoreCodec.positionBody(record.writer(), record.sequence()));
    }

    @Override
    public void seal(CapsuleName capsule, long writer, SealState seal) {
      Staged _ = chain(capsule, writer);
      put(
          Family.REPLICA,
          ReplicaCodec.writerKey(ReplicaLayout.SEAL, capsule.hash(), writer),
          ReplicaCodec.seal(seal));
    }

    @Override
    public void truncate(CapsuleName capsule, long writer, ChainHead head, long lamport) {
      Staged chain = chain(capsule, writer);
      check(
          head.sequence() <= chain.head.sequence(),
          "truncation to",
          head.sequence(),
          "beyond",
          chain.head.sequence());
      Map<Long, Hash32> dropped = chain.added.tailMap(head.sequence(), false);
      dropped.forEach(
          (sequence, hash) -> {
            byte[] name = capsule.toBytes();
            database.delete(writes, Family.HASHES, StoreCodec.hashKey(name, hash));
            database.delete(writes, Family.RECORDS, StoreCodec.recordKey(name, writer, sequence));
          });
      dropped.clear();
      if (chain.kept.sequence() > head.sequence()) {
        dropAfter(capsule, writer, head.sequence(), chain.kept);
        chain.kept = head;
      }
      chain.head = head;
      chain.lamport = lamport;
      stage(capsule, chain);
    }

    /** Drops the stored records of a chain after one, with their index entries. */
    private void dropAfter(CapsuleName capsule, long writer, long after, ChainHead head) {
      byte[] name = capsule.toBytes();
      @Nullable Hash32 hash = head.hash();
      for (long s = head.sequence(); s > after; s--) {
        byte[] key = StoreCodec.recordKey(name, writer, s);
        SignedHeader record = decodable(capsule, key);
        if (hash == null && record != null) {
          hash = record.hash();
        }
        if (hash == null) {
          dropIndexEntriesAt(name, new Position(writer, s));
        } else {
          database.delete(writes, Family.HASHES, StoreCodec.hashKey(name, hash));
        }
        database.delete(writes, Family.RECORDS, key);
        hash = record == null ? null : record.header().previous();
      }
    }

    /** The record under a key, or null if it is missing, damaged or none. */
    private @Nullable SignedHeader decodable(CapsuleName capsule, byte[] key) {
      try {
        byte[] value = database.get(Family.RECORDS, key, "a record to drop");
        byte[] bytes = value == null ? null : StoreCodec.open(key, value);
        return bytes != null
                && RecordCodec.decodeStored(capsule, bytes)
                    instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
            ? record
            : null;
      } catch (IntegrityException e) {
        // It is dropped, readable or not.
        return null;
      }
    }

    /** Drops the index entries that name a position whose record's hash nobody knows any more. */
    private void dropIndexEntriesAt(byte[] name, Position position) {
      try (Cursor entries = database.cursor(Family.HASHES, name)) {
        for (entries.seek(name); entries.valid("the hash index"); entries.next()) {
          byte[] key = entries.key();
          byte[] body = StoreCodec.open(key, entries.value());
          if (body != null && position.equals(StoreCodec.position(body))) {
            database.delete(writes, Family.HASHES, key);
          }
        }
      } catch (IntegrityException e) {
        // An entry that stays names a position beyond its chain's head, which reads know is none.
        return;
      }
    }

    @Override
    public void release(CapsuleName capsule, StoredRecord stub) {
      checkHeld(capsule, stub);
      putRecord(capsule, stub);
      if (RecordCodec.decodeStored(capsule, stub.bytes())
          instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)) {
        released += record.header().payloadLength();
      }
    }

    @Override
    public void repair(CapsuleName capsule, StoredRecord record) {
      checkHeld(capsule, record);
      putRecord(capsule, record);
      putIndex(capsule, record);
      storesRecords = true;
    }

    private void checkHeld(CapsuleName capsule, StoredRecord record) {
      long head = chain(capsule, record.writer()).head.sequence();
      check(
          record.sequence() >= 1 && record.sequence() <= head,
          "not held:",
          record.sequence(),
          "of a chain up to",
          head);
    }

    @Override
    public void evidence(CapsuleName capsule, Blob proof) {
      int _ = memberships(capsule);
      put(
          Family.REPLICA,
          ReplicaCodec.evidenceKey(capsule.hash(), Hashes.sha256(proof.bytes())),
          proof.bytes());
    }

    @Override
    public void rebuilding(CapsuleName capsule, ReplicaLog.Rebuilding rebuilding) {
      int _ = memberships(capsule);
      put(
          Family.REPLICA,
          ReplicaCodec.capsuleKey(ReplicaLayout.REBUILDING, capsule.hash()),
          ReplicaCodec.rebuilding(rebuilding));
    }

    /** Adds the rows that stand for the batch as a whole. */
    void finish() {
      if (numberFloor != state.numberFloor()) {
        putStoreRow(database, writes, new ReplicaCodec.StoreRow(state.incarnation(), numberFloor));
      }
      chains.forEach(
          (id, chain) ->
              put(
                  Family.REPLICA,
                  ReplicaCodec.writerKey(ReplicaLayout.CHAIN, id.capsule(), id.writer()),
                  ReplicaCodec.chain(
                      new ReplicaCodec.ChainRow(chain.entry, chain.head, chain.lamport))));
      ReplicaCodec.CursorRow at = cursor;
      if (at != null && !at.equals(storedCursor)) {
        put(
            Family.REPLICA,
            ReplicaCodec.storeKey(ReplicaLayout.SCRUB_CURSOR),
            ReplicaCodec.cursor(at));
        storedCursor = at;
      }
    }

    /** Makes the state that of the database, which has the batch. */
    void publish() {
      state.numberFloor(numberFloor);
      memberships.forEach(
          (capsule, count) ->
              state.capsules.computeIfAbsent(capsule, c -> new ReplicaState.Capsule()).memberships =
                  count);
      chains.forEach(
          (id, chain) -> {
            ReplicaState.Capsule capsule = state.capsules.get(id.capsule());
            if (capsule == null) {
              throw new AssertionError("the capsule of a chain is held");
            }
            capsule.chains.put(
                id.writer(), new ReplicaState.Chain(chain.entry, chain.head, chain.lamport));
          });
    }
  }

  private static void check(boolean invariant, Object... broken) {
    if (!invariant) {
      StringBuilder message = new StringBuilder();
      for (Object part : broken) {
        message.append(message.isEmpty() ? "" : " ").append(part);
      }
      throw new AssertionError(message);
    }
  }

  // ------------------------------------------------------------------ reading

  @Override
  public byte @Nullable [] read(CapsuleName capsule, long writer, long sequence) {
    database.enter();
    try {
      return readAt(capsule, new Position(writer, sequence), false);
    } finally {
      database.exit();
    }
  }

  private byte @Nullable [] readAt(CapsuleName capsule, Position at, boolean once) {
    byte[] bytes = stored(capsule, at, once);
    if (bytes != null || !isHeld(capsule, at)) {
      return bytes;
    }
    // Missing, or dropped by a commit that is not published yet: wait for it and look again.
    synchronized (committing) {
      bytes = stored(capsule, at, once);
      if (bytes == null && isHeld(capsule, at)) {
        throw new IntegrityException(
            Rejection.of(Rejection.Reason.MISSING_RECORD, describe(capsule, at) + " is not there"));
      }
      return bytes;
    }
  }

  private byte @Nullable [] stored(CapsuleName capsule, Position at, boolean once) {
    byte[] key = StoreCodec.recordKey(capsule.toBytes(), at.writer(), at.sequence());
    byte[] value =
        once ? database.getOnce(Family.RECORDS, key, at) : database.get(Family.RECORDS, key, at);
    byte[] bytes = value == null ? null : StoreCodec.open(key, value);
    if (value != null && bytes == null) {
      throw RocksFailures.damaged(describe(capsule, at));
    }
    return bytes;
  }

  private boolean isHeld(CapsuleName capsule, Position at) {
    ChainHead head = state.head(capsule.hash(), at.writer());
    return head != null && at.sequence() >= 1 && at.sequence() <= head.sequence();
  }

  private static String describe(CapsuleName capsule, Position at) {
    return "the record of " + at + " of capsule " + capsule;
  }

  @Override
  public byte @Nullable [] read(CapsuleName capsule, Hash32 hash) {
    database.enter();
    try {
      Position at = indexed(capsule, hash);
      return at == null || !isHeld(capsule, at) ? null : readAt(capsule, at, false);
    } finally {
      database.exit();
    }
  }

  /** Where the index says the record with a hash is, or null if it does not name it. */
  private @Nullable Position indexed(CapsuleName capsule, Hash32 hash) {
    byte[] key = StoreCodec.hashKey(capsule.toBytes(), hash);
    byte[] value = database.get(Family.HASHES, key, "the index entry of record " + hash);
    if (value == null) {
      return null;
    }
    byte[] body = StoreCodec.open(key, value);
    Position at = body == null ? null : StoreCodec.position(body);
    if (at == null) {
      throw RocksFailures.damaged("the index entry of record " + hash + " of capsule " + capsule);
    }
    return at;
  }

  @Override
  public long sizeBytes() {
    return storage.sizeBytes();
  }

  /** Waits for what is under way. Closing twice is allowed. */
  @Override
  public void close() {
    storage.close();
  }

  /**
   * Merges all tables and waits for it: gives back the space of what was released and dropped. For
   * tools.
   *
   * @throws IntegrityException if there is a damaged block; see the class comment
   */
  public void compact() {
    try {
      storage.compact();
    } catch (IntegrityException e) {
      askForMending(e);
      throw e;
    }
  }

  // ------------------------------------------------------------------ for the scrubber

  OpenDatabase database() {
    return database;
  }

  ReplicaState state() {
    return state;
  }

  ReplicaCodec.@Nullable CursorRow cursor() {
    return cursor;
  }

  void cursor(ReplicaCodec.CursorRow at) {
    cursor = at;
  }

  /** Reads a record as {@link #read} does, but remembers nothing of it. */
  byte @Nullable [] readOnce(CapsuleName capsule, long writer, long sequence) {
    database.enter();
    try {
      return readAt(capsule, new Position(writer, sequence), true);
    } finally {
      database.exit();
    }
  }

  /**
   * Where the index says a record is, or null if it does not name it.
   *
   * @throws IntegrityException if the entry is damaged
   */
  @Nullable Position indexedAt(CapsuleName capsule, Hash32 hash) {
    database.enter();
    try {
      return indexed(capsule, hash);
    } finally {
      database.exit();
    }
  }

  @Override
  public String toString() {
    return "replica's log in " + database.directory();
  }
}
