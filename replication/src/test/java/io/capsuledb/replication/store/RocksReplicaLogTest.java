package io.capsuledb.replication.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.ReplicaLogContract;
import io.capsuledb.replication.sim.TestChain;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The log on RocksDB keeps the contract; and what is its own. */
class RocksReplicaLogTest extends ReplicaLogContract {

  static final RocksStorageOptions SMALL =
      RocksStorageOptions.builder()
          .writeBufferBytes(1 << 20)
          .blockCacheBytes(1 << 20)
          .minFreeBytes(0)
          .build();

  @Override
  protected ReplicaLog open(Path directory) {
    return openSmall(directory);
  }

  static RocksReplicaLog openSmall(Path directory) {
    return RocksReplicaLog.open(directory, SMALL, new SimEntropy(directory.hashCode()));
  }

  /** What {@code verify} finds in a replica's directory. */
  static List<String> audit(Path directory) {
    List<String> findings = new ArrayList<>();
    try (RocksStorage storage = RocksStorage.openReadOnly(directory, SMALL)) {
      for (byte[] name : storage.capsules()) {
        CapsuleName capsule = new CapsuleName(Hash32.of(name));
        storage
            .capsule(name)
            .auditHashes(
                bytes ->
                    RecordCodec.decodeStored(capsule, bytes)
                            instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
                        ? record.hash()
                        : null,
                findings::add);
      }
    }
    return findings;
  }

  // ------------------------------------------------------------------ one format

  @Test
  void aStoreOpenedForReadingSeesTheCapsules() {
    TestChain chain = chain(ONE, 1);
    TestChain other = chain(TWO, 2);
    append(chain, 100, 200, 300, 400);
    append(other, 50);
    commit(w -> w.release(ONE, chain.stub(1)));
    commit(w -> w.truncate(ONE, 1, chain.head(3), TestChain.lamportOf(3)));
    assertThatThrownBy(() -> RocksStorage.openReadOnly(directory, SMALL))
        .isInstanceOf(UnavailableException.class);
    log.close();
    assertThat(audit(directory)).isEmpty();
    try (RocksStorage storage = RocksStorage.openReadOnly(directory, SMALL)) {
      assertThat(storage.capsules()).hasSize(2);
      RocksRecordStore store = storage.capsule(ONE.toBytes());
      assertThat(store.newestSequence(1)).isEqualTo(3);
      assertThat(store.read(1, 1)).isEqualTo(chain.stub(1).bytes());
      assertThat(store.read(chain.at(2).hash())).isEqualTo(chain.at(2).bytes());
      assertThat(store.metadata()).isEqualTo(text("metadata of " + ONE).bytes());
    }
  }

  @Test
  void aReplicasDirectoryIsNoStoreAndAStoresIsNoReplicas() {
    log.close();
    assertThatThrownBy(() -> RocksStorage.open(directory, SMALL))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("is a replica's");
    Path store = directory.resolve("store");
    RocksStorage.open(store, SMALL).close();
    assertThatThrownBy(() -> openSmall(store))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("node's store");
    RocksStorage.open(store, SMALL).close();
    assertThatThrownBy(
            () ->
                RocksReplicaLog.open(
                    directory.resolve("cache"),
                    RocksStorageOptions.builder().durable(false).build(),
                    new SimEntropy(1)))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("durable");
  }

  @Test
  void theRoomOfReleasedPayloadsIsGivenBack() throws IOException {
    RocksReplicaLog rocks = (RocksReplicaLog) log;
    TestChain chain = chain(ONE, 1);
    TestChain other = chain(TWO, 2);
    int count = 120;
    for (int i = 0; i < count; i++) {
      append(chain, 100_000);
    }
    append(other, 500_000);
    long before = sizeOf(directory);
    assertThat(before).isGreaterThan(count * 100_000L);
    for (int i = 2; i <= count; i++) {
      int sequence = i;
      commit(w -> w.release(ONE, chain.stub(sequence)));
    }
    assertThat(rocks.releasedBytes()).isBetween((count - 1) * 90_000L, count * 100_100L);
    rocks.reclaim();
    assertThat(rocks.releasedBytes()).isZero();
    long deadline = System.nanoTime() + 30_000_000_000L;
    while (sizeOf(directory) > before / 2) {
      assertThat(System.nanoTime()).as(sizeOf(directory) + " of " + before).isLessThan(deadline);
      Thread.onSpinWait();
    }
    assertThat(rocks.read(ONE, 1, count)).isEqualTo(chain.stub(count).bytes());
    assertThat(rocks.read(TWO, 2, 1)).isEqualTo(other.at(1).bytes());
    log.close();
    assertThat(audit(directory)).isEmpty();
  }

