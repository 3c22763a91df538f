package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** A walk inside a transaction against a map: what is committed, overlaid by what is staged. */
class TransactionWalkPropertyTest {

  private static final int KEYS = 60;
  private static final int MAX_STEPS = 10_000;

  /** What the model holds of a key: its type, and when it expires, 0 for never. */
  private record Held(ValueType type, long expiryAtMs) {}

  @Property(tries = 300)
  void aWalkSeesTheTreeUnderTheStagedWrites(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 70) int count) {
    Random random = new Random(seed);
    Node node = Node.tiny(seed);
    try (CapsuleDb db = node.open()) {
      Map<String, Held> model = new TreeMap<>();
      for (int i = random.nextInt(8); i > 0; i--) {
        try (Transaction txn = db.begin()) {
          stage(random, txn, model, random.nextInt(20));
          txn.commit();
        }
        if (random.nextBoolean()) {
          db.flush();
        }
        node.scheduler.run();
        node.clock.advanceMs(random.nextInt(30));
      }
      try (Transaction txn = db.begin()) {
        for (int walks = 0; walks < 4; walks++) {
          stage(random, txn, model, random.nextInt(12));
          assertThat(walk(txn, count)).isEqualTo(live(model, txn.nowMs()));
        }
        // Staged in the middle of a walk: seen if it is behind the key that was come to.
        Map<String, ValueType> seen = new TreeMap<>();
        byte[] at = txn.walk(null, count, (key, type) -> seen.put(Node.text(key), type));
        if (at != null) {
          String reached = Node.text(at);
          Map<String, Held> before = new TreeMap<>(model);
          stage(random, txn, model, 5);
          assertThat(rest(txn, at, count)).isEqualTo(behind(live(model, txn.nowMs()), reached));
          assertThat(seen).isEqualTo(upTo(live(before, txn.nowMs()), reached));
        }
      }
      node.scheduler.run();
    }
  }

  private static void stage(Random random, Transaction txn, Map<String, Held> model, int times) {
    for (int i = 0; i < times; i++) {
      String key = "k" + random.nextInt(KEYS);
      switch (random.nextInt(10)) {
        case 0, 1, 2 -> {
          txn.delete(bytes(key));
          model.remove(key);
        }
        case 3 -> {
          if (random.nextInt(4) == 0) {
            txn.clear();
            model.clear();
          }
        }
        default -> {
          ValueType type = ValueType.ofNumber(random.nextInt(ValueType.count()));
          long expiryAtMs = random.nextInt(4) == 0 ? txn.nowMs() + random.nextInt(60) : 0;
          txn.put(bytes(key), type, bytes("v" + i), expiryAtMs);
          model.put(key, new Held(type, expiryAtMs));
        }
      }
    }
  }

  private static Map<String, ValueType> live(Map<String, Held> model, long nowMs) {
    Map<String, ValueType> live = new TreeMap<>();
    model.forEach(
        (key, held) -> {
          if (held.expiryAtMs == 0 || held.expiryAtMs > nowMs) {
            live.put(key, held.type);
          }
        });
    return live;
  }

  private static Map<String, ValueType> behind(Map<String, ValueType> live, String key) {
    return new TreeMap<>(new TreeMap<>(live).tailMap(key, false));
  }

  private static Map<String, ValueType> upTo(Map<String, ValueType> live, String key) {
    return new TreeMap<>(new TreeMap<>(live).headMap(key, true));
  }

  private static Map<String, ValueType> walk(Transaction txn, int count) {
    return rest(txn, null, count);
  }

  private static Map<String, ValueType> rest(Transaction txn, byte[] after, int count) {
    Map<String, ValueType> seen = new TreeMap<>();
    String[] last = {""};
    byte[] at = after;
    int steps = 0;
    do {
      int[] visited = {0};
      at =
          txn.walk(
              at,
              count,
              (key, type) -> {
                visited[0]++;
                assertThat(Node.text(key)).as("order").isGreaterThan(last[0]);
                last[0] = Node.text(key);
                seen.put(last[0], type);
              });
      assertThat(visited[0]).isLessThanOrEqualTo(count);
      steps++;
    } while (at != null && steps < MAX_STEPS);
    assertThat(at).isNull();
    return seen;
  }
}
