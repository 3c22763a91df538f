package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.engine.SharedCapsule.Worker;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Single things that engines on a shared capsule do. */
class SharedCapsuleTest {

  private final SharedCapsule capsule = new SharedCapsule(11);

  private Worker first;
  private Worker second;

  private void openTwo() {
    capsule.memtableBytes = 32 << 10;
    capsule.changeCoordinator();
    first = capsule.open();
    second = capsule.open();
    capsule.settle();
  }

  private CapsuleRecord newest(Worker of) {
    return capsule.decode(capsule.store.read(of.writer, capsule.store.newestSequence(of.writer)));
  }

  private static void put(Worker worker, String key, String value) {
    worker.put(key, value);
  }

  private static Reason reason(CapsuleException failure) {
    return failure instanceof IntegrityException integrity ? integrity.rejection().reason() : null;
  }

  @Test
  void whatWasMergedIsLaterSeenAndNamed() {
    openTwo();
    put(first, "a", "1");
    CapsuleRecord record = newest(first);
    second.db.merge(List.of(record));
    assertThat(Node.get(second.db, "a")).isEqualTo("1");
    // A foreign value is durable: nobody has to wait for it.
    assertThat(second.db.durableTime()).isEqualTo(second.db.committedTime());
    put(second, "a", "2");
    CapsuleRecord after = newest(second);
    assertThat(after.header().parents()).containsExactly(record.hash());
    assertThat(after.header().lamport()).isGreaterThan(record.header().lamport());
    assertThat(after.header().epoch()).isEqualTo(1);
    first.db.merge(List.of(after, after));
    assertThat(Node.get(first.db, "a")).isEqualTo("2");
    assertThat(first.db.frontier().get(second.writer).hash()).isEqualTo(after.hash());
    put(second, "a", "3");
    put(second, "a", "4");
    assertThat(newest(second).header().parents()).isEmpty();
    assertThatThrownBy(() -> first.db.merge(List.of(newest(second))))
        .isInstanceOf(InvalidRequestException.class);
    assertThat(first.db.failure()).isNull();
  }

  @Test
  void aForeignValueWaitsForOwnWritesBeforeIt() {
    openTwo();
    put(first, "a", "1");
    CapsuleRecord record = newest(first);
    Node.put(second.db, "own", "x");
    second.db.merge(List.of(record));
    long fence = second.db.get(Node.bytes("a")).fence();
    var durable = second.db.whenDurable(second.db.committedTime()).toCompletableFuture();
    Node.put(second.db, "own", "y");
    assertThat(durable).isNotDone();
    second.scheduler.run();
    assertThat(durable).isCompleted();
    assertThat(second.db.durableTime()).isGreaterThanOrEqualTo(fence);
    // Two records: the merge has ended the first.
    assertThat(newest(second).header().parents()).containsExactly(record.hash());
  }

  @Test
  void aWorkerThatIsGoneStops() {
    openTwo();
    Sync gone =
        new Sync(
            1,
            1,
            1,
            10_000,
            0,
            0,
            Hash32.ZERO,
            List.of(
                new Sync.Position(
                    second.writer,
                    RosterEntry.Role.WORKER,
                    Sync.State.GONE,
                    new ChainHead(1, newest(second).hash()))));
    second.db.stable(gone, Hash32.ZERO);
    assertThat(reason(second.db.failure())).isEqualTo(Reason.SEALED_WRITER);
    assertThatThrownBy(() -> Node.put(second.db, "k", "v")).isInstanceOf(IntegrityException.class);
  }

  @Test
  void aWorkerWhoseRecordsAreRefusedStops() {
    openTwo();
    capsule.store.sealed.add(first.writer);
    long fence = Node.put(first.db, "k", "v");
    var durable = first.db.whenDurable(fence).toCompletableFuture();
    first.scheduler.run();
    assertThat(durable).isCompletedExceptionally();
    assertThat(reason(first.db.failure())).isEqualTo(Reason.SEALED_WRITER);
  }

  @Test
  void aCompactorWhoseRecordsAreRefusedFollows() {
    openTwo();
    capsule.changeCompactor(first);
    capsule.settle();
    for (int i = 0; i < 200; i++) {
      put(first, "k" + i, "v");
    }
    first.db.flush();
    capsule.epoch();
    assertThat(first.db.compactorWriter()).isPositive();
    capsule.store.sealed.add(first.db.compactorWriter());
    for (int i = 0; i < 100; i++) {
      put(first, "k" + i, "w");
    }
    first.db.flush();
    capsule.compactor = null;
    capsule.epoch();
    assertThat(first.db.isCompactor()).isFalse();
    assertThat(first.db.failure()).isNull();
    capsule.changeCompactor(second);
    capsule.epoch();
    assertThat(second.db.isCompactor()).isTrue();
    capsule.settle();
    assertThat(second.db.isFlushed(second.db.stableTime())).isTrue();
    for (Worker worker : capsule.alive()) {
      for (int i = 0; i < 200; i++) {
        assertThat(Node.get(worker.db, "k" + i)).isEqualTo(i < 100 ? "w" : "v");
      }
    }
    assertThat(capsule.fsck().problems()).isEmpty();
  }

  @Test
  void memoryIsBoundedWhileNoEpochEnds() {
    openTwo();
    capsule.changeCompactor(first);
    int[] written = {0};
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 100_000; i++) {
                put(first, "k" + i, "v".repeat(100));
                written[0]++;
              }
            })
        .isInstanceOf(UnavailableException.class);
    assertThat(written[0]).isBetween(100, 5000);
    assertThat(first.db.failure()).isNull();
    // The first epoch ends a memtable, and the compactor empties it.
    capsule.epoch();
    capsule.epoch();
    put(first, "again", "1");
    assertThat(Node.get(first.db, "again")).isEqualTo("1");
  }

  /** Heads that were read one after the other: a record may be there whose parent is not. */
  @Test
  void aReplayTakesWhatIsCausallyWhole() {
    openTwo();
    put(first, "a", "1");
    second.db.merge(List.of(newest(first)));
    put(second, "b", "2");
    capsule.store.shownTo.put(first.writer, capsule.store.newestSequence(first.writer) - 1);
    Worker third = capsule.open();
    assertThat(Node.get(third.db, "a")).isNull();
    assertThat(Node.get(third.db, "b")).isNull();
    capsule.store.shownTo.clear();
    CapsuleRecord cause = newest(first);
    CapsuleRecord effect = newest(second);
    assertThat(effect.header().parents()).contains(cause.hash());
    third.db.merge(List.of(cause, effect));
    assertThat(Node.get(third.db, "b")).isEqualTo("2");
  }

  @Test
  void anIdleWorkerWritesNoEoe() {
    openTwo();
    put(first, "a", "1");
    capsule.epoch();
    long records = capsule.store.newestSequence(second.writer);
    put(first, "a", "2");
    capsule.epoch();
    // Its first epoch had its roster to end; the second nothing.
    assertThat(capsule.decode(capsule.store.read(second.writer, records)).header().type())
        .isEqualTo(RecordType.EOE);
    assertThat(second.db.becomeCompactor(Map.of())).isTrue();
    long time = Node.put(second.db, "b", "3");
    assertThat(time).isGreaterThan(second.db.stableTime());
  }
}
