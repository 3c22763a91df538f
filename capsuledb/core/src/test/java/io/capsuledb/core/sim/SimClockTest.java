package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class SimClockTest {

  @Test
  void advancesBothClocksAndJumpsOne() {
    SimClock clock = new SimClock(1000, 5);
    clock.advanceNanos(999_999);
    assertThat(clock.wallMs()).isEqualTo(1000);
    clock.advance(Duration.ofNanos(1));
    assertThat(clock.wallMs()).isEqualTo(1001);
    assertThat(clock.monotonicNanos()).isEqualTo(1_000_005);
    clock.jumpWallMs(-500);
    assertThat(clock.wallMs()).isEqualTo(501);
    clock.setWallMs(7);
    clock.advanceMs(3);
    assertThat(clock.wallMs()).isEqualTo(10);
    assertThat(clock.monotonicNanos()).isEqualTo(4_000_005);
    assertThatThrownBy(() -> clock.advanceMs(-1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void entropyIsDeterminedByItsSeed() {
    byte[] a = new byte[40];
    byte[] b = new byte[40];
    new SimEntropy(1).fill(a);
    new SimEntropy(1).fill(b);
    assertThat(a).isEqualTo(b);
    new SimEntropy(2).fill(b);
    assertThat(a).isNotEqualTo(b);
  }
}
