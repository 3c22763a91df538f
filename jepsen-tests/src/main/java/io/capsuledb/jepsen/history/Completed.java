package io.capsuledb.jepsen.history;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * An operation from its beginning to its end.
 *
 * @param invoke how it began
 * @param end how it ended; {@link #invoke} itself if the history ends before
 */
public record Completed(Op invoke, Op end) {

  /** The end of an operation that nobody knows the end of. */
  public static final long NEVER = Long.MAX_VALUE;

  /** How it ended; INFO if nobody knows. */
  public OpType type() {
    return end.type() == OpType.INVOKE ? OpType.INFO : end.type();
  }

  /** Whether it was answered. */
  public boolean isOk() {
    return type() == OpType.OK;
  }

  /** Whether it certainly took no effect. */
  public boolean isFail() {
    return type() == OpType.FAIL;
  }

  /** The place in the history where it began. */
  public long begin() {
    return invoke.index();
  }

  /** The place in the history where it was over, or {@link #NEVER}: an INFO may act later. */
  public long finish() {
    return type() == OpType.INFO ? NEVER : end.index();
  }

  /** The operations of a history, in the order in which they began. */
  public static List<Completed> of(List<Op> history) {
    Map<Integer, Integer> underWay = new HashMap<>();
    List<Completed> found = new ArrayList<>();
    for (Op op : history) {
      if (op.type() == OpType.INVOKE) {
        if (underWay.put(op.process(), found.size()) != null) {
          throw new IllegalArgumentException(
              "process " + op.process() + " begins two operations at once at " + op.index());
        }
        found.add(new Completed(op, op));
      } else {
        Integer place = underWay.remove(op.process());
        if (place == null) {
          throw new IllegalArgumentException("nothing began that ends at " + op.index());
        }
        found.set(place, new Completed(found.get(place).invoke(), op));
      }
    }
    return found;
  }
}
