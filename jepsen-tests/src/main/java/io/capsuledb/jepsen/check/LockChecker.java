package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.check.RegisterOperation.Kind;
import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Locks exclude, and behave like linearizable mutexes. Operations: {@code acquire} and {@code
 * release}, both with a token as value that no other attempt has; one that was answered and not
 * applied changed nothing.
 */
public final class LockChecker {

  /** For certain held between these events. */
  private record Hold(long from, long to, Op acquired) {}

  private LockChecker() {}

  /** Checks a history. */
  public static Verdict check(List<Op> history) {
    Map<String, List<RegisterOperation>> registers = new TreeMap<>();
    Map<String, Map<Long, Hold>> holds = new TreeMap<>();
    for (Completed completed : Completed.of(history)) {
      Op invoke = completed.invoke();
      String key = invoke.key();
      if (key == null || completed.isFail()) {
        continue;
      }
      long token = invoke.value().asLong();
      boolean isAcquire = invoke.function().equals("acquire");
      if (!isAcquire && !invoke.function().equals("release")) {
        throw new IllegalArgumentException("no operation on a lock: " + invoke.function());
      }
      Map<Long, Hold> held = holds.computeIfAbsent(key, _ -> new TreeMap<>());
      if (completed.end().applied()) {
        registers
            .computeIfAbsent(key, _ -> new ArrayList<>())
            .add(
                isAcquire
                    ? RegisterChecker.make(completed, Kind.CAS, RegisterOperation.ABSENT, token)
                    : RegisterChecker.make(completed, Kind.CAS, token, RegisterOperation.ABSENT));
      }
      if (isAcquire && completed.isOk() && completed.end().applied()) {
        held.put(token, new Hold(completed.finish(), Completed.NEVER, completed.end()));
      } else if (!isAcquire) {
        held.computeIfPresent(
            token, (_, hold) -> new Hold(hold.from, invoke.index(), hold.acquired));
      }
    }
    Verdict.Collector found = new Verdict.Collector();
    holds.forEach((key, held) -> exclusion(key, held, found));
    return found.verdict().and(RegisterChecker.check("linearizable-lock", registers));
  }

  private static void exclusion(String key, Map<Long, Hold> held, Verdict.Collector found) {
    List<Hold> inOrder = new ArrayList<>(held.values());
    inOrder.sort(Comparator.comparingLong(Hold::from));
    found.count("holds", inOrder.size());
    Hold longest = null;
    for (Hold hold : inOrder) {
      if (longest != null && hold.from < longest.to) {
        found.found(
            "lock-exclusion",
            "lock "
                + key
                + ": process "
                + hold.acquired.process()
                + " got it at event "
                + hold.from
                + " while process "
                + longest.acquired.process()
                + ", who got it at event "
                + longest.from
                + ", held it");
      }
      if (longest == null || hold.to > longest.to) {
        longest = hold;
      }
    }
  }
}
