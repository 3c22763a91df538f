package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Writes histories by hand. */
final class HistoryBuilder {

  private final List<Op> ops = new ArrayList<>();
  private final Map<Integer, Op> underWay = new HashMap<>();

  HistoryBuilder invoke(int process, String function, String key, Term value) {
    Op op = op(process, OpType.INVOKE, function, key, value, true);
    underWay.put(process, op);
    return this;
  }

  HistoryBuilder ok(int process, Term value) {
    return end(process, OpType.OK, value, true);
  }

  /** Ends as what was asked for. */
  HistoryBuilder end(int process, OpType type) {
    return end(process, type, underWay.get(process).value(), true);
  }

  HistoryBuilder notApplied(int process) {
    return end(process, OpType.OK, underWay.get(process).value(), false);
  }

  private HistoryBuilder end(int process, OpType type, Term value, boolean applied) {
    Op invoke = underWay.remove(process);
    op(process, type, invoke.function(), invoke.key(), value, applied);
    return this;
  }

  /** Begins and ends at once. */
  HistoryBuilder all(int process, String function, String key, Term value) {
    return invoke(process, function, key, value).ok(process, value);
  }

  HistoryBuilder txn(int process, Term... steps) {
    return all(process, "txn", null, Term.of(steps));
  }

  private Op op(
      int process, OpType type, String function, String key, Term value, boolean applied) {
    long index = ops.size();
    Op op = new Op(index, index * 1000, process, "n1", type, function, key, value, applied, null);
    ops.add(op);
    return op;
  }

  List<Op> build() {
    return List.copyOf(ops);
  }

  static Term append(String key, long value) {
    return Term.of(new Term.Word("append"), new Term.Text(key), Term.of(value));
  }

  static Term write(String key, long value) {
    return Term.of(new Term.Word("w"), new Term.Text(key), Term.of(value));
  }

  static Term read(String key, Long value) {
    return Term.of(
        new Term.Word("r"), new Term.Text(key), value == null ? Term.nil() : Term.of(value));
  }

  static Term list(String key, Long... values) {
    return Term.of(new Term.Word("r"), new Term.Text(key), Term.numbers(List.of(values)));
  }
}
