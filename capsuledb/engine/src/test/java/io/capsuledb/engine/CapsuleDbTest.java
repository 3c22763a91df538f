package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.sim.SimDisk;
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
}
