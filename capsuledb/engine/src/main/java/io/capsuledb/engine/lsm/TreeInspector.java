package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.MergeCursor;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.memtable.Memtable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads all entries of a tree and of the tail that is not in it yet, and says how much of it users
 * would get to see. Reads the store only. Memory: the keys of the tail, and a few blocks. One
 * thread.
 */
public final class TreeInspector implements AutoCloseable {

  /** Blocks are read in order, so few need to be kept: the indexes of the tables being read. */
  private static final long CACHE_BYTES = 16 << 20;

  private static final int PROGRESS_ENTRIES = 4096;

  private final Manifest manifest;
  private final BlockStore blocks;
  private final Memtable tail;
  private Clears clears;

  private long liveKeys;
  private long liveBytes;
  private long hiddenEntries;
  private long hiddenBytes;

  /**
   * An inspector of one state.
   *
   * @param seed unpredictable, for the tail's hash table
   */
  public TreeInspector(
      CapsuleName name, KeyRing keys, RecordStore store, Manifest manifest, long seed) {
    this.manifest = manifest;
    this.blocks = new BlockStore(name, keys, store, CACHE_BYTES, Telemetry.NONE);
    this.tail = new Memtable(seed);
    this.clears = Clears.of(manifest.clears());
  }

  /**
   * Adds a value of the tail. Only its length is kept.
   *
   * @param expiryAtMs when it ceases to exist, or 0
   */
  public void put(byte[] key, Version version, int valueLength, long expiryAtMs) {
    byte[] length = new ValuePointer(Hash32.ZERO, valueLength, Hash32.ZERO).encode();
    tail.put(new Entry(key, version, EntryKind.POINTER, 0, expiryAtMs, length));
  }

  /** Adds a deletion of the tail. */
  public void delete(byte[] key, Version version) {
    tail.put(Entry.tombstone(key, version));
  }

  /** Adds a CLEAR of the tail. */
  public void clear(Version version) {
    clears = clears.with(version);
  }

  /**
   * Reads everything.
   *
   * @param nowMs the wall clock by which keys have expired
   * @param progress hears of the entries read so far
   * @throws io.capsuledb.core.error.IntegrityException if a block is damaged or missing
   */
  public void run(long nowMs, LongConsumer progress) {
    List<EntryCursor> sources = new ArrayList<>(tail.cursors());
    for (Manifest.Run run : manifest.runs()) {
      List<Table> tables = new ArrayList<>();
      for (TableDescriptor table : run.tables()) {
        tables.add(new Table(table, blocks));
      }
      sources.add(new TableRun(run.level(), tables).scan());
    }
    Version cleared = clears.at(Long.MAX_VALUE);
    MergeCursor merged = new MergeCursor(sources);
    byte @Nullable [] key = null;
    long entries = 0;
    for (boolean more = merged.seekToFirst(); more; more = merged.next()) {
      Entry entry = merged.entry();
      long bytes = entry.key().length + (long) Tree.valueLength(entry);
      boolean isNewest = key == null || !Arrays.equals(key, entry.key());
      key = entry.key();
      if (isNewest
          && !entry.isTombstone()
          && !entry.isExpired(nowMs)
          && (cleared == null || entry.version().compareTo(cleared) > 0)) {
        liveKeys++;
        liveBytes += bytes;
      } else {
        hiddenEntries++;
        hiddenBytes += bytes;
      }
      if (++entries % PROGRESS_ENTRIES == 0) {
        progress.accept(entries);
      }
    }
  }

  /** Keys that have a value. */
  public long liveKeys() {
    return liveKeys;
  }

  /** Bytes of those keys and of their values. */
  public long liveBytes() {
    return liveBytes;
  }

  /** Older versions, deletions, and what has expired or was cleared. */
  public long hiddenEntries() {
    return hiddenEntries;
  }

  /** Bytes of their keys and values. */
  public long hiddenBytes() {
    return hiddenBytes;
  }

  @Override
  public void close() {
    tail.close();
    blocks.close();
  }
}
