package io.capsuledb.jepsen.check;

import static io.capsuledb.jepsen.check.HistoryBuilder.append;
import static io.capsuledb.jepsen.check.HistoryBuilder.list;
import static io.capsuledb.jepsen.check.HistoryBuilder.read;
import static io.capsuledb.jepsen.check.HistoryBuilder.write;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Each anomaly by its textbook history, and the history beside it that is right. */
final class KnownHistoriesTest {

  private static final Function<List<Op>, Verdict> LISTS = ListAppendChecker::check;
  private static final Function<List<Op>, Verdict> REGISTERS = RwRegisterChecker::check;
  private static final Function<List<Op>, Verdict> ONE = RegisterChecker::check;
  private static final Function<List<Op>, Verdict> SETS = SetChecker::check;
  private static final Function<List<Op>, Verdict> COUNTERS = CounterChecker::check;
  private static final Function<List<Op>, Verdict> LOCKS = LockChecker::check;
  private static final Function<List<Op>, Verdict> SESSIONS = SessionChecker::check;
  private static final Function<List<Op>, Verdict> BANK = KnownHistoriesTest::bank;

  private static Verdict bank(List<Op> history) {
    return BankChecker.check(history, 20);
  }

  private static Arguments bad(
      String property, Function<List<Op>, Verdict> checker, HistoryBuilder history) {
    return Arguments.of(property, checker, history.build());
  }

  private static HistoryBuilder history() {
    return new HistoryBuilder();
  }

  /** Two transactions at once, with these answers. */
  private static HistoryBuilder both(Term first, Term second) {
    return history()
        .invoke(1, "txn", null, first)
        .invoke(2, "txn", null, second)
        .ok(1, first)
        .ok(2, second);
  }

  private static Term txn(Term... steps) {
    return Term.of(steps);
  }

