package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole bench, tiny, with replicas in this process, so that it cannot rot. */
class BenchReplicationCommandTest {

  @TempDir private Path directory;

  @Test
  void itMeasuresWritesAndARebuildAndLeavesNothingBehind() throws IOException {
    CliRun run =
        CliRun.of(
            "bench",
            "replication",
            "--in-process",
            "--no-peers",
            "--json",
            "--replicas=1,3",
            "--outstanding=1,16",
            "--sizes=100",
            "--seconds=1",
            "--rebuild-mb=1",
            "--dir=" + directory);
    assertThat(run.exitCode()).as(run.toString()).isZero();
    String sample =
        "\"writesPerSecond\":[0-9.E]+,\"p50Micros\":[0-9.E]+,\"p99Micros\":[0-9.E]+"
            + ",\"p999Micros\":[0-9.E]+,\"writes\":[1-9][0-9]*";
    String row =
        "\\{\"target\":\"capsule\",\"replicas\":[13],\"outstanding\":(1|16),\"valueBytes\":100,"
            + sample
            + "}";
    assertThat(run.out())
        .matches(
            "\\{\"fileSystem\":\"[a-z0-9]+\",\"notes\":\\[\"[^\"]+\"],\"measurements\":\\["
                + row
                + ("," + row).repeat(3)
                + "],\"rebuild\":\\{\"replicas\":3,\"bytes\":[1-9][0-9]+,\"records\":[1-9][0-9]*"
                + ",\"seconds\":[0-9.E-]+,\"before\":\\{"
                + sample
                + "},\"during\":\\{"
                + sample
                + "}}}\n");
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void whatIsOutOfRangeIsAUsageError() {
    CliRun run = CliRun.of("bench", "replication", "--replicas=8", "--dir=" + directory);
    assertThat(run.exitCode()).isEqualTo(ExitCodes.USAGE);
    assertThat(run.err()).contains("replicas is 8: allowed are 1 to 7");
  }
}
