package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Reads that take their time, from one seed: whenever a block is read from the store, in the middle
 * of a cursor's step, others write, memtables are flushed and used again, tables are merged. A
 * snapshot shows what there was when it was taken all the same.
 */
class ReadsMeanwhilePropertyTest {

  private static final int KEYS = 60;
  private static final int ROUNDS = 10;

  /** Most that others write in one step of a cursor: it holds memtables, and they are few. */
  private static final int MOST_PER_STEP = 25;

  private static final class Run {
    final Random random;
    final Node node;
    final CapsuleDb db;
    final TreeMap<String, String> model = new TreeMap<>();
    boolean inside;
    int left;
    int values;

    Run(long seed) {
      random = new Random(seed);
      node = Node.tiny(seed);
      node.cacheBytes = 0;
      node.memtableBytes = 16 << 10;
      db = node.open();
    }

    void write() {
      String key = "k" + random.nextInt(KEYS);
      try (Transaction txn = db.begin()) {
        if (random.nextInt(4) == 0) {
          txn.delete(bytes(key));
          model.remove(key);
        } else {
          String value = "v" + ++values;
          txn.put(bytes(key), ValueType.STRING, bytes(value), 0);
          model.put(key, value);
        }
        txn.commit();
      }
    }

    void othersAct() {
      if (inside || random.nextInt(6) > 0) {
        return;
      }
      inside = true;
      // So that there is room.
      node.scheduler.run();
      for (int i = Math.min(left, random.nextInt(20)); i > 0; i--) {
        write();
        left--;
      }
      if (random.nextInt(3) == 0) {
        db.flush();
      }
      for (int i = random.nextInt(30); i > 0; i--) {
        node.scheduler.step();
      }
      inside = false;
    }

    void look() {
      try (Snapshot snapshot = db.snapshot()) {
        TreeMap<String, String> expected = new TreeMap<>(model);
        node.store.meanwhile(this::othersAct);
        try {
          Cursor cursor = snapshot.cursor();
          boolean forward = random.nextBoolean();
          TreeMap<String, String> seen = new TreeMap<>();
          left = MOST_PER_STEP;
          boolean there = forward ? cursor.seekToFirst() : cursor.seekToLast();
          while (there) {
            seen.put(Node.text(cursor.key()), Node.text(cursor.value()));
            left = MOST_PER_STEP;
            there = forward ? cursor.next() : cursor.previous();
          }
          assertThat(seen).isEqualTo(expected);
          for (Map.Entry<String, String> entry : expected.entrySet()) {
            left = MOST_PER_STEP;
            Lookup found = snapshot.get(bytes(entry.getKey()));
            assertThat(found.found() ? Node.text(found.value()) : null).isEqualTo(entry.getValue());
          }
        } finally {
          node.store.meanwhile(() -> {});
        }
      }
    }
  }

  @Property(tries = 20)
  void aSnapshotStaysAsItWas(@ForAll long seed) {
    Run run = new Run(seed);
    for (int round = 0; round < ROUNDS; round++) {
      for (int i = run.random.nextInt(60); i > 0; i--) {
        run.write();
      }
      if (run.random.nextBoolean()) {
        run.node.scheduler.run();
      }
      run.look();
    }
    run.node.scheduler.run();
    assertThat(run.node.fsck().problems()).isEmpty();
    run.db.close();
  }
}
