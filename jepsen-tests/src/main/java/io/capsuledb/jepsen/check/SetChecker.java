package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Sets that only grow. Operations: {@code add} of an element that is added once, {@code read} and
 * {@code final-read} of all elements. An acknowledged add is in every read that begins later
 * (otherwise <i>lost</i> if no later read has it, else <i>stale</i>); what one read has seen, every
 * later one sees; nothing is in a set that nobody added or whose add certainly failed.
 */
public final class SetChecker {

  private SetChecker() {}

  /** Checks a history. */
  public static Verdict check(List<Op> history) {
    Map<String, List<Completed>> byKey = new TreeMap<>();
    for (Completed completed : Completed.of(history)) {
      String key = completed.invoke().key();
      if (key != null) {
        byKey.computeIfAbsent(key, _ -> new ArrayList<>()).add(completed);
      }
    }
    Verdict.Collector found = new Verdict.Collector();
    byKey.forEach((key, operations) -> check(key, operations, found));
    return found.verdict();
  }

  private static void check(String key, List<Completed> operations, Verdict.Collector found) {
    Map<Long, Completed> adds = new HashMap<>();
    List<Completed> reads = new ArrayList<>();
    for (Completed completed : operations) {
      switch (completed.invoke().function()) {
        case "add" -> adds.put(completed.invoke().value().asLong(), completed);
        case "read", "final-read" -> {
          if (completed.isOk()) {
            reads.add(completed);
          }
        }
        default ->
            throw new IllegalArgumentException(
                "no operation on a set: " + completed.invoke().function());
      }
    }
    reads.sort(Comparator.comparingLong(Completed::finish));
    found.count("sets", 1);
    found.count("adds", adds.size());
    found.count("acknowledged", adds.values().stream().filter(Completed::isOk).count());
    found.count("reads", reads.size());

    // When an element was there for certain: acknowledged, or answered to a reader.
    Map<Long, Long> thereFrom = new HashMap<>();
    adds.forEach(
        (element, add) -> {
          if (add.isOk()) {
            thereFrom.put(element, add.finish());
          }
        });
    List<Set<Long>> contents = new ArrayList<>();
    for (Completed read : reads) {
      Set<Long> elements = new HashSet<>();
      for (Term item : read.end().value().items()) {
        long element = item.asLong();
        if (!elements.add(element)) {
          found.found("set-duplicate", at(key, element) + " twice in the read " + place(read));
        }
        Completed add = adds.get(element);
        if (add == null) {
          found.found(
              "set-forged", at(key, element) + " was never added, and is in " + place(read));
        } else if (add.isFail()) {
          found.found("set-failed-add", at(key, element) + " failed, and is in " + place(read));
        } else if (add.begin() > read.finish()) {
          found.found("set-early", at(key, element) + " is in a read before its add began");
        }
        thereFrom.merge(element, read.finish(), Math::min);
      }
      contents.add(elements);
    }
    List<Map.Entry<Long, Long>> byTime = new ArrayList<>(thereFrom.entrySet());
    byTime.sort(Map.Entry.comparingByValue());
    Set<Long> missing = new HashSet<>();
    for (int i = 0; i < reads.size(); i++) {
      Completed read = reads.get(i);
      for (Map.Entry<Long, Long> there : byTime) {
        if (there.getValue() >= read.begin()) {
          break;
        }
        if (!contents.get(i).contains(there.getKey())) {
          missing.add(there.getKey());
        }
      }
    }
    Completed last = reads.stream().max(Comparator.comparingLong(Completed::begin)).orElse(null);
    for (long element : missing) {
      boolean isLost = last == null || !contents.get(reads.indexOf(last)).contains(element);
      Completed add = adds.get(element);
      found.found(
          isLost ? "set-lost" : "set-stale",
          at(key, element)
              + (add != null && add.isOk() ? " was acknowledged" : " was read")
              + " at event "
              + thereFrom.get(element)
              + (isLost ? " and is gone" : " and is not in a later read"));
    }
  }

  private static String at(String key, long element) {
    return "set " + key + ": element " + element;
  }

  private static String place(Completed read) {
    return read.begin() + " to " + read.finish();
  }
}
