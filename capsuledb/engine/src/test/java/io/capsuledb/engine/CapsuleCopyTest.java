package io.capsuledb.engine;

import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimRecordStore;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Copies of capsules: whole, only what is new, cut anywhere, and of damaged ones. */
class CapsuleCopyTest {

  private static final Secp256k1 CURVE = Secp256k1.best();

  private final Node node = Node.tiny(41);
  private final Map<String, String> expected = new TreeMap<>();

  private void write(CapsuleDb db, int from, int to, String generation) {
    for (int i = from; i < to; i++) {
      put(db, "key" + i, generation + i);
      expected.put("key" + i, generation + i);
      if (i % 7 == 0) {
        node.scheduler.run();
      }
    }
    node.scheduler.run();
  }

  private void settle(CapsuleDb db) {
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    db.compact();
    for (int i = 0; i < 4; i++) {
      node.scheduler.tick();
      node.scheduler.run();
    }
  }

  private CapsuleCopy.Summary copy(RecordStore target, boolean afresh) {
    return new CapsuleCopy(node.store, target, CURVE, (records, total, bytes) -> {})
        .run(null, afresh, heads -> {});
  }

  /** What a store holds is a capsule, and the one expected. */
  private void assertRestores(SimDisk disk) {
    SimDisk before = node.disk;
    RecordStore open = node.store;
    node.disk = disk.copy();
    node.store = node.disk.open();
    CapsuleVerifier.Report report = node.fsck();
    assertThat(report.problems()).isEmpty();
    assertThat(report.treeChecked()).isTrue();
    CapsuleDb db = node.open();
    expected.forEach((key, value) -> assertThat(Node.get(db, key)).isEqualTo(value));
    assertThat(db.size()).isEqualTo(expected.size());
    db.close();
    node.disk = before;
    node.store = (SimRecordStore) open;
  }

  @Test
  void aSecondCopyTakesOnlyWhatIsNewAndDropsWhatWasReleased() {
    CapsuleDb db = node.open();
    write(db, 0, 100, "a");
    SimDisk backup = new SimDisk();
    SimRecordStore target = backup.open();
    CapsuleCopy.Summary first = copy(target, false);
    assertThat(first.copied()).isEqualTo(first.records()).isEqualTo(node.disk.recordCount());
    assertRestores(backup);

    CapsuleCopy.Summary again = copy(target, false);
    assertThat(again.copied()).isZero();
    assertThat(again.copiedBytes()).isZero();
    assertThat(again.records()).isEqualTo(first.records());

    write(db, 50, 200, "b");
    settle(db);
    write(db, 190, 210, "c");
    CapsuleCopy.Summary second = copy(target, false);
    assertThat(second.copied()).isEqualTo(node.disk.recordCount() - first.records());
    assertThat(second.released()).isPositive();
    assertThat(target.sizeBytes()).isEqualTo(node.store.sizeBytes());
    assertRestores(backup);
    db.close();
  }

  @Test
  void aCopyCutAnywhereGoesOn() {
    CapsuleDb db = node.open();
    write(db, 0, 150, "a");
    settle(db);
    write(db, 100, 200, "b");
    settle(db);
    write(db, 200, 220, "c");
    db.close();
    SimDisk whole = new SimDisk();
    copy(whole.open(), false);
    long records = whole.recordCount();
    int first = (int) Math.min(records, RecordStore.MAX_BATCH_RECORDS);
    for (int survivors = 0; survivors < first; survivors += 127) {
      SimDisk backup = new SimDisk();
      backup.onNextAppend(SimDisk.Fault.powerCutDuring(survivors));
      SimRecordStore torn = backup.open();
      assertThatThrownBy(() -> copy(torn, false)).isInstanceOf(CapsuleException.class);
      assertThat(backup.recordCount()).isEqualTo(survivors);
      SimRecordStore target = backup.open();
      CapsuleCopy.Summary rest = copy(target, true);
      assertThat(rest.copied()).isEqualTo(records - survivors);
      assertThat(target.sizeBytes()).isEqualTo(node.store.sizeBytes());
      assertRestores(backup);
    }
  }

