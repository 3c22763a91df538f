package io.capsuledb.jepsen.run;

import io.capsuledb.jepsen.system.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToLongFunction;

/**
 * Whether what processes use stays flat from round to round. The first third of the rounds fills
 * caches and heaps; what is used most in the last third is then compared with what was used most in
 * the second.
 */
public final class Flatness {

  /** With fewer rounds nothing is said. */
  private static final int FEWEST_ROUNDS = 6;

  private static final long MIB = 1 << 20;
  private static final long SLACK_BYTES = 64 * MIB;
  private static final long SLACK_COUNT = 10;

  private final Map<String, List<Usage>> rounds = new TreeMap<>();
  private int count;

  /** Nothing was seen yet. */
  public Flatness() {}

  /** What all processes use after one more round. */
  public void add(List<Usage> usage) {
    count++;
    usage.forEach(one -> rounds.computeIfAbsent(one.name(), n -> new ArrayList<>()).add(one));
  }

  /** What grows. */
  public List<String> problems() {
    List<String> problems = new ArrayList<>();
    if (count < FEWEST_ROUNDS) {
      return problems;
    }
    rounds.forEach(
        (name, all) -> {
          compare(problems, name, "memory", all, Usage::residentBytes, 0.25, SLACK_BYTES);
          compare(problems, name, "disk", all, Usage::diskBytes, 0.25, SLACK_BYTES);
          compare(problems, name, "open files", all, Usage::openFiles, 0.1, SLACK_COUNT);
          compare(problems, name, "threads", all, Usage::threads, 0.1, SLACK_COUNT);
        });
    return problems;
  }

  private static void compare(
      List<String> problems,
      String name,
      String what,
      List<Usage> all,
      ToLongFunction<Usage> amount,
      double share,
      long slack) {
    int third = all.size() / 3;
    long before = all.subList(third, 2 * third).stream().mapToLong(amount).max().orElse(0);
    long after =
        all.subList(all.size() - third, all.size()).stream().mapToLong(amount).max().orElse(0);
    if (after > before * (1 + share) + slack) {
      problems.add(name + ": " + what + " grows from " + before + " to " + after);
    }
  }

  /** In a sentence. */
  public String verdict() {
    return count < FEWEST_ROUNDS
        ? count + " rounds are too few to tell whether something grows: " + FEWEST_ROUNDS + " tell"
        : problems().isEmpty()
            ? "memory, files, threads and disk of " + rounds.size() + " processes stayed flat"
            : "something grows";
  }

  /** All processes in one line. */
  public static String line(List<Usage> usage) {
    StringBuilder text = new StringBuilder();
    for (Usage one : usage) {
      text.append(
          String.format(
              Locale.ROOT,
              "%s%s %d MiB, %d files, %d threads, %d MiB on disk",
              text.isEmpty() ? "" : "; ",
              one.name(),
              one.residentBytes() / MIB,
              one.openFiles(),
              one.threads(),
              one.diskBytes() / MIB));
    }
    return text.toString();
  }
}
