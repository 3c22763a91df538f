package io.capsuledb.jepsen.mutants;

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.logging.LogManager;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code capsule seeded-bugs}: runs mutants and prints the table of docs/testbed.md. */
@Command(
    name = "seeded-bugs",
    mixinStandardHelpOptions = true,
    header = "Put bugs into the product, one at a time, and see that the tests find each.",
    footer = {
      "",
      "Exit code 0: each is found, within its budget of seeds, and by no seed that fails without it;",
      "1: one survives; 2: the command line is wrong."
    })
final class MutantTable implements Callable<Integer> {

  static final String HEADER =
      "| Seeded bug | What is wrong then | Found by | Broken property | Seeds | Seconds |\n"
          + "|---|---|---|---|---|---|";

  private static final int CLEAN = 0;
  private static final int SURVIVES = 1;

  @Parameters(
      paramLabel = "PART",
      arity = "0..*",
      description = "Parts of the names of those that are run; all if not given.")
  private List<String> parts = List.of();

  @Option(names = "--list", description = "List them, and run none.")
  private boolean list;

  @Option(names = "--why", description = "After each row what was seen of it.")
  private boolean why;

  @Spec private CommandSpec spec = CommandSpec.create();

  MutantTable() {}

  /** The program. */
  public static void main(String[] arguments) {
    LogManager.getLogManager().reset();
    System.exit(new CommandLine(new MutantTable()).execute(arguments));
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    List<Mutant> chosen =
        Mutants.all().stream()
            .filter(m -> parts.isEmpty() || parts.stream().anyMatch(p -> m.name().contains(p)))
            .toList();
    if (chosen.isEmpty()) {
      throw new CommandLine.ParameterException(
          spec.commandLine(), "no seeded bug is called " + parts + ": --list tells their names");
    }
    if (list) {
      chosen.forEach(mutant -> out.println(mutant.name() + ": " + mutant.what()));
      out.flush();
      return CLEAN;
    }
    out.println(HEADER);
    out.flush();
    int survivors = 0;
    for (Mutant mutant : chosen) {
      try {
        Property.Outcome outcome = mutant.run();
        survivors += outcome.isCaught() ? 0 : 1;
        out.println(row(mutant, outcome));
        Throwable failure = outcome.failure();
        if (why && failure != null) {
          out.println("    " + reason(failure));
        }
      } catch (AssertionError | PatchPointGoneException unable) {
        survivors++;
        out.println("| " + mutant.name() + " | NOT JUDGED: " + unable.getMessage() + " | | | | |");
      }
      out.flush();
    }
    out.printf("%d seeded bugs, %d survive%n", chosen.size(), survivors);
    out.flush();
    return survivors == 0 ? CLEAN : SURVIVES;
  }

  /** A mutant's row. */
  static String row(Mutant mutant, Property.Outcome outcome) {
    return String.format(
        Locale.ROOT,
        "| %s | %s | %s | %s | %s%d | %.1f |",
        mutant.name(),
        mutant.what(),
        mutant.property().name(),
        outcome.broken(),
        outcome.isCaught() ? "" : "SURVIVES ",
        outcome.seeds(),
        outcome.seconds());
  }

  /** The innermost cause in one line. */
  private static String reason(Throwable failure) {
    Throwable at = failure;
    while (at.getCause() != null) {
      at = at.getCause();
    }
    String text = String.valueOf(at.getMessage()).strip().replaceAll("\\s+", " ");
    text = at instanceof AssertionError ? text : at.getClass().getSimpleName() + ": " + text;
    return text.length() > 120 ? text.substring(0, 117) + "..." : text;
  }
}