  static Stream<Arguments> wrong() {
    return Stream.of(
        bad(
            "G0",
            LISTS,
            both(txn(append("x", 1), append("y", 1)), txn(append("x", 2), append("y", 2)))
                .txn(3, list("x", 1L, 2L), list("y", 2L, 1L))),
        bad(
            "G1a",
            LISTS,
            history()
                .invoke(1, "txn", null, txn(append("x", 1)))
                .end(1, OpType.FAIL)
                .txn(2, list("x", 1L))),
        bad(
            "G1b",
            LISTS,
            both(txn(append("x", 1), append("x", 2)), txn(list("x", 1L)))
                .txn(3, list("x", 1L, 2L))),
        bad(
            "G1c",
            LISTS,
            both(txn(append("x", 1), list("y", 1L)), txn(append("y", 1), list("x", 1L)))),
        bad(
            "G-single",
            LISTS,
            both(txn(append("x", 1), append("y", 1)), txn(list("x", 1L), list("y")))
                .txn(3, list("x", 1L), list("y", 1L))),
        bad(
            "G2",
            LISTS,
            both(txn(list("x"), append("y", 1)), txn(list("y"), append("x", 1)))
                .txn(3, list("x", 1L), list("y", 1L))),
        bad(
            "G-single-process",
            LISTS,
            history().txn(1, append("x", 1)).txn(1, list("x")).txn(2, list("x", 1L))),
        bad(
            "G-single-realtime",
            LISTS,
            history().txn(1, append("x", 1)).txn(2, list("x")).txn(3, list("x", 1L))),
        bad("G-single-realtime", LISTS, history().txn(1, append("x", 1)).txn(2, list("x"))),
        bad(
            "incompatible-order",
            LISTS,
            both(txn(append("x", 1)), txn(append("x", 2)))
                .txn(3, list("x", 1L, 2L))
                .txn(3, list("x", 2L))),
        bad("internal", LISTS, history().txn(1, append("x", 1), list("x"))),
        bad("forged-element", LISTS, history().txn(1, list("x", 7L))),
        bad(
            "duplicate-elements",
            LISTS,
            history().txn(1, append("x", 1)).txn(2, list("x", 1L, 1L))),
        bad(
            "G1c",
            REGISTERS,
            both(txn(write("x", 1), read("y", 1L)), txn(write("y", 1), read("x", 1L)))),
        bad(
            "G-single",
            REGISTERS,
            both(txn(write("x", 1), write("y", 1)), txn(read("x", 1L), read("y", null)))),
        bad(
            "G2",
            REGISTERS,
            both(txn(read("x", null), write("y", 1)), txn(read("y", null), write("x", 1)))),
        bad(
            "G-single-realtime",
            REGISTERS,
            history().txn(1, write("x", 1)).txn(2, write("x", 2)).txn(3, read("x", 1L))),
        bad(
            "G1a",
            REGISTERS,
            history()
                .invoke(1, "txn", null, txn(write("x", 1)))
                .end(1, OpType.FAIL)
                .txn(2, read("x", 1L))),
        bad(
            "linearizable",
            ONE,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(1, "write", "x", Term.of(2))
                .invoke(2, "read", "x", Term.nil())
                .ok(2, Term.of(1))),
        bad(
            "linearizable",
            ONE,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(2, "cas", "x", Term.of(Term.of(5), Term.of(2)))),
        bad(
            "set-lost",
            SETS,
            history()
                .all(1, "add", "s", Term.of(1))
                .invoke(2, "final-read", "s", Term.nil())
                .ok(2, Term.of())),
        bad(
            "set-stale",
            SETS,
            history()
                .all(1, "add", "s", Term.of(1))
                .invoke(2, "read", "s", Term.nil())
                .ok(2, Term.of())
                .invoke(2, "read", "s", Term.nil())
                .ok(2, Term.of(Term.of(1)))),
        bad(
            "set-forged",
            SETS,
            history().invoke(2, "read", "s", Term.nil()).ok(2, Term.of(Term.of(1)))),
        bad(
            "set-failed-add",
            SETS,
            history()
                .invoke(1, "add", "s", Term.of(1))
                .end(1, OpType.FAIL)
                .invoke(2, "read", "s", Term.nil())
                .ok(2, Term.of(Term.of(1)))),
        bad(
            "counter-lost",
            COUNTERS,
            history()
                .all(1, "increment", "c", Term.of(1))
                .invoke(2, "read", "c", Term.nil())
                .ok(2, Term.nil())),
        bad(
            "counter-repeated",
            COUNTERS,
            history()
                .invoke(1, "increment", "c", Term.of(1))
                .invoke(2, "increment", "c", Term.of(1))
                .ok(1, Term.of(1))
                .ok(2, Term.of(1))),
        bad(
            "counter-excess",
            COUNTERS,
            history().invoke(1, "increment", "c", Term.of(1)).ok(1, Term.of(2))),
        bad(
            "counter-backwards",
            COUNTERS,
            history()
                .invoke(9, "increment", "c", Term.of(1))
                .end(9, OpType.INFO)
                .invoke(2, "read", "c", Term.nil())
                .ok(2, Term.of(1))
                .invoke(2, "read", "c", Term.nil())
                .ok(2, Term.nil())),
        bad(
            "bank-total",
            BANK,
            history().invoke(1, "read", null, Term.nil()).ok(1, Term.of(Term.of(10), Term.of(9)))),
        bad(
            "bank-negative",
            BANK,
            history().invoke(1, "read", null, Term.nil()).ok(1, Term.of(Term.of(25), Term.of(-5)))),
        bad(
            "lock-exclusion",
            LOCKS,
            history().all(1, "acquire", "l", Term.of(1)).all(2, "acquire", "l", Term.of(2))),
        bad(
            "linearizable-lock",
            LOCKS,
            history().all(1, "acquire", "l", Term.of(1)).all(2, "release", "l", Term.of(2))),
        bad(
            "read-your-writes",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .invoke(1, "read", "x", Term.nil())
                .ok(1, Term.nil())),
        bad(
            "monotonic-reads",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(2, "read", "x", Term.of(1))
                .invoke(2, "read", "x", Term.nil())
                .ok(2, Term.nil())),
        bad(
            "monotonic-writes",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(1, "write", "y", Term.of(1))
                .all(2, "read", "y", Term.of(1))
                .invoke(2, "read", "x", Term.nil())
                .ok(2, Term.nil())),
        bad(
            "writes-follow-reads",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(2, "read", "x", Term.of(1))
                .all(2, "write", "y", Term.of(1))
                .all(3, "read", "y", Term.of(1))
                .invoke(3, "read", "x", Term.nil())
                .ok(3, Term.nil())),
        bad(
            "causal",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(2, "read", "x", Term.of(1))
                .all(2, "write", "y", Term.of(1))
                .all(3, "read", "y", Term.of(1))
                .all(3, "write", "z", Term.of(1))
                .all(4, "read", "z", Term.of(1))
                .invoke(4, "read", "x", Term.nil())
                .ok(4, Term.nil())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrong")
  void findsTheAnomaly(String property, Function<List<Op>, Verdict> checker, List<Op> history) {
    Verdict verdict = checker.apply(history);

    assertThat(verdict.properties()).contains(property);
    assertThat(verdict.clean()).isFalse();
  }

  static Stream<Arguments> right() {
    return Stream.of(
        Arguments.of(
            "a transaction whose end nobody knows, seen later",
            LISTS,
            history()
                .invoke(1, "txn", null, txn(append("x", 1)))
                .end(1, OpType.INFO)
                .txn(2, list("x"))
                .txn(2, list("x", 1L))
                .build()),
        Arguments.of(
            "own appends are seen within a transaction",
            LISTS,
            history()
                .txn(1, append("x", 1), list("x", 1L), append("x", 2), list("x", 1L, 2L))
                .build()),
        Arguments.of(
            "registers overwritten in turn",
            REGISTERS,
            history()
                .txn(1, write("x", 1))
                .txn(2, read("x", 1L), write("x", 2))
                .txn(3, read("x", 2L))
                .build()),
        Arguments.of(
            "a write that timed out takes effect after the next one",
            ONE,
            history()
                .invoke(1, "write", "x", Term.of(1))
                .end(1, OpType.INFO)
                .all(2, "write", "x", Term.of(2))
                .all(2, "read", "x", Term.of(2))
                .all(2, "read", "x", Term.of(1))
                .build()),
        Arguments.of(
            "a deleted register is absent",
            ONE,
            history()
                .all(1, "write", "x", Term.of(1))
                .all(1, "delete", "x", Term.nil())
                .all(2, "read", "x", Term.nil())
                .build()),
        Arguments.of(
            "an add whose end nobody knows may be there or not",
            SETS,
            history()
                .invoke(1, "add", "s", Term.of(1))
                .end(1, OpType.INFO)
                .invoke(2, "final-read", "s", Term.nil())
                .ok(2, Term.of())
                .build()),
        Arguments.of(
            "a counter may be ahead by what is unknown",
            COUNTERS,
            history()
                .invoke(1, "increment", "c", Term.of(1))
                .end(1, OpType.INFO)
                .all(2, "increment", "c", Term.of(2))
                .build()),
        Arguments.of(
            "a lock from hand to hand",
            LOCKS,
            history()
                .all(1, "acquire", "l", Term.of(1))
                .invoke(2, "acquire", "l", Term.of(2))
                .notApplied(2)
                .all(1, "release", "l", Term.of(1))
                .all(2, "acquire", "l", Term.of(3))
                .build()),
        Arguments.of(
            "money that moves",
            BANK,
            history()
                .invoke(1, "read", null, Term.nil())
                .ok(1, Term.of(Term.of(13), Term.of(7)))
                .build()),
        Arguments.of(
            "another session may lag behind",
            SESSIONS,
            history()
                .all(1, "write", "x", Term.of(1))
                .invoke(2, "read", "x", Term.nil())
                .ok(2, Term.nil())
                .build()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("right")
  void acceptsWhatIsRight(String name, Function<List<Op>, Verdict> checker, List<Op> history) {
    assertThat(checker.apply(history).findings()).as(name).isEmpty();
  }
}
