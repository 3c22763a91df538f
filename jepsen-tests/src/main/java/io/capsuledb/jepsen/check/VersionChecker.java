package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.history.Version;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Versions that a server tells of values agree with what clients saw: no two values of a key have
 * one version, and nobody writes or reads a version below one that was there before the operation
 * began. Operations without a version say nothing.
 */
public final class VersionChecker {

  private record Value(Term value, Version version) {}

  private record Who(int process, String key) {}

  private final boolean realTime;
  private final Verdict.Collector found = new Verdict.Collector();

  // The highest version of a key so far, in all and by process.
  private final Map<String, Value> highest = new HashMap<>();
  private final Map<Who, Value> seen = new HashMap<>();
  private final Map<Integer, Value> whenBegun = new HashMap<>();
  private final Map<String, Map<Version, Term>> values = new HashMap<>();

  private VersionChecker(boolean realTime) {
    this.realTime = realTime;
  }

  /**
   * Checks a history.
   *
   * @param realTime whether everything counts that ended before an operation began; if not, only
   *     what the same process did
   */
  public static Verdict check(List<Op> history, boolean realTime) {
    VersionChecker checker = new VersionChecker(realTime);
    history.forEach(checker::event);
    return checker.found.verdict();
  }

  private void event(Op op) {
    String key = op.key();
    if (key == null) {
      return;
    }
    if (op.type() == OpType.INVOKE) {
      Value floor = realTime ? highest.get(key) : seen.get(new Who(op.process(), key));
      if (floor == null) {
        whenBegun.remove(op.process());
      } else {
        whenBegun.put(op.process(), floor);
      }
      return;
    }
    Version version = op.version();
    if (op.type() != OpType.OK || version == null) {
      return;
    }
    found.count("versions", 1);
    Value value = new Value(valueOf(op), version);
    Value floor = whenBegun.get(op.process());
    if (floor != null && version.compareTo(floor.version) < 0) {
      found.found(
          "version-order",
          "key "
              + key
              + ": "
              + op.function()
              + " of "
              + value
              + " ended at event "
              + op.index()
              + ", and "
              + floor
              + " was there before it began");
    }
    Term other =
        values.computeIfAbsent(key, _ -> new HashMap<>()).putIfAbsent(version, value.value);
    if (other != null && !Objects.equals(other, value.value)) {
      found.found(
          "version-unique",
          "key " + key + ": " + other + " and " + value.value + " are " + version);
    }
    highest.merge(key, value, VersionChecker::higher);
    seen.merge(new Who(op.process(), key), value, VersionChecker::higher);
  }

  private static Value higher(Value a, Value b) {
    return a.version.compareTo(b.version) >= 0 ? a : b;
  }

  /**
   * What the key has after the operation, if it was answered: a conditional write has two values.
   */
  public static Term valueOf(Op op) {
    return op.function().equals("cas") ? op.value().items().get(1) : op.value();
  }
}
