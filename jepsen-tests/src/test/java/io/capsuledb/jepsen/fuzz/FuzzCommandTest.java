package io.capsuledb.jepsen.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Decoders that share a process: what one of them does is its own, and the others still run. */
class FuzzCommandTest {

  private final StringWriter out = new StringWriter();

  @TempDir private Path corpus;

  private int fuzz(String... arguments) {
    return new CommandLine(new FuzzCommand())
        .setOut(new PrintWriter(out))
        .setErr(new PrintWriter(new StringWriter()))
        .execute(arguments);
  }

  private String lineOf(String name) {
    List<String> lines =
        out.toString().lines().filter(line -> line.startsWith(name + " ")).toList();
    assertThat(lines).as(out.toString()).hasSize(1);
    return lines.getFirst();
  }

  private String log(String name) throws IOException {
    return Files.readString(corpus.resolve(name).resolve("log"));
  }

  private List<Path> found(String name) throws IOException {
    try (Stream<Path> files = Files.list(corpus.resolve(name))) {
      return files.filter(file -> file.getFileName().toString().startsWith("found-")).toList();
    }
  }

  @Test
  void eachFindingIsOfItsDecoderAndTheOthersRun() throws IOException {
    List<String> broken =
        List.of(
            BrokenFuzzTargets.CRASHES,
            BrokenFuzzTargets.HANGS,
            BrokenFuzzTargets.HOARDS,
            BrokenFuzzTargets.DIES);
    List<String> sound = List.of("rts", "eoe", "sync", "seal-order");
    String order =
        String.join(
            ",",
            sound.get(0),
            broken.get(0),
            sound.get(1),
            broken.get(1),
            broken.get(2),
            sound.get(2),
            sound.get(3),
            broken.get(3));
    assertThat(
            fuzz(
                "--target",
                order,
                "--seconds",
                "8",
                "--parallel",
                "1",
                "--hang",
                "3",
                "--corpus",
                corpus.toString()))
        .as(out.toString())
        .isEqualTo(1);
    for (String name : sound) {
      assertThat(lineOf(name)).matches(name + " +[1-9][0-9]* inputs in [0-9]+ s");
      assertThat(log(name)).contains("INITED").doesNotContain("broken");
      assertThat(found(name)).isEmpty();
    }
    assertThat(lineOf(BrokenFuzzTargets.CRASHES)).contains("FOUND", "broken on purpose");
    assertThat(lineOf(BrokenFuzzTargets.HANGS)).contains("FOUND", "takes more than 3 s");
    assertThat(log(BrokenFuzzTargets.HANGS)).contains("at " + BrokenFuzzTargets.class.getName());
    assertThat(lineOf(BrokenFuzzTargets.HOARDS)).contains("FOUND", "Out of memory");
    assertThat(lineOf(BrokenFuzzTargets.DIES)).contains("FOUND", "exit code 137");
    for (String name : broken) {
      assertThat(found(name)).as(name).hasSize(1);
      assertThat(Files.readAllBytes(found(name).getFirst())[0])
          .as(name)
          .isEqualTo(BrokenFuzzTargets.BAD);
      assertThat(lineOf(name)).contains(found(name).getFirst().toString());
    }
    assertThat(out.toString()).contains("8 decoders in ", "FOUND in " + broken);
  }

  @Test
  void aWrongCommandLineIsRefused() {
    assertThat(fuzz("--seconds", "0")).isEqualTo(2);
    assertThat(fuzz("--hang", "0")).isEqualTo(2);
  }

  @Test
  void brokenDecodersAreNoneOfThoseThatAreListed() {
    assertThat(fuzz("--list")).isZero();
    assertThat(out.toString().lines())
        .hasSize(FuzzTargets.all().size())
        .noneMatch(line -> line.startsWith("broken"));
  }
}
