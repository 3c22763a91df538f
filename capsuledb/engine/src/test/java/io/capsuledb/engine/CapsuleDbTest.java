package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimDisk;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

class CapsuleDbTest {

  @Test
  void whatWasDurableIsThereAfterACrashAndNothingElse() {
    Node node = new Node(1);
    CapsuleDb db = node.open();
    long fence = put(db, "a", "1");
    assertThat(get(db, "a")).isEqualTo("1");
    assertThat(db.durableTime()).isLessThan(fence);
    node.scheduler.run();
    assertThat(db.durableTime()).isEqualTo(fence);
    put(db, "a", "2");
    put(db, "b", "3");
    node.crash();

    db = node.open();
    assertThat(get(db, "a")).isEqualTo("1");
    assertThat(get(db, "b")).isNull();
    assertThat(node.fsck().problems()).isEmpty();
    db.close();
  }

  @Test
  void aRestartedNodeIsANewWriterThatJoinsTheOldChain() {
    Node node = new Node(2);
    CapsuleDb db = node.open();
    put(db, "a", "1");
    node.scheduler.run();
    CapsuleDb.Head before = db.head();
    db.close();
    db = node.open();
    assertThat(db.head().writer()).isNotEqualTo(before.writer());
    assertThat(db.record(db.head().hash()).header().parents()).containsExactly(before.hash());
    assertThat(db.head().lamport()).isGreaterThan(before.lamport());
    db.close();
  }

  @Test
  void operationsCommittedWhileTheStoreSyncsBecomeOneRecord() {
    Node node = new Node(3);
    CapsuleDb db = node.open();
    put(db, "first", "x");
    for (int i = 0; i < 1000; i++) {
      put(db, "key" + i, "value" + i);
    }
    node.scheduler.run();
    assertThat(db.durableTime()).isEqualTo(db.committedTime());
    assertThat(db.head().sequence()).isEqualTo(2);
    db.close();
  }

  @Test
  void aFailedSyncStopsTheEngineAndEveryWaiterLearnsIt() {
    Node node = new Node(5);
    CapsuleDb db = node.open();
    node.disk.onNextAppend(SimDisk.Fault.error());
    long fence = put(db, "a", "1");
    var outcome = db.whenDurable(fence).toCompletableFuture();
    node.scheduler.run();
    assertThatThrownBy(outcome::join).hasCauseInstanceOf(OutcomeUnknownException.class);
    assertThat(db.failure()).isInstanceOf(StorageException.class);
    assertThatThrownBy(() -> get(db, "a")).isInstanceOf(StorageException.class);
    assertThatThrownBy(db::begin).isInstanceOf(StorageException.class);
    db.close();
  }

  @Test
  void anUnavailableStoreRefusesNewTransactionsAndNothingElse() {
    Node node = new Node(7);
    CapsuleDb db = node.open();
    long fence = put(db, "a", "1");
    node.disk.unavailable(new UnavailableException("1 of 3 replicas"));

    assertThatThrownBy(db::begin)
        .isInstanceOf(UnavailableException.class)
        .hasMessage("1 of 3 replicas");
    assertThat(get(db, "a")).isEqualTo("1");
    db.beginReading().close();
    node.scheduler.run();
    assertThat(db.durableTime()).isEqualTo(fence);
    assertThat(db.failure()).isNull();

    node.disk.unavailable(null);

    put(db, "a", "2");
    db.close();
  }

  @Test
  void aCapsuleThatWantsReplicasIsOpenedOnlyOverAStoreThatReplicates() {
    Node node = new Node(8);
    SimDisk disk = new SimDisk();
    disk.open()
        .initialize(
            NewCapsule.sign(node.owner, 0, List.of(node.owner.ownerPublicKey()), 1, node.entropy));
    node.disk = disk;
    node.crash();

    assertThatThrownBy(node::open).isInstanceOf(InvalidRequestException.class);
    disk.replicated(true);
    CapsuleDb db = node.open();
    put(db, "a", "1");
    db.close();
  }

  @Test
  void aForgedRecordStopsOpeningAndIsNamed() {
    Node node = new Node(6);
    CapsuleDb db = node.open();
    put(db, "a", "1");
    node.scheduler.run();
    long writer = db.head().writer();
    db.close();
    node.disk.forgeByte(writer, 2, 120);
    assertThatThrownBy(node::open)
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining(Long.toHexString(writer) + "/2");
    assertThat(node.fsck().problems()).hasSize(1);
  }

  @Test
  void aMissingChainIsFoundByTheJoinThatNamesIt() {
    Node node = new Node(7);
    CapsuleDb db = node.open();
    long writer = db.head().writer();
    db.close();
    node.open().close();
    node.disk.rollBack(writer, 1);
    assertThatThrownBy(node::open)
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("MISSING_RECORD");
  }

