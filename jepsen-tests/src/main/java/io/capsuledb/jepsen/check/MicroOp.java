package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.OpCodec;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.List;

/**
 * One step of a transaction, {@code [:append k v]}, {@code [:w k v]} or {@code [:r k value]}.
 *
 * @param isRead whether it reads
 * @param key on what
 * @param value what is written; what was read: a list of elements, a value or nothing
 */
record MicroOp(boolean isRead, String key, Term value) {

  static List<MicroOp> all(Term transaction) {
    List<MicroOp> steps = new ArrayList<>();
    for (Term step : transaction.items()) {
      List<Term> parts = step.items();
      boolean isRead =
          switch (OpCodec.word(parts.get(0))) {
            case "r" -> true;
            case "w", "append" -> false;
            default -> throw new IllegalArgumentException("no step of a transaction: " + step);
          };
      steps.add(new MicroOp(isRead, OpCodec.word(parts.get(1)), parts.get(2)));
    }
    return steps;
  }
}
