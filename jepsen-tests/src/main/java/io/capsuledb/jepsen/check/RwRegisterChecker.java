package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Op;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Transactions that write and read registers are strictly serializable. Operations: {@code txn},
 * whose value is a list of {@code [:w k v]} and {@code [:r k v]}; each value is written once to a
 * key.
 *
 * <p>Registers do not show the order of their writes. Three things tell part of it, and only such
 * order as they tell is used: nothing comes before the first value; who read a value and then wrote
 * one overwrote it; and (because strictly serializable is what is claimed) a write that was
 * acknowledged before another was asked for comes first.
 */
public final class RwRegisterChecker {

  /** The value of a register that nothing was written to. */
  private static final long ABSENT = Long.MIN_VALUE;

  private final Verdict.Collector found = new Verdict.Collector();
  private final Transactions transactions;
  private final Map<String, Map<Long, Set<Long>>> later = new HashMap<>();
  private final Map<String, Map<Long, List<Integer>>> readers = new HashMap<>();

  private RwRegisterChecker(List<Op> history) {
    this.transactions = new Transactions(history, found);
  }

  /**
   * Checks a history.
   *
   * @throws IllegalArgumentException if a value is written twice to a key
   */
  public static Verdict check(List<Op> history) {
    return new RwRegisterChecker(history).check();
  }

  private Verdict check() {
    for (int node = 0; node < transactions.size(); node++) {
      within(node);
    }
    realTime();
    TransactionGraph graph = transactions.graph();
    found.count("keys", readers.size());
    readers.forEach(
        (key, byValue) -> byValue.forEach((value, nodes) -> reads(key, value, nodes, graph)));
    later.forEach(
        (key, order) ->
            order.forEach(
                (value, next) ->
                    next.forEach(
                        newer -> {
                          if (value != ABSENT) {
                            graph.add(node(key, value), node(key, newer), TransactionGraph.WW);
                          }
                        })));
    CycleSearch.search(graph, transactions::name, found);
    return found.verdict();
  }

  /**
   * What a transaction says of its own: its first read of each key, and what it wrote over what.
   */
  private void within(int node) {
    boolean isOk = transactions.at(node).isOk();
    Map<String, Long> known = new HashMap<>();
    Map<String, Long> first = new HashMap<>();
    Set<String> wrote = new HashSet<>();
    for (MicroOp step : transactions.steps(node)) {
      String key = step.key();
      if (!step.isRead()) {
        known.put(key, step.value().asLong());
        wrote.add(key);
      } else if (isOk) {
        long value = step.value().isNil() ? ABSENT : step.value().asLong();
        found.count("reads", 1);
        Long before = known.put(key, value);
        if (before != null && before != value) {
          found.found(
              "internal",
              transactions.name(node) + ": its read of " + key + " contradicts its own steps");
        } else if (before == null) {
          first.put(key, value);
          readers
              .computeIfAbsent(key, _ -> new HashMap<>())
              .computeIfAbsent(value, _ -> new ArrayList<>())
              .add(node);
        }
      }
    }
    for (String key : wrote) {
      long last = known.getOrDefault(key, ABSENT);
      Transactions.Written written = transactions.writer(key, last);
      if (written == null || written.node() != node) {
        continue;
      }
      Long read = first.get(key);
      if (read != null && isWritten(key, read)) {
        order(key, read, last);
      }
      if (isOk || isRead(key, last)) {
        order(key, ABSENT, last);
      }
    }
  }

  private boolean isRead(String key, long value) {
    return readers.getOrDefault(key, Map.of()).containsKey(value);
  }

  private boolean isWritten(String key, long value) {
    if (value == ABSENT) {
      return true;
    }
    Transactions.Written written = transactions.writer(key, value);
    return written != null && !written.failed();
  }

  private void order(String key, long earlier, long newer) {
    later
        .computeIfAbsent(key, _ -> new HashMap<>())
        .computeIfAbsent(earlier, _ -> new HashSet<>())
        .add(newer);
  }

  /** For each key, acknowledged writes that do not overlap, without what follows from the rest. */
  private void realTime() {
    Map<String, List<Long>> last = new HashMap<>();
    for (int node = 0; node < transactions.size(); node++) {
      if (transactions.at(node).isOk()) {
        Map<String, Long> values = new HashMap<>();
        for (MicroOp step : transactions.steps(node)) {
          if (!step.isRead()) {
            values.put(step.key(), step.value().asLong());
          }
        }
        values.forEach(
            (key, value) -> last.computeIfAbsent(key, _ -> new ArrayList<>()).add(value));
      }
    }
    last.forEach(
        (key, values) -> {
          TransactionGraph order = new TransactionGraph(values.size());
          order.addRealTime(
              values.stream().map(v -> transactions.at(node(key, v)).begin()).toList(),
              values.stream().map(v -> transactions.at(node(key, v)).finish()).toList());
          for (int i = 0; i < values.size(); i++) {
            for (int next : order.from(i).keySet()) {
              order(key, values.get(i), values.get(next));
            }
          }
        });
  }

  private void reads(String key, long value, List<Integer> nodes, TransactionGraph graph) {
    if (value != ABSENT) {
      Transactions.Written written = transactions.writer(key, value);
      if (written == null) {
        found.found("forged-value", "register " + key + ": nobody wrote " + value);
        return;
      }
      if (written.failed()) {
        found.found("G1a", "register " + key + ": " + value + " was read, and its write failed");
        return;
      }
      if (!written.isLast() && nodes.stream().anyMatch(node -> node != written.node())) {
        found.found(
            "G1b", "register " + key + ": " + value + " was read and its writer overwrote it");
      }
      nodes.forEach(reader -> graph.add(written.node(), reader, TransactionGraph.WR));
    }
    for (long newer : later.getOrDefault(key, Map.of()).getOrDefault(value, Set.of())) {
      nodes.forEach(reader -> graph.add(reader, node(key, newer), TransactionGraph.RW));
    }
  }

  private int node(String key, long value) {
    Transactions.Written written = transactions.writer(key, value);
    if (written == null) {
      throw new AssertionError("a value without a writer was not sorted out");
    }
    return written.node();
  }
}
