package io.capsuledb.jepsen.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.sim.FuzzTarget;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** Every decoder: the inputs that are kept, and a short run of the fuzzer. */
class DecodersFuzzTest {

  private static final Path KEPT = Path.of("src", "test", "fuzz");

  static List<String> names() {
    return FuzzTargets.all().stream().map(FuzzTarget::name).toList();
  }

  private static List<byte[]> inputs(FuzzTarget target) throws IOException {
    List<byte[]> inputs = new ArrayList<>(target.samples());
    Path kept = KEPT.resolve(target.name());
    if (Files.isDirectory(kept)) {
      try (Stream<Path> files = Files.list(kept)) {
        for (Path file : files.sorted().toList()) {
          inputs.add(Files.readAllBytes(file));
        }
      }
    }
    return inputs;
  }

  @ParameterizedTest
  @MethodSource("names")
  void doesWhatItShouldWithWhatIsKept(String name) throws IOException {
    FuzzTarget target = FuzzTargets.of(name);
    target.run(new byte[0]);
    for (byte[] input : inputs(target)) {
      target.run(input);
      for (int cut = 0; cut < Math.min(input.length, 300); cut++) {
        target.run(java.util.Arrays.copyOf(input, cut));
      }
    }
  }

  @Test
  void theFuzzerFindsNothing() {
    String seconds = System.getProperty("fuzz.seconds", "120");
    StringWriter said = new StringWriter();
    int code =
        new CommandLine(new FuzzCommand())
            .setOut(new PrintWriter(said))
            .execute(
                "--seconds",
                seconds,
                "--corpus",
                Path.of("target", "fuzz").toAbsolutePath().toString(),
                "--kept",
                KEPT.toAbsolutePath().toString());
    System.out.println(said);
    assertThat(code).as(said.toString()).isZero();
  }
}
