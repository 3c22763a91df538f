package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.sim.SimDisk.Fault;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SimRecordStoreTest extends RecordStoreContract {

  /** A simulated disk as a medium. */
  static Medium medium() {
    SimDisk disk = new SimDisk();
    return new Medium() {
      @Override
      public RecordStore open() {
        return disk.open();
      }

      @Override
      public void closeStore(RecordStore store) {
        store.close();
      }

      @Override
      public void close() {}
    };
  }

  @Override
  protected Medium newMedium(Path directory) {
    return medium();
  }

  private static final List<StoredRecord> FIRST = List.of(record(1, 1, 8), record(1, 2, 8));
  private static final List<StoredRecord> SECOND =
      List.of(record(1, 3, 8), record(1, 4, 8), record(1, 5, 8));

  private static List<String> audit(RecordStore store) {
    List<String> findings = new ArrayList<>();
    store.audit(findings::add);
    return findings;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, SimDisk.ALL})
  void aPowerCutInAnAppendLeavesAPrefixAndADeadStore(int survivors) {
    SimDisk disk = new SimDisk().onAppend(2, Fault.powerCutDuring(survivors));
    SimRecordStore store = disk.open();
    store.append(FIRST);
    assertThatThrownBy(() -> store.append(SECOND)).isInstanceOf(StorageException.class);
    assertThatThrownBy(() -> store.read(1, 1)).isInstanceOf(StorageException.class);
    store.close();

    SimRecordStore reopened = disk.open();
    assertThat(reopened.newestSequence(1)).isEqualTo(2 + Math.min(survivors, 3));
    assertThat(audit(reopened)).isEmpty();
    reopened.append(SECOND);
    assertThat(reopened.newestSequence(1)).isEqualTo(5);
  }

  @Test
  void anErrorStopsAppendsUntilReopenedAndReadsGoOn() {
    SimDisk disk = new SimDisk();
    SimRecordStore store = disk.open();
    store.append(FIRST);
    disk.onNextAppend(Fault.error(1));
    assertThatThrownBy(() -> store.append(SECOND)).isInstanceOf(StorageException.class);
    assertThatThrownBy(() -> store.append(SECOND)).isInstanceOf(StorageException.class);
    assertThat(store.newestSequence(1)).isEqualTo(3);
    store.close();
    SimRecordStore reopened = disk.open();
    reopened.append(SECOND);
    assertThat(reopened.newestSequence(1)).isEqualTo(5);
    assertThat(disk.appends()).isEqualTo(3);
    assertThat(disk.recordsAppended()).isEqualTo(5);
  }

  @Test
  void aFullDiskRefusesWhatDoesNotFit() {
    SimDisk disk = new SimDisk().capacityBytes(24);
    SimRecordStore store = disk.open();
    store.append(FIRST);
    assertThatThrownBy(() -> store.append(SECOND))
        .isInstanceOf(StorageException.class)
        .hasMessageContaining("full");
    assertThat(store.newestSequence(1)).isEqualTo(2);
  }

  @Test
  void aLyingDiskLosesWhatWasNotSynced() {
    SimDisk disk = new SimDisk();
    SimRecordStore store = disk.open();
    store.append(FIRST);
    disk.lieAboutSync(true);
    store.append(SECOND);
    assertThat(store.newestSequence(1)).isEqualTo(5);
    disk.powerCut();
    assertThat(disk.open().newestSequence(1)).isEqualTo(2);
  }

  @Test
  void initializeCanFailEitherWay() {
    SimDisk disk = new SimDisk().onInitialize(Fault.powerCutBefore());
    SimRecordStore before = disk.open();
    assertThatThrownBy(() -> before.initialize(new byte[] {1}))
        .isInstanceOf(StorageException.class);
    SimRecordStore after = disk.onInitialize(Fault.powerCutAfter()).open();
    assertThat(after.metadata()).isNull();
    assertThatThrownBy(() -> after.initialize(new byte[] {1})).isInstanceOf(StorageException.class);
    assertThat(disk.open().metadata()).containsExactly(1);
  }

  @Test
  void damageIsSeenOrNotAsToldAndAuditNamesIt() {
    SimDisk disk = new SimDisk();
    SimRecordStore store = disk.open();
    store.append(FIRST);
    store.append(SECOND);
    disk.flipByte(1, 2, 3);
    disk.forgeByte(1, 3, 0);
    disk.lose(1, 4);
    assertThatThrownBy(() -> store.read(1, 2))
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Rejection.Reason.STORAGE_CHECKSUM));
    assertThatThrownBy(() -> store.scan(1, 1, (w, s, b) -> true))
        .isInstanceOf(IntegrityException.class);
    assertThat(store.read(1, 3)).isNotEqualTo(SECOND.get(0).bytes());
    assertThat(store.read(1, 4)).isNull();
    assertThatThrownBy(() -> store.read(SECOND.get(1).hash()))
        .isInstanceOf(IntegrityException.class);
    assertThat(audit(store)).hasSize(2);
    disk.rollBack(1, 2);
    assertThat(store.newestSequence(1)).isEqualTo(1);
    assertThat(audit(store)).isEmpty();
  }

  @Test
  void aCopyIsTheDiskAsItWas() {
    SimDisk disk = new SimDisk();
    SimRecordStore store = disk.open();
    store.append(FIRST);
    SimDisk old = disk.copy();
    store.append(SECOND);
    assertThat(old.open().newestSequence(1)).isEqualTo(2);
    assertThat(store.newestSequence(1)).isEqualTo(5);
    assertThatThrownBy(disk::open).isInstanceOf(UnavailableException.class);
  }

  @Test
  void aPowerCutLeavesEachReleasedRecordInOneOfItsForms() {
    int whole = 0;
    int stubs = 0;
    for (int round = 0; round < 10; round++) {
      SimDisk disk = new SimDisk();
      SimRecordStore store = disk.open();
      List<StoredRecord> batch = new ArrayList<>();
      for (int sequence = 1; sequence <= 20 + round; sequence++) {
        batch.add(releasable(1, sequence, 50));
      }
      store.append(batch);
      store.release(batch.subList(0, 5).stream().map(r -> stubOf(r)).toList());
      disk.sync();
      store.release(batch.stream().map(r -> stubOf(r)).toList());
      assertThat(disk.releases()).isEqualTo(20 + round);
      disk.powerCut();
      SimRecordStore reopened = disk.open();
      assertThat(audit(reopened)).isEmpty();
      for (StoredRecord r : batch) {
        byte[] found = reopened.read(r.hash());
        assertThat(found).isIn(r.bytes(), stubOf(r).bytes());
        assertThat(reopened.read(1, r.sequence())).isEqualTo(found);
        if (found.length == r.bytes().length) {
          whole++;
          assertThat(r.sequence()).as("its release was durable").isGreaterThan(5);
        } else {
          stubs++;
        }
      }
    }
    assertThat(whole).isGreaterThan(20);
    assertThat(stubs).isGreaterThan(70);
  }

  @Test
  void anAppendMakesEarlierReleasesDurable() {
    SimDisk disk = new SimDisk();
    SimRecordStore store = disk.open();
    List<StoredRecord> batch = new ArrayList<>();
    for (int sequence = 1; sequence <= 20; sequence++) {
      batch.add(releasable(1, sequence, 50));
    }
    store.append(batch);
    long before = store.sizeBytes();
    store.release(batch.stream().map(r -> stubOf(r)).toList());
    assertThat(store.sizeBytes()).isEqualTo(before - 20 * 50);
    store.append(List.of(record(1, 21, 8)));
    disk.powerCut();
    SimRecordStore reopened = disk.open();
    batch.forEach(r -> assertThat(reopened.read(r.hash())).isEqualTo(stubOf(r).bytes()));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, SimDisk.ALL})
  void aReleaseCanFailHalfWay(int survivors) {
    SimDisk disk = new SimDisk().onNextRelease(Fault.powerCutDuring(survivors));
    SimRecordStore store = disk.open();
    List<StoredRecord> batch = List.of(releasable(1, 1, 50), releasable(1, 2, 50));
    store.append(batch);
    List<StoredRecord> stubs = batch.stream().map(r -> stubOf(r)).toList();
    assertThatThrownBy(() -> store.release(stubs)).isInstanceOf(StorageException.class);
    SimRecordStore reopened = disk.open();
    for (int i = 0; i < 2; i++) {
      assertThat(reopened.read(1, i + 1))
          .isEqualTo(i < survivors ? stubs.get(i).bytes() : batch.get(i).bytes());
    }
    reopened.release(stubs);
    assertThat(audit(reopened)).isEmpty();
  }

  @Test
  void aHeldAppendIsUnseenUntilReleased() {
    SimDisk disk = new SimDisk().holdAppends(true);
    SimRecordStore store = disk.open();
    CompletableFuture<Void> append = CompletableFuture.runAsync(() -> store.append(FIRST));
    assertThat(disk.awaitHeldAppend()).isEqualTo(FIRST);
    assertThat(store.newestSequence(1)).isZero();
    assertThat(append).isNotDone();
    disk.releaseHeldAppend();
    append.join();
    assertThat(store.newestSequence(1)).isEqualTo(2);

    CompletableFuture<Void> failing = CompletableFuture.runAsync(() -> store.append(SECOND));
    disk.awaitHeldAppend();
    disk.powerCut(1);
    assertThatThrownBy(failing::join)
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(StorageException.class);
    assertThat(disk.open().newestSequence(1)).isEqualTo(3);
  }
}
