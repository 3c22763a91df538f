package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class KeyIndexPropertyTest {

  /** Keys there from the first step to the last are visited, however the set grows and shrinks. */
  @Property(tries = 100)
  void aWalkVisitsEveryKeyThatStays(@ForAll long seed) {
    Random random = new Random(seed);
    KeyIndex index = new KeyIndex(seed);
    Set<String> model = new HashSet<>();
    int initial = random.nextInt(3000);
    for (int i = 0; i < initial; i++) {
      change(index, model, random, true);
    }
    Set<String> stayed = new HashSet<>(model);
    Set<String> visited = new HashSet<>();
    List<String> stray = new ArrayList<>();
    boolean growing = random.nextBoolean();
    long cursor = 0;
    int steps = 0;
    do {
      cursor =
          index.scan(
              cursor,
              1 + random.nextInt(50),
              key -> {
                String text = new String(key, StandardCharsets.UTF_8);
                visited.add(text);
                if (!model.contains(text)) {
                  stray.add(text);
                }
              });
      for (int i = random.nextInt(200); i > 0; i--) {
        change(index, model, random, growing == (random.nextInt(10) > 0));
      }
      stayed.retainAll(model);
      assertThat(++steps).isLessThan(100_000);
    } while (cursor != 0);
    assertThat(stray).isEmpty();
    assertThat(visited).containsAll(stayed);
    assertThat(index.size()).isEqualTo(model.size());
    byte[] any = index.any(random.nextLong());
    assertThat(any == null).isEqualTo(model.isEmpty());
    if (any != null) {
      assertThat(model).contains(new String(any, StandardCharsets.UTF_8));
    }
  }

  private static void change(KeyIndex index, Set<String> model, Random random, boolean add) {
    String key = "key" + random.nextInt(6000);
    byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
    if (add) {
      assertThat(index.add(bytes)).isEqualTo(model.add(key));
    } else {
      assertThat(index.remove(bytes)).isEqualTo(model.remove(key));
    }
  }
}
