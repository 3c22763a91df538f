package io.capsuledb.scl.resp;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What procedures printed, the newest lines of each, in memory. Thread-safe.
 *
 * <p>A line may tell of values that are not durable yet: whoever shows it waits for everything.
 */
final class FunctionLogs {

  /** Lines kept of one function. */
  static final int MAX_LINES = 256;

  /** Characters kept of one line. */
  static final int MAX_LINE_CHARS = 1024;

  /**
   * A line.
   *
   * @param atMs when the call ended, in wall-clock milliseconds since 1970
   */
  record Line(long atMs, String text) {}

  private final Map<String, Deque<Line>> lines = new HashMap<>();

  /** Shortens a line to what is kept of it. */
  static String cut(String line) {
    return line.length() <= MAX_LINE_CHARS ? line : line.substring(0, MAX_LINE_CHARS) + "...";
  }

  /** Keeps what one call printed. */
  synchronized void add(String function, long atMs, List<String> printed) {
    if (printed.isEmpty()) {
      return;
    }
    Deque<Line> kept = lines.computeIfAbsent(function, name -> new ArrayDeque<>());
    for (String text : printed) {
      if (kept.size() == MAX_LINES) {
        kept.removeFirst();
      }
      kept.addLast(new Line(atMs, text));
    }
  }

  /** The newest lines of a function, oldest first. */
  synchronized List<Line> newest(String function, int most) {
    List<Line> all = new ArrayList<>(lines.getOrDefault(function, new ArrayDeque<>()));
    return List.copyOf(all.subList(Math.max(0, all.size() - most), all.size()));
  }

  /** Forgets the lines of functions that are gone. */
  synchronized void keepOnly(Set<String> functions) {
    lines.keySet().retainAll(functions);
  }
}
