package io.capsuledb.jepsen.report;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class TicksTest {

  @Test
  void ticksAreAtRoundNumbersAndNotTooMany() {
    assertThat(Ticks.upTo(41)).containsExactly(0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0);
    assertThat(Ticks.upTo(10)).hasSize(11).contains(10.0);
    assertThat(Ticks.upTo(1061)).containsExactly(0.0, 200.0, 400.0, 600.0, 800.0, 1000.0);
    for (double most = 0.001; most < 1e6; most *= 1.3) {
      assertThat(Ticks.upTo(most)).hasSizeBetween(4, 11);
    }
  }

  @Test
  void labelsHaveTheDigitsThatTheyNeed() {
    assertThat(Ticks.label(1000)).isEqualTo("1000");
    assertThat(Ticks.label(0.5)).isEqualTo("0.5");
    assertThat(Ticks.label(0.05)).isEqualTo("0.05");
  }
}
