package io.capsuledb.jepsen.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command from end to end. */
final class JepsenCommandTest {

  @TempDir private Path directory;

  private int jepsen(String... arguments) {
    String[] all = new String[arguments.length + 3];
    all[0] = "jepsen";
    all[1] = "--out";
    all[2] = directory.toString();
    System.arraycopy(arguments, 0, all, 3, arguments.length);
    return Main.execute(all);
  }

  @Test
  void aServerThatForgetsNothingIsClean() throws IOException {
    try (ForgetfulServer server = new ForgetfulServer(0)) {
      assertThat(
              jepsen(
                  "--target",
                  server.address(),
                  "--workload",
                  "set,register,session",
                  "--clients",
                  "9",
                  "--rate",
                  "2000",
                  "--time",
                  "2"))
          .isEqualTo(JepsenCommand.CLEAN);
    }
    assertThat(directory.resolve("report.html")).content().contains("Clean.", "<svg");
    assertThat(directory.resolve("register.jsonl")).content().contains("\"f\":\"final-read\"");
    assertThat(directory.resolve("register.edn")).content().contains(":type :ok :f :read");
    assertThat(
            Main.execute(
                "jepsen", "check", "--workload", "set", directory.resolve("set.jsonl").toString()))
        .isEqualTo(JepsenCommand.CLEAN);
  }

  @Test
  void aServerThatForgetsIsFound() throws IOException {
    try (ForgetfulServer server = new ForgetfulServer(50)) {
      assertThat(
              jepsen(
                  "--target",
                  server.address(),
                  "--workload",
                  "set,register,session",
                  "--clients",
                  "9",
                  "--rate",
                  "2000",
                  "--time",
                  "2"))
          .isEqualTo(JepsenCommand.VIOLATION);
    }
    assertThat(directory.resolve("report.html")).content().contains("Not clean.", "set-lost");
    assertThat(
            Main.execute(
                "jepsen", "check", "--workload", "set", directory.resolve("set.jsonl").toString()))
        .isEqualTo(JepsenCommand.VIOLATION);
  }

  @Test
  void whatCannotBeDoneFailsWithItsReasonOrIsSkippedIfAskedFor() throws IOException {
    try (ForgetfulServer server = new ForgetfulServer(0)) {
      assertThat(jepsen("--target", server.address(), "--nemesis", "kill", "--time", "1"))
          .isEqualTo(JepsenCommand.IMPOSSIBLE);
      assertThat(
              jepsen(
                  "--target",
                  server.address(),
                  "--nemesis",
                  "kill",
                  "--skip-impossible",
                  "--time",
                  "1"))
          .isEqualTo(JepsenCommand.CLEAN);
      assertThat(jepsen("--nemesis", "loss", "--network", "proxy"))
          .isEqualTo(JepsenCommand.IMPOSSIBLE);
    }
  }

  @Test
  void aWrongCommandLineIsRefused() {
    assertThat(jepsen("--workload", "none-such", "--target", "127.0.0.1:1", "--time", "1"))
        .isEqualTo(JepsenCommand.USAGE);
    assertThat(jepsen("--nemesis", "none-such")).isEqualTo(JepsenCommand.USAGE);
    assertThat(jepsen("--time", "0")).isEqualTo(JepsenCommand.USAGE);
    assertThat(jepsen("--no-such-option")).isEqualTo(JepsenCommand.USAGE);
  }

  /** Replicas and a server as processes, each kind of fault that takes no rights once or so. */
  @Test
  void capsuleIsClean() {
    Path launcher = Path.of("..", "bin", "capsule").toAbsolutePath().normalize();
    assumeTrue(
        Files.exists(Path.of("..", "lambda-host", "target", "capsule", "capsule.jar")),
        "the product was not packaged before this test");
    System.setProperty("capsule.launcher", launcher.toString());

    assertThat(
            jepsen(
                "--workload",
                "all",
                "--nemesis",
                "kill,pause,halves,majority-cut",
                "--time",
                "25",
                "--rate",
                "200",
                "--max-gap",
                "30"))
        .isEqualTo(JepsenCommand.CLEAN);
    Path versions = directory.resolve("register.versions.jsonl");
    assertThat(versions).content().contains("\"version\":[");
    assertThat(Main.execute("jepsen", "check", "--workload", "register", versions.toString()))
        .isEqualTo(JepsenCommand.CLEAN);
  }
}
