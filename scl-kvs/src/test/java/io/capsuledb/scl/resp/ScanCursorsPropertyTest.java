package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.sim.SimEntropy;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class ScanCursorsPropertyTest {

  private static final int MAX_BYTES = 400;

  /** Against a list in the order of use, the least lately used first. */
  @Property(tries = 200)
  void whatWasUsedLatestIsKept(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 20) int maxCursors) {
    Random random = new Random(seed);
    ScanCursors cursors = new ScanCursors(new SimEntropy(seed), maxCursors, MAX_BYTES);
    Map<Long, byte[]> model = new LinkedHashMap<>();
    Long forgotten = null;
    for (int i = 0; i < 200; i++) {
      if (random.nextBoolean() || model.isEmpty()) {
        byte[] key = new byte[random.nextInt(100)];
        random.nextBytes(key);
        long number = cursors.remember(key);
        assertThat(number).isBetween(1L, ScanCursors.NUMBERS - 1);
        assertThat(model).doesNotContainKey(number);
        model.put(number, key);
        while (model.size() > maxCursors || bytes(model) > MAX_BYTES) {
          Iterator<Long> oldest = model.keySet().iterator();
          forgotten = oldest.next();
          oldest.remove();
        }
      } else {
        long used = model.keySet().stream().skip(random.nextInt(model.size())).findFirst().get();
        byte[] key = model.remove(used);
        model.put(used, key);
        assertThat(cursors.key(used)).isSameAs(key);
      }
      assertThat(cursors.size()).isEqualTo(model.size());
      assertThat(cursors.keyBytes()).isEqualTo(bytes(model));
      if (forgotten != null) {
        long gone = forgotten;
        assertThatThrownBy(() -> cursors.key(gone)).hasMessageContaining("start again at 0");
      }
    }
    model.forEach((number, key) -> assertThat(cursors.key(number)).isSameAs(key));
  }

  private static long bytes(Map<Long, byte[]> model) {
    return model.values().stream().mapToLong(key -> key.length).sum();
  }
}
