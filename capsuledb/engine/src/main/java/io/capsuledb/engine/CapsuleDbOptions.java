package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.lsm.TreeOptions;
import org.jspecify.annotations.Nullable;

/** How an engine is opened. Immutable; made by {@link #builder()}. */
public final class CapsuleDbOptions {

  private final long memtableBytes;
  private final int blockBytes;
  private final int tableBytes;
  private final int separateBytes;
  private final long cacheBytes;
  private final long historyMs;
  private final long compactionBytesPerSecond;
  private final BlockCompression compression;
  private final @Nullable CapsuleName capsule;
  private final @Nullable PublicKey owner;
  private final boolean shared;
  private final long releaseDelayMs;

  private CapsuleDbOptions(Builder builder) {
    this.memtableBytes = builder.memtableBytes;
    this.blockBytes = (int) builder.blockBytes;
    this.tableBytes = (int) builder.tableBytes;
    this.separateBytes = (int) builder.separateBytes;
    this.cacheBytes = builder.cacheBytes;
    this.historyMs = builder.historyMs;
    this.compactionBytesPerSecond = builder.compactionBytesPerSecond;
    this.compression = builder.compression;
    this.capsule = builder.capsule;
    this.owner = builder.owner;
    this.shared = builder.shared;
    this.releaseDelayMs = builder.releaseDelayMs;
  }

  /** Options with their defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How blocks are made smaller before they are encrypted. */
  public enum BlockCompression {
    /** Not at all. */
    NONE,
    /** LZ4: fast both ways. */
    LZ4
  }

  /** Bytes at which a memtable is frozen and flushed; there are up to six. */
  public long memtableBytes() {
    return memtableBytes;
  }

  /** Bytes of blocks kept in memory. */
  public long cacheBytes() {
    return cacheBytes;
  }

  /** How long replaced versions are kept, in milliseconds. */
  public long historyMs() {
    return historyMs;
  }

  /** The capsule the store has to hold, or null to take any. */
  public @Nullable CapsuleName capsule() {
    return capsule;
  }

  /** The owner the capsule has to have, or null to take any. */
  public @Nullable PublicKey owner() {
    return owner;
  }

  /** Whether other workers write the capsule at the same time. */
  public boolean shared() {
    return shared;
  }

  Tree.Sharing sharing() {
    return shared ? new Tree.Sharing(true, releaseDelayMs) : Tree.Sharing.ALONE;
  }

  TreeOptions tree() {
    return new TreeOptions(
        memtableBytes,
        blockBytes,
        tableBytes,
        separateBytes,
        cacheBytes,
        historyMs,
        compactionBytesPerSecond,
        switch (compression) {
          case NONE -> Compression.NONE;
          case LZ4 -> Compression.LZ4;
        });
  }

  /** Collects options; not thread-safe. */
  public static final class Builder {
    private long memtableBytes = 64L << 20;
    private long blockBytes = 4 << 10;
    private long tableBytes = 4 << 20;
    private long separateBytes = 8 << 10;
    private long cacheBytes = 128L << 20;
    private long historyMs = 600_000;
    private long compactionBytesPerSecond = 32L << 20;
    private BlockCompression compression = BlockCompression.LZ4;
    private @Nullable CapsuleName capsule;
    private @Nullable PublicKey owner;
    private boolean shared;
    private long releaseDelayMs = 60_000;

    private Builder() {}

    /** 4 KiB to 1 GiB off the heap, 64 MiB by default. At most three times as much is used. */
    public Builder memtableBytes(long bytes) {
      this.memtableBytes = bytes;
      return this;
    }

    /**
     * About how many bytes of entries make a block, 128 bytes to 1 MiB, 4 KiB by default: smaller
     * for random reads, larger for scans and fewer signatures.
     */
    public Builder blockBytes(long bytes) {
      this.blockBytes = bytes;
      return this;
    }

    /** About how many bytes of entries make a table, 256 bytes to 64 MiB, 4 MiB by default. */
    public Builder tableBytes(long bytes) {
      this.tableBytes = bytes;
      return this;
    }

    /**
     * Values of at least this length are kept apart, so that compaction does not move them: 64
     * bytes to 16 MiB, 8 KiB by default.
     */
    public Builder separateBytes(long bytes) {
      this.separateBytes = bytes;
      return this;
    }

    /** Blocks kept in memory, on the heap: 0 to 1 TiB, 128 MiB by default. */
    public Builder cacheBytes(long bytes) {
      this.cacheBytes = bytes;
      return this;
    }

    /**
     * How long versions are kept after they were replaced, in milliseconds: 0 to ten years, ten
     * minutes by default. That is how far back {@link CapsuleDb#snapshotAt} and {@link
     * CapsuleDb#history} reach.
     */
    public Builder historyMs(long ms) {
      this.historyMs = ms;
      return this;
    }

    /**
     * Most bytes compaction writes in a second while it is not behind: 0 for no limit, or 64 KiB
     * and more; 32 MiB by default.
     */
    public Builder compactionBytesPerSecond(long bytes) {
      this.compactionBytesPerSecond = bytes;
      return this;
    }

    /** LZ4 by default. */
    public Builder compression(BlockCompression how) {
      this.compression = how;
      return this;
    }

    /** The capsule to open: a store that holds another is refused. Default: whatever it holds. */
    public Builder capsule(@Nullable CapsuleName name) {
      this.capsule = name;
      return this;
    }

    /** The owner to insist on. Default: anybody whose capsule names the application key. */
    public Builder owner(@Nullable PublicKey key) {
      this.owner = key;
      return this;
    }

    /**
     * Whether other workers write the capsule at the same time: see {@link CapsuleDb#merge}. Not by
     * default.
     */
    public Builder shared(boolean others) {
      this.shared = others;
      return this;
    }

    /**
     * How long payloads stay that nobody needs who is up to date, in a shared capsule, in
     * milliseconds: 0 to a day, a minute by default. A worker that lags more has to be opened anew.
     */
    public Builder releaseDelayMs(long ms) {
      this.releaseDelayMs = ms;
      return this;
    }

    /**
     * The options.
     *
     * @throws InvalidRequestException naming the option, its value and what is allowed
     */
    public CapsuleDbOptions build() {
      check("memtableBytes", memtableBytes, 4 << 10, 1L << 30);
      check("blockBytes", blockBytes, 128, 1 << 20);
      check("tableBytes", tableBytes, 256, 64 << 20);
      check("separateBytes", separateBytes, 64, CapsuleDb.MAX_VALUE_BYTES);
      check("cacheBytes", cacheBytes, 0, 1L << 40);
      check("historyMs", historyMs, 0, MAX_HISTORY_MS);
      check("releaseDelayMs", releaseDelayMs, 0, MAX_RELEASE_DELAY_MS);
      if (compactionBytesPerSecond != 0) {
        check("compactionBytesPerSecond", compactionBytesPerSecond, 64 << 10, 1L << 40);
      }
      return new CapsuleDbOptions(this);
    }

    private static final long MAX_RELEASE_DELAY_MS = 24L * 3600 * 1000;
    private static final long MAX_HISTORY_MS = 10L * 365 * 24 * 3600 * 1000;

    private static void check(String option, long value, long least, long most) {
      if (value < least || value > most) {
        throw new InvalidRequestException(
            option + " is " + value + "; allowed is " + least + " to " + most);
      }
    }
  }
}
