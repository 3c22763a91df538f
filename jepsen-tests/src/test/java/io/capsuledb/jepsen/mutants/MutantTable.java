package io.capsuledb.jepsen.mutants;

import java.util.Locale;
import java.util.logging.LogManager;

/**
 * Runs all mutants and prints the table of docs/testbed.md: {@code mvn test -pl jepsen-tests -am
 * -Dtest=MutantTable}.
 */
final class MutantTable {

  private MutantTable() {}

  /** Arguments are parts of the names of mutants; without any, all are run. */
  public static void main(String[] args) {
    System.out.println("| Seeded bug | Found by | Seeds | Seconds | As |");
    System.out.println("|---|---|---|---|---|");
    int survivors = 0;
    LogManager.getLogManager().reset();
    for (Mutant mutant : Mutants.all()) {
      if (args.length > 0
          && java.util.Arrays.stream(args).noneMatch(part -> mutant.name().contains(part))) {
        continue;
      }
      String row;
      try {
        Property.Outcome outcome = mutant.run();
        survivors += outcome.isCaught() ? 0 : 1;
        row =
            String.format(
                Locale.ROOT,
                "| %s | %s | %s%d | %.1f | %s |",
                mutant.name(),
                mutant.property().name(),
                outcome.isCaught() ? "" : "SURVIVES ",
                outcome.seeds(),
                outcome.seconds(),
                outcome.isCaught() ? reason(outcome.failure()) : "");
      } catch (AssertionError | PatchPointGoneException unable) {
        survivors++;
        row = "| " + mutant.name() + " | | | | " + unable.getMessage() + " |";
      }
      System.out.println(row);
    }
    System.out.println(survivors + " survive");
    System.exit(survivors == 0 ? 0 : 1);
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
