package io.capsuledb.jepsen.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDigestTest {

  @TempDir private Path directory;

  @Test
  void itBeginsWithTheFirstFindingAndTellsWorkloadsGapsAndLogs() throws IOException {
    Path logs = Files.createDirectories(directory.resolve("nodes/log"));
    Files.writeString(
        logs.resolve("replica2.log"),
        "ready\nSEVERE the disk is full\njava.io.IOException: no space\n");
    String digest =
        RunDigest.of(
            List.of(
                "seed 7; everything goes to /x",
                "2.6 s kill: kill -9 replica1, for 3371 ms",
                "40266 operations in 40 s: 38872 ok, 1315 failed, 79 unknown; 4 faults",
                "longest time without an acknowledged write while a majority lived: 31000.0 ms,"
                    + " from 12.0 s",
                "gap of 31000.0 ms from 12.0 s on, in kill of 12.0 s to 15.0 s",
                "set: valid {adds=3}",
                "register: 2 violations, 1 undecided {reads=4}",
                "VIOLATION register linearizable: key register-10: no order explains them",
                "UNDECIDED register key register-11",
                "VIOLATION no write was acknowledged for 31000.0 ms",
                "NOT CLEAN"),
            directory);
    assertThat(digest.lines().findFirst())
        .hasValue(
            "NOT CLEAN: VIOLATION register linearizable: key register-10: no order explains them");
    assertThat(digest)
        .contains(
            "register: 2 violations, 1 undecided",
            "UNDECIDED register",
            "no write was acknowledged",
            "gap of 31000.0 ms",
            "seed 7",
            "replica2.log: SEVERE the disk is full",
            "replica2.log: java.io.IOException")
        .doesNotContain("set: valid", "replica2.log: ready");
  }

  @Test
  void itIsBounded() throws IOException {
    Path logs = Files.createDirectories(directory.resolve("nodes/log"));
    List<String> said = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      said.add("VIOLATION set set-lost: " + "x".repeat(i * 10));
      said.add("gap of " + i + " ms");
      Files.writeString(logs.resolve("node" + i + ".log"), "ERROR it is broken\n".repeat(100));
    }
    assertThat(RunDigest.of(said, directory).lines())
        .hasSize(RunDigest.MAX_LINES)
        .allMatch(line -> line.length() <= RunDigest.MAX_LINE + 2)
        .anyMatch(line -> line.startsWith("… and "))
        .anyMatch(line -> line.startsWith("node0.log: ERROR"));
  }

  @Test
  void aRunThatEndedEarlySaysSo() throws IOException {
    assertThat(RunDigest.of(List.of("capsule jepsen: nft is missing"), directory))
        .startsWith("NOT CLEAN: capsule jepsen: nft is missing")
        .contains("no logs of nodes");
  }
}
