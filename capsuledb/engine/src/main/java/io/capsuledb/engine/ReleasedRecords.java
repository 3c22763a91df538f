package io.capsuledb.engine;

import io.capsuledb.core.record.Checkpoint;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A set of positions in a capsule, as ranges of each writer's chain: which records are stubs, or
 * which ones checkpoints release.
 *
 * <p>Invariant: the ranges of a writer neither overlap nor touch. So there are at most as many as
 * there are records outside the set, plus one for each writer, and never more than {@link
 * #MAX_RANGES}: about 100 MB. One thread.
 */
final class ReleasedRecords {

  /** Ranges beyond this are not taken in; see {@link #add}. */
  static final int MAX_RANGES = 1 << 20;

  /** Hears of positions from {@code from} to {@code to}, inclusive. */
  interface Visitor {
    void visit(long writer, long from, long to);
  }

  /** For each writer its ranges: first to last. */
  private final Map<Long, NavigableMap<Long, Long>> writers = new TreeMap<>();

  private int ranges;

  /**
   * Adds the positions from {@code from} to {@code to}, inclusive.
   *
   * @return false if that would be a range too many; then nothing has changed
   */
  boolean add(long writer, long from, long to) {
    NavigableMap<Long, Long> chain = writers.computeIfAbsent(writer, w -> new TreeMap<>());
    long first = from;
    long last = to;
    Map.Entry<Long, Long> before = chain.floorEntry(from);
    // Sequence numbers begin at 1, so one less is no overflow; one more would be.
    if (before != null && before.getValue() >= from - 1) {
      first = before.getKey();
      last = Math.max(last, before.getValue());
    }
    int swallowed = 0;
    for (Map.Entry<Long, Long> next = chain.ceilingEntry(first);
        next != null && next.getKey() - 1 <= last;
        next = chain.ceilingEntry(first)) {
      last = Math.max(last, next.getValue());
      chain.remove(next.getKey());
      swallowed++;
    }
    if (swallowed == 0 && ranges == MAX_RANGES) {
      return false;
    }
    chain.put(first, last);
    ranges += 1 - swallowed;
    return true;
  }

  /**
   * Adds what a checkpoint releases.
   *
   * @return false if not all of it could be taken in
   */
  boolean add(Checkpoint checkpoint) {
    boolean all = true;
    for (Checkpoint.Range range : checkpoint.released()) {
      all &= add(range.writer(), range.fromSequence(), range.toSequence());
    }
    return all;
  }

  /** Whether a position from {@code from} to {@code to}, inclusive, is in the set. */
  boolean intersects(long writer, long from, long to) {
    NavigableMap<Long, Long> chain = writers.get(writer);
    Map.Entry<Long, Long> before = chain == null ? null : chain.floorEntry(to);
    return before != null && before.getValue() >= from;
  }

  /** Shows every run of positions in this set that is not in {@code other}, in order. */
  void without(ReleasedRecords other, Visitor visitor) {
    writers.forEach(
        (writer, chain) -> {
          NavigableMap<Long, Long> there = other.writers.get(writer);
          chain.forEach((from, to) -> without(there, writer, from, to, visitor));
        });
  }

  private static void without(
      @Nullable NavigableMap<Long, Long> there, long writer, long from, long to, Visitor visitor) {
    long at = from;
    if (there != null) {
      Map.Entry<Long, Long> before = there.floorEntry(from);
      if (before != null && before.getValue() >= from) {
        if (before.getValue() >= to) {
          return;
        }
        at = before.getValue() + 1;
      }
      for (Map.Entry<Long, Long> next : there.subMap(at, true, to, true).entrySet()) {
        visitor.visit(writer, at, next.getKey() - 1);
        if (next.getValue() >= to) {
          return;
        }
        at = next.getValue() + 1;
      }
    }
    visitor.visit(writer, at, to);
  }
}
