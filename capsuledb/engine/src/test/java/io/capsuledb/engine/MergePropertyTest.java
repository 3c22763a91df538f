package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * Values that are made by merging. Whatever order operands of one operator come in makes the same
 * value; what a node shows at each moment is what one operation after the other makes, whatever was
 * flushed, merged and reopened in between.
 */
class MergePropertyTest {

  private static byte[] set(Random random) {
    TreeSet<Integer> elements = new TreeSet<>();
    for (int i = 0; i <= random.nextInt(3); i++) {
      elements.add(random.nextInt(100));
    }
    byte[] bytes = new byte[5 + 2 * elements.size()];
    bytes[0] = 1;
    bytes[1] = (byte) elements.size();
    int at = 5;
    for (int element : elements) {
      bytes[at++] = 1;
      bytes[at++] = (byte) element;
    }
    return bytes;
  }

  private static byte[] operand(MergeOperator operator, Random random) {
    return switch (operator) {
      case UNION -> set(random);
      case COUNTER -> bytes("" + random.nextLong());
      case MIN, MAX ->
          operator.canonical(
              bytes(
                  switch (random.nextInt(4)) {
                    case 0 -> "" + random.nextInt(10) + ".50";
                    case 1 -> "" + random.nextDouble();
                    case 2 -> random.nextInt() + "e" + (random.nextInt(40) - 20);
                    default -> "" + random.nextLong();
                  }));
    };
  }

  @Property(tries = 300)
  void orderDoesNotMatter(@ForAll long seed) {
    Random random = new Random(seed);
    for (MergeOperator operator : MergeOperator.values()) {
      List<byte[]> operands = new ArrayList<>();
      for (int i = 0; i <= random.nextInt(8); i++) {
        operands.add(operand(operator, random));
      }
      byte[] first = null;
      for (int round = 0; round < 4; round++) {
        byte[] value = null;
        for (byte[] operand : operands) {
          assertThat(operator.canonical(operand)).isEqualTo(operand);
          value = operator.apply(operator.typeNumber(), value, operand);
        }
        assertThat(operator.canonical(value)).isEqualTo(value);
        assertThat(first == null ? value : first).as("seed %d %s", seed, operator).isEqualTo(value);
        first = value;
        Collections.shuffle(operands, random);
        if (operator != MergeOperator.COUNTER) {
          operands.add(operands.getFirst());
        }
      }
    }
  }

  @Property(tries = 25)
  void aNodeShowsWhatOperationsMakeOneAfterTheOther(@ForAll long seed) {
    Random random = new Random(seed);
    Node node = Node.tiny(seed);
    node.historyMs = random.nextInt(2) * 1000L;
    CapsuleDb db = node.open();
    Map<String, byte[]> model = new TreeMap<>();
    Map<Long, Map<String, byte[]>> moments = new TreeMap<>();
    for (int i = 0; i < 250; i++) {
      String key = "k" + random.nextInt(6);
      int dice = random.nextInt(20);
      if (dice < 14) {
        try (Transaction txn = db.begin()) {
          for (int n = 0; n <= random.nextInt(3); n++) {
            stage(txn, key, model, random);
          }
          long fence = txn.commit();
          if (fence > 0) {
            moments.put(fence, new TreeMap<>(model));
          }
        }
      } else if (dice < 15) {
        db.flush();
      } else if (dice < 16) {
        db.compact();
      } else if (dice < 17) {
        node.scheduler.run();
        db.close();
        db = node.open();
        moments.clear();
      } else {
        node.scheduler.step();
      }
      check(db, model, seed);
    }
    for (Map.Entry<Long, Map<String, byte[]>> moment : moments.entrySet()) {
      if (moment.getKey() >= db.historyFloor()) {
        try (Snapshot snapshot = db.snapshotAt(moment.getKey())) {
          for (int k = 0; k < 6; k++) {
            Lookup found = snapshot.get(bytes("k" + k));
            assertThat(found.found() ? found.value() : null)
                .as("seed %d at %d", seed, moment.getKey())
                .isEqualTo(moment.getValue().get("k" + k));
          }
        }
      }
    }
    node.scheduler.run();
    assertThat(node.fsck().problems()).as("seed %d", seed).isEmpty();
    db.close();
  }

