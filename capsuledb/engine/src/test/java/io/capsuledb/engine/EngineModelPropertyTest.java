package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.sim.SimDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * The engine against a map, from one seed: random transactions, agent steps in random order,
 * expiry, crashes at random points of the append, restarts.
 *
 * <p>What has to hold: what a reader sees is what the model says; after a crash the state is the
 * one after some number of whole transactions, no fewer than were durable; fsck finds nothing; no
 * pair of writer and sequence number ever carries two different records, whatever was crashed or
 * rolled back.
 */
class EngineModelPropertyTest {

  private static final int KEYS = 40;

  /** Longer than what is kept apart in the nodes of this test. */
  private static final int LARGE = 300;

  /** A value in the model. */
  private record Value(String text, long expiryAtMs) {}

  private static final class Run {
    final Random random;
    final Node node;
    CapsuleDb db;
    Map<String, Value> model = new TreeMap<>();

    /** The model after each transaction that is not known to be durable, with its fence. */
    final List<Map.Entry<Long, Map<String, Value>>> history = new ArrayList<>();

    final Map<String, String> recordsSeen = new HashMap<>();

    Run(long seed) {
      random = new Random(seed);
      node = Node.tiny(seed);
      node.historyMs = random.nextInt(3) * 20L;
      node.cacheBytes = random.nextInt(3) * 1000L;
      db = node.open();
      history.add(Map.entry(0L, Map.of()));
    }

    void transaction() {
      Map<String, Value> next = new TreeMap<>(model);
      try (Transaction txn = db.begin()) {
        int operations = 1 + random.nextInt(random.nextInt(10) == 0 ? 30 : 3);
        for (int i = 0; i < operations; i++) {
          String key = "k" + random.nextInt(KEYS);
          switch (random.nextInt(12)) {
            case 0, 1, 2 -> {
              txn.delete(bytes(key));
              next.remove(key);
            }
            case 3 -> {
              if (random.nextInt(4) == 0) {
                txn.clear();
                next.clear();
              }
            }
            case 4 -> {
              String text = "x".repeat(LARGE - 200 + random.nextInt(400));
              txn.put(bytes(key), ValueType.STRING, bytes(text), 0);
              next.put(key, new Value(text, 0));
            }
            case 5, 6 -> {
              long expiry = txn.nowMs() + 1 + random.nextInt(50);
              txn.put(bytes(key), ValueType.STRING, bytes("e" + i), expiry);
              next.put(key, new Value("e" + i, expiry));
            }
            default -> {
              String text = "v" + random.nextInt();
              txn.put(bytes(key), ValueType.STRING, bytes(text), 0);
              next.put(key, new Value(text, 0));
            }
          }
          assertThat(text(txn.get(bytes(key)))).isEqualTo(live(next, key));
        }
        if (random.nextInt(10) > 0) {
          long fence = txn.commit();
          model = next;
          if (fence > 0) {
            history.add(Map.entry(fence, next));
          }
        }
      }
    }

    String live(Map<String, Value> state, String key) {
      Value value = state.get(key);
      boolean there =
          value != null && (value.expiryAtMs == 0 || value.expiryAtMs > node.clock.wallMs());
      return there ? value.text : null;
    }

    static String text(Lookup found) {
      return found.found() ? new String(found.value(), StandardCharsets.UTF_8) : null;
    }

    boolean agrees(Map<String, Value> state) {
      for (int i = 0; i < KEYS; i++) {
        String key = "k" + i;
        if (!java.util.Objects.equals(text(db.get(bytes(key))), live(state, key))) {
          return false;
        }
      }
      return true;
    }

    void checkScan() {
      List<String> walked = new ArrayList<>();
      byte[] at = null;
      do {
        at =
            db.walk(
                at,
                1 + random.nextInt(5),
                (key, type) -> walked.add(new String(key, StandardCharsets.UTF_8)));
      } while (at != null);
      assertThat(walked).isEqualTo(List.copyOf(liveMap(model).keySet()));
      assertThat(db.size()).isEqualTo(walked.size());
      byte[] any = db.randomKey();
      assertThat(any == null).isEqualTo(walked.isEmpty());
      assertThat(any == null || walked.contains(new String(any, StandardCharsets.UTF_8))).isTrue();
      try (Snapshot snapshot = db.snapshot()) {
        checkCursor(snapshot, liveMap(model));
      }
    }

    NavigableMap<String, String> liveMap(Map<String, Value> state) {
      TreeMap<String, String> live = new TreeMap<>();
      state.keySet().forEach(k -> live.put(k, live(state, k)));
      live.values().removeIf(java.util.Objects::isNull);
      return live;
    }

