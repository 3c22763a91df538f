package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimDisk;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * Nothing leaks: whatever flushes and merges wrote for nothing because a crash, a failure or damage
 * came in between, and whatever was superseded and not released before one, is released in the end.
 * When all is quiet the store holds the blocks that the newest manifest needs, and no others.
 */
class LeftoversPropertyTest {

  private static final int KEYS = 60;

  /** Longer than what is kept apart. */
  private static final int LARGE = 300;

  private static final class Run {
    final Random random;
    final Node node;
    CapsuleDb db;
    Snapshot held;

    Run(long seed) {
      random = new Random(seed);
      node = Node.tiny(seed);
      db = node.open();
    }

    void write() {
      for (int i = random.nextInt(12); i >= 0; i--) {
        String value = "v" + random.nextInt();
        put(
            db,
            "k" + random.nextInt(KEYS),
            random.nextInt(4) == 0 ? value + "x".repeat(LARGE) : value);
      }
    }

    void hold() {
      if (held == null) {
        held = db.snapshot();
      } else {
        held.close();
        held = null;
      }
    }

    void letGo() {
      if (held != null) {
        held.close();
        held = null;
      }
    }

    /** The process dies, perhaps in the middle of an append, of whatever agent it is. */
    void crash() {
      if (random.nextBoolean()) {
        node.disk.onNextAppend(
            switch (random.nextInt(4)) {
              case 0 -> SimDisk.Fault.powerCutBefore();
              case 1 -> SimDisk.Fault.powerCutAfter();
              case 2 -> SimDisk.Fault.error();
              default -> SimDisk.Fault.powerCutDuring(random.nextInt(4));
            });
        for (int i = 0; i < 50 && db.failure() == null; i++) {
          node.scheduler.step();
        }
      }
      letGo();
      node.crash();
      try {
        db = node.open();
      } catch (CapsuleException faultAtStart) {
        node.crash();
        db = node.open();
      }
    }

    void step(int dice) {
      if (dice < 12) {
        write();
      } else if (dice < 40) {
        node.scheduler.step();
      } else if (dice < 44) {
        db.flush();
      } else if (dice < 46) {
        db.compact();
      } else if (dice < 48) {
        node.scheduler.tick();
      } else if (dice < 50) {
        hold();
      } else if (dice == 50) {
        // Closing leaves what is under way where it is, as a crash does.
        letGo();
        db.close();
        db = node.open();
      } else {
        crash();
      }
    }

    void quieten() {
      letGo();
      node.scheduler.run();
      put(db, "last", "x");
      node.scheduler.run();
      assertThat(db.flush()).isTrue();
      node.scheduler.run();
      db.compact();
      for (int i = 0; i < 4; i++) {
        node.scheduler.tick();
        node.scheduler.run();
      }
      assertThat(db.isSettled()).isTrue();
    }

    void checkNothingLeaked() {
      CapsuleVerifier.Report report = node.fsck();
      assertThat(report.problems()).isEmpty();
      assertThat(report.treeChecked()).isTrue();
      assertThat(report.unreferenced()).isZero();
      long manifests = 0;
      for (long writer : node.store.writers()) {
        for (long at = 1; at <= node.store.newestSequence(writer); at++) {
          byte[] stored = node.store.read(writer, at);
          manifests +=
              RecordCodec.typeOf(stored) == RecordType.MANIFEST && !RecordCodec.isStub(stored)
                  ? 1
                  : 0;
        }
      }
      assertThat(manifests).isOne();
    }
  }

  @Property(tries = 50)
  void whatNoManifestNeedsIsReleased(@ForAll long seed) {
    Run run = new Run(seed);
    for (int rounds = 0; rounds < 3; rounds++) {
      for (int i = 0; i < 150; i++) {
        run.step(run.random.nextInt(52));
      }
      run.quieten();
      run.checkNothingLeaked();
    }
    run.db.close();
  }

  /**
   * Stubs that were not synced when the power went, after the process had started again and written
   * a checkpoint of its own that did not name them.
   */
  @Test
  void whatAPowerCutTookBackIsReleasedAgain() {
    whatNoManifestNeedsIsReleased(-1533160);
  }

  /** Damage that a merge meets when it has written some tables already. */
  @Test
  void whatAMergeWroteThatMetDamageIsReleased() {
    Node node = Node.tiny(5);
    CapsuleDb db = node.open();
    for (int i = 0; i < 120; i++) {
      put(db, String.format(java.util.Locale.ROOT, "key%03d", i), "value " + i);
    }
    node.scheduler.run();
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    // The last block of entries is damaged for as long as the merge takes to meet it.
    long tree = 0;
    for (long writer : node.store.writers()) {
      tree = RecordCodec.typeOf(node.store.read(writer, 2)) == RecordType.BLOCK ? writer : tree;
    }
    long before = node.store.newestSequence(tree);
    long index = before;
    while (RecordCodec.typeOf(node.store.read(tree, index)) != RecordType.BLOCK) {
      index--;
    }
    long at = index - 1;
    byte[] intact = node.store.read(tree, at);
    assertThat(RecordCodec.typeOf(intact)).isEqualTo(RecordType.BLOCK);
    assertThat(RecordCodec.isStub(intact)).isFalse();
    node.disk.forgeByte(tree, at, 130);
    db.compact();
    node.scheduler.run();
    assertThatThrownBy(db::compact).isInstanceOf(IntegrityException.class);
    assertThat(node.store.newestSequence(tree)).isGreaterThan(before);
    node.disk.forge(tree, at, intact);
    assertThat(node.fsck().unreferenced()).isPositive();
    put(db, "another", "write");
    node.scheduler.run();
    assertThat(db.flush()).isTrue();
    for (int i = 0; i < 4; i++) {
      node.scheduler.tick();
      node.scheduler.run();
    }
    CapsuleVerifier.Report report = node.fsck();
    assertThat(report.problems()).isEmpty();
    assertThat(report.unreferenced()).isZero();
    assertThat(db.get(bytes("key100")).found()).isTrue();
    db.close();
  }
}
