package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.check.RegisterOperation.Kind;
import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Registers are linearizable, each by itself. Operations: {@code read}, {@code write}, {@code
 * delete} and {@code cas} with the value {@code [old, new]}; a {@code cas} that was answered and
 * not applied says nothing. Locks are registers, too: see {@link LockChecker}.
 */
public final class RegisterChecker {

  private RegisterChecker() {}

  /** Checks a history. */
  public static Verdict check(List<Op> history) {
    Map<String, List<RegisterOperation>> byKey = new TreeMap<>();
    for (Completed completed : Completed.of(history)) {
      RegisterOperation operation = operation(completed);
      String key = completed.invoke().key();
      if (operation != null && key != null) {
        byKey.computeIfAbsent(key, _ -> new ArrayList<>()).add(operation);
      }
    }
    return check("linearizable", byKey);
  }

  /** Checks each register. */
  static Verdict check(String property, Map<String, List<RegisterOperation>> byKey) {
    Verdict.Collector found = new Verdict.Collector();
    byKey.forEach(
        (key, operations) -> {
          found.count("keys", 1);
          found.count("operations", operations.size());
          Linearizability.Answer answer = Linearizability.check(operations);
          switch (answer.outcome()) {
            case LINEARIZABLE -> {}
            case UNDECIDED -> found.undecided("key " + key + ": the search was too long");
            case VIOLATION -> {
              RegisterOperation stuck = answer.stuck();
              found.found(
                  property,
                  "key "
                      + key
                      + ": no order of its operations explains them"
                      + (stuck == null ? "" : "; the search got stuck at " + stuck.tag()));
            }
          }
        });
    return found.verdict();
  }

  private static @Nullable RegisterOperation operation(Completed completed) {
    Op invoke = completed.invoke();
    if (completed.isFail() || !completed.end().applied()) {
      return null;
    }
    Term value = completed.isOk() ? completed.end().value() : invoke.value();
    boolean known = completed.isOk();
    return switch (invoke.function()) {
      case "read", "final-read" ->
          known ? make(completed, Kind.READ, number(value), RegisterOperation.ABSENT) : null;
      case "write" -> make(completed, Kind.WRITE, RegisterOperation.ABSENT, number(invoke.value()));
      case "delete" ->
          make(completed, Kind.WRITE, RegisterOperation.ABSENT, RegisterOperation.ABSENT);
      case "cas" -> {
        List<Term> pair = invoke.value().items();
        yield make(completed, Kind.CAS, number(pair.get(0)), number(pair.get(1)));
      }
      default ->
          throw new IllegalArgumentException("no operation on a register: " + invoke.function());
    };
  }

  static RegisterOperation make(Completed completed, Kind kind, long expected, long written) {
    Op invoke = completed.invoke();
    return new RegisterOperation(
        completed.begin(),
        completed.finish(),
        completed.isOk(),
        kind,
        expected,
        written,
        invoke.function()
            + " "
            + (completed.isOk() ? completed.end().value() : invoke.value())
            + " of process "
            + invoke.process()
            + ", events "
            + invoke.index()
            + " to "
            + completed.end().index()
            + " ("
            + completed.type().word()
            + ")");
  }

  static long number(Term term) {
    return term.isNil() ? RegisterOperation.ABSENT : term.asLong();
  }
}