  private static long sizeOf(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      long bytes = 0;
      for (Path file : files.toList()) {
        try {
          bytes += Files.isRegularFile(file) ? Files.size(file) : 0;
        } catch (NoSuchFileException gone) {
          // Deleted between the listing and the look: of no size.
          bytes += 0;
        }
      }
      return bytes;
    }
  }

  @Test
  void theIncarnationIsDrawn() {
    List<Long> drawn = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Path fresh = directory.resolve("fresh" + i);
      try (RocksReplicaLog made = RocksReplicaLog.open(fresh, SMALL, new SimEntropy(i))) {
        drawn.add(made.recovered().incarnation());
      }
      // No second draw: this entropy would give another.
      try (RocksReplicaLog again = RocksReplicaLog.open(fresh, SMALL, new SimEntropy(77))) {
        assertThat(again.recovered().incarnation()).isEqualTo(drawn.getLast());
      }
    }
    assertThat(drawn).doesNotHaveDuplicates();
  }

  // ------------------------------------------------------------------ heads and rows

  private void raw(RawChange change) throws Exception {
    log.close();
    try (RawDatabase raw = RawDatabase.open(directory)) {
      change.on(raw);
    }
  }

  private interface RawChange {
    void on(RawDatabase raw) throws Exception;
  }

  @Test
  void aMissingNewestRecordIsFoundAtOpening() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100);
    raw(raw -> raw.delete("records", StoreCodec.recordKey(ONE.toBytes(), 1, 2)));
    assertThatThrownBy(() -> open(directory))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("sequence 2")
        .hasMessageContaining("missing");
  }

  @Test
  void aRecordBeyondItsHeadIsFoundAtOpening() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100);
    StoredRecord third = chain.next(20);
    byte[] key = StoreCodec.recordKey(ONE.toBytes(), 1, 3);
    raw(raw -> raw.put("records", key, StoreCodec.seal(key, third.bytes())));
    assertThatThrownBy(() -> open(directory))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("after it");
  }

  @Test
  void recordsOfAWriterWithoutAHeadAreFoundAtOpening() throws Exception {
    TestChain chain = chain(ONE, 1);
    StoredRecord first = chain.next(20);
    byte[] key = StoreCodec.recordKey(ONE.toBytes(), 1, 1);
    raw(raw -> raw.put("records", key, StoreCodec.seal(key, first.bytes())));
    assertThatThrownBy(() -> open(directory)).isInstanceOf(IntegrityException.class);
  }

  @Test
  void anotherRecordAtTheHeadIsFoundAtOpening() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100);
    byte[] key = StoreCodec.hashKey(ONE.toBytes(), chain.at(2).hash());
    raw(raw -> raw.put("hashes", key, StoreCodec.seal(key, StoreCodec.positionBody(1, 1))));
    assertThatThrownBy(() -> open(directory))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("index");
  }

  @Test
  void aMissingRecordWithinAChainIsFoundByReading() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100, 100);
    raw(raw -> raw.delete("records", StoreCodec.recordKey(ONE.toBytes(), 1, 2)));
    log = open(directory);
    assertThatThrownBy(() -> log.read(ONE, 1, 2)).isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> log.read(ONE, chain.at(2).hash()))
        .isInstanceOf(IntegrityException.class);
    commit(w -> w.repair(ONE, chain.at(2)));
    assertHeld(chain);
    log.close();
    assertThat(audit(directory)).isEmpty();
  }

  /** Reads that miss a record wait for commits, and closing waits for both. */
  @Test
  void closingBesideCommitsAndReadsEndsThemAll() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100, 100);
    raw(raw -> raw.delete("records", StoreCodec.recordKey(ONE.toBytes(), 1, 2)));
    for (int round = 0; round < 10; round++) {
      RocksReplicaLog opened = openSmall(directory);
      log = opened;
      CountDownLatch missed = new CountDownLatch(20);
      try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
        List<Future<?>> all = new ArrayList<>();
        for (int t = 0; t < 2; t++) {
          all.add(
              threads.submit(
                  () ->
                      untilClosed(
                          () -> {
                            assertThatThrownBy(() -> opened.read(ONE, 1, 2))
                                .isInstanceOfAny(
                                    IntegrityException.class, IllegalStateException.class);
                            missed.countDown();
                            return opened.read(ONE, 1, 1);
                          })));
        }
        long floor = opened.recovered().numberFloor();
        AtomicLong next = new AtomicLong(floor);
        all.add(
            threads.submit(
                () ->
                    untilClosed(
                        () -> {
                          long to = next.incrementAndGet();
                          opened.commit(batch(w -> w.numberFloor(to)));
                          return null;
                        })));
        assertThat(missed.await(60, TimeUnit.SECONDS)).isTrue();
        opened.close();
        for (Future<?> one : all) {
          one.get(60, TimeUnit.SECONDS);
        }
      }
    }
  }

  /** Repeats until the log says that it is closed. */
  private static void untilClosed(Supplier<byte[]> use) {
    while (true) {
      try {
        byte[] _ = use.get();
      } catch (IllegalStateException e) {
        assertThat(e).hasMessageContaining("closed");
        return;
      }
    }
  }

  @Test
  void aTruncationOverDamageLeavesNoTrace() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100, 100, 100);
    raw(
        raw -> {
          raw.delete("records", StoreCodec.recordKey(ONE.toBytes(), 1, 2));
          raw.put("records", StoreCodec.recordKey(ONE.toBytes(), 1, 3), new byte[20]);
        });
    log = open(directory);
    commit(w -> w.truncate(ONE, 1, chain.head(1), 3));
    for (long s = 2; s <= 4; s++) {
      assertThat(log.read(ONE, 1, s)).isNull();
      assertThat(log.read(ONE, chain.at(s).hash())).isNull();
    }
    log.close();
    assertThat(audit(directory)).isEmpty();
  }

  @Test
  void everyDamagedOrMissingRowIsFoundAtOpening() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 100, 100);
    commit(
        w -> w.membership(ONE, 1, text("first")),
        w -> w.membership(ONE, 2, text("second")),
        w -> w.evidence(ONE, text("proof")),
        w -> w.rebuilding(ONE, ReplicaLog.Rebuilding.JOINING),
        w -> w.seal(ONE, 1, SealState.OPEN));
    log.close();
    List<RawDatabase.Entry> rows;
    try (RawDatabase raw = RawDatabase.open(directory)) {
      rows =
          raw.entries().stream()
              .filter(e -> e.family().equals("replica") || e.family().equals("capsules"))
              .toList();
    }
    assertThat(rows).hasSize(8);
    for (RawDatabase.Entry row : rows) {
      byte[] damaged = row.value();
      damaged[damaged.length / 2] ^= 1;
      raw(raw -> raw.put(row, damaged));
      assertThatThrownBy(() -> open(directory)).isInstanceOf(IntegrityException.class);
      raw(raw -> raw.put(row, row.value()));
    }
    log = open(directory);
    assertHeld(chain);
    raw(raw -> raw.delete("replica", ReplicaCodec.storeKey(ReplicaLayout.STORE)));
    assertThatThrownBy(() -> open(directory)).isInstanceOf(IntegrityException.class);
  }

  // ------------------------------------------------------------------ space

  @Test
  void theReserveIsKeptForWhatIsNotRecords() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 5000);
    log.close();
    long usable = Files.getFileStore(directory).getUsableSpace();
    log =
        RocksReplicaLog.open(
            directory,
            RocksStorageOptions.builder().minFreeBytes(usable / 2 * 3).build(),
            new SimEntropy(1));
    StoredRecord second = chain.next(20);
    for (int i = 0; i < 2; i++) {
      assertThatThrownBy(() -> commit(w -> w.record(ONE, second, 6), w -> w.numberFloor(5)))
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining("out of space");
    }
    assertThat(log.read(ONE, 1, 2)).isNull();
    commit(w -> w.numberFloor(4), w -> w.release(ONE, chain.stub(1)));
    reopen();
    assertThat(log.recovered().numberFloor()).isEqualTo(4);
    commit(w -> w.record(ONE, second, 6));
    assertThat(log.read(ONE, 1, 2)).isEqualTo(second.bytes());
  }

  @Test
  void aBatchOfManyCapsulesIsOneWrite() {
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    List<TestChain> chains = new ArrayList<>();
    for (int c = 0; c < 100; c++) {
      CapsuleName name = TestChain.name(c);
      TestChain chain = new TestChain(name, 1 + c);
      chains.add(chain);
      batch.add(w -> w.found(name, Blob.of(new byte[] {1})));
      batch.add(w -> w.introduce(name, chain.entry()));
      for (int r = 0; r < 20; r++) {
        StoredRecord record = chain.next(100);
        long lamport = chain.lamport();
        batch.add(w -> w.record(name, record, lamport));
      }
    }
    log.commit(batch);
    reopen();
    chains.forEach(this::assertHeld);
    assertThat(log.recovered().capsules()).hasSize(100);
    assertThat(log.sizeBytes()).isGreaterThan(100 * 20 * 200);
  }
}
