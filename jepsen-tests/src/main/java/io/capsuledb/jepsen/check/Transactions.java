package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The transactions of a history: those that were answered, and those that may have happened. Of the
 * latter nothing is known but what they wrote, and that only if somebody read it. Failed ones are
 * kept apart: what they wrote must never be seen. Each value is written once to a key.
 */
final class Transactions {

  /** What was written where, by one transaction. */
  record Written(int node, boolean isLast, boolean failed) {}

  private final List<Completed> nodes = new ArrayList<>();
  private final List<List<MicroOp>> steps = new ArrayList<>();
  private final Map<String, Map<Long, Written>> writes = new HashMap<>();

  Transactions(List<Op> history, Verdict.Collector found) {
    for (Completed completed : Completed.of(history)) {
      // What failed or is unknown did not read: only what it was to write counts.
      List<MicroOp> of =
          MicroOp.all(completed.isOk() ? completed.end().value() : completed.invoke().value());
      int node = completed.isFail() ? -1 : nodes.size();
      found.count(completed.type().word(), 1);
      if (!completed.isFail()) {
        nodes.add(completed);
        steps.add(of);
      }
      Map<String, Long> last = new HashMap<>();
      for (MicroOp step : of) {
        if (!step.isRead()) {
          last.put(step.key(), step.value().asLong());
        }
      }
      for (MicroOp step : of) {
        if (!step.isRead()) {
          long value = step.value().asLong();
          boolean isLast = value == last.getOrDefault(step.key(), value);
          Written before =
              writes
                  .computeIfAbsent(step.key(), _ -> new HashMap<>())
                  .put(value, new Written(node, isLast, completed.isFail()));
          if (before != null) {
            throw new IllegalArgumentException(
                "key " + step.key() + ": " + value + " is written twice: no history of this kind");
          }
        }
      }
    }
  }

  int size() {
    return nodes.size();
  }

  Completed at(int node) {
    return nodes.get(node);
  }

  List<MicroOp> steps(int node) {
    return steps.get(node);
  }

  /** Who wrote a value, or null if nobody did. */
  @Nullable Written writer(String key, long value) {
    return writes.getOrDefault(key, Map.of()).get(value);
  }

  /** All that was written to a key. */
  Map<Long, Written> writes(String key) {
    return writes.getOrDefault(key, Map.of());
  }

  String name(int node) {
    Completed completed = nodes.get(node);
    StringBuilder text = new StringBuilder("T").append(completed.begin()).append('{');
    for (MicroOp step : steps.get(node)) {
      if (text.charAt(text.length() - 1) != '{') {
        text.append(' ');
      }
      text.append(step.isRead() ? "r " : "w ").append(step.key()).append(' ');
      text.append(brief(step));
    }
    return text.append('}').toString();
  }

  private static String brief(MicroOp step) {
    return switch (step.value()) {
      case io.capsuledb.jepsen.history.Term.Seq(var items) ->
          items.size() <= 3
              ? items.stream().map(item -> Long.toString(item.asLong())).toList().toString()
              : "[… " + items.size() + " elements to " + items.getLast().asLong() + "]";
      case io.capsuledb.jepsen.history.Term.Num(long value) -> Long.toString(value);
      default -> "nothing";
    };
  }

  /** A graph with the order of processes and of real time, and no dependencies yet. */
  TransactionGraph graph() {
    TransactionGraph graph = new TransactionGraph(nodes.size());
    List<Long> begins = nodes.stream().map(Completed::begin).toList();
    graph.addRealTime(begins, nodes.stream().map(Completed::finish).toList());
    graph.addProcesses(nodes.stream().map(node -> node.invoke().process()).toList(), begins);
    return graph;
  }
}