  /** What was copied once can be had again, whatever came after and how far that got. */
  @Test
  void anEarlierStateCanBeCopiedOutOfALaterOne() {
    CapsuleDb db = node.open();
    write(db, 0, 100, "a");
    settle(db);
    write(db, 90, 120, "b");
    SimDisk backup = new SimDisk();
    SimRecordStore target = backup.open();
    java.util.List<io.capsuledb.core.record.ChainVerifier.Head> heads = new java.util.ArrayList<>();
    new CapsuleCopy(node.store, target, CURVE, (records, total, bytes) -> {})
        .run(null, false, heads::addAll);
    Map<String, String> then = new TreeMap<>(expected);
    write(db, 0, 300, "c");
    settle(db);
    db.close();
    assertThatThrownBy(
            () ->
                new CapsuleCopy(node.store, target, CURVE, (records, total, bytes) -> {})
                    .run(
                        null,
                        false,
                        all -> {
                          throw new io.capsuledb.core.error.StorageException("cut here");
                        }))
        .hasMessageContaining("cut here");
    SimDisk restored = new SimDisk();
    new CapsuleCopy(target, restored.open(), CURVE, (records, total, bytes) -> {})
        .run(heads, false, all -> assertThat(all).isEqualTo(heads));
    expected.clear();
    expected.putAll(then);
    assertRestores(restored);
  }

  @Test
  void whatDoesNotVerifyIsNotCopied() {
    CapsuleDb db = node.open();
    write(db, 0, 60, "a");
    settle(db);
    write(db, 60, 80, "b");
    db.close();
    SimDisk intact = node.disk.copy();
    for (long writer : node.store.writers()) {
      long newest = node.store.newestSequence(writer);
      for (long sequence = 1; sequence <= newest; sequence += 7) {
        for (int damage = 0; damage < 4; damage++) {
          node.disk = intact.copy();
          node.store = node.disk.open();
          int length = node.store.read(writer, sequence).length;
          switch (damage) {
            case 0 -> node.disk.forgeByte(writer, sequence, length - 1);
            case 1 -> node.disk.forgeByte(writer, sequence, 50);
            case 2 -> node.disk.flipByte(writer, sequence, length / 2);
            default -> node.disk.lose(writer, sequence);
          }
          SimRecordStore target = new SimDisk().open();
          boolean lostTail = damage == 3 && sequence == newest;
          if (lostTail) {
            continue;
          }
          assertThatThrownBy(() -> copy(target, false))
              .as("damage %d of %s", damage, CapsuleRecord.describe(writer, sequence))
              .isInstanceOf(IntegrityException.class);
          assertThat(target.newestSequence(writer)).isLessThan(sequence);
        }
      }
    }
  }

  @Test
  void aTargetThatHoldsSomethingElseIsLeftAlone() {
    CapsuleDb db = node.open();
    write(db, 0, 50, "a");
    long writer = db.head().writer();
    db.close();
    SimRecordStore target = new SimDisk().open();
    copy(target, false);
    long records = target.newestSequence(writer);
    node.disk.rollBack(writer, records - 2);
    assertThatThrownBy(() -> copy(target, false))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("rolled back");
    assertThat(target.newestSequence(writer)).isEqualTo(records);
    SimRecordStore other = new SimDisk().open();
    other.initialize(new Node(77).store.metadata());
    assertThatThrownBy(() -> copy(other, false))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("capsule");
  }

  @Test
  void inspectionCountsWhatUsersSee() {
    node.historyMs = 1_000_000;
    node.memtableBytes = 1 << 20;
    CapsuleDb db = node.open();
    write(db, 0, 100, "a");
    write(db, 0, 40, "b");
    settle(db);
    write(db, 90, 120, "cc");
    try (Transaction txn = db.begin()) {
      txn.delete(Node.bytes("key5"));
      txn.commit();
    }
    node.scheduler.run();
    db.close();
    try (var keys =
        new io.capsuledb.core.capsule.KeyRing(
            io.capsuledb.core.capsule.MetadataCodec.nameOf(node.store.metadata()),
            java.util.List.of(node.owner.application(0, 0)))) {
      CapsuleInspection.Result found =
          CapsuleInspection.of(
              node.store, CURVE, keys, node.clock.wallMs(), 1, (done, total) -> {});
      expected.remove("key5");
      long bytes = 0;
      for (Map.Entry<String, String> entry : expected.entrySet()) {
        bytes += entry.getKey().length() + entry.getValue().length();
      }
      assertThat(found.liveKeys()).isEqualTo(expected.size());
      assertThat(found.liveBytes()).isEqualTo(bytes);
      // 40 versions replaced in tables, 10 by the tail, one deleted, and the deletion.
      assertThat(found.historyEntries()).isEqualTo(40 + 10 + 2);
      assertThat(found.tailRecords()).isPositive();
      assertThat(found.records()).isEqualTo(node.disk.recordCount());
      assertThat(found.releasedRecords()).isPositive();
      assertThat(found.levels().stream().mapToLong(CapsuleInspection.Level::entries).sum())
          .isEqualTo(140);
    }
  }
}
