package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.Clock;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** However calls come, an event loop keeps most of its time for others. */
class ShortCallsPropertyTest {

  /** Time that passes, with and without the thread having the processor. */
  private static final class Time implements Clock {
    private long now;
    private long cpu;

    Time(Random random) {
      now = random.nextLong();
      cpu = random.nextLong();
    }

    void busy(long nanos) {
      now += nanos;
      cpu += nanos;
    }

    /** Others have the processor, or nobody needs it. */
    void away(long nanos) {
      now += nanos;
    }

    @Override
    public long wallMs() {
      return 0;
    }

    @Override
    public long monotonicNanos() {
      return now;
    }

    @Override
    public long threadCpuNanos() {
      return cpu;
    }
  }

  /** One call, if it is allowed, that others interrupt for so long. */
  private static boolean call(ShortCalls calls, Time time, long nanos, long awayNanos) {
    long began = time.now;
    if (!calls.allow(began)) {
      return false;
    }
    time.busy(nanos);
    time.away(awayNanos);
    calls.took(time.now - began);
    return true;
  }

  @Property(tries = 200)
  void longCallsTakeTheirShareAndNoMore(
      @ForAll long seed, @ForAll @LongRange(min = 26_000, max = 2_000_000) long mostNanos) {
    Random random = new Random(seed);
    Time time = new Time(random);
    ShortCalls calls = new ShortCalls(time);
    long began = time.now;
    long spent = 0;
    for (int i = 0; i < 5_000; i++) {
      long took = 25_001 + random.nextLong(mostNanos - 25_000);
      if (call(calls, time, took, random.nextInt(4) == 0 ? random.nextLong(3_000_000) : 0)) {
        spent += took;
      } else if (random.nextBoolean()) {
        time.busy(random.nextInt(200_000));
      } else {
        time.away(random.nextInt(200_000));
      }
      assertThat(spent)
          .isLessThanOrEqualTo(
              (time.now - began) / ShortCalls.SHARE
                  + ShortCalls.SAVED_NANOS
                  + ShortCalls.MOST_NANOS);
    }
    assertThat(spent).isGreaterThan(ShortCalls.SAVED_NANOS / 2);
  }

  @Property(tries = 20)
  void callsThatAreHardlyLongerThanACommandAreNeverSentAway(@ForAll long seed) {
    Random random = new Random(seed);
    Time time = new Time(random);
    ShortCalls calls = new ShortCalls(time);
    for (int i = 0; i < 10_000; i++) {
      assertThat(call(calls, time, random.nextLong(ShortCalls.FREE_NANOS + 1), 0)).isTrue();
    }
  }

  /** On a busy machine a thread loses the processor some hundred times a second. */
  @Property(tries = 20)
  void callsThatOthersInterruptAreNotSentAway(@ForAll long seed) {
    Random random = new Random(seed);
    Time time = new Time(random);
    ShortCalls calls = new ShortCalls(time);
    for (int i = 0; i < 50_000; i++) {
      long away = random.nextInt(200) == 0 ? random.nextLong(5_000_000) : 0;
      assertThat(call(calls, time, 1_000 + random.nextLong(10_000), away)).isTrue();
      time.busy(random.nextLong(10_000));
    }
  }

  @Property(tries = 20)
  void whoeverTookMuchIsAllowedAgainSoon(@ForAll long seed) {
    Time time = new Time(new Random(seed));
    ShortCalls calls = new ShortCalls(time);
    // They take their time, and the loop does nothing else.
    for (int i = 0; i < 100 && call(calls, time, TimeUnit.SECONDS.toNanos(1), 0); i++) {
      time.now -= TimeUnit.SECONDS.toNanos(1);
    }
    assertThat(calls.allow(time.now)).isFalse();
    time.away(ShortCalls.SHARE * ShortCalls.MOST_NANOS + 8);
    assertThat(calls.allow(time.now)).isTrue();
  }
}
