package io.capsuledb.jepsen.mutants;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/**
 * Each seeded bug is found by the property that should find it, within its budget of seeds; and not
 * by a seed that fails without the bug as well. One for each property in every build, all of them
 * in the long profile.
 */
class MutantsTest {

  static List<Mutant> all() {
    return Mutants.all();
  }

  /** The first of each property. */
  static List<Mutant> oneOfEachProperty() {
    Map<Property, Mutant> first = new LinkedHashMap<>();
    Mutants.all().forEach(mutant -> first.putIfAbsent(mutant.property(), mutant));
    return List.copyOf(first.values());
  }

  private static final List<String> ROWS = new ArrayList<>();

  @AfterAll
  static void writeTable() throws IOException {
    if (!ROWS.isEmpty()) {
      List<String> lines = new ArrayList<>(List.of(MutantTable.HEADER));
      lines.addAll(ROWS);
      Files.write(Path.of("target", "seeded-bugs.md"), lines);
    }
  }

  /** What {@code bin/capsule seeded-bugs} does, too. */
  @Tag("long")
  @ParameterizedTest(name = "{0}")
  @MethodSource("all")
  void isCaught(Mutant mutant) {
    ROWS.add(MutantTable.row(mutant, caught(mutant)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("oneOfEachProperty")
  void aFewAreCaughtInEveryBuild(Mutant mutant) {
    caught(mutant);
  }

  private static Property.Outcome caught(Mutant mutant) {
    Property.Outcome outcome = mutant.run();
    assertThat(outcome.isCaught())
        .as(
            "%s (%s) survives %d seeds of: %s",
            mutant, mutant.what(), outcome.seeds(), mutant.property().name())
        .isTrue();
    return outcome;
  }

  @Test
  void theCommandPrintsATableAndTellsWhetherAllAreFound() {
    StringWriter out = new StringWriter();
    CommandLine command =
        new CommandLine(new MutantTable())
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(new StringWriter()));
    assertThat(command.execute("equivocation", "full ring")).isZero();
    assertThat(out.toString())
        .startsWith(MutantTable.HEADER)
        .containsPattern("\\| equivocation taken for a gap \\|.*\\| 1 \\| [0-9.]+ \\|")
        .contains("2 seeded bugs, 0 survive");
    assertThat(command.execute("no such bug")).isEqualTo(2);
  }

  @Test
  void thereAreEnoughOfThemAndEachIsAnother() {
    assertThat(Mutants.all()).hasSizeGreaterThan(30);
    assertThat(Mutants.all().stream().map(Mutant::name)).doesNotHaveDuplicates();
    assertThat(Mutants.all().stream().map(Mutant::mutation)).doesNotHaveDuplicates();
  }

  @Test
  void aPatchPointThatIsGoneIsAFailure() {
    Mutation.Change change = Mutation.skipCall("Ballot", "equals", true);
    String durability = "io.capsuledb.replication.protocol.Durability";
    assertThatThrownBy(() -> load(new Mutation(durability, "isDurable", change)))
        .isInstanceOf(PatchPointGoneException.class)
        .hasMessageContaining("is there 0 times, and should be 1");
    assertThatThrownBy(() -> load(new Mutation(durability, "lambda$isDurable$", change).times(2)))
        .isInstanceOf(PatchPointGoneException.class)
        .hasMessageContaining("is there 1 times, and should be 2");
    assertThatThrownBy(() -> load(new Mutation(durability, "noSuchMethod", change)))
        .isInstanceOf(PatchPointGoneException.class);
    assertThatThrownBy(() -> load(new Mutation(durability + "Gone", "isDurable", change)))
        .isInstanceOf(PatchPointGoneException.class)
        .hasMessageContaining("there is no class");
  }

  private static void load(Mutation mutation) {
    new MutantLoader(mutation).check();
  }
}
