package io.capsuledb.engine.lsm;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.sim.SimClock;
import org.junit.jupiter.api.Test;

class ForegroundLoadTest {

  private final SimClock clock = new SimClock();
  private final ForegroundLoad load = new ForegroundLoad(clock);

  private void window(int operations) {
    for (int i = 0; i < operations; i++) {
      load.operation();
    }
    clock.advanceMs(100);
  }

  @Test
  void busyIsWhatTheLastWindowWas() {
    assertThat(load.isBusy()).isFalse();
    assertThat(load.isQuiet()).isTrue();
    window(150);
    assertThat(load.isBusy()).isFalse();
    window(250);
    assertThat(load.isBusy()).isTrue();
    assertThat(load.isBusy()).isTrue();
    assertThat(load.isQuiet()).isFalse();
    window(0);
    assertThat(load.isBusy()).isFalse();
  }

  @Test
  void quietIsAWhileAfterTheLastBusyWindow() {
    window(1000);
    assertThat(load.isQuiet()).isFalse();
    clock.advanceMs(9_999);
    assertThat(load.isQuiet()).isFalse();
    clock.advanceMs(1);
    assertThat(load.isQuiet()).isTrue();
    window(1000);
    assertThat(load.isQuiet()).isFalse();
  }
}
