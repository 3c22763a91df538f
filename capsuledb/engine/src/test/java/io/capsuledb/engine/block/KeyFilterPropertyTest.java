package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.bytes.LittleEndian;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class KeyFilterPropertyTest {

  private static byte[] key(long number) {
    byte[] key = new byte[Long.BYTES];
    LittleEndian.putLong(key, 0, number);
    return key;
  }

  private static byte[] build(Random random, Iterable<Long> keys) {
    KeyFilter.Builder builder = new KeyFilter.Builder(Samples.bytes(random, 16));
    keys.forEach(key -> builder.add(key(key)));
    return builder.finish();
  }

  private static Set<Long> keys(Random random, int count) {
    Set<Long> keys = new HashSet<>();
    // Some sets are counted, some random: neither may matter.
    boolean counted = random.nextBoolean();
    while (keys.size() < count) {
      keys.add(counted ? keys.size() : random.nextLong());
    }
    return keys;
  }

  private static void check(int count, long seed) {
    Random random = new Random(seed);
    Set<Long> keys = keys(random, count);
    byte[] bytes = build(random, keys);
    KeyFilter filter = KeyFilter.decode(bytes, 0, bytes.length).orThrow();
    for (long key : keys) {
      assertThat(filter.mayContain(key(key))).isTrue();
    }
    int foreign = 20_000;
    int passed = 0;
    for (int i = 0; i < foreign; i++) {
      long key = random.nextLong();
      if (!keys.contains(key) && filter.mayContain(key(key))) {
        passed++;
      }
    }
    // 1 in 256 is expected: 78, with a deviation of 9.
    assertThat(passed).as("%d keys, seed %d", count, seed).isLessThan(140);
  }

  @Property(tries = 200)
  void neverNoToAKeyItHolds(@ForAll @IntRange(min = 1, max = 3000) int count, @ForAll long seed) {
    check(count, seed);
  }

  @Test
  void everySmallNumberOfKeys() {
    for (int count = 1; count <= 100; count++) {
      check(count, count);
    }
  }

  @Test
  void tablesOfManySizes() {
    for (int count = 10_000; count <= 320_000; count *= 2) {
      check(count, count);
      check(count + 1234, count);
    }
  }

  @Test
  @Tag("long")
  void millionsOfKeys() {
    check(3_000_000, 1);
  }

  @Test
  void aKeyAddedAgainIsTheSameKey() {
    KeyFilter.Builder once = new KeyFilter.Builder(new byte[16]);
    KeyFilter.Builder often = new KeyFilter.Builder(new byte[16]);
    for (int i = 0; i < 500; i++) {
      once.add(key(i));
    }
    for (int round = 0; round < 3; round++) {
      for (int i = 499; i >= 0; i--) {
        often.add(key(i));
        often.add(key(i));
      }
    }
    assertThat(often.finish()).isEqualTo(once.finish());
  }

  @Test
  void nineBitsAKey() {
    Random random = new Random(3);
    int count = 1_000_000;
    double bits = 8.0 * build(random, keys(random, count)).length / count;
    assertThat(bits).isLessThan(9.3);
    count = 35_000;
    bits = 8.0 * build(random, keys(random, count)).length / count;
    assertThat(bits).isLessThan(10.5);
  }
}