  @Test
  void verifyingARunningEngineStopsItOnDamage() {
    Node node = new Node(8);
    CapsuleDb db = node.open();
    put(db, "a", "1");
    node.scheduler.run();
    assertThat(db.verify((done, total) -> {}).clean()).isTrue();
    node.disk.forgeByte(db.head().writer(), 2, 130);
    assertThat(db.verify((done, total) -> {}).problems()).hasSize(1);
    assertThatThrownBy(() -> get(db, "a")).isInstanceOf(IntegrityException.class);
    db.close();
  }

  @Test
  void expiryIsSeenAtOnceAndCollectedLater() {
    Node node = new Node(10);
    CapsuleDb db = node.open();
    try (Transaction txn = db.begin()) {
      txn.put(bytes("k"), ValueType.STRING, bytes("v"), txn.nowMs() + 50);
      txn.commit();
    }
    assertThat(get(db, "k")).isEqualTo("v");
    node.clock.advanceMs(50);
    assertThat(get(db, "k")).isNull();
    node.scheduler.tick();
    node.scheduler.run();
    node.scheduler.tick();
    node.scheduler.run();
    assertThat(db.size()).isZero();
    settle(node, db);
    assertThat(db.stats().tableEntries()).isZero();
    db.close();
  }

  /** Everything becomes tables, then one run. */
  private static void settle(Node node, CapsuleDb db) {
    node.scheduler.run();
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    db.compact();
    node.scheduler.tick();
    node.scheduler.run();
    node.scheduler.tick();
    node.scheduler.run();
    assertThat(db.isSettled()).isTrue();
  }

  @Test
  void bigValuesAreReadBackWholeFromMemoryAndFromTables() {
    Node node = new Node(9);
    CapsuleDb db = node.open();
    byte[] big = new byte[CapsuleDb.MAX_VALUE_BYTES];
    node.entropy.fill(big);
    for (int i = 0; i < 3; i++) {
      big[i] ^= 1;
      try (Transaction txn = db.begin()) {
        txn.put(bytes("big"), ValueType.STRING, big.clone(), 0);
        txn.commit();
      }
      assertThat(db.get(bytes("big")).value()).isEqualTo(big);
      assertThat(db.describe(bytes("big")).length()).isEqualTo(big.length);
      node.scheduler.run();
    }
    db.close();
    db = node.open();
    assertThat(db.get(bytes("big")).value()).isEqualTo(big);
    settle(node, db);
    assertThat(db.get(bytes("big")).value()).isEqualTo(big);
    assertThat(db.describe(bytes("big")).length()).isEqualTo(big.length);
    assertThat(db.stats().separateBytes()).isEqualTo(big.length);
    try (Transaction txn = db.begin()) {
      txn.delete(bytes("big"));
      txn.commit();
    }
    settle(node, db);
    assertThat(db.stats().tableEntries()).isZero();
    assertThat(node.store.sizeBytes()).isLessThan(1 << 20);
    assertThat(node.fsck().problems()).isEmpty();
    db.close();
  }

  @Test
  void aFlushWaitsForBusyClientsWhileThereIsRoomAndNotForLong() {
    Node node = Node.tiny(18);
    CapsuleDb db = node.open();
    node.scheduler.run();
    // Each put fills a memtable.
    keepBusy(node, db, 1);
    put(db, "a", "1");
    put(db, "b", "1");
    put(db, "c", "1");
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isEqualTo(3);
    put(db, "d", "1");
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isEqualTo(3);
    assertThat(db.stats().level0Runs()).isEqualTo(1);
    node.clock.advanceMs(100);
    node.scheduler.tick();
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isZero();

    keepBusy(node, db, 1);
    put(db, "e", "1");
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isEqualTo(1);
    keepBusy(node, db, 600);
    node.scheduler.tick();
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isZero();

    keepBusy(node, db, 1);
    put(db, "f", "1");
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isEqualTo(1);
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isZero();
    db.close();
  }

