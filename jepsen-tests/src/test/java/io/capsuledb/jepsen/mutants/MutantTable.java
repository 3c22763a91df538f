package io.capsuledb.jepsen.mutants;

import java.util.Arrays;
import java.util.Locale;
import java.util.logging.LogManager;

/** {@code capsule seeded-bugs}: runs all mutants and prints the table of docs/testbed.md. */
final class MutantTable {

  static final String HEADER =
      "| Seeded bug | Found by | Seeds | Seconds | As |\n|---|---|---|---|---|";

  private MutantTable() {}

  /** Arguments are parts of the names of mutants; without any, all are run. */
  public static void main(String[] args) {
    System.out.println(HEADER);
    int survivors = 0;
    LogManager.getLogManager().reset();
    for (Mutant mutant : Mutants.all()) {
      if (args.length > 0 && Arrays.stream(args).noneMatch(part -> mutant.name().contains(part))) {
        continue;
      }
      try {
        Property.Outcome outcome = mutant.run();
        survivors += outcome.isCaught() ? 0 : 1;
        System.out.println(row(mutant, outcome));
      } catch (AssertionError | PatchPointGoneException unable) {
        survivors++;
        System.out.println("| " + mutant.name() + " | | | | " + unable.getMessage() + " |");
      }
    }
    System.out.println(survivors + " survive");
    System.exit(survivors == 0 ? 0 : 1);
  }

  /** A mutant's row. */
  static String row(Mutant mutant, Property.Outcome outcome) {
    Throwable failure = outcome.failure();
    return String.format(
        Locale.ROOT,
        "| %s | %s | %s%d | %.1f | %s |",
        mutant.name(),
        mutant.property().name(),
        failure != null ? "" : "SURVIVES ",
        outcome.seeds(),
        outcome.seconds(),
        failure != null ? reason(failure) : "");
  }

  /** The innermost cause in one line. */
  static String reason(Throwable failure) {
    Throwable at = failure;
    while (at.getCause() != null) {
      at = at.getCause();
    }
    String text = String.valueOf(at.getMessage()).strip().replaceAll("\\s+", " ");
    text = at instanceof AssertionError ? text : at.getClass().getSimpleName() + ": " + text;
    return text.length() > 120 ? text.substring(0, 117) + "..." : text;
  }
}
