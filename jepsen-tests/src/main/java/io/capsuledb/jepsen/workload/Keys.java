package io.capsuledb.jepsen.workload;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Keys in use. Each is written about a hundred times and then replaced by a new one, so that no
 * history of a key grows without end. Values are counted from 1, so each is written once.
 * Thread-safe.
 */
final class Keys {

  /** How often a key is written. */
  static final int WRITES_PER_KEY = 100;

  private final String prefix;
  private final int writesPerKey;
  private final List<String> active = new ArrayList<>();
  private final List<Integer> writes = new ArrayList<>();
  private final List<String> all = new ArrayList<>();

  Keys(String prefix, int activeKeys) {
    this(prefix, activeKeys, WRITES_PER_KEY);
  }

  Keys(String prefix, int activeKeys, int writesPerKey) {
    this.prefix = prefix;
    this.writesPerKey = writesPerKey;
    for (int i = 0; i < activeKeys; i++) {
      active.add(fresh());
      writes.add(0);
    }
  }

  private String fresh() {
    String key = prefix + all.size();
    all.add(key);
    return key;
  }

  /** A key and a value that it never had. */
  record Write(String key, long value) {}

  synchronized String any(RandomGenerator random) {
    return active.get(random.nextInt(active.size()));
  }

  synchronized Write write(RandomGenerator random) {
    int place = random.nextInt(active.size());
    Write write = new Write(active.get(place), writes.get(place) + 1L);
    if (writes.get(place) + 1 == writesPerKey) {
      active.set(place, fresh());
      writes.set(place, 0);
    } else {
      writes.set(place, writes.get(place) + 1);
    }
    return write;
  }

  /** All keys that there have been. */
  synchronized List<String> all() {
    return List.copyOf(all);
  }
}
