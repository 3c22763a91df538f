package io.capsuledb.scl.sim;

import io.capsuledb.core.sim.Violation;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Whether a history of transactions that read whole lists and append unique elements to them is
 * strictly serializable. The final lists give the order of all appends; from it follow who wrote
 * before whom, who read from whom, and who read before whom; together with real time these orders
 * have no cycle exactly if the history is.
 */
final class ListAppendChecker {

  /** What became of a transaction. */
  enum Outcome {
    OK,
    UNKNOWN,
    FAILED
  }

  /** One transaction. */
  static final class Txn {
    final int number;
    final long invoked;
    long completed = Long.MAX_VALUE;
    Outcome outcome = Outcome.UNKNOWN;
    final Map<String, List<Integer>> reads = new HashMap<>();
    final Map<String, Integer> appends = new HashMap<>();

    Txn(int number, long invoked) {
      this.number = number;
      this.invoked = invoked;
    }

    @Override
    public String toString() {
      return number
          + " "
          + outcome
          + " ["
          + invoked
          + ", "
          + completed
          + "] reads "
          + reads
          + " appends "
          + appends;
    }
  }

  private ListAppendChecker() {}

  /** Throws with an explanation if the history is not strictly serializable. */
  static void check(List<Txn> history, Map<String, List<Integer>> last) {
    Map<Integer, Txn> writerOf = new HashMap<>();
    history.forEach(t -> t.appends.values().forEach(element -> writerOf.put(element, t)));
    // Who is not seen anywhere and did not say OK may be left out.
    List<Txn> txns = new ArrayList<>();
    for (Txn txn : history) {
      boolean seen =
          txn.appends.entrySet().stream()
              .anyMatch(a -> last.getOrDefault(a.getKey(), List.of()).contains(a.getValue()));
      boolean all =
          txn.appends.entrySet().stream()
              .allMatch(a -> last.getOrDefault(a.getKey(), List.of()).contains(a.getValue()));
      if (txn.outcome == Outcome.FAILED && seen) {
        throw new Violation(SclSim.SERIALIZABLE, "what failed has an effect: " + txn);
      }
      if (txn.outcome == Outcome.OK || seen) {
        if (!all) {
          throw new Violation(SclSim.SERIALIZABLE, "an append is lost: " + txn + " in " + last);
        }
        txns.add(txn);
      }
    }
    int n = txns.size();
    Map<Txn, Integer> index = new HashMap<>();
    for (int i = 0; i < n; i++) {
      index.put(txns.get(i), i);
    }
    // Real time by a chain of barriers: one node for each completion, in order.
    List<Txn> byCompletion =
        txns.stream()
            .filter(t -> t.outcome == Outcome.OK)
            .sorted(Comparator.comparingLong((Txn t) -> t.completed))
            .toList();
    List<List<Integer>> edges = new ArrayList<>();
    for (int i = 0; i < n + byCompletion.size(); i++) {
      edges.add(new ArrayList<>());
    }
    for (int b = 0; b < byCompletion.size(); b++) {
      edges.get(at(index, byCompletion.get(b))).add(n + b);
      if (b > 0) {
        edges.get(n + b - 1).add(n + b);
      }
    }
    for (Txn txn : txns) {
      int before = -1;
      for (int b = 0; b < byCompletion.size(); b++) {
        if (byCompletion.get(b).completed < txn.invoked) {
          before = b;
        } else {
          break;
        }
      }
      if (before >= 0) {
        edges.get(n + before).add(at(index, txn));
      }
    }
    last.forEach(
        (key, elements) -> {
          for (int i = 1; i < elements.size(); i++) {
            link(edges, index, writerOf.get(elements.get(i - 1)), writerOf.get(elements.get(i)));
          }
        });
    for (Txn txn : txns) {
      txn.reads.forEach(
          (key, read) -> {
            List<Integer> elements = last.getOrDefault(key, List.of());
            if (read.size() > elements.size() || !elements.subList(0, read.size()).equals(read)) {
              throw new Violation(
                  SclSim.SERIALIZABLE,
                  txn + " read " + read + " of " + key + ", which came to be " + elements);
            }
            if (!read.isEmpty()) {
              link(edges, index, writerOf.get(read.getLast()), txn);
            }
            if (read.size() < elements.size()) {
              link(edges, index, txn, writerOf.get(elements.get(read.size())));
            }
          });
    }
    int[] incoming = new int[edges.size()];
    edges.forEach(targets -> targets.forEach(target -> incoming[target]++));
    ArrayDeque<Integer> free = new ArrayDeque<>();
    for (int i = 0; i < incoming.length; i++) {
      if (incoming[i] == 0) {
        free.add(i);
      }
    }
    int done = 0;
    while (!free.isEmpty()) {
      done++;
      for (int target : edges.get(free.remove())) {
        if (--incoming[target] == 0) {
          free.add(target);
        }
      }
    }
    if (done < edges.size()) {
      List<Txn> cycle = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        if (incoming[i] > 0) {
          cycle.add(txns.get(i));
        }
      }
      throw new Violation(
          SclSim.SERIALIZABLE,
          "not strictly serializable; a cycle is among "
              + Arrays.toString(cycle.toArray()).replace("], ", "]\n"));
    }
  }

  private static int at(Map<Txn, Integer> index, Txn txn) {
    Integer at = index.get(txn);
    if (at == null) {
      throw new Violation(SclSim.SERIALIZABLE, "somebody read from what failed: " + txn);
    }
    return at;
  }

  private static void link(
      List<List<Integer>> edges, Map<Txn, Integer> index, @Nullable Txn from, @Nullable Txn to) {
    if (from == null || to == null) {
      throw new Violation(SclSim.SERIALIZABLE, "an element that nobody appended");
    }
    if (from != to) {
      edges.get(at(index, from)).add(at(index, to));
    }
  }
}
