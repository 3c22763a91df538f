package io.capsuledb.jepsen.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The command from end to end, on few seeds. */
class SimCommandTest {

  private final StringWriter out = new StringWriter();

  private int sim(SimCommand command, String... arguments) {
    return new CommandLine(command)
        .setOut(new PrintWriter(out))
        .setErr(new PrintWriter(new StringWriter()))
        .execute(arguments);
  }

  @Test
  void aFewSeedsOfEverySimulationAreCleanAndSayWhatTheyReached() {
    assertThat(sim(new SimCommand(), "--seeds", "6")).as(out.toString()).isZero();
    assertThat(out.toString())
        .contains(
            "scl 6 replicas 6 client 6 routers 6 links 6 engine 6 engines 6 leader 6",
            "had the same trace",
            "scl reached:",
            "WorkerOutput.Merge",
            "strict serializability",
            "never:",
            "io.capsuledb.scl.worker",
            "clean");
  }

  @Test
  void timeEndsARun() {
    assertThat(sim(new SimCommand(), "--minutes", "0.02", "--simulation", "replicas"))
        .as(out.toString())
        .isZero();
  }

  @Test
  void aViolationIsMadeSimpleAndItsCommandRepeatsIt() {
    assertThat(
            sim(
                new SimCommand(),
                "--seeds",
                "50",
                "--simulation",
                "replicas",
                "--seeded-bug",
                "acknowledge before fsync"))
        .isEqualTo(1);
    assertThat(out.toString())
        .contains(
            "VIOLATION replicas, seed",
            "repeat it: bin/capsule sim --simulation replicas --seeds 1 --first-seed",
            " --with ",
            "NOT CLEAN");
    String command =
        out.toString()
            .lines()
            .filter(line -> line.startsWith("repeat it: "))
            .findFirst()
            .orElseThrow()
            .replace("repeat it: bin/capsule sim ", "");
    String withBug = " --seeded-bug 'acknowledge before fsync'";
    assertThat(command).endsWith(withBug);
    List<String> words = new ArrayList<>(List.of(command.replace(withBug, "").split(" ", -1)));
    assertThat(sim(new SimCommand(), words.toArray(String[]::new))).isZero();
    words.addAll(List.of("--seeded-bug", "acknowledge before fsync"));
    assertThat(sim(new SimCommand(), words.toArray(String[]::new))).as(command).isEqualTo(1);
  }

  @Test
  void aWrongCommandLineIsRefused() {
    assertThat(sim(new SimCommand(), "--simulation", "none")).isEqualTo(2);
    assertThat(sim(new SimCommand(), "--seeds", "0")).isEqualTo(2);
    assertThat(sim(new SimCommand(), "--with", "none=1")).isEqualTo(2);
    assertThat(sim(new SimCommand(), "--seeded-bug", "none")).isEqualTo(2);
  }
}
