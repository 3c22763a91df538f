package io.capsuledb.engine.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.TimeValue;

/** Every benchmark runs, if only for a moment. */
class BenchmarkSmokeTest {

  /** Benchmarks times parameters: 9 libraries on 2 kinds of values, 8 on 2 blocks, 5, 5. */
  private static final int RUNS = 2 * 9 * 2 + 8 * 2 + 5 + 5;

  @Test
  void eachRuns() throws RunnerException {
    Collection<RunResult> results =
        BenchmarkRun.run("io.capsuledb.engine.bench", 1, TimeValue.milliseconds(3));
    assertThat(results).hasSize(RUNS);
    assertThat(results).allMatch(result -> result.getPrimaryResult().getScore() > 0);
  }
}
