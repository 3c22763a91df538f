package io.capsuledb.scl.frame;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** The window against a set of all counters that were ever seen. */
class ReplayWindowPropertyTest {

  @Property(tries = 300)
  void eachCounterPassesOnceAndOldOnesNever(
      @ForAll long seed, @ForAll @LongRange(min = 1, max = 5_000) long spread) {
    java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
    ReplayWindow window = new ReplayWindow();
    Map<Long, Set<Long>> seen = new HashMap<>();
    Map<Long, Long> largest = new HashMap<>();
    long middle = 1;
    for (int i = 0; i < 3_000; i++) {
      long sender = 1L + random.nextInt(3);
      middle += random.nextInt(3);
      long counter = Math.max(1, middle + random.nextLong(spread) - spread / 2);
      long most = largest.getOrDefault(sender, 0L);
      boolean fresh =
          counter > most - ReplayWindow.WIDTH
              && !seen.computeIfAbsent(sender, s -> new HashSet<>()).contains(counter);
      assertThat(window.pass(sender, counter)).isEqualTo(fresh);
      if (fresh) {
        seen.get(sender).add(counter);
        largest.merge(sender, counter, Math::max);
      }
    }
  }
}
