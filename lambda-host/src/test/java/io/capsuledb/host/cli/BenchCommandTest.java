package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole bench, tiny, so that it cannot rot. */
class BenchCommandTest {

  @TempDir private Path directory;

  private CliRun bench(String... more) {
    String[] all = new String[more.length + 10];
    String[] tiny = {
      "bench",
      "--requests",
      "300",
      "--keys",
      "200",
      "--clients",
      "5",
      "--rounds",
      "1",
      "--dir=" + directory
    };
    System.arraycopy(tiny, 0, all, 0, tiny.length);
    System.arraycopy(more, 0, all, tiny.length, more.length);
    return CliRun.with(Map.of("PATH", System.getenv("PATH")), new byte[0], all);
  }

  @Test
  void itMeasuresBothServersAndLeavesNothingBehind() throws IOException {
    boolean redis =
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(entry -> Files.isExecutable(Path.of(entry, "redis-server")));
    CliRun run = bench("--json", "--pipelines", "1,16", "--sizes", "100");
    assertThat(run.exitCode()).as(run.toString()).isZero();
    String measured =
        "\\{\"operationsPerSecond\":[0-9.E]+,\"p50Micros\":[0-9.E]+,\"p99Micros\":[0-9.E]+"
            + ",\"operations\":[0-9]+,\"misses\":0}";
    String each =
        "\\{\"operation\":\"(SET|GET)\",\"pipeline\":(1|16),\"valueBytes\":100,\"capsule\":"
            + measured
            + (redis ? ",\"redis\":" + measured + ",\"ratio\":[0-9.E-]+" : "")
            + "}";
    assertThat(run.out())
        .matches(
            "\\{\"clients\":5,\"fileSystem\":\"[a-z0-9]+\",\"measurements\":\\["
                + each
                + ("," + each).repeat(3)
                + "]}\n");
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void theTableHasARowForEachMeasurement() {
    CliRun run = bench("--no-redis", "--pipelines", "4", "--sizes", "10,20");
    assertThat(run.exitCode()).as(run.toString()).isZero();
    assertThat(run.out().lines()).hasSize(2 + 4);
    assertThat(run.out()).containsPattern("SET +4 +20 +[0-9,]+ ");
  }
}
