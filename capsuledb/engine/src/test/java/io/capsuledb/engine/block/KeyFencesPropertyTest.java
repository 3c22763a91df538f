package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** A search by fences against looking at each key. */
class KeyFencesPropertyTest {

  /** Few bytes, and long beginnings in common: keys that differ late, or by length, or not. */
  private static byte[] key(Random random, byte[] beginning) {
    byte[] key = Arrays.copyOf(beginning, beginning.length + random.nextInt(12));
    for (int i = beginning.length; i < key.length; i++) {
      key[i] = (byte) (random.nextInt(3) - 1);
    }
    return key;
  }

  @Property(tries = 1000)
  void findsWhatLookingAtEachFinds(@ForAll long seed) {
    Random random = new Random(seed);
    byte[] beginning = key(random, new byte[0]);
    byte[][] keys = new byte[1 + random.nextInt(40)][];
    Arrays.setAll(keys, i -> key(random, beginning));
    Arrays.sort(keys, Arrays::compareUnsigned);
    byte[] least = random.nextBoolean() ? keys[0] : beginning;
    KeyFences fences =
        KeyFences.between(
            least,
            keys[keys.length - 1],
            keys.length,
            (fence, key) -> Arrays.compareUnsigned(keys[fence], key));
    for (int i = 0; i < keys.length; i++) {
      byte[] padded = new byte[keys[i].length + 5];
      Arrays.fill(padded, (byte) 7);
      System.arraycopy(keys[i], 0, padded, 3, keys[i].length);
      fences.set(i, padded, 3, 3 + keys[i].length);
    }
    for (int i = 0; i < 60; i++) {
      byte[] sought =
          switch (random.nextInt(4)) {
            case 0 -> keys[random.nextInt(keys.length)];
            case 1 -> key(random, new byte[0]);
            case 2 -> Arrays.copyOf(beginning, random.nextInt(beginning.length + 1));
            default -> key(random, beginning);
          };
      int expected = 0;
      while (expected < keys.length && Arrays.compareUnsigned(keys[expected], sought) < 0) {
        expected++;
      }
      assertThat(fences.firstAtOrAfter(sought)).isEqualTo(expected);
    }
  }
}
