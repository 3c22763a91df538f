package io.capsuledb.jepsen.run;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Whether clients were served. While a majority lives writes are acknowledged, with gaps no longer
 * than allowed; when service had stopped rightly, it comes back by itself within the same time; and
 * every operation is answered, be it with an error, before its client gives up.
 */
final class Availability {

  /** Of the phases of a run, each with another fault, the worst are told with their longest gap. */
  private static final int PHASES_TOLD = 5;

  private final long maxGapNs;
  private final List<FaultWindow> windows;
  private final List<String> problems = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  private Availability(List<FaultWindow> windows, long maxGapNs) {
    this.windows = windows;
    this.maxGapNs = maxGapNs;
  }

  /**
   * What is wrong, and what was seen.
   *
   * @param problems violations, in words
   * @param notes figures, in words
   */
  record Result(List<String> problems, List<String> notes) {

    /** Copies the lists. */
    Result {
      problems = List.copyOf(problems);
      notes = List.copyOf(notes);
    }
  }

  /**
   * Judges histories.
   *
   * @param endNs when load ended
   */
  static Result judge(
      List<List<Op>> histories, List<FaultWindow> windows, long endNs, long maxGapNs) {
    Availability judge = new Availability(windows, maxGapNs);
    List<Completed> operations = new ArrayList<>();
    histories.forEach(history -> operations.addAll(Completed.of(history)));
    judge.gaps(operations, endNs);
    judge.deadlines(operations);
    return new Result(judge.problems, judge.notes);
  }

  private void gaps(List<Completed> operations, long endNs) {
    List<Long> writes = new ArrayList<>();
    for (Completed operation : operations) {
      if (operation.isOk() && !operation.invoke().function().endsWith("read")) {
        writes.add(operation.end().timeNs());
      }
    }
    writes.sort(null);
    writes.add(endNs);
    long longest = 0;
    long longestAt = 0;
    long last = 0;
    Map<String, String> worst = new LinkedHashMap<>();
    Map<String, Long> worstNs = new HashMap<>();
    for (long write : writes) {
      if (write > endNs) {
        break;
      }
      long gap = blamable(last, write);
      String phase = phaseOf(last, write);
      if (gap > worstNs.getOrDefault(phase, 0L)) {
        worstNs.put(phase, gap);
        worst.put(
            phase,
            "gap of "
                + ms(gap)
                + " from "
                + seconds(last)
                + " on, "
                + phase
                + "; allowed are "
                + ms(maxGapNs));
      }
      if (gap > longest) {
        longest = gap;
        longestAt = last;
      }
      last = write;
    }
    notes.add(
        "longest time without an acknowledged write while a majority lived: "
            + ms(longest)
            + ", from "
            + seconds(longestAt));
    worst.entrySet().stream()
        .sorted(
            Comparator.comparingLong(
                (Map.Entry<String, String> entry) -> -worstNs.getOrDefault(entry.getKey(), 0L)))
        .limit(PHASES_TOLD)
        .forEach(entry -> notes.add(entry.getValue()));
    if (longest > maxGapNs) {
      problems.add(
          "no write was acknowledged for "
              + ms(longest)
              + " from "
              + seconds(longestAt)
              + " on, though a majority lived; allowed are "
              + ms(maxGapNs));
    }
    for (FaultWindow window : windows) {
      if (window.stopsService() && window.endNs() < endNs) {
        recovery(window, writes, endNs);
      }
    }
  }

  /** Which faults there were meanwhile. */
  private String phaseOf(long from, long to) {
    StringBuilder faults = new StringBuilder();
    for (FaultWindow window : windows) {
      if (window.beginNs() < to && window.endNs() > from) {
        faults
            .append(faults.isEmpty() ? "in " : " and ")
            .append(window.name())
            .append(" of ")
            .append(seconds(window.beginNs()))
            .append(" to ")
            .append(seconds(window.endNs()));
      }
    }
    return faults.isEmpty() ? "without a fault" : faults.toString();
  }

  private void recovery(FaultWindow window, List<Long> writes, long endNs) {
    for (long write : writes) {
      if (write > window.endNs() && write < endNs) {
        notes.add(
            window.name()
                + " from "
                + seconds(window.beginNs())
                + ": first acknowledged write "
                + ms(write - window.endNs())
                + " after its end");
        return;
      }
    }
  }

  /** How much of a time without writes cannot be laid to faults that stop service. */
  private long blamable(long from, long to) {
    long begin = from;
    for (FaultWindow window : windows) {
      if (window.stopsService() && window.beginNs() < to && window.endNs() > begin) {
        // Only what comes after counts: service had to come back by itself.
        begin = Math.min(to, window.endNs());
      }
    }
    return to - begin;
  }

  private void deadlines(List<Completed> operations) {
    long longest = 0;
    long unanswered = 0;
    String example = "";
    for (Completed operation : operations) {
      String error = operation.end().error();
      boolean timedOut = error != null && error.contains("SocketTimeoutException");
      if (timedOut && !serverStopped(operation)) {
        unanswered++;
        example = operation.invoke().toString();
      } else if (!timedOut) {
        longest = Math.max(longest, operation.end().timeNs() - operation.invoke().timeNs());
      }
    }
    notes.add("longest time to an answer: " + ms(longest));
    if (unanswered > 0) {
      problems.add(
          unanswered
              + " operations had no answer before their clients gave up, such as "
              + example);
    }
  }

  /** Whether the server itself could not answer, or could not for a while, during an operation. */
  private boolean serverStopped(Completed operation) {
    for (FaultWindow window : windows) {
      boolean ofServer = window.name().endsWith("-serve") || window.name().equals("all-kill");
      if (ofServer
          && window.beginNs() < operation.end().timeNs()
          && window.endNs() > operation.invoke().timeNs()) {
        return true;
      }
    }
    return false;
  }

  static String ms(long ns) {
    return String.format(Locale.ROOT, "%.1f ms", ns / 1e6);
  }

  static String seconds(long ns) {
    return String.format(Locale.ROOT, "%.1f s", ns / 1e9);
  }
}
