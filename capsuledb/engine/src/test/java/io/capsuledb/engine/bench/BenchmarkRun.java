package io.capsuledb.engine.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * Runs the benchmarks whose names match the pattern in the system property {@code bench}, in this
 * process, and prints what they measured. Not a test by name: it runs only when it is asked for.
 */
class BenchmarkRun {

  static Collection<RunResult> run(String pattern, int iterations, TimeValue time)
      throws RunnerException {
    System.setProperty("jmh.ignoreLock", "true");
    return new Runner(
            new OptionsBuilder()
                .include(pattern)
                .forks(0)
                .warmupIterations(iterations - 1)
                .warmupTime(time)
                .measurementIterations(iterations)
                .measurementTime(time)
                .shouldFailOnError(true)
                .build())
        .run();
  }

  @Test
  @EnabledIfSystemProperty(named = "bench", matches = ".+")
  void measure() throws RunnerException {
    assertThat(run(System.getProperty("bench"), 3, TimeValue.milliseconds(500))).isNotEmpty();
  }
}
