package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.MergeCursor;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.memtable.Memtable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Everything there is to read at one moment: memtables, newest first, and the runs of tables,
 * newest first. A memtable may begin before what the tables cover ends; of that it shows nothing.
 * What it refers to stays as long as somebody holds it: {@link #tryAcquire} and {@link #release}
 * count. Immutable but for the count.
 */
final class ReadView {

  private final long number;
  private final List<Memtable> memtables;
  private final List<TableRun> runs;
  private final Clears clears;
  private final Manifest manifest;
  private final Hash32 manifestHash;
  private final Checkpoint.@Nullable Range manifestRange;
  private final Runnable released;

  /** Holders; one of them is the tree as long as this is its newest view. */
  private final AtomicInteger holders = new AtomicInteger(1);

  /**
   * A view held by its maker.
   *
   * @param number larger than that of every view before
   * @param manifestRange where the manifest's record is; null if there is none
   * @param released runs once, when nobody holds the view any more
   */
  ReadView(
      long number,
      List<Memtable> memtables,
      List<TableRun> runs,
      Clears clears,
      Manifest manifest,
      Hash32 manifestHash,
      Checkpoint.@Nullable Range manifestRange,
      Runnable released) {
    this.number = number;
    this.memtables = List.copyOf(memtables);
    this.runs = List.copyOf(runs);
    this.clears = clears;
    this.manifest = manifest;
    this.manifestHash = manifestHash;
    this.manifestRange = manifestRange;
    this.released = released;
  }

  long number() {
    return number;
  }

  boolean isHeld() {
    return holders.get() > 0;
  }

  boolean isNewerThan(ReadView other) {
    return number > other.number;
  }

  /** Holds the view, unless nobody did any more. */
  boolean tryAcquire() {
    int count = holders.get();
    while (count > 0) {
      if (holders.compareAndSet(count, count + 1)) {
        return true;
      }
      count = holders.get();
    }
    return false;
  }

  void release() {
    int left = holders.decrementAndGet();
    if (left == 0) {
      released.run();
    } else if (left < 0) {
      throw new IllegalStateException("a view is released more often than it was acquired");
    }
  }

  List<Memtable> memtables() {
    return memtables;
  }

  List<TableRun> runs() {
    return runs;
  }

  Clears clears() {
    return clears;
  }

  Manifest manifest() {
    return manifest;
  }

  Hash32 manifestHash() {
    return manifestHash;
  }

  /** Where the manifest's record is, or null if there is none; its CHECKPOINT is behind it. */
  Checkpoint.@Nullable Range manifestRange() {
    return manifestRange;
  }

  /** Whether the tables say of a key all that the view does. */
  boolean isCovered(byte[] key) {
    if (manifestHash.isZero()) {
      return false;
    }
    for (Memtable memtable : memtables) {
      if (uncovered(memtable.find(key, Long.MAX_VALUE)) != null) {
        return false;
      }
    }
    Version cleared = clears.at(Long.MAX_VALUE);
    return cleared == null
        || (!manifest.clears().isEmpty() && cleared.equals(manifest.clears().getLast()));
  }

  /**
   * The newest version of a key not later than a Lamport time, whatever it says, or null. Sources
   * are asked newest first; one that can hold nothing newer than what was found is passed over.
   */
  @Nullable Entry find(byte[] key, long time) {
    Entry best = null;
    for (int i = 0; i < memtables.size(); i++) {
      Memtable memtable = memtables.get(i);
      if (best == null || memtable.maxTime() >= best.time()) {
        best = newer(best, uncovered(memtable.find(key, time)));
      }
    }
    for (int i = 0; i < runs.size(); i++) {
      best = newer(best, runs.get(i).find(key, time, best == null ? 0 : best.time()));
    }
    return best;
  }

  /** The newest version of a key in tables, or null. */
  @Nullable Entry newestInTables(byte[] key) {
    Entry best = null;
    for (TableRun run : runs) {
      best = newer(best, run.find(key, Long.MAX_VALUE, best == null ? 0 : best.time()));
    }
    return best;
  }

  /** The version itself, if tables hold it, or null. */
  @Nullable Entry find(byte[] key, Version version) {
    for (TableRun run : runs) {
      EntryCursor cursor = run.cursor();
      boolean there = run.mayHold(key) && cursor.seek(key);
      while (there && Arrays.equals(cursor.entry().key(), key)) {
        int order = cursor.entry().version().compareTo(version);
        if (order == 0) {
          return cursor.entry();
        }
        there = order > 0 && cursor.next();
      }
    }
    return null;
  }

  /** As {@link #find}, with the value that an operand has made. */
  @Nullable Entry value(
      byte[] key, long time, @Nullable Version cleared, Function<Entry, byte[]> values) {
    Entry newest = find(key, time);
    return newest == null
            || newest.kind() != EntryKind.OPERAND
            || (cleared != null && newest.version().compareTo(cleared) < 0)
        ? newest
        : folded(newest, cleared, values);
  }

  /** What an operand of a memtable has made of what was before it. */
  Entry folded(Entry operand, @Nullable Version cleared, Function<Entry, byte[]> values) {
    List<Entry> all = new ArrayList<>();
    for (Memtable memtable : memtables) {
      for (Entry entry : memtable.operands(operand.key(), operand.version())) {
        if (uncovered(entry) != null) {
          all.add(entry);
        }
      }
    }
    Entry table = newestInTables(operand.key());
    if (table != null && Entry.compareVersions(table, operand) < 0) {
      all.add(table);
    }
    all.sort((a, b) -> Entry.compareVersions(b, a));
    int end = 0;
    while (end < all.size() && all.get(end).kind() == EntryKind.OPERAND) {
      end++;
    }
    return Folding.fold(all.subList(0, Math.min(all.size(), end + 1)), cleared, values);
  }

  /** An entry of a memtable, unless the tables say what there is to say at its time. */
  private @Nullable Entry uncovered(@Nullable Entry entry) {
    return entry == null || entry.time() <= manifest.coveredTime() ? null : entry;
  }

  /** Cursors over what memtables hold that the tables do not. */
  static void addUncovered(Memtable memtable, long coveredTime, List<EntryCursor> to) {
    if (memtable.minTime() > coveredTime) {
      to.addAll(memtable.cursors());
    } else {
      memtable.cursors().forEach(cursor -> to.add(new UncoveredCursor(cursor, coveredTime)));
    }
  }

  private static @Nullable Entry newer(@Nullable Entry a, @Nullable Entry b) {
    if (a == null || b == null) {
      return a == null ? b : a;
    }
    return Entry.compareVersions(a, b) >= 0 ? a : b;
  }

  /** A key of any entry, or null if there is none. Each source is as likely as it has entries. */
  byte @Nullable [] anyKey(long random) {
    long total = 0;
    for (Memtable memtable : memtables) {
      total += memtable.keys();
    }
    for (TableRun run : runs) {
      for (Table table : run.tables()) {
        total += table.descriptor().entries();
      }
    }
    if (total == 0) {
      return null;
    }
    long chosen = Long.remainderUnsigned(random, total);
    for (Memtable memtable : memtables) {
      int keys = memtable.keys();
      if (chosen < keys) {
        return memtable.keyAt((int) chosen);
      }
      chosen -= keys;
    }
    for (TableRun run : runs) {
      for (Table table : run.tables()) {
        if (chosen < table.descriptor().entries()) {
          return table.keyAt(chosen);
        }
        chosen -= table.descriptor().entries();
      }
    }
    return null;
  }

  /** Whether a table of any run may hold a key. */
  boolean mayHold(byte[] key) {
    for (TableRun run : runs) {
      if (run.mayHold(key)) {
        return true;
      }
    }
    return false;
  }

  /** A cursor over all versions of all keys; to be used while the view is held. */
  EntryCursor cursor() {
    List<EntryCursor> cursors = new ArrayList<>();
    for (Memtable memtable : memtables) {
      addUncovered(memtable, manifest.coveredTime(), cursors);
    }
    for (TableRun run : runs) {
      cursors.add(run.cursor());
    }
    return new MergeCursor(cursors);
  }
}
