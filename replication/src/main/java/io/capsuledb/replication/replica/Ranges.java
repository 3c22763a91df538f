package io.capsuledb.replication.replica;

import java.util.Map;
import java.util.TreeMap;

/**
 * Sequence numbers, kept as ranges that neither touch nor overlap. A plain object; one thread at a
 * time.
 */
final class Ranges {

  /** Last number of each range by its first. */
  private final TreeMap<Long, Long> lastByFirst = new TreeMap<>();

  boolean isEmpty() {
    return lastByFirst.isEmpty();
  }

  /** How many ranges there are. */
  int size() {
    return lastByFirst.size();
  }

  /** The smallest number. */
  long first() {
    return lastByFirst.firstKey();
  }

  /** The last number of the range that begins with {@link #first}. */
  long firstRangeEnd() {
    return lastByFirst.firstEntry().getValue();
  }

  boolean contains(long number) {
    Map.Entry<Long, Long> at = lastByFirst.floorEntry(number);
    return at != null && at.getValue() >= number;
  }

  /** Adds all numbers from one to another. */
  void add(long first, long last) {
    if (first > last) {
      throw new IllegalArgumentException(first + " to " + last);
    }
    long from = first;
    long to = last;
    Map.Entry<Long, Long> before = lastByFirst.floorEntry(from);
    if (before != null && before.getValue() >= from - 1) {
      from = before.getKey();
      to = Math.max(to, before.getValue());
    }
    Map.Entry<Long, Long> next = lastByFirst.ceilingEntry(from);
    while (next != null && next.getKey() <= (to == Long.MAX_VALUE ? to : to + 1)) {
      to = Math.max(to, next.getValue());
      lastByFirst.remove(next.getKey());
      next = lastByFirst.ceilingEntry(from);
    }
    lastByFirst.put(from, to);
  }

  /** Removes all numbers from one to another. */
  void remove(long first, long last) {
    Map.Entry<Long, Long> at = lastByFirst.floorEntry(first);
    if (at == null || at.getValue() < first) {
      at = lastByFirst.ceilingEntry(first);
    }
    while (at != null && at.getKey() <= last) {
      long from = at.getKey();
      long to = at.getValue();
      lastByFirst.remove(from);
      if (from < first) {
        lastByFirst.put(from, first - 1);
      }
      if (to > last) {
        lastByFirst.put(last + 1, to);
      }
      at = lastByFirst.higherEntry(from);
    }
  }

  @Override
  public String toString() {
    return lastByFirst.toString();
  }
}
