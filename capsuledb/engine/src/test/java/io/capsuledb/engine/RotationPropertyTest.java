package io.capsuledb.engine;

import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.sim.SimDisk;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Any sequence of writes, rotations, flushes, merges, restarts and losses of power, also in the
 * middle of a rotation: what was durable reads back, fsck has no objection, no pair of data key and
 * nonce is used twice, and after a rotation nobody writes in the generation before.
 */
class RotationPropertyTest {

  private static final int KEYS = 12;

  private Node node;
  private CapsuleDb db;
  private final Map<String, String> durable = new HashMap<>();
  private final Map<String, String> written = new HashMap<>();

  @Property(tries = 60)
  void whatWasDurableStaysReadable(@ForAll long seed) {
    Random random = new Random(seed);
    node = Node.tiny(seed);
    durable.clear();
    db = node.open();
    for (int step = 0; step < 60; step++) {
      int choice = random.nextInt(100);
      if (choice < 55) {
        write(random);
      } else if (choice < 70) {
        int before = db.keyGeneration();
        node.rotate(db);
        assertThat(db.keyGeneration()).isEqualTo(before + 1);
        durable.putAll(written);
        written.clear();
      } else if (choice < 78) {
        cutShort(random);
      } else if (choice < 84) {
        db.flush();
      } else if (choice < 88) {
        db.compact();
      } else if (choice < 95) {
        settle();
        db.close();
        db = node.open();
      } else {
        crash();
      }
      if (random.nextBoolean()) {
        settle();
      }
    }
    settle();
    check();
    db.close();
    assertThat(node.fsck().problems()).isEmpty();
    checkNonces();
  }

  private void write(Random random) {
    String key = "k" + random.nextInt(KEYS);
    String value = key + " " + random.nextLong() + "x".repeat(random.nextInt(400));
    put(db, key, value);
    written.put(key, value);
  }

  private void settle() {
    node.scheduler.run();
    durable.putAll(written);
    written.clear();
    check();
  }

  private void check() {
    durable.forEach((key, value) -> assertThat(Node.get(db, key)).isEqualTo(value));
  }

  /** What was not durable may be there or not. */
  private void crash() {
    node.crash();
    db = node.open();
    for (String key : written.keySet()) {
      String now = Node.get(db, key);
      if (now == null) {
        durable.remove(key);
      } else {
        durable.put(key, now);
      }
    }
    written.clear();
    check();
  }

  /** Power is lost at one of the appends of a rotation. */
  private void cutShort(Random random) {
    settle();
    int generation = db.keyGeneration();
    node.disk.onAppend(
        node.disk.appends() + 1 + random.nextInt(2),
        SimDisk.Fault.powerCutDuring(random.nextInt(2)));
    try {
      node.rotate(db);
    } catch (io.capsuledb.core.error.CapsuleException expected) {
      assertThat(db.failure()).isNotNull();
    }
    node.crash();
    db = node.open();
    assertThat(db.keyGeneration()).isBetween(generation, generation + 1);
    check();
  }

  private void checkNonces() {
    CapsuleName name = MetadataCodec.nameOf(node.store.metadata());
    Set<String> used = new HashSet<>();
    Map<Integer, Long> firstOfGeneration = new HashMap<>();
    Map<Integer, Long> lastOfGeneration = new HashMap<>();
    for (long writer : node.store.writers()) {
      for (long sequence = 1; sequence <= node.store.newestSequence(writer); sequence++) {
        SignedHeader record =
            RecordCodec.decodeStored(name, node.store.read(writer, sequence)).orThrow();
        RecordHeader header = record.header();
        assertThat(used.add(header.generation() + "/" + writer + "/" + sequence)).isTrue();
        if (record instanceof CapsuleRecord
            && header.type() == io.capsuledb.core.record.RecordType.ROTATE) {
          firstOfGeneration.put(header.generation(), header.lamport());
        }
        lastOfGeneration.merge(header.generation(), header.lamport(), Math::max);
      }
    }
    firstOfGeneration.forEach(
        (generation, began) ->
            assertThat(lastOfGeneration.get(generation - 1))
                .as("the last record of generation " + (generation - 1))
                .isLessThan(began));
  }
}
