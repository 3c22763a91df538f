package io.capsuledb.jepsen.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.jepsen.system.CapsuleSystem;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
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
    List<String> said = Collections.synchronizedList(new ArrayList<>());
    PrintWriter teller = new PrintWriter(new Tee(said), true);
    int code = Main.execute(teller, teller, arguments);
    teller.flush();
    if (code != JepsenCommand.CLEAN) {
      // Whoever reads of this has the message only, and that may be cut after its first line.
      fail(
          "%sexit code %d of %s",
          RunDigest.of(List.copyOf(said), directory), code, String.join(" ", command));
    }
    assertThat(directory.resolve("report.html")).content().contains("Clean.");
  }

  /** Keeps the lines of what is written, and passes it on to the standard output. */
  private static final class Tee extends Writer {
    private final List<String> lines;
    private final StringBuilder line = new StringBuilder();

    Tee(List<String> lines) {
      this.lines = lines;
    }

    @Override
    public void write(char[] characters, int offset, int length) {
      String text = new String(characters, offset, length);
      System.out.print(text);
      for (int i = 0; i < length; i++) {
        char c = text.charAt(i);
        if (c == '\n') {
          lines.add(line.toString());
          line.setLength(0);
        } else {
          line.append(c);
        }
      }
    }

    @Override
    public void flush() {
      System.out.flush();
    }

    @Override
    public void close() {
      flush();
    }
  }
}
