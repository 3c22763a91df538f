package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
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
  void aFullMemtableRefusesWritesAndLosesNothing() {
    Node node = new Node(4);
    CapsuleDb db = node.open(CapsuleDbOptions.MIN_MEMTABLE_BYTES);
    byte[] value = new byte[1000];
    int stored = 0;
    try {
      while (true) {
        try (Transaction txn = db.begin()) {
          txn.put(bytes("k" + stored), ValueType.STRING, value, 0);
          txn.commit();
          stored++;
        }
      }
    } catch (UnavailableException full) {
      assertThat(full).hasMessageContaining("full");
    }
    assertThat(stored).isBetween(500, 1100);
    assertThat(db.size()).isEqualTo(stored);
    try (Transaction txn = db.begin()) {
      txn.delete(bytes("k0"));
      txn.commit();
    }
    node.scheduler.run();
    node.scheduler.tick();
    node.scheduler.run();
    put(db, "again", "fits");
    node.scheduler.run();
    db.close();
    db = node.open(CapsuleDbOptions.MIN_MEMTABLE_BYTES);
    assertThat(db.size()).isEqualTo(stored);
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
  void bigValuesAreReadBackWholeAndTheirRoomIsGivenBack() {
    Node node = new Node(9);
    CapsuleDb db = node.open(64L << 20);
    byte[] big = new byte[CapsuleDb.MAX_VALUE_BYTES];
    node.entropy.fill(big);
    long empty = db.stats().memtableBytes();
    for (int i = 0; i < 3; i++) {
      big[i] ^= 1;
      try (Transaction txn = db.begin()) {
        txn.put(bytes("big"), ValueType.STRING, big.clone(), 0);
        txn.commit();
      }
      assertThat(db.get(bytes("big")).value()).isEqualTo(big);
      node.scheduler.run();
    }
    db.close();
    db = node.open(64L << 20);
    assertThat(db.get(bytes("big")).value()).isEqualTo(big);
    try (Transaction txn = db.begin()) {
      txn.delete(bytes("big"));
      txn.commit();
    }
    node.scheduler.run();
    node.scheduler.tick();
    node.scheduler.run();
    assertThat(db.stats().memtableBytes()).isEqualTo(empty);
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
    assertThat(db.expiringKeys()).isZero();
    db.close();
  }

  @Test
  void whatExpiredWhileRunningDoesNotOverfillTheNextStart() {
    Node node = new Node(11);
    CapsuleDb db = node.open(CapsuleDbOptions.MIN_MEMTABLE_BYTES);
    byte[] value = new byte[1000];
    for (int i = 0; i < 3000; i++) {
      try (Transaction txn = db.begin()) {
        txn.put(bytes("k" + i), ValueType.STRING, value, txn.nowMs() + 10);
        txn.commit();
      }
      node.scheduler.run();
      if (i % 200 == 199) {
        node.clock.advanceMs(20);
        node.scheduler.tick();
        node.scheduler.run();
      }
    }
    db.close();
    db = node.open(CapsuleDbOptions.MIN_MEMTABLE_BYTES);
    assertThat(db.size()).isZero();
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
  void deletingWhatIsNotThereTakesNoRoom() {
    Node node = new Node(13);
    CapsuleDb db = node.open(CapsuleDbOptions.MIN_MEMTABLE_BYTES);
    for (int i = 0; i < 50_000; i++) {
      try (Transaction txn = db.begin()) {
        txn.delete(bytes("absent" + i));
        txn.commit();
      }
    }
    assertThat(db.stats().memtableBytes()).isZero();
    node.scheduler.run();
    assertThat(db.stats().pendingBytes()).isZero();
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
}
