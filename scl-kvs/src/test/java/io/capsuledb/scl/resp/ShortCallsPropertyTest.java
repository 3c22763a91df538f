package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** However calls come, an event loop keeps most of its time for others. */
class ShortCallsPropertyTest {

  @Property(tries = 200)
  void longCallsTakeTheirShareAndNoMore(
      @ForAll long seed, @ForAll @LongRange(min = 26_000, max = 2_000_000) long mostNanos) {
    Random random = new Random(seed);
    ShortCalls calls = new ShortCalls();
    long now = random.nextLong();
    long began = now;
    long spent = 0;
    for (int i = 0; i < 5_000; i++) {
      if (calls.allow(now)) {
        long took = 25_001 + random.nextLong(mostNanos - 25_000);
        calls.took(took);
        spent += took;
        now += took;
      } else {
        now += random.nextInt(200_000);
      }
      assertThat(spent)
          .isLessThanOrEqualTo(
              (now - began) / ShortCalls.SHARE + ShortCalls.SAVED_NANOS + ShortCalls.MOST_NANOS);
    }
    assertThat(spent).isGreaterThan(ShortCalls.SAVED_NANOS / 2);
  }

  @Property(tries = 20)
  void callsThatAreHardlyLongerThanACommandAreNeverSentAway(@ForAll long seed) {
    Random random = new Random(seed);
    ShortCalls calls = new ShortCalls();
    long now = random.nextLong();
    for (int i = 0; i < 10_000; i++) {
      assertThat(calls.allow(now)).isTrue();
      long took = random.nextLong(ShortCalls.FREE_NANOS + 1);
      calls.took(took);
      now += took;
    }
  }

  @Property(tries = 20)
  void whoeverTookMuchIsAllowedAgainSoon(@ForAll long now) {
    ShortCalls calls = new ShortCalls();
    for (int i = 0; calls.allow(now) && i < 100; i++) {
      calls.took(TimeUnit.SECONDS.toNanos(1));
    }
    assertThat(calls.allow(now)).isFalse();
    assertThat(calls.allow(now + ShortCalls.SHARE * ShortCalls.MOST_NANOS + 8)).isTrue();
  }
}
