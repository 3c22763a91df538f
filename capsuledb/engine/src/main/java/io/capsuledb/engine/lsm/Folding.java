package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Values of what {@linkplain EntryKind#OPERAND operands} have made of them.
 *
 * <p>Operands live in memtables only. When a memtable is flushed nothing can come any more that is
 * older than its newest entry, so what each operand makes of the value before it is settled, and
 * that becomes the entry. So no read at any time is changed by a flush, and tables, proofs and
 * compaction know nothing of operands.
 *
 * <p>Rules: operands apply in the order of versions; a CLEAR or a deletion before them leaves
 * nothing to apply to; a result ceases to exist when the value before does, or when the operand
 * does, whichever comes first. Whether something has expired meanwhile does not matter here, so
 * that the result does not depend on when it is computed.
 */
final class Folding {

  /** Finds the newest entry of a key in tables. */
  @FunctionalInterface
  interface Tables {
    /** The newest one, or null. */
    @Nullable Entry newest(byte[] key);
  }

  private Folding() {}

  /**
   * What a key's newest operand makes of the entries below it.
   *
   * @param versions the operand, those before it and, last, the entry that is none, if there is
   *     one; newest first
   * @param cleared the newest CLEAR that counts, or null
   * @param values the value of an entry, wherever it is
   * @return a value of the operand's version
   */
  static Entry fold(
      List<Entry> versions, @Nullable Version cleared, Function<Entry, byte[]> values) {
    State state = new State(values);
    for (Entry entry : versions.reversed()) {
      if (cleared == null || entry.version().compareTo(cleared) >= 0) {
        state.take(entry);
      }
    }
    return state.entry(versions.getFirst());
  }

  /** A value in the making. */
  private static final class State {
    private final Function<Entry, byte[]> values;
    private byte @Nullable [] value;
    private int typeNumber;
    private long expiryAtMs;

    State(Function<Entry, byte[]> values) {
      this.values = values;
    }

    void take(Entry entry) {
      switch (entry.kind()) {
        case TOMBSTONE -> {
          value = null;
          expiryAtMs = 0;
        }
        case VALUE, POINTER -> {
          value = values.apply(entry);
          typeNumber = entry.typeNumber();
          expiryAtMs = entry.expiryAtMs();
        }
        case OPERAND -> {
          MergeOperator operator = operator(entry);
          value = operator.apply(typeNumber, value, entry.value());
          typeNumber = operator.typeNumber();
          expiryAtMs = earlier(expiryAtMs, entry.expiryAtMs());
        }
      }
    }

    private static long earlier(long a, long b) {
      return a == 0 || b == 0 ? Math.max(a, b) : Math.min(a, b);
    }

    Entry entry(Entry at) {
      byte[] made = value;
      if (made == null) {
        throw new IllegalStateException("operands have made no value");
      }
      return new Entry(at.key(), at.version(), EntryKind.VALUE, typeNumber, expiryAtMs, made);
    }
  }

  static MergeOperator operator(Entry operand) {
    MergeOperator operator = MergeOperator.ofNumber(operand.typeNumber());
    if (operator == null) {
      throw new IllegalStateException("an operand of no operator: " + operand);
    }
    return operator;
  }

  /**
   * Walks entries of memtables once, forwards, with values in place of operands. What reads as of
   * the floor or later cannot tell apart is left out where it would have to be computed.
   */
  static final class Cursor implements EntryCursor {
    private final EntryCursor source;
    private final Tables tables;
    private final List<Version> clears;
    private final long floorTime;
    private final Function<Entry, byte[]> values;
    private final ArrayDeque<Entry> ready = new ArrayDeque<>();
    private @Nullable Entry ahead;

    /**
     * A cursor.
     *
     * @param tables hold what is older than anything in the source
     * @param clears ascending
     */
    Cursor(
        EntryCursor source,
        Tables tables,
        List<Version> clears,
        long floorTime,
        Function<Entry, byte[]> values) {
      this.source = source;
      this.tables = tables;
      this.clears = clears;
      this.floorTime = floorTime;
      this.values = values;
    }

    @Override
    public boolean seekToFirst() {
      ahead = source.seekToFirst() ? source.entry() : null;
      return fill();
    }

    @Override
    public boolean next() {
      ready.remove();
      return !ready.isEmpty() || fill();
    }

    /** Takes the next entry; if it is an operand all of its key. */
    private boolean fill() {
      Entry first = ahead;
      if (first == null) {
        return false;
      }
      if (first.kind() != EntryKind.OPERAND) {
        ready.add(first);
        advance();
        return true;
      }
      List<Entry> versions = new ArrayList<>();
      for (Entry entry = first;
          entry != null && Arrays.equals(entry.key(), first.key());
          entry = ahead) {
        versions.add(entry);
        advance();
      }
      settle(versions);
      return true;
    }

    private void advance() {
      ahead = source.next() ? source.entry() : null;
    }

    private void settle(List<Entry> versions) {
      State state = new State(values);
      if (versions.getLast().kind() == EntryKind.OPERAND) {
        Entry below = tables.newest(versions.getLast().key());
        if (below != null) {
          state.take(below);
          clearBetween(state, below.version(), versions.getLast().version());
        }
      }
      Version before = null;
      for (int i = versions.size() - 1; i >= 0; i--) {
        Entry entry = versions.get(i);
        if (before != null) {
          clearBetween(state, before, entry.version());
        }
        before = entry.version();
        state.take(entry);
        boolean seen = i == 0 || versions.get(i - 1).time() > floorTime;
        if (entry.kind() != EntryKind.OPERAND) {
          ready.addFirst(entry);
        } else if (seen) {
          ready.addFirst(state.entry(entry));
        }
      }
    }

    private void clearBetween(State state, Version from, Version to) {
      for (Version clear : clears) {
        if (clear.compareTo(from) > 0 && clear.compareTo(to) < 0) {
          state.value = null;
          state.expiryAtMs = 0;
        }
      }
    }

    @Override
    public boolean valid() {
      return !ready.isEmpty();
    }

    @Override
    public Entry entry() {
      return ready.element();
    }

    @Override
    public boolean seekToLast() {
      throw new UnsupportedOperationException("a flush goes forwards");
    }

    @Override
    public boolean seek(byte[] key) {
      throw new UnsupportedOperationException("a flush begins at the first entry");
    }

    @Override
    public boolean previous() {
      throw new UnsupportedOperationException("a flush goes forwards");
    }
  }
}