  private static void stage(Transaction txn, String key, Map<String, byte[]> model, Random random) {
    int dice = random.nextInt(20);
    if (dice == 0) {
      txn.clear();
      model.clear();
    } else if (dice == 1) {
      txn.delete(bytes(key));
      model.remove(key);
    } else if (dice < 4) {
      byte[] value = bytes("" + random.nextInt(1000));
      txn.put(bytes(key), ValueType.STRING, value, 0);
      model.put(key, value);
    } else {
      MergeOperator operator = MergeOperator.ofNumber(1 + random.nextInt(4));
      byte[] operand = operand(operator, random);
      byte[] before = model.get(key);
      boolean isSet = before != null && MergeOperator.UNION.canonical(before) != null;
      boolean fits =
          before == null
              || (isSet == (operator == MergeOperator.UNION) && operator.canonical(before) != null);
      if (!fits) {
        assertThatThrownBy(() -> txn.merge(bytes(key), operator, operand))
            .isInstanceOf(InvalidRequestException.class)
            .hasMessageStartingWith("WRONGTYPE");
        return;
      }
      Lookup now = txn.merge(bytes(key), operator, operand);
      byte[] value = operator.apply(operator.typeNumber(), before, operand);
      assertThat(now.value()).isEqualTo(value);
      model.put(key, value);
    }
    Lookup found = txn.get(bytes(key));
    assertThat(found.found() ? found.value() : null).isEqualTo(model.get(key));
  }

  private static void check(CapsuleDb db, Map<String, byte[]> model, long seed) {
    Map<String, String> walked = new TreeMap<>();
    try (Snapshot snapshot = db.snapshot()) {
      Cursor cursor = snapshot.cursor();
      for (boolean there = cursor.seekToLast(); there; there = cursor.previous()) {
        walked.put(Node.text(cursor.key()), Node.text(cursor.value()));
      }
    }
    Map<String, String> expected = new TreeMap<>();
    model.forEach((key, value) -> expected.put(key, Node.text(value)));
    assertThat(walked).as("seed %d", seed).isEqualTo(expected);
    for (int k = 0; k < 6; k++) {
      Lookup found = db.get(bytes("k" + k));
      assertThat(found.found() ? found.value() : null)
          .as("seed %d, k%d", seed, k)
          .isEqualTo(model.get("k" + k));
      List<KeyVersion> history = db.history(bytes("k" + k), 1);
      assertThat(
              history.isEmpty() || history.getFirst().deleted() ? null : history.getFirst().value())
          .isEqualTo(model.get("k" + k));
    }
  }

  /** A key keeps its expiry while it is merged into, and begins anew after it. */
  @Test
  void whatExpiresExpiresWithWhatWasMerged() {
    for (boolean flushed : new boolean[] {false, true}) {
      Node node = Node.tiny(5);
      CapsuleDb db = node.open();
      try (Transaction txn = db.begin()) {
        txn.put(bytes("c"), ValueType.STRING, bytes("5"), node.clock.wallMs() + 100);
        txn.commit();
      }
      settle(node, db, flushed);
      merge(db, "c", MergeOperator.COUNTER, "2");
      settle(node, db, flushed);
      assertThat(Node.get(db, "c")).isEqualTo("7");
      assertThat(db.get(bytes("c")).expiryAtMs()).isEqualTo(node.clock.wallMs() + 100);
      node.clock.advanceMs(101);
      settle(node, db, flushed);
      assertThat(Node.get(db, "c")).isNull();
      merge(db, "c", MergeOperator.COUNTER, "3");
      settle(node, db, flushed);
      assertThat(Node.get(db, "c")).isEqualTo("3");
      db.close();
    }
  }

  private static void settle(Node node, CapsuleDb db, boolean flushed) {
    if (flushed) {
      node.scheduler.run();
      db.flush();
      node.scheduler.run();
      db.compact();
      node.scheduler.run();
    }
  }

  private static void merge(CapsuleDb db, String key, MergeOperator operator, String operand) {
    try (Transaction txn = db.begin()) {
      txn.merge(bytes(key), operator, bytes(operand));
      txn.commit();
    }
  }

  @Test
  void operandsHaveAForm() {
    assertThat(Node.text(MergeOperator.MIN.canonical(bytes("1e3")))).isEqualTo("1000");
    assertThat(Node.text(MergeOperator.MIN.canonical(bytes("3.50")))).isEqualTo("3.5");
    assertThat(Node.text(MergeOperator.MIN.canonical(bytes("-0.0")))).isEqualTo("0");
    assertThat(Node.text(MergeOperator.MAX.canonical(bytes("9007199254740993"))))
        .isEqualTo("9007199254740993");
    for (String none : new String[] {"", "x", "NaN", "Infinity", "1e999", "1e99999999999"}) {
      assertThat(MergeOperator.MIN.canonical(bytes(none))).as(none).isNull();
    }
    assertThat(MergeOperator.COUNTER.canonical(bytes("9223372036854775808"))).isNull();
    assertThat(Node.text(MergeOperator.COUNTER.apply(0, bytes("9223372036854775807"), bytes("1"))))
        .isEqualTo("-9223372036854775808");
    assertThat(MergeOperator.UNION.canonical(new byte[] {1, 0, 0, 0, 0})).isNull();
  }
}
