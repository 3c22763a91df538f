package io.capsuledb.replication.store;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How much memory, how many files and which tricks {@link RocksStorage} may use. The defaults fit a
 * small machine: about 300 MiB outside the Java heap at worst. Immutable.
 */
public final class RocksStorageOptions {

  private final long writeBufferBytes;
  private final long blockCacheBytes;
  private final int maxOpenFiles;
  private final int backgroundThreads;
  private final int recycledLogs;
  private final boolean durable;
  private final long minFreeBytes;
  private final @Nullable Path nativeLibraryDirectory;

  private RocksStorageOptions(Builder builder) {
    writeBufferBytes = builder.writeBufferBytes;
    blockCacheBytes = builder.blockCacheBytes;
    maxOpenFiles = builder.maxOpenFiles;
    backgroundThreads = builder.backgroundThreads;
    recycledLogs = builder.recycledLogs;
    durable = builder.durable;
    minFreeBytes = builder.minFreeBytes;
    nativeLibraryDirectory = builder.nativeLibraryDirectory;
  }

  /** The defaults. */
  public static RocksStorageOptions defaults() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Bytes of records kept in memory until they are written to table files. */
  public long writeBufferBytes() {
    return writeBufferBytes;
  }

  /** Bytes of table blocks, indexes and filters kept in memory. */
  public long blockCacheBytes() {
    return blockCacheBytes;
  }

  /** Table files kept open. */
  public int maxOpenFiles() {
    return maxOpenFiles;
  }

  /** Threads that write tables and merge them. */
  public int backgroundThreads() {
    return backgroundThreads;
  }

  /** Spent write-ahead logs kept to be overwritten; 0 makes every log a new file. */
  public int recycledLogs() {
    return recycledLogs;
  }

  /** Whether what was acknowledged is still there after a crash. */
  public boolean durable() {
    return durable;
  }

  /** Bytes of the file system that {@link RocksReplicaLog} leaves free. */
  public long minFreeBytes() {
    return minFreeBytes;
  }

  /** Where the native library is unpacked for loading, or null for the default. */
  public @Nullable Path nativeLibraryDirectory() {
    return nativeLibraryDirectory;
  }

  /** Sets options; {@link #build} checks them. */
  public static final class Builder {
    private long writeBufferBytes = 256L << 20;
    private long blockCacheBytes = 32L << 20;
    private int maxOpenFiles = 256;
    private int backgroundThreads = 2;
    private int recycledLogs = 2;
    private boolean durable = true;
    private long minFreeBytes = 256L << 20;
    private @Nullable Path nativeLibraryDirectory;

    private Builder() {}

    /**
     * Bytes of records kept in memory until they are written to table files, 1 MiB to 4 GiB, 256
     * MiB by default. It also decides how much log is read again when the storage is opened.
     */
    public Builder writeBufferBytes(long bytes) {
      writeBufferBytes = bytes;
      return this;
    }

    /** Bytes of table blocks kept in memory, 1 MiB to 1 TiB; 32 MiB by default. */
    public Builder blockCacheBytes(long bytes) {
      blockCacheBytes = bytes;
      return this;
    }

    /** Table files kept open, 32 to 1,000,000; 256 by default. */
    public Builder maxOpenFiles(int files) {
      maxOpenFiles = files;
      return this;
    }

    /** Threads that write tables and merge them, 1 to 64; 2 by default. */
    public Builder backgroundThreads(int threads) {
      backgroundThreads = threads;
      return this;
    }

    /**
     * Spent write-ahead logs kept to be overwritten, 0 to 16; 2 by default. Overwriting a file is
     * faster to make durable than growing one.
     */
    public Builder recycledLogs(int logs) {
      recycledLogs = logs;
      return this;
    }

    /**
     * Whether what was acknowledged must still be there after a crash; true by default. False is
     * for a cache of records that others hold: appends are not synced, and after a crash any number
     * of the newest may be gone, always a suffix of what was appended. Nothing then tells loss from
     * a crash; a damaged value is still found when it is read.
     */
    public Builder durable(boolean durable) {
      this.durable = durable;
      return this;
    }

    /**
     * Bytes of the file system that {@link RocksReplicaLog} leaves free, 0 to 2^50; 256 MiB by
     * default. It refuses records when less is left, so that a full disk never hits a write in the
     * middle, and the rest (promises, statement numbers, released payloads) when less than half of
     * it is. {@link RocksStorage} ignores it.
     */
    public Builder minFreeBytes(long bytes) {
      minFreeBytes = bytes;
      return this;
    }

    /**
     * Where the native library is unpacked for loading; by default the directory that the
     * environment variable {@code ROCKSDB_SHAREDLIB_DIR} names, else the JVM's temporary one.
     */
    public Builder nativeLibraryDirectory(@Nullable Path directory) {
      nativeLibraryDirectory = directory;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException if one is out of its range; the message names it
     */
    public RocksStorageOptions build() {
      check("writeBufferBytes", writeBufferBytes, 1L << 20, 4L << 30);
      check("blockCacheBytes", blockCacheBytes, 1L << 20, 1L << 40);
      check("maxOpenFiles", maxOpenFiles, 32, 1_000_000);
      check("backgroundThreads", backgroundThreads, 1, 64);
      check("recycledLogs", recycledLogs, 0, 16);
      check("minFreeBytes", minFreeBytes, 0, 1L << 50);
      return new RocksStorageOptions(this);
    }

    private static void check(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed are " + least + " to " + most);
      }
    }
  }
}
