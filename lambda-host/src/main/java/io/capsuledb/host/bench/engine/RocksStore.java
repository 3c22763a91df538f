package io.capsuledb.host.bench.engine;

import io.capsuledb.core.error.StorageException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.CompressionType;
import org.rocksdb.FlushOptions;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * RocksDB by its own Java API: synced writes, the same memtable and cache sizes, LZ4 and a Bloom
 * filter, everything else as it comes.
 */
final class RocksStore implements BenchStore {

  private static final double FILTER_BITS = 10;
  private static final int LOGS_TO_RECYCLE = 4;
  private static final int BACKGROUND_JOBS = 2;

  static {
    RocksDB.loadLibrary();
  }

  private final Path directory;
  private final EngineBench.Sizes sizes;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final ReadOptions reads = new ReadOptions();
  private Options options;
  private LRUCache cache;
  private BloomFilter filter;
  private RocksDB db;

  RocksStore(Path directory, EngineBench.Sizes sizes) {
    this.directory = directory;
    this.sizes = sizes;
    cache = new LRUCache(sizes.cacheBytes());
    filter = new BloomFilter(FILTER_BITS);
    options = options();
    db = open();
  }

  private Options options() {
    return new Options()
        .setCreateIfMissing(true)
        .setWriteBufferSize(sizes.memtableBytes())
        .setMaxWriteBufferNumber(3)
        .setMaxBackgroundJobs(BACKGROUND_JOBS)
        .setRecycleLogFileNum(LOGS_TO_RECYCLE)
        .setCompressionType(CompressionType.LZ4_COMPRESSION)
        .setTableFormatConfig(
            new BlockBasedTableConfig().setBlockCache(cache).setFilterPolicy(filter));
  }

  private RocksDB open() {
    try {
      return RocksDB.open(options, directory.toString());
    } catch (RocksDBException e) {
      throw failed("opening", e);
    }
  }

  private static StorageException failed(String what, RocksDBException cause) {
    return new StorageException("RocksDB failed at " + what, cause);
  }

  @Override
  public String name() {
    return "rocksdb";
  }

  @Override
  public Path directory() {
    return directory;
  }

  @Override
  public void write(byte[][] keys, byte[][] values) {
    try (WriteBatch batch = new WriteBatch()) {
      for (int i = 0; i < keys.length; i++) {
        batch.put(keys[i], values[i]);
      }
      db.write(synced, batch);
    } catch (RocksDBException e) {
      throw failed("writing", e);
    }
  }

  @Override
  public byte @Nullable [] get(byte[] key) {
    try {
      return db.get(reads, key);
    } catch (RocksDBException e) {
      throw failed("reading", e);
    }
  }

  @Override
  public int scan(byte[] from, int count) {
    int seen = 0;
    try (RocksIterator iterator = db.newIterator(reads)) {
      for (iterator.seek(from); iterator.isValid() && seen < count; iterator.next()) {
        seen += iterator.key().length > 0 && iterator.value().length > 0 ? 1 : 0;
      }
    }
    return seen;
  }

  @Override
  public void settle() {
    try (FlushOptions flush = new FlushOptions().setWaitForFlush(true)) {
      db.flush(flush);
      while (db.getLongProperty("rocksdb.compaction-pending") > 0
          || db.getLongProperty("rocksdb.num-running-compactions") > 0) {
        Thread.onSpinWait();
      }
    } catch (RocksDBException e) {
      throw failed("flushing", e);
    }
  }

  @Override
  public void compact() {
    settle();
    try {
      db.compactRange();
    } catch (RocksDBException e) {
      throw failed("compacting", e);
    }
  }

  @Override
  public void reopen() {
    closeDb();
    cache = new LRUCache(sizes.cacheBytes());
    filter = new BloomFilter(FILTER_BITS);
    options = options();
    db = open();
  }

  private void closeDb() {
    db.close();
    options.close();
    cache.close();
    filter.close();
  }

  @Override
  public void close() {
    closeDb();
    reads.close();
    synced.close();
  }
}
