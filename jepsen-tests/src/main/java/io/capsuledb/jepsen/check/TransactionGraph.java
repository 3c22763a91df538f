package io.capsuledb.jepsen.check;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which transaction has to come before which, and why: Adya's direct serialization graph ("Weak
 * Consistency", 1999), with real time and the order of each process besides. Nodes are numbered
 * from 0. Not thread-safe.
 */
final class TransactionGraph {

  /** The later one overwrote what the earlier one wrote. */
  static final int WW = 1;

  /** The later one read what the earlier one wrote. */
  static final int WR = 2;

  /** The later one overwrote what the earlier one read. */
  static final int RW = 4;

  /** One process asked for both, one after the other. */
  static final int PROCESS = 8;

  /** The earlier one was answered before the later one was asked for. */
  static final int REALTIME = 16;

  private final List<Map<Integer, Integer>> edges = new ArrayList<>();

  TransactionGraph(int nodes) {
    for (int i = 0; i < nodes; i++) {
      edges.add(new HashMap<>());
    }
  }

  int size() {
    return edges.size();
  }

  /** Adds an edge. One from a node to itself says nothing and is left out. */
  void add(int from, int to, int kind) {
    if (from != to) {
      edges.get(from).merge(to, kind, (a, b) -> a | b);
    }
  }

  /** Where edges of a node lead, with their kinds. */
  Map<Integer, Integer> from(int node) {
    return edges.get(node);
  }

  /**
   * Adds the order of real time, without what follows from the rest of it: for each transaction,
   * those that had ended when it began and after whose end none began that also had.
   *
   * @param begins when each began
   * @param ends when each ended; {@link Long#MAX_VALUE}: never
   */
  void addRealTime(List<Long> begins, List<Long> ends) {
    record Moment(long time, int node, boolean isEnd) {}
    List<Moment> moments = new ArrayList<>();
    for (int i = 0; i < begins.size(); i++) {
      moments.add(new Moment(begins.get(i), i, false));
      if (ends.get(i) != Long.MAX_VALUE) {
        moments.add(new Moment(ends.get(i), i, true));
      }
    }
    moments.sort((a, b) -> Long.compare(a.time, b.time));
    List<Integer> frontier = new ArrayList<>();
    for (Moment moment : moments) {
      if (moment.isEnd) {
        long begin = begins.get(moment.node);
        frontier.removeIf(earlier -> ends.get(earlier) < begin);
        frontier.add(moment.node);
      } else {
        frontier.forEach(earlier -> add(earlier, moment.node, REALTIME));
      }
    }
  }

  /** Adds, for each process, the order of what it asked for, which is that of {@code begins}. */
  void addProcesses(List<Integer> processes, List<Long> begins) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < begins.size(); i++) {
      order.add(i);
    }
    order.sort((a, b) -> Long.compare(begins.get(a), begins.get(b)));
    Map<Integer, Integer> last = new HashMap<>();
    for (int node : order) {
      Integer before = last.put(processes.get(node), node);
      if (before != null) {
        add(before, node, PROCESS);
      }
    }
  }
}