  @Test
  void aFlushThatHasBegunStopsBetweenTablesForClientsThatComeBack() {
    Node node = Node.tiny(21);
    node.memtableBytes = 64 << 10;
    CapsuleDb db = node.open();
    node.scheduler.run();
    keepBusy(node, db, 1);
    int keys = 0;
    for (; db.stats().memtableEntries() < 500; keys++) {
      put(db, "key" + keys, "x".repeat(200));
    }
    node.scheduler.run();
    assertThat(db.stats().memtableEntries()).isEqualTo(500);
    assertThat(blocks(node)).as("nothing is flushed while clients are busy").isZero();

    // Until a whole window without them is over.
    keepBusy(node, db, 1);
    node.scheduler.step("capsule-flush");
    assertThat(blocks(node)).isZero();
    node.clock.advanceMs(100);
    assertThat(node.scheduler.step("capsule-flush")).isTrue();
    long begun = blocks(node);
    assertThat(begun).isPositive();
    keepBusy(node, db, 1);
    node.scheduler.run();
    assertThat(blocks(node)).as("the flush has stopped").isEqualTo(begun);
    assertThat(db.stats().level0Runs()).isZero();
    for (int i = 0; i < keys; i++) {
      assertThat(get(db, "key" + i)).isEqualTo("x".repeat(200));
    }

    for (int i = 0; i < 2; i++) {
      node.clock.advanceMs(100);
      node.scheduler.tick();
      node.scheduler.run();
    }
    assertThat(db.stats().level0Runs()).isPositive();
    assertThat(db.stats().memtableEntries()).isLessThan(500);
    assertThat(blocks(node)).isGreaterThan(begun);
    for (int i = 0; i < keys; i++) {
      assertThat(get(db, "key" + i)).isEqualTo("x".repeat(200));
    }
    assertThat(node.fsck().problems()).isEmpty();
    db.close();
  }

  private static long blocks(Node node) {
    long blocks = 0;
    for (long writer : node.store.writers()) {
      for (long at = 1; at <= node.store.newestSequence(writer); at++) {
        blocks += RecordCodec.typeOf(node.store.read(writer, at)) == RecordType.BLOCK ? 1 : 0;
      }
    }
    return blocks;
  }

  private static void keepBusy(Node node, CapsuleDb db, int windows) {
    for (int i = 0; i < windows; i++) {
      for (int j = 0; j < 250; j++) {
        get(db, "a");
      }
      node.clock.advanceMs(100);
    }
  }

  @Test
  void aCapsuleOpensWithItsTailAlone() {
    Node node = new Node(19);
    CapsuleDb db = node.open();
    for (int i = 0; i < 5000; i++) {
      put(db, "key" + i, "value" + i);
      if (i % 100 == 0) {
        node.scheduler.run();
      }
    }
    settle(node, db);
    put(db, "tail", "1");
    node.scheduler.run();
    db.close();
    db = node.open();
    // The roster of the writer that has ended, and one record.
    assertThat(db.stats().replayedRecords()).isLessThan(5);
    assertThat(db.size()).isEqualTo(5001);
    assertThat(get(db, "key4711")).isEqualTo("value4711");
    assertThat(get(db, "tail")).isEqualTo("1");
    db.close();
  }

  @Test
  void historyNamesTheRecordsThatVouchForEachVersion() {
    Node node = new Node(20);
    node.historyMs = 1000;
    CapsuleDb db = node.open();
    List<Hash32> records = new java.util.ArrayList<>();
    for (int i = 0; i < 5; i++) {
      put(db, "k", "v" + i);
      node.scheduler.run();
      records.add(db.head().hash());
    }
    try (Transaction txn = db.begin()) {
      txn.delete(bytes("k"));
      txn.commit();
    }
    settle(node, db);
    db.close();
    db = node.open();
    List<KeyVersion> versions = db.history(bytes("k"), 100);
    assertThat(versions).hasSize(6);
    assertThat(versions.getFirst().deleted()).isTrue();
    for (int i = 0; i < 5; i++) {
      KeyVersion version = versions.get(5 - i);
      assertThat(Node.text(version.value())).isEqualTo("v" + i);
      assertThat(version.record()).isEqualTo(records.get(i));
      assertThat(version.rejection()).isNull();
      try (Snapshot then = db.snapshotAt(db.timeOf(records.get(i)))) {
        assertThat(Node.text(then.get(bytes("k")).value())).isEqualTo("v" + i);
      }
    }
    assertThat(db.history(bytes("k"), 2)).hasSize(2);
    node.clock.advanceMs(2000);
    put(db, "other", "x");
    node.clock.advanceMs(2000);
    settle(node, db);
    assertThat(db.history(bytes("k"), 100)).isEmpty();
    long first = versions.getLast().time();
    CapsuleDb open = db;
    assertThatThrownBy(() -> open.snapshotAt(first))
        .isInstanceOf(io.capsuledb.core.error.InvalidRequestException.class);
    db.close();
  }

