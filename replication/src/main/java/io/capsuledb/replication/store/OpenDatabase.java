package io.capsuledb.replication.store;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompactRangeOptions;
import org.rocksdb.CompactRangeOptions.BottommostLevelCompaction;
import org.rocksdb.CompactionStyle;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.Logger;
import org.rocksdb.Options;
import org.rocksdb.Range;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.SizeApproximationFlag;
import org.rocksdb.Slice;
import org.rocksdb.Snapshot;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * A RocksDB database with this store's column families and settings, and the life of its native
 * objects.
 *
 * <p>Invariant: a native handle is used only between {@link #enter} and {@link #exit}, and freed
 * only when nobody is in between. Using RocksDB after it is closed would crash the JVM; here it is
 * an {@link IllegalStateException}.
 *
 * <p>Thread-safe.
 */
final class OpenDatabase implements AutoCloseable {

  private static final long BLOCK_BYTES = 4 << 10;

  /** Small enough that a record of a tree's block is alone in a block of RocksDB's. */
  private static final long RECORD_BLOCK_BYTES = 2 << 10;

  /** Keys of records differ in their last bytes only: the index in memory is a fifth with this. */
  private static final int INDEX_RESTART_INTERVAL = 16;

  private static final double FILTER_BITS = 10;
  private static final long LOG_FILE_BYTES = 1 << 20;
  private static final long LOG_FILES = 3;
  private static final long MANIFEST_BYTES = 4L << 20;
  private static final long SYNC_TABLES_EVERY_BYTES = 1L << 20;
  private static final long SCAN_READAHEAD_BYTES = 1L << 20;
  private static final int MAX_WRITE_BUFFERS = 3;

  /**
   * Appends that wait at once are one write and one sync of the log, up to this. By default it is 1
   * MiB, so that a client's append waits for a flush's and has a sync of its own after it.
   */
  private static final long MAX_GROUP_BYTES = 16L << 20;

  /**
   * Tables of level 0 in the column family of records. Merging them is put off: records of two
   * chains and the stubs of released ones come together, so that each merge rewrites nearly all
   * there is, and what merging is for, giving room back, {@link #reclaim} does when it is worth it.
   * A read asks each by its filter only.
   */
  private static final int MERGE_AT_TABLES = 64;

  private static final int SLOW_DOWN_AT_TABLES = 256;
  private static final int STOP_AT_TABLES = 512;

  /** Level 0 is also merged at this size. */
  private static final long MERGE_AT_BYTES = 4L << 30;

  /** After every key there is: longer than any, and all ones. */
  private static final byte[] END = new byte[2 * StoreLayout.HASH_KEY_BYTES];

  static {
    Arrays.fill(END, (byte) 0xff);
  }

  private final Path directory;
  private final boolean readOnly;
  private final ReentrantReadWriteLock life = new ReentrantReadWriteLock();

  /** Freed last to first. */
  private final Deque<AutoCloseable> natives = new ArrayDeque<>();

  private final RocksDB db;
  private final Map<Family, ColumnFamilyHandle> handles = new EnumMap<>(Family.class);

  /** Families of generations that are no longer, or not yet, in force. */
  private final List<ColumnFamilyHandle> leftOver = new ArrayList<>();

  private final RocksStorageOptions options;
  private final WriteOptions synced;
  private final ReadOptions pointReads;
  private final ReadOptions readsOnce;

  // Guarded by life.
  private boolean closed;

  /** Which column family. */
  enum Family {
    DEFAULT,
    RECORDS,
    HASHES,
    CAPSULES,
    /** Only in a replica's directory. */
    REPLICA,
    /** Only while tables are mended: what "records" will be. */
    NEXT_RECORDS,
    /** Only while tables are mended: what "hashes" will be. */
    NEXT_HASHES
  }

  /** What a database is opened for. */
  enum Mode {
    /** To see it as recovery would leave it, without writing anything anywhere. */
    READ_ONLY,
    /** As a node's store; it is created if it is not there. */
    STORE,
    /** As a replica's store; it is created if it is not there. */
    REPLICA,
    /** To mend a replica's store: nothing is merged that is there. */
    MENDING
  }

  /** Opens the database in {@code directory}. */
  OpenDatabase(Path directory, RocksStorageOptions options, Mode mode) {
    this.directory = directory;
    this.options = options;
    this.readOnly = mode == Mode.READ_ONLY;
    boolean opened = false;
    try {
      DBOptions dbOptions = databaseOptions(options);
      List<ColumnFamilyDescriptor> families = families(mode, listFamilies());
      List<ColumnFamilyHandle> opening = new ArrayList<>();
      db =
          own(
              readOnly
                  ? RocksDB.openReadOnly(dbOptions, directory.toString(), families, opening)
                  : RocksDB.open(dbOptions, directory.toString(), families, opening));
      opening.forEach(this::own);
      synced = own(new WriteOptions()).setSync(options.durable());
      pointReads = own(new ReadOptions()).setVerifyChecksums(true);
      readsOnce = own(new ReadOptions()).setVerifyChecksums(true).setFillCache(false);
      assign(families, opening);
      opened = true;
    } catch (RocksDBException e) {
      throw RocksFailures.opening(e, directory);
    } finally {
      if (!opened) {
        free();
      }
    }
  }

  private <T extends AutoCloseable> T own(T object) {
    natives.push(object);
    return object;
  }

  private DBOptions databaseOptions(RocksStorageOptions options) {
    DBOptions db = own(new DBOptions());
    db.setCreateIfMissing(!readOnly)
        .setCreateMissingColumnFamilies(!readOnly)
        .setParanoidChecks(true)
        // Why this mode, with recycled logs: docs/decisions.md. What it forgives RocksLogCheck and
        // AcknowledgedMark have looked at before.
        .setWalRecoveryMode(WALRecoveryMode.PointInTimeRecovery)
        .setRecycleLogFileNum(options.recycledLogs())
        .setMaxTotalWalSize(options.writeBufferBytes())
        .setDbWriteBufferSize(options.writeBufferBytes())
        .setMaxOpenFiles(options.maxOpenFiles())
        .setMaxBackgroundJobs(options.backgroundThreads())
        .setEnablePipelinedWrite(true)
        .setMaxWriteBatchGroupSizeBytes(MAX_GROUP_BYTES)
        .setBytesPerSync(SYNC_TABLES_EVERY_BYTES)
        .setMaxManifestFileSize(MANIFEST_BYTES)
        .setStatsDumpPeriodSec(0)
        .setStatsPersistPeriodSec(0);
    if (readOnly) {
      // Without a logger of our own RocksDB would write a log file into the directory.
      return db.setLogger(own(new SilentLogger()));
    }
    return db.setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
        .setMaxLogFileSize(LOG_FILE_BYTES)
        .setKeepLogFileNum(LOG_FILES);
  }

  /** The families there are; none if there is no database. */
  private List<String> listFamilies() throws RocksDBException {
    if (!Files.exists(directory.resolve("CURRENT"))) {
      return List.of();
    }
    try (Options plain = new Options()) {
      return RocksDB.listColumnFamilies(plain, directory.toString()).stream()
          .map(name -> new String(name, StandardCharsets.US_ASCII))
          .toList();
    }
  }

  private static boolean isGenerationOf(String base, String name) {
    return name.equals(base)
        || name.matches(base + Pattern.quote("" + StoreLayout.GENERATION_MARK) + "[1-9][0-9]{0,8}");
  }

  /** Says which handle is which family; the families of other generations are left over. */
  private void assign(List<ColumnFamilyDescriptor> families, List<ColumnFamilyHandle> opening)
      throws RocksDBException {
    Map<String, ColumnFamilyHandle> byName = new LinkedHashMap<>();
    for (int i = 0; i < opening.size(); i++) {
      byName.put(new String(families.get(i).getName(), StandardCharsets.US_ASCII), opening.get(i));
    }
    take(byName, Family.DEFAULT, StoreLayout.DEFAULT_FAMILY);
    take(byName, Family.CAPSULES, StoreLayout.CAPSULES_FAMILY);
    if (byName.containsKey(StoreLayout.REPLICA_FAMILY)) {
      take(byName, Family.REPLICA, StoreLayout.REPLICA_FAMILY);
    }
    int generation = generation();
    take(byName, Family.RECORDS, StoreLayout.familyName(StoreLayout.RECORDS_FAMILY, generation));
    take(byName, Family.HASHES, StoreLayout.familyName(StoreLayout.HASHES_FAMILY, generation));
    leftOver.addAll(byName.values());
  }

  private void take(Map<String, ColumnFamilyHandle> byName, Family family, String name) {
    ColumnFamilyHandle handle = byName.remove(name);
    if (handle == null) {
      throw RocksFailures.damaged("the column family " + name + " is missing in " + directory);
    }
    handles.put(family, handle);
  }

  private List<ColumnFamilyDescriptor> families(Mode mode, List<String> existing) {
    boolean isReplica = existing.contains(StoreLayout.REPLICA_FAMILY);
    if (isReplica && mode == Mode.STORE) {
      throw new InvalidRequestException(
          directory + " is a replica's; it can be looked at, but not used as a store");
    }
    Set<String> names = new LinkedHashSet<>();
    names.add(StoreLayout.DEFAULT_FAMILY);
    for (String base : List.of(StoreLayout.RECORDS_FAMILY, StoreLayout.HASHES_FAMILY)) {
      List<String> generations =
          existing.stream().filter(name -> isGenerationOf(base, name)).toList();
      names.addAll(generations.isEmpty() ? List.of(base) : generations);
    }
    names.add(StoreLayout.CAPSULES_FAMILY);
    if (isReplica || mode == Mode.REPLICA) {
      names.add(StoreLayout.REPLICA_FAMILY);
    }
    FamilySettings settings = new FamilySettings(own(new LRUCache(options.blockCacheBytes())));
    return names.stream()
        .map(
            name -> {
              ColumnFamilyOptions chosen = settings.of(name);
              if (mode == Mode.MENDING) {
                chosen.setDisableAutoCompactions(true);
              }
              return new ColumnFamilyDescriptor(ascii(name), chosen);
            })
        .toList();
  }

  /** The settings of each family. */
  private final class FamilySettings {
    private final ColumnFamilyOptions plain;
    private final ColumnFamilyOptions recordOptions;
    private final ColumnFamilyOptions hashOptions;

    FamilySettings(Cache cache) {
      // A quarter of the memory for a buffer of records, so that one fills while one is written; a
      // record's entry in the hash index is small, so its buffer may be too.
      long recordBuffer = options.writeBufferBytes() / 4;
      long smallBuffer = options.writeBufferBytes() / 16;
      plain = familyOptions(smallBuffer, tables(cache));
      recordOptions =
          familyOptions(
                  recordBuffer,
                  tables(cache)
                      .setNoBlockCache(true)
                      .setBlockSize(RECORD_BLOCK_BYTES)
                      .setIndexBlockRestartInterval(INDEX_RESTART_INTERVAL)
                      .setFilterPolicy(own(new BloomFilter(FILTER_BITS))))
              .setLevel0FileNumCompactionTrigger(MERGE_AT_TABLES)
              .setLevel0SlowdownWritesTrigger(SLOW_DOWN_AT_TABLES)
              .setLevel0StopWritesTrigger(STOP_AT_TABLES)
              .setSoftPendingCompactionBytesLimit(0)
              .setHardPendingCompactionBytesLimit(0)
              .setMaxBytesForLevelBase(MERGE_AT_BYTES);
      hashOptions =
          familyOptions(
              smallBuffer, tables(cache).setFilterPolicy(own(new BloomFilter(FILTER_BITS))));
    }

    ColumnFamilyOptions of(String name) {
      return isGenerationOf(StoreLayout.RECORDS_FAMILY, name)
          ? recordOptions
          : isGenerationOf(StoreLayout.HASHES_FAMILY, name) ? hashOptions : plain;
    }
  }

  // ------------------------------------------------------------------ generations

  /** The generation of "records" and "hashes" in force. */
  int generation() {
    byte[] key = StoreLayout.generationKey();
    byte[] value = get(Family.DEFAULT, key, "the store's generation");
    if (value == null) {
      return 0;
    }
    byte[] body = StoreCodec.open(key, value);
    int generation = body == null ? -1 : StoreCodec.format(body);
    if (generation < 1) {
      throw RocksFailures.damaged("the store's generation in " + directory);
    }
    return generation;
  }

  /** Drops the families of generations that are not in force. */
  void dropLeftOver() {
    try {
      for (ColumnFamilyHandle handle : leftOver) {
        db.dropColumnFamily(handle);
      }
      leftOver.clear();
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "dropping tables");
    }
  }

  /**
   * Drops the families that the next generation has replaced; the database is to be closed then.
   */
  void dropSuperseded() {
    leftOver.add(handle(Family.RECORDS));
    leftOver.add(handle(Family.HASHES));
    dropLeftOver();
  }

  /** Makes the families of the next generation, empty; see {@link Family#NEXT_RECORDS}. */
  void beginGeneration() {
    FamilySettings settings = new FamilySettings(own(new LRUCache(options.blockCacheBytes())));
    int next = generation() + 1;
    create(settings, Family.NEXT_RECORDS, StoreLayout.RECORDS_FAMILY, next);
    create(settings, Family.NEXT_HASHES, StoreLayout.HASHES_FAMILY, next);
  }

  private void create(FamilySettings settings, Family family, String base, int generation) {
    String name = StoreLayout.familyName(base, generation);
    try {
      handles.put(
          family,
          own(db.createColumnFamily(new ColumnFamilyDescriptor(ascii(name), settings.of(name)))));
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "making tables");
    }
  }

  private ColumnFamilyOptions familyOptions(long bufferBytes, BlockBasedTableConfig tables) {
    // Ciphertext and hashes do not compress.
    return own(new ColumnFamilyOptions())
        .setCompressionType(CompressionType.NO_COMPRESSION)
        .setBottommostCompressionType(CompressionType.NO_COMPRESSION)
        .setCompactionStyle(CompactionStyle.LEVEL)
        .setLevelCompactionDynamicLevelBytes(true)
        .setWriteBufferSize(bufferBytes)
        .setMaxWriteBufferNumber(MAX_WRITE_BUFFERS)
        .setTableFormatConfig(tables);
  }

  private static BlockBasedTableConfig tables(Cache cache) {
    return new BlockBasedTableConfig()
        .setBlockCache(cache)
        .setBlockSize(BLOCK_BYTES)
        .setCacheIndexAndFilterBlocks(false);
  }

  private static byte[] ascii(String name) {
    return name.getBytes(StandardCharsets.US_ASCII);
  }

  /** Drops what RocksDB would log. */
  private static final class SilentLogger extends Logger {
    SilentLogger() {
      super(InfoLogLevel.FATAL_LEVEL);
    }

    @Override
    protected void log(InfoLogLevel level, String message) {}
  }

  // ------------------------------------------------------------------ life

  /**
   * Begins a use of the database, which must end in {@link #exit}. Nests.
   *
   * @throws IllegalStateException if it is closed
   */
  void enter() {
    life.readLock().lock();
    if (closed) {
      life.readLock().unlock();
      throw new IllegalStateException("the store in " + directory + " is closed");
    }
  }

  void exit() {
    life.readLock().unlock();
  }

  /**
   * Waits for the uses under way and frees everything. Closing twice is allowed.
   *
   * @throws IllegalStateException if this thread is within a use, for example a scan's visitor
   */
  @Override
  public void close() {
    if (life.getReadHoldCount() > 0) {
      throw new IllegalStateException("the store cannot be closed from within a scan of it");
    }
    life.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        free();
      }
    } finally {
      life.writeLock().unlock();
    }
  }

  private void free() {
    while (!natives.isEmpty()) {
      try {
        natives.pop().close();
      } catch (Exception e) {
        throw new AssertionError("RocksDB objects close without exceptions", e);
      }
    }
  }

  // ------------------------------------------------------------------ operations

  private ColumnFamilyHandle handle(Family family) {
    ColumnFamilyHandle handle = handles.get(family);
    if (handle == null) {
      throw new IllegalStateException("no family " + family + " in " + directory);
    }
    return handle;
  }

  /** The families there are. */
  Set<Family> families() {
    return handles.keySet();
  }

  Path directory() {
    return directory;
  }

  boolean readOnly() {
    return readOnly;
  }

  /** RocksDB's number for the newest write it holds. */
  long latestSequence() {
    return db.getLatestSequenceNumber();
  }

  /**
   * The value under a key, or null.
   *
   * @param what names the value in the exception if it cannot be read
   */
  byte @Nullable [] get(Family family, byte[] key, Object what) {
    return get(pointReads, family, key, what);
  }

  /** Like {@link #get}, for what will not soon be read again. */
  byte @Nullable [] getOnce(Family family, byte[] key, Object what) {
    return get(readsOnce, family, key, what);
  }

  private byte @Nullable [] get(ReadOptions reads, Family family, byte[] key, Object what) {
    try {
      return db.get(handle(family), reads, key);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "reading " + what);
    }
  }

  /**
   * Copies the beginning of the value under a key into {@code target}.
   *
   * @return the length of the whole value, or -1 if there is none
   */
  int getInto(Family family, byte[] key, byte[] target, Object what) {
    try {
      return db.get(handle(family), pointReads, key, target);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "reading " + what);
    }
  }

  void put(WriteBatch batch, Family family, byte[] key, byte[] value) {
    try {
      batch.put(handle(family), key, value);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "preparing a write");
    }
  }

  void delete(WriteBatch batch, Family family, byte[] key) {
    try {
      batch.delete(handle(family), key);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "preparing a write");
    }
  }

  /**
   * Writes a batch and waits until it is on stable storage, if the store is durable. Batches of
   * several threads that wait at once share one sync: RocksDB's first waiter writes for all.
   */
  void write(WriteBatch batch) {
    try {
      db.write(synced, batch);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "writing");
    }
  }

  /** Merges what overlaps of the keys that begin with a prefix; what does not stays as it is. */
  void reclaim(Family family, byte[] prefix) {
    try {
      byte[] end = StoreCodec.successor(prefix);
      db.compactRange(handle(family), prefix, end == null ? END : end);
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "reclaiming");
    }
  }

  /**
   * Merges all tables and blob files, so that they hold what is live and little else, and waits for
   * it.
   */
  void compact() {
    try (CompactRangeOptions whole =
        new CompactRangeOptions()
            .setBottommostLevelCompaction(BottommostLevelCompaction.kForceOptimized)) {
      for (ColumnFamilyHandle family : handles.values()) {
        db.compactRange(family, null, null, whole);
      }
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "compacting");
    }
  }

  /** Whether RocksDB is writing, merging or about to. */
  boolean isBusy() {
    try {
      for (ColumnFamilyHandle family : handles.values()) {
        if (db.getLongProperty(family, "rocksdb.compaction-pending") > 0
            || db.getLongProperty(family, "rocksdb.mem-table-flush-pending") > 0) {
          return true;
        }
      }
      return db.getLongProperty("rocksdb.num-running-compactions") > 0
          || db.getLongProperty("rocksdb.num-running-flushes") > 0;
    } catch (RocksDBException e) {
      throw RocksFailures.of(e, directory, "looking at background work");
    }
  }

  /** About how many bytes the keys that begin with {@code prefix} take. */
  long approximateBytes(Family family, byte[] prefix) {
    byte[] end = StoreCodec.successor(prefix);
    try (Slice from = new Slice(prefix);
        Slice to = new Slice(end == null ? END : end)) {
      long[] sizes =
          db.getApproximateSizes(
              handle(family),
              List.of(new Range(from, to)),
              SizeApproximationFlag.INCLUDE_FILES,
              SizeApproximationFlag.INCLUDE_MEMTABLES);
      return sizes[0];
    }
  }

  /** A point in time that several cursors can read at. To be closed before the database. */
  View view() {
    return new View(db, db.getSnapshot());
  }

  /** A point in time. */
  static final class View implements AutoCloseable {
    private final RocksDB db;
    private final Snapshot snapshot;

    private View(RocksDB db, Snapshot snapshot) {
      this.db = db;
      this.snapshot = snapshot;
    }

    @Override
    public void close() {
      db.releaseSnapshot(snapshot);
    }
  }

  /** A cursor over the keys that begin with {@code prefix}, for reading some or all of them. */
  Cursor cursor(Family family, byte[] prefix) {
    return new Cursor(family, prefix, null);
  }

  /** A cursor for reading all keys that begin with {@code prefix}, as they were at {@code view}. */
  Cursor cursor(Family family, byte[] prefix, View view) {
    return new Cursor(family, prefix, view);
  }

  /**
   * Walks the keys that begin with one prefix. Not thread-safe; to be closed within the use of the
   * database it was made in.
   */
  final class Cursor implements AutoCloseable {
    private final @Nullable Slice bound;
    private final ReadOptions reads = new ReadOptions();
    private final RocksIterator iterator;

    private Cursor(Family family, byte[] prefix, @Nullable View view) {
      byte[] end = StoreCodec.successor(prefix);
      bound = end == null ? null : new Slice(end);
      // What a scan reads once must not push out what is read again and again.
      reads.setVerifyChecksums(true).setFillCache(false);
      if (bound != null) {
        reads.setIterateUpperBound(bound);
      }
      if (view != null) {
        reads.setSnapshot(view.snapshot).setReadaheadSize(SCAN_READAHEAD_BYTES);
      }
      iterator = db.newIterator(handle(family), reads);
    }

    /** Goes to the first key at or after {@code key}; see {@link #valid}. */
    void seek(byte[] key) {
      iterator.seek(key);
    }

    /** Goes to the last key. */
    void seekToLast() {
      iterator.seekToLast();
    }

    void next() {
      iterator.next();
    }

    /**
     * Whether there is a key here; false at the end.
     *
     * @param what names what is read in the exception if it cannot be
     */
    boolean valid(Object what) {
      if (iterator.isValid()) {
        return true;
      }
      CapsuleException failure = failure(what);
      if (failure != null) {
        throw failure;
      }
      return false;
    }

    /** Why there is no key here, or null if this is just the end. */
    private @Nullable CapsuleException failure(Object what) {
      try {
        iterator.status();
        return null;
      } catch (RocksDBException e) {
        return RocksFailures.of(e, directory, "reading " + what);
      }
    }

    byte[] key() {
      return iterator.key();
    }

    byte[] value() {
      return iterator.value();
    }

    @Override
    public void close() {
      iterator.close();
      reads.close();
      if (bound != null) {
        bound.close();
      }
    }
  }
}