    /** Random moves of a cursor agree with those in a map. */
    void checkCursor(Snapshot snapshot, NavigableMap<String, String> expected) {
      NavigableMap<String, String> in = expected;
      Cursor cursor = snapshot.cursor();
      if (random.nextInt(3) == 0) {
        String prefix = "k" + random.nextInt(4);
        cursor = snapshot.prefix(bytes(prefix));
        in = new TreeMap<>(expected.subMap(prefix, prefix + Character.MAX_VALUE));
      }
      String at = null;
      for (int i = 0; i < 20; i++) {
        String sought = "k" + random.nextInt(KEYS);
        switch (random.nextInt(at == null ? 4 : 10)) {
          case 0 -> {
            cursor.seekToFirst();
            at = in.isEmpty() ? null : in.firstKey();
          }
          case 1 -> {
            cursor.seekToLast();
            at = in.isEmpty() ? null : in.lastKey();
          }
          case 2 -> {
            cursor.seek(bytes(sought));
            at = in.ceilingKey(sought);
          }
          case 3 -> {
            cursor.seekBack(bytes(sought));
            at = in.floorKey(sought);
          }
          case 4, 5, 6 -> {
            cursor.next();
            at = in.higherKey(at);
          }
          default -> {
            cursor.previous();
            at = in.lowerKey(at);
          }
        }
        assertThat(cursor.valid()).isEqualTo(at != null);
        if (at != null) {
          assertThat(Node.text(cursor.key())).isEqualTo(at);
          assertThat(Node.text(cursor.value())).isEqualTo(in.get(at));
          assertThat(cursor.valueLength()).isEqualTo(in.get(at).length());
        }
      }
    }

    /** A snapshot shows what it showed when it was taken. */
    void checkSnapshot() {
      if (held == null) {
        held = db.snapshot();
        heldState = liveMap(model);
        return;
      }
      for (int i = 0; i < KEYS; i++) {
        assertThat(text(held.get(bytes("k" + i)))).isEqualTo(heldState.get("k" + i));
      }
      checkCursor(held, heldState);
      if (random.nextBoolean()) {
        letGo();
      }
    }

    void letGo() {
      if (held != null) {
        held.close();
        held = null;
      }
    }

    Snapshot held;
    NavigableMap<String, String> heldState = new TreeMap<>();

    void crash() {
      letGo();
      long durable = db.durableTime();
      if (random.nextBoolean()) {
        node.disk.onNextAppend(
            switch (random.nextInt(4)) {
              case 0 -> SimDisk.Fault.powerCutBefore();
              case 1 -> SimDisk.Fault.powerCutAfter();
              case 2 -> SimDisk.Fault.error();
              default -> SimDisk.Fault.powerCutDuring(random.nextInt(3));
            });
        node.scheduler.run();
        durable = Math.max(durable, db.durableTime());
        if (db.failure() == null) {
          // Nothing was left to append: the fault waits for the restart, which must survive it.
          node.crash();
          try {
            db = node.open();
          } catch (CapsuleException atStart) {
            node.crash();
            db = node.open();
          }
          settle(durable);
          return;
        }
      }
      node.crash();
      db = node.open();
      settle(durable);
    }

    /**
     * Whether the engine holds exactly this state: when keys will expire is compared too, so that
     * of two states that look alike now the right one is found.
     */
    boolean matches(Map<String, Value> state) {
      for (int i = 0; i < KEYS; i++) {
        String key = "k" + i;
        Lookup found = db.get(bytes(key));
        if (found.found() && found.expiryAtMs() != state.get(key).expiryAtMs()) {
          return false;
        }
      }
      return true;
    }

    /** Finds which transactions survived. */
    private void settle(long durable) {
      for (int i = history.size() - 1; i >= 0; i--) {
        long fence = history.get(i).getKey();
        if (agrees(history.get(i).getValue()) && matches(history.get(i).getValue())) {
          long lost = i + 1 < history.size() ? history.get(i + 1).getKey() : Long.MAX_VALUE;
          assertThat(lost).as("a durable transaction is gone").isGreaterThan(durable);
          model = new TreeMap<>(history.get(i).getValue());
          history.clear();
          history.add(Map.entry(fence, model));
          return;
        }
      }
      throw new AssertionError("the recovered state is no prefix of what was committed");
    }

    /** No position ever carries two records, over all disks this run has had. */
    void checkPositions() {
      for (long writer : node.store.writers()) {
        node.store.scan(
            writer,
            1,
            (w, sequence, bytes) -> {
              // A stub is the same record: what identifies both is the header.
              String hash = io.capsuledb.core.crypto.Hashes.sha256(bytes, 0, 112).toString();
              String before = recordsSeen.put(w + "/" + sequence, hash);
              assertThat(before == null || before.equals(hash)).as("%x/%d", w, sequence).isTrue();
              return true;
            });
      }
    }
  }

