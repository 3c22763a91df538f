package io.capsuledb.jepsen.check;

import static io.capsuledb.jepsen.check.TransactionGraph.PROCESS;
import static io.capsuledb.jepsen.check.TransactionGraph.REALTIME;
import static io.capsuledb.jepsen.check.TransactionGraph.RW;
import static io.capsuledb.jepsen.check.TransactionGraph.WR;
import static io.capsuledb.jepsen.check.TransactionGraph.WW;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Finds cycles in a graph of transactions and names them as Adya does: G0 (only writes over
 * writes), G1c (also reads of writes), G-single (one read of what was overwritten: read skew), G2
 * (several: write skew). A cycle that needs the order of a process has the suffix {@code -process},
 * one that needs real time {@code -realtime}. Each strongly connected part shows its worst.
 */
final class CycleSearch {

  private static final int[] ORDERS = {0, PROCESS, REALTIME | PROCESS};
  private static final String[] SUFFIXES = {"", "-process", "-realtime"};

  private static final long MAX_VISITS = 20_000_000;

  private final TransactionGraph graph;
  private final IntFunction<String> names;
  private final Verdict.Collector found;
  private boolean[] told = new boolean[0];
  private long visits;

  private CycleSearch(TransactionGraph graph, IntFunction<String> names, Verdict.Collector found) {
    this.graph = graph;
    this.names = names;
    this.found = found;
  }

  /**
   * Adds what it finds to {@code found}.
   *
   * @param names how a transaction is told to people
   */
  static void search(TransactionGraph graph, IntFunction<String> names, Verdict.Collector found) {
    new CycleSearch(graph, names, found).search();
  }

  private void search() {
    // A part that shows a cycle of dependencies alone is not looked at again with time added.
    told = new boolean[graph.size()];
    for (int i = 0; i < ORDERS.length; i++) {
      int order = ORDERS[i];
      String suffix = SUFFIXES[i];
      each(WW | order, part -> cycle(part, WW | order, WW, "G0" + suffix));
      each(WW | WR | order, part -> cycle(part, WW | WR | order, WR, "G1c" + suffix));
      each(
          WW | WR | RW | order,
          part ->
              cycle(part, WW | WR | order, RW, "G-single" + suffix)
                  || cycle(part, WW | WR | RW | order, RW, "G2" + suffix));
    }
  }

  /**
   * Looks at each strongly connected part, by edges of some kinds, of which nothing was told yet.
   */
  private void each(int kinds, Predicate<List<Integer>> tell) {
    for (List<Integer> part : parts(kinds)) {
      if (part.stream().noneMatch(node -> told[node]) && tell.test(part)) {
        part.forEach(node -> told[node] = true);
      }
    }
  }

  /**
   * Tells of a cycle of one edge of the kind {@code first} and others of the kinds {@code rest}. In
   * a part that is connected by both, the first edge tried has one, but for G-single: there the
   * search is bounded, and what it does not find in time is told as G2.
   */
  private boolean cycle(List<Integer> part, int rest, int first, String name) {
    int[] member = new int[graph.size()];
    part.forEach(node -> member[node] = 1);
    visits = 0;
    for (int from : part) {
      for (Map.Entry<Integer, Integer> edge : graph.from(from).entrySet()) {
        int to = edge.getKey();
        if ((edge.getValue() & first) == 0 || member[to] == 0) {
          continue;
        }
        List<Integer> back = path(to, from, rest, member);
        if (back != null) {
          found.found(name, describe(from, first, back, rest));
          return true;
        }
        if (visits > MAX_VISITS) {
          return false;
        }
      }
    }
    return false;
  }

  /** The shortest path over edges of some kinds, both ends included, or null. */
  private @Nullable List<Integer> path(int from, int to, int kinds, int[] member) {
    Map<Integer, Integer> cameFrom = new HashMap<>();
    ArrayDeque<Integer> queue = new ArrayDeque<>();
    queue.add(from);
    cameFrom.put(from, from);
    while (!queue.isEmpty()) {
      int node = queue.remove();
      visits++;
      if (node == to) {
        List<Integer> path = new ArrayList<>();
        for (int step = to; step != from; step = cameFrom.getOrDefault(step, from)) {
          path.addFirst(step);
        }
        path.addFirst(from);
        return path;
      }
      graph
          .from(node)
          .forEach(
              (next, kind) -> {
                if ((kind & kinds) != 0
                    && member[next] == 1
                    && cameFrom.putIfAbsent(next, node) == null) {
                  queue.add(next);
                }
              });
    }
    return null;
  }

  private String describe(int from, int first, List<Integer> back, int rest) {
    StringBuilder text = new StringBuilder();
    text.append(names.apply(from)).append(' ').append(arrow(first));
    for (int i = 0; i < back.size(); i++) {
      text.append(' ').append(names.apply(back.get(i)));
      if (i + 1 < back.size()) {
        int kind = graph.from(back.get(i)).getOrDefault(back.get(i + 1), 0) & rest;
        text.append(' ').append(arrow(Integer.lowestOneBit(kind)));
      }
    }
    return text.toString();
  }

  private static String arrow(int kind) {
    return switch (kind) {
      case WW -> "—overwritten by→";
      case WR -> "—read by→";
      case RW -> "—read what was overwritten by→";
      case PROCESS -> "—same process, then→";
      default -> "—ended before→";
    };
  }

  /** The strongly connected parts of two nodes or more, by edges of some kinds: Tarjan, 1972. */
  private List<List<Integer>> parts(int kinds) {
    int size = graph.size();
    int[] order = new int[size];
    int[] low = new int[size];
    boolean[] onStack = new boolean[size];
    Arrays.fill(order, -1);
    List<List<Integer>> parts = new ArrayList<>();
    ArrayDeque<Integer> stack = new ArrayDeque<>();
    ArrayDeque<Visit> visits = new ArrayDeque<>();
    int count = 0;
    for (int root = 0; root < size; root++) {
      if (order[root] >= 0) {
        continue;
      }
      visits.push(new Visit(root, next(root, kinds)));
      order[root] = low[root] = count++;
      stack.push(root);
      onStack[root] = true;
      while (!visits.isEmpty()) {
        Visit visit = visits.element();
        if (visit.at < visit.next.length) {
          int next = visit.next[visit.at++];
          if (order[next] < 0) {
            order[next] = low[next] = count++;
            stack.push(next);
            onStack[next] = true;
            visits.push(new Visit(next, next(next, kinds)));
          } else if (onStack[next]) {
            low[visit.node] = Math.min(low[visit.node], order[next]);
          }
          continue;
        }
        visits.pop();
        Visit parent = visits.peek();
        if (parent != null) {
          low[parent.node] = Math.min(low[parent.node], low[visit.node]);
        }
        if (low[visit.node] == order[visit.node]) {
          List<Integer> part = new ArrayList<>();
          int node;
          do {
            node = stack.pop();
            onStack[node] = false;
            part.add(node);
          } while (node != visit.node);
          if (part.size() > 1) {
            parts.add(part);
          }
        }
      }
    }
    return parts;
  }

  private static final class Visit {

    private final int node;
    private final int[] next;
    private int at;

    private Visit(int node, int[] next) {
      this.node = node;
      this.next = next;
    }
  }

  private int[] next(int node, int kinds) {
    return graph.from(node).entrySet().stream()
        .filter(edge -> (edge.getValue() & kinds) != 0)
        .mapToInt(Map.Entry::getKey)
        .toArray();
  }
}
