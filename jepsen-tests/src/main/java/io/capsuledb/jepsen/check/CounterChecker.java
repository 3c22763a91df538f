package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Counters that grow by one. Operations: {@code increment}, answered with the counter after it, and
 * {@code read}. No value is answered to two increments; every answer is at least the increments
 * acknowledged before it was asked for (itself included) and at most those begun before it was
 * given; and whoever asks later is not answered less.
 */
public final class CounterChecker {

  private record Answer(long begin, long end, long value, boolean isIncrement) {}

  private CounterChecker() {}

  /** Checks a history. */
  public static Verdict check(List<Op> history) {
    Map<String, List<Completed>> byKey = new TreeMap<>();
    for (Completed completed : Completed.of(history)) {
      String key = completed.invoke().key();
      if (key != null && !completed.isFail()) {
        byKey.computeIfAbsent(key, _ -> new ArrayList<>()).add(completed);
      }
    }
    Verdict.Collector found = new Verdict.Collector();
    byKey.forEach((key, operations) -> check(key, operations, found));
    return found.verdict();
  }

  private static void check(String key, List<Completed> operations, Verdict.Collector found) {
    List<Long> begun = new ArrayList<>();
    List<Long> acknowledged = new ArrayList<>();
    List<Answer> answers = new ArrayList<>();
    Map<Long, Completed> given = new HashMap<>();
    for (Completed completed : operations) {
      boolean isIncrement = completed.invoke().function().equals("increment");
      if (isIncrement) {
        begun.add(completed.begin());
      }
      if (!completed.isOk()) {
        continue;
      }
      long value = completed.end().value().isNil() ? 0 : completed.end().value().asLong();
      if (isIncrement) {
        acknowledged.add(completed.finish());
        Completed other = given.put(value, completed);
        if (other != null) {
          found.found(
              "counter-repeated",
              "counter "
                  + key
                  + ": "
                  + value
                  + " was answered to two increments, at events "
                  + other.finish()
                  + " and "
                  + completed.finish());
        }
      }
      answers.add(new Answer(completed.begin(), completed.finish(), value, isIncrement));
    }
    acknowledged.sort(null);
    found.count("counters", 1);
    found.count("increments", begun.size());
    found.count("answers", answers.size());
    for (Answer answer : answers) {
      long least = (long) before(acknowledged, answer.begin) + (answer.isIncrement ? 1 : 0);
      long most = before(begun, answer.end);
      if (answer.value < least) {
        found.found(
            "counter-lost",
            "counter "
                + key
                + ": the answer at event "
                + answer.end
                + " is "
                + answer.value
                + ", and "
                + least
                + " increments were acknowledged before");
      } else if (answer.value > most) {
        found.found(
            "counter-excess",
            "counter "
                + key
                + ": the answer at event "
                + answer.end
                + " is "
                + answer.value
                + ", and only "
                + most
                + " increments had begun");
      }
    }
    monotone(key, answers, found);
  }

  /** How many of the sorted times are earlier. */
  private static int before(List<Long> times, long time) {
    int low = 0;
    int high = times.size();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (times.get(middle) < time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private static void monotone(String key, List<Answer> answers, Verdict.Collector found) {
    List<Answer> byBegin = new ArrayList<>(answers);
    byBegin.sort(Comparator.comparingLong(Answer::begin));
    List<Answer> byEnd = new ArrayList<>(answers);
    byEnd.sort(Comparator.comparingLong(Answer::end));
    Answer largest = null;
    int ended = 0;
    for (Answer answer : byBegin) {
      while (ended < byEnd.size() && byEnd.get(ended).end < answer.begin) {
        Answer candidate = byEnd.get(ended++);
        if (largest == null || candidate.value > largest.value) {
          largest = candidate;
        }
      }
      if (largest != null
          && (answer.value < largest.value
              || (answer.isIncrement && answer.value == largest.value))) {
        found.found(
            "counter-backwards",
            "counter "
                + key
                + ": the answer at event "
                + answer.end
                + " is "
                + answer.value
                + ", after "
                + largest.value
                + " at event "
                + largest.end);
      }
    }
  }
}
