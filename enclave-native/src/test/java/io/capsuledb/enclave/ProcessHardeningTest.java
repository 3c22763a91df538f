package io.capsuledb.enclave;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class ProcessHardeningTest {

  @Test
  @EnabledOnOs(OS.LINUX)
  void theKernelSaysWhatWasAskedFor() throws Exception {
    assertThat(ProcessHardening.apply())
        .allSatisfy(measure -> assertThat(measure.failure()).as(measure.name()).isNull());
    List<String> limits = Files.readAllLines(Path.of("/proc/self/limits"));
    assertThat(limits)
        .anySatisfy(line -> assertThat(line).matches("Max core file size\\s+0\\s+0\\s+bytes\\s*"));
    assertThat(Files.readAllLines(Path.of("/proc/thread-self/status"))).contains("NoNewPrivs:\t1");
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void aSealedProcessOpensNothingMore() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                SealedProcess.class.getName())
            .redirectErrorStream(true)
            .start();
    List<String> lines =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
            .lines()
            .toList();
    assertThat(process.waitFor()).as(String.join(" | ", lines)).isZero();
    assertThat(lines)
        .contains(
            "before: true",
            "file before: done",
            "no-core-dump: null",
            "not-traceable: null",
            "no-new-privileges: null",
            "memory-not-dumped: null",
            "system-calls: null",
            "socket: refused",
            "connect: refused",
            "file: refused",
            "write: refused",
            "program: refused",
            "thread: runs",
            "memory: 64");
    // Whether memory may be locked is for the machine to say; what it says is told.
    assertThat(lines).anySatisfy(line -> assertThat(line).startsWith("memory-locked: "));
  }
}
