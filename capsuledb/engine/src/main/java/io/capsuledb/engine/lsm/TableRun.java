package io.capsuledb.engine.lsm;

import io.capsuledb.engine.block.KeyFences;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A sorted run: tables whose ranges of keys ascend and do not overlap. Immutable. */
final class TableRun {

  private final int level;
  private final List<Table> tables;

  /** Over the tables' last keys; null if there are no tables. */
  private final @Nullable KeyFences fences;

  TableRun(int level, List<Table> tables) {
    this.level = level;
    this.tables = List.copyOf(tables);
    this.fences = tables.isEmpty() ? null : fences(this.tables);
  }

  private static KeyFences fences(List<Table> tables) {
    KeyFences fences =
        KeyFences.between(
            tables.getFirst().descriptor().firstKey(),
            tables.getLast().descriptor().lastKey(),
            tables.size(),
            (table, key) -> Arrays.compareUnsigned(tables.get(table).descriptor().lastKey(), key));
    for (int i = 0; i < tables.size(); i++) {
      byte[] last = tables.get(i).descriptor().lastKey();
      fences.set(i, last, 0, last.length);
    }
    return fences;
  }

  int level() {
    return level;
  }

  List<Table> tables() {
    return tables;
  }

  long bytes() {
    long bytes = 0;
    for (Table table : tables) {
      bytes += table.descriptor().bytes();
    }
    return bytes;
  }

  /** Index of the first table whose last key is at or after a key; the number of tables if none. */
  int tableFor(byte[] key) {
    KeyFences sought = fences;
    return sought == null ? 0 : sought.firstAtOrAfter(key);
  }

  private @Nullable Table covering(byte[] key) {
    int at = tableFor(key);
    return at < tables.size() && tables.get(at).descriptor().covers(key) ? tables.get(at) : null;
  }

  /**
   * The newest version of a key not later than {@code time}, or null.
   *
   * @param knownTime a version of this Lamport time is known already: an older one is of no use
   */
  @Nullable Entry find(byte[] key, long time, long knownTime) {
    Table table = covering(key);
    return table == null
            || table.descriptor().maxTime() < knownTime
            || table.descriptor().minTime() > time
        ? null
        : table.find(key, time);
  }

  /** Whether a key is in the range of a table. */
  boolean mayHold(byte[] key) {
    return covering(key) != null;
  }

  EntryCursor cursor() {
    return new RunCursor(Table::cursor);
  }

  /** A cursor for reading everything once: it leaves the cache to others. */
  EntryCursor scan() {
    return new RunCursor(Table::scan);
  }

  /** One table's cursor after the other. */
  private final class RunCursor implements EntryCursor {
    private final java.util.function.Function<Table, EntryCursor> opening;
    private int at = -1;
    private @Nullable EntryCursor current;

    RunCursor(java.util.function.Function<Table, EntryCursor> opening) {
      this.opening = opening;
    }

    @Override
    public boolean seekToFirst() {
      return open(0) && (here().seekToFirst() || forward());
    }

    @Override
    public boolean seekToLast() {
      return open(tables.size() - 1) && (here().seekToLast() || backward());
    }

    @Override
    public boolean seek(byte[] key) {
      return open(tableFor(key)) && (here().seek(key) || forward());
    }

    @Override
    public boolean next() {
      return here().next() || forward();
    }

    @Override
    public boolean previous() {
      return here().previous() || backward();
    }

    private boolean forward() {
      while (open(at + 1)) {
        if (here().seekToFirst()) {
          return true;
        }
      }
      return false;
    }

    private boolean backward() {
      while (open(at - 1)) {
        if (here().seekToLast()) {
          return true;
        }
      }
      return false;
    }

    private boolean open(int index) {
      at = index;
      if (index < 0 || index >= tables.size()) {
        current = null;
        return false;
      }
      current = opening.apply(tables.get(index));
      return true;
    }

    private EntryCursor here() {
      EntryCursor cursor = current;
      if (cursor == null) {
        throw new IllegalStateException("the cursor is not positioned");
      }
      return cursor;
    }

    @Override
    public boolean valid() {
      EntryCursor cursor = current;
      return cursor != null && cursor.valid();
    }

    @Override
    public Entry entry() {
      return here().entry();
    }
  }
}
