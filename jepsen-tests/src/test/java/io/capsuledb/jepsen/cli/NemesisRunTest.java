package io.capsuledb.jepsen.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.jepsen.system.CapsuleSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * All workloads under all faults in network namespaces, as a user would run it. How long it takes
 * is the system property {@code nemesis.seconds}, 300 if not given, 0: not at all.
 */
final class NemesisRunTest {

  private static final List<String> COMMAND =
      List.of(
          "bin/capsule",
          "jepsen",
          "--workload",
          "all",
          "--nemesis",
          "all,kill-serve,pause-serve,majority-kill,majority-pause,majority-cut,all-kill",
          "--network",
          "netns",
          "--skip-impossible",
          "--rate",
          "200",
          "--clients",
          "30",
          "--max-gap",
          "30");

  @TempDir private Path directory;

  @Test
  @Timeout(value = 60, unit = TimeUnit.MINUTES)
  void capsuleIsCleanInNamespaces() throws IOException {
    run(COMMAND, CapsuleSystem.Serving.ALONE);
  }

  /** Four workers with two routers above three replicas. */
  @Test
  @Tag("long")
  @Timeout(value = 60, unit = TimeUnit.MINUTES)
  void workersAreCleanInNamespaces() throws IOException {
    run(
        List.of(
            "bin/capsule",
            "jepsen",
            "--workers",
            "4",
            "--routers",
            "2",
            "--workload",
            "all",
            "--nemesis",
            "all",
            "--network",
            "netns",
            "--skip-impossible",
            "--rate",
            "150",
            "--clients",
            "24",
            "--max-gap",
            "30"),
        new CapsuleSystem.Serving(4, 2, true));
  }

  private void run(List<String> command, CapsuleSystem.Serving serving) throws IOException {
    int seconds = Integer.getInteger("nemesis.seconds", 300);
    Path root = Path.of("..").toAbsolutePath().normalize();
    String why =
        seconds == 0
            ? "nemesis.seconds is 0"
            : !Files.exists(root.resolve("lambda-host/target/capsule/capsule.jar"))
                ? "the product was not packaged before this test"
                : String.join("; ", CapsuleSystem.obstacles("halves", 3, true, serving));
    if (!why.isEmpty()) {
      System.out.println("SKIPPED: the nemesis run in network namespaces: " + why);
    }
    assumeTrue(why.isEmpty(), why);
    System.setProperty("capsule.launcher", root.resolve("bin/capsule").toString());
    String[] arguments =
        Stream.concat(
                command.stream().skip(1),
                Stream.of("--time", Integer.toString(seconds), "--out", directory.toString()))
            .toArray(String[]::new);
    int code = Main.execute(arguments);
    assertThat(code).as(String.join(" ", command)).isEqualTo(JepsenCommand.CLEAN);
    assertThat(directory.resolve("report.html")).content().contains("Clean.");
  }
}
