package io.capsuledb.jepsen.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.mutants.Mutants;
import java.io.PrintWriter;
import java.io.StringWriter;
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
                new SimCommand(Mutants.loader("acknowledge before fsync")),
                "--seeds",
                "50",
                "--simulation",
                "replicas"))
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
    out.getBuffer().setLength(0);
    assertThat(
            sim(new SimCommand(Mutants.loader("acknowledge before fsync")), command.split(" ", -1)))
        .as(command)
        .isEqualTo(1);
    assertThat(sim(new SimCommand(), command.split(" ", -1))).isZero();
  }

  @Test
  void aWrongCommandLineIsRefused() {
    assertThat(sim(new SimCommand(), "--simulation", "none")).isEqualTo(2);
    assertThat(sim(new SimCommand(), "--seeds", "0")).isEqualTo(2);
    assertThat(sim(new SimCommand(), "--with", "none=1")).isEqualTo(2);
  }
}