  @Property(tries = 60)
  void behavesAsAMapThatSurvivesCrashes(@ForAll long seed) {
    Run run = new Run(seed);
    SimDisk old = null;
    for (int i = 0; i < 300; i++) {
      int dice = run.random.nextInt(46);
      if (dice < 20) {
        run.transaction();
      } else if (dice < 32) {
        run.node.scheduler.step();
      } else if (dice < 34) {
        run.node.clock.advanceMs(run.random.nextInt(40));
        run.node.scheduler.tick();
      } else if (dice < 36) {
        run.checkScan();
      } else if (dice < 37) {
        run.checkPositions();
        run.crash();
      } else if (dice >= 44) {
        run.checkSnapshot();
      } else if (dice >= 42) {
        run.db.compact();
      } else if (dice >= 40) {
        run.db.flush();
      } else if (dice == 37) {
        run.letGo();
        run.node.scheduler.run();
        run.db.close();
        run.db = run.node.open();
      } else if (dice == 38 && old == null) {
        run.node.scheduler.run();
        old = run.node.disk.copy();
      }
      assertThat(run.agrees(run.model)).as("step %d", i).isTrue();
    }
    run.letGo();
    run.node.scheduler.run();
    run.checkPositions();
    assertThat(run.node.fsck().problems()).isEmpty();
    if (old != null) {
      // The host rolls the whole store back and starts again: other writers, no position twice.
      run.node.scheduler.kill();
      run.node.disk = old;
      run.node.store = old.open();
      run.db = run.node.open();
      Node.put(run.db, "after", "roll-back");
      run.node.scheduler.run();
      run.checkPositions();
      assertThat(run.node.fsck().problems()).isEmpty();
    }
    run.db.close();
  }

  /** Seeds that found something once: two states that differed in nothing but an expiry. */
  @Test
  void behavesWithSeedsThatFailedOnce() {
    behavesAsAMapThatSurvivesCrashes(-4);
  }

  /** The crash at each single append of one workload, in each way a disk can take it. */
  @Test
  void crashAtEveryAppend() {
    long appends = workload(Node.tiny(99), 0, null);
    // Data, blocks, manifests and checkpoints.
    assertThat(appends).isGreaterThan(60);
    for (long at = 1; at <= appends; at++) {
      for (SimDisk.Fault fault :
          List.of(
              SimDisk.Fault.powerCutBefore(),
              SimDisk.Fault.powerCutDuring(1),
              SimDisk.Fault.powerCutAfter(),
              SimDisk.Fault.error(1),
              SimDisk.Fault.outOfSpace())) {
        workload(Node.tiny(99), at, fault);
      }
    }
  }

  private static long workload(Node node, long faultAt, SimDisk.Fault fault) {
    if (fault != null) {
      node.disk.onAppend(faultAt, fault);
    }
    int acknowledged = 0;
    try {
      CapsuleDb db = node.open();
      for (int i = 1; i <= 24; i++) {
        try (Transaction txn = db.begin()) {
          txn.put(bytes("count"), ValueType.STRING, bytes("" + i), 0);
          txn.put(bytes("k" + i), ValueType.STRING, bytes("" + i), 0);
          txn.put(bytes("large"), ValueType.STRING, bytes("x".repeat(LARGE + i)), 0);
          txn.delete(bytes("k" + (i - 3)));
          txn.commit();
        }
        node.scheduler.run();
        if (i % 4 == 0) {
          db.flush();
        }
        if (i % 11 == 0) {
          db.compact();
        }
        node.scheduler.tick();
        node.scheduler.run();
        if (db.failure() != null) {
          throw db.failure();
        }
        acknowledged = i;
      }
      db.close();
      if (fault == null) {
        return node.disk.appends();
      }
    } catch (CapsuleException crashed) {
      assertThat(fault).as("an unexpected failure: %s", crashed).isNotNull();
    }
    node.crash();
    CapsuleDb db = node.open();
    Lookup count = db.get(bytes("count"));
    int recovered = count.found() ? Integer.parseInt(Run.text(count)) : 0;
    assertThat(recovered).isBetween(acknowledged, acknowledged + 1);
    for (int i = 1; i <= recovered; i++) {
      assertThat(db.get(bytes("k" + i)).found()).isEqualTo(i > recovered - 3);
    }
    assertThat(db.describe(bytes("large")).length())
        .isEqualTo(recovered == 0 ? 0 : LARGE + recovered);
    assertThat(node.fsck().problems()).isEmpty();
    db.close();
    return 0;
  }
}