  @Test
  void noReaderSeesTheMiddleOfATransaction() throws Exception {
    Node node = new Node(12);
    CapsuleDb db = node.open();
    put(db, "k", "whole");
    AtomicBoolean stop = new AtomicBoolean();
    List<String> strange = new CopyOnWriteArrayList<>();
    Thread reader =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!stop.get()) {
                    String seen = get(db, "k");
                    if (!"whole".equals(seen)) {
                      strange.add("" + seen);
                    }
                  }
                });
    for (int i = 0; i < 20_000; i++) {
      try (Transaction txn = db.begin()) {
        if (i % 100 == 0) {
          txn.clear();
        }
        txn.delete(bytes("k"));
        txn.put(bytes("k"), ValueType.STRING, bytes("middle"), 0);
        txn.put(bytes("k"), ValueType.STRING, bytes("whole"), 0);
        txn.commit();
      }
      if (i % 1000 == 0) {
        node.scheduler.run();
      }
    }
    stop.set(true);
    reader.join();
    assertThat(strange).isEmpty();
    db.close();
  }

  @Test
  void aChainCutBehindARunningEngineIsFound() {
    Node node = new Node(14);
    CapsuleDb db = node.open();
    for (int i = 0; i < 5; i++) {
      put(db, "k", "" + i);
      node.scheduler.run();
    }
    node.disk.rollBack(db.head().writer(), 3);
    CapsuleVerifier.Report report = db.verify((done, total) -> {});
    assertThat(report.problems()).hasSize(1);
    assertThat(report.problems().getFirst().toString()).contains(db.head().hash().toString());
    db.close();
  }

  @Test
  void oneDamagedRecordIsOneProblemWhereverItIs() {
    for (long sequence = 1; sequence <= 6; sequence++) {
      Node node = new Node(15);
      CapsuleDb db = node.open();
      for (int i = 0; i < 5; i++) {
        put(db, "k", "" + i);
        node.scheduler.run();
      }
      long writer = db.head().writer();
      db.close();
      node.open().close();
      // Byte 32 is the Lamport time's lowest, 150 lies in the payload.
      for (int at : new int[] {32, 150}) {
        SimDisk intact = node.disk.copy();
        node.disk.forgeByte(writer, sequence, at);
        assertThat(node.fsck().problems()).as("byte %d of record %d", at, sequence).hasSize(1);
        node.disk = intact;
        node.store = intact.open();
      }
    }
  }

  @Test
  void aStrayRecordFarAwayNeitherHangsNorFloodsTheReport() {
    Node node = new Node(16);
    CapsuleDb db = node.open();
    put(db, "k", "v");
    node.scheduler.run();
    long writer = db.head().writer();
    byte[] bytes = node.store.read(writer, 2);
    db.close();
    node.store.append(
        List.of(new StoredRecord(writer, Long.MAX_VALUE, Hash32.of(new byte[32]), bytes)));
    assertThat(node.fsck().problems()).hasSizeBetween(1, 3);
  }

  @Test
  void anotherCapsuleOrOwnerThanExpectedIsRefused() {
    Node node = new Node(17);
    Node other = new Node(18);
    assertThatThrownBy(
            () ->
                CapsuleDb.open(
                    CapsuleDbOptions.builder()
                        .capsule(MetadataCodec.nameOf(other.store.metadata()))
                        .build(),
                    node.ports(),
                    node.owner.application(0, 0),
                    records -> {}))
        .isInstanceOf(IntegrityException.class);
    assertThatThrownBy(
            () ->
                CapsuleDb.open(
                    CapsuleDbOptions.builder().owner(other.owner.ownerPublicKey()).build(),
                    node.ports(),
                    node.owner.application(0, 0),
                    records -> {}))
        .isInstanceOf(DeniedException.class);
  }

  /**
   * Whoever asks for a merge can wait for it, though others write faster than the engine settles.
   */
  @Test
  void flushAndMergeOfAMomentEndWhileOthersWrite() {
    Node node = Node.tiny(8);
    CapsuleDb db = node.open();
    for (int i = 0; i < 100; i++) {
      put(db, "key" + i, "value" + i);
    }
    long asked = db.committedTime();
    assertThat(db.isFlushed(asked)).isFalse();
    int steps = 0;
    boolean begun = false;
    while (!db.isFlushed(asked)) {
      begun = begun || db.flush();
      put(db, "other" + steps % 50, "value" + steps);
      node.scheduler.step();
      assertThat(++steps).isLessThan(10_000);
    }
    long merge = db.compact();
    assertThat(db.isCompacted(merge)).isFalse();
    boolean settled = true;
    while (!db.isCompacted(merge)) {
      put(db, "other" + steps % 50, "value" + steps);
      node.scheduler.tick();
      node.scheduler.step();
      settled &= db.isSettled();
      assertThat(++steps).isLessThan(100_000);
    }
    assertThat(settled).isFalse();
    long second = db.compact();
    assertThat(db.isCompacted(merge)).isTrue();
    assertThat(db.isCompacted(second)).isFalse();
    db.close();
  }
}
