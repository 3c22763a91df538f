package io.capsuledb.jepsen.mutants;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each seeded bug is found by the property that should find it, within its budget of seeds; and not
 * by a seed that fails without the bug as well.
 */
class MutantsTest {

  static List<Mutant> all() {
    return Mutants.all();
  }

  private static final List<String> ROWS = new ArrayList<>();

  @AfterAll
  static void writeTable() throws IOException {
    List<String> lines = new ArrayList<>(List.of(MutantTable.HEADER));
    lines.addAll(ROWS);
    Files.write(Path.of("target", "seeded-bugs.md"), lines);
  }

  /** What {@code bin/capsule seeded-bugs} does, too. */
  @Tag("long")
  @ParameterizedTest
  @MethodSource("all")
  void isCaught(Mutant mutant) {
    Property.Outcome outcome = mutant.run();
    ROWS.add(MutantTable.row(mutant, outcome));
    assertThat(outcome.isCaught())
        .as(
            "%s (%s) survives %d seeds of: %s",
            mutant, mutant.what(), outcome.seeds(), mutant.property().name())
        .isTrue();
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
