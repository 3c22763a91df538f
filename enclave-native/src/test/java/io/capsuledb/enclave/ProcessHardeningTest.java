package io.capsuledb.enclave;

import static org.assertj.core.api.Assertions.assertThat;

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
}
