package io.capsuledb.replication.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What every {@link ReplicaLog} must do. A log's test extends this class and says how to open one;
 * the same tests then hold for the simulated log and the real one, so that what the replica's core
 * was tested against is true of what it runs on.
 */
public abstract class ReplicaLogContract {

  protected static final CapsuleName ONE = TestChain.name(1);
  protected static final CapsuleName TWO = TestChain.name(2);

  /** Opens the log on the test's only medium; the one opened before is closed. */
  protected abstract ReplicaLog open(Path directory);

  @TempDir protected Path directory;
  protected ReplicaLog log;
  private final Set<CapsuleName> founded = new HashSet<>();

  @BeforeEach
  void openLog() {
    log = open(directory);
  }

  @AfterEach
  void closeLog() {
    log.close();
  }

  protected final void reopen() {
    log.close();
    log = open(directory);
  }

  /** A batch of some changes. */
  @SafeVarargs
  public static ReplicaLog.Batch batch(Consumer<ReplicaLog.Writer>... changes) {
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    for (Consumer<ReplicaLog.Writer> change : changes) {
      batch.add(change);
    }
    return batch;
  }

  @SafeVarargs
  protected final void commit(Consumer<ReplicaLog.Writer>... changes) {
    log.commit(batch(changes));
  }

  public static Blob text(String text) {
    return Blob.of(text.getBytes(StandardCharsets.US_ASCII));
  }

  /** Founds the chain's capsule and introduces its writer. */
  protected final TestChain chain(CapsuleName capsule, long writer) {
    TestChain chain = new TestChain(capsule, writer);
    commit(
        w -> {
          if (founded.add(capsule)) {
            w.found(capsule, text("metadata of " + capsule));
          }
          w.introduce(capsule, chain.entry());
        });
    return chain;
  }

  protected final void append(TestChain chain, int... payloads) {
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    for (int payload : payloads) {
      StoredRecord r = chain.next(payload);
      long lamport = chain.lamport();
      batch.add(w -> w.record(chain.capsule(), r, lamport));
    }
    log.commit(batch);
  }

  /** Checks that a chain is read as it should be, by position and by hash, and nothing beyond. */
  protected final void assertHeld(TestChain chain) {
    for (long s = 1; s <= chain.length(); s++) {
      assertThat(log.read(chain.capsule(), chain.writer(), s)).isEqualTo(chain.at(s).bytes());
      assertThat(log.read(chain.capsule(), chain.at(s).hash())).isEqualTo(chain.at(s).bytes());
    }
    assertThat(log.read(chain.capsule(), chain.writer(), 0)).isNull();
    assertThat(log.read(chain.capsule(), chain.writer(), chain.length() + 1)).isNull();
  }

  protected final ReplicaLog.Chain recoveredChain(CapsuleName capsule, long writer) {
    return log.recovered().capsules().stream()
        .filter(c -> c.name().equals(capsule))
        .flatMap(c -> c.chains().stream())
        .filter(c -> c.entry().writer() == writer)
        .findFirst()
        .orElseThrow();
  }

  private void assertRecovered(TestChain chain) {
    assertThat(recoveredChain(chain.capsule(), chain.writer()))
        .isEqualTo(
            new ReplicaLog.Chain(chain.entry(), chain.head(), chain.lamport(), SealState.OPEN));
  }

  // ------------------------------------------------------------------ what is there

  @Test
  void anEmptyLogHasNothingButItsIncarnation() {
    long incarnation = log.recovered().incarnation();
    assertThat(log.recovered().numberFloor()).isZero();
    assertThat(log.recovered().capsules()).isEmpty();
    assertThat(log.read(ONE, 1, 1)).isNull();
    assertThat(log.read(ONE, Hash32.ZERO)).isNull();
    commit();
    reopen();
    assertThat(log.recovered().incarnation()).isEqualTo(incarnation);
    assertThat(log.recovered().capsules()).isEmpty();
  }

  @Test
  void everythingComesBack() {
    TestChain first = new TestChain(ONE, 7);
    TestChain second = new TestChain(ONE, RosterEntry.MAX_WRITER);
    RosterEntry silent = new RosterEntry(3, TestChain.KEY, RosterEntry.Role.COMPACTOR, 2);
    StoredRecord a = first.next(100);
    StoredRecord b = first.next(5000);
    StoredRecord c = second.next(16);
    SealState promised =
        new SealState(new Ballot(4, 9), first.head(1), Ballot.NONE, ChainHead.NONE);
    SealState sealed =
        new SealState(new Ballot(5, 9), first.head(1), new Ballot(4, 2), first.head(2));
    commit(
        w -> w.numberFloor(1000),
        w -> w.found(ONE, text("one")),
        w -> w.introduce(ONE, first.entry()),
        w -> w.introduce(ONE, second.entry()),
        w -> w.introduce(ONE, silent),
        w -> w.record(ONE, a, 3),
        w -> w.record(ONE, c, 3),
        w -> w.record(ONE, b, 6),
        w -> w.membership(ONE, 1, text("membership 1")),
        w -> w.membership(ONE, 2, text("membership 2")),
        w -> w.seal(ONE, 7, promised),
        w -> w.evidence(ONE, text("proof")),
        w -> w.rebuilding(ONE, ReplicaLog.Rebuilding.JOINING),
        w -> w.found(TWO, text("two")));
    commit(w -> w.seal(ONE, 7, sealed), w -> w.numberFloor(2000));
    for (int i = 0; i < 2; i++) {
      reopen();
      assertThat(log.recovered().numberFloor()).isEqualTo(2000);
      ReplicaLog.Capsule one =
          new ReplicaLog.Capsule(
              ONE,
              text("one"),
              List.of(text("membership 1"), text("membership 2")),
              List.of(
                  new ReplicaLog.Chain(silent, ChainHead.NONE, 0, SealState.OPEN),
                  new ReplicaLog.Chain(first.entry(), first.head(), 6, sealed),
                  new ReplicaLog.Chain(second.entry(), second.head(), 3, SealState.OPEN)),
              List.of(text("proof")),
              ReplicaLog.Rebuilding.JOINING);
      ReplicaLog.Capsule two =
          new ReplicaLog.Capsule(
              TWO, text("two"), List.of(), List.of(), List.of(), ReplicaLog.Rebuilding.NONE);
      assertThat(log.recovered().capsules())
          .containsExactlyElementsOf(
              ONE.hash().compareTo(TWO.hash()) < 0 ? List.of(one, two) : List.of(two, one));
      assertHeld(first);
      assertHeld(second);
    }
    commit(w -> w.rebuilding(ONE, ReplicaLog.Rebuilding.NONE));
    reopen();
    assertThat(log.recovered().capsules())
        .noneMatch(one -> one.rebuilding() == ReplicaLog.Rebuilding.JOINING);
  }

  @Test
  void capsulesDoNotMix() {
    TestChain one = chain(ONE, 1);
    TestChain two = chain(TWO, 1);
    append(one, 20, 30);
    append(two, 40);
    reopen();
    assertHeld(one);
    assertHeld(two);
    assertThat(log.read(TWO, one.at(1).hash())).isNull();
    assertThat(log.read(ONE, two.at(1).hash())).isNull();
  }

  @Test
  void whatIsReadIsTheReadersOwn() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20);
    byte[] read = log.read(ONE, 1, 1);
    Arrays.fill(read, (byte) 0);
    assertHeld(chain);
  }

  @Test
  void evidenceAndWritersAreKeptOnce() {
    TestChain chain = chain(ONE, 1);
    commit(
        w -> w.introduce(ONE, chain.entry()),
        w -> w.evidence(ONE, text("proof")),
        w -> w.evidence(ONE, text("proof")));
    append(chain, 20);
    commit(w -> w.introduce(ONE, chain.entry()), w -> w.evidence(ONE, text("proof")));
    reopen();
    assertThat(log.recovered().capsules().getFirst().evidence()).containsExactly(text("proof"));
    assertRecovered(chain);
  }

  // ------------------------------------------------------------------ changing what is there

  @Test
  void aReleasedRecordIsItsStubUntilItIsRepaired() {
    TestChain chain = chain(ONE, 1);
    append(chain, 500, 500, 500);
    commit(w -> w.release(ONE, chain.stub(2)), w -> w.release(ONE, chain.stub(2)));
    for (int i = 0; i < 2; i++) {
      assertThat(log.read(ONE, 1, 2)).isEqualTo(chain.stub(2).bytes());
      assertThat(log.read(ONE, chain.at(2).hash())).isEqualTo(chain.stub(2).bytes());
      assertThat(log.read(ONE, 1, 1)).isEqualTo(chain.at(1).bytes());
      reopen();
    }
    assertRecovered(chain);
    commit(w -> w.repair(ONE, chain.at(2)));
    assertHeld(chain);
    commit(w -> w.release(ONE, chain.stub(1)), w -> w.repair(ONE, chain.at(3)));
    reopen();
    assertThat(log.read(ONE, 1, 1)).isEqualTo(chain.stub(1).bytes());
    assertThat(log.read(ONE, 1, 3)).isEqualTo(chain.at(3).bytes());
    assertRecovered(chain);
  }

  @Test
  void stubsAreTakenAsRecords() {
    TestChain chain = chain(ONE, 1);
    StoredRecord _ = chain.next(300);
    StoredRecord second = chain.next(300);
    commit(w -> w.record(ONE, chain.stub(1), 3), w -> w.record(ONE, second, 6));
    reopen();
    assertThat(log.read(ONE, chain.at(1).hash())).isEqualTo(chain.stub(1).bytes());
    assertRecovered(chain);
  }

  @Test
  void whatIsTruncatedIsGoneAndTheChainGoesOnOtherwise() {
    TestChain chain = chain(ONE, 1);
    TestChain other = chain(ONE, 2);
    append(chain, 20, 30, 40, 50, 60);
    append(other, 20, 30, 40, 50, 60);
    List<StoredRecord> dropped = List.of(chain.at(3), chain.at(4), chain.at(5));
    commit(
        w -> w.truncate(ONE, 1, chain.head(2), TestChain.lamportOf(2)),
        w -> w.seal(ONE, 1, SealState.OPEN));
    chain.truncate(2);
    for (int i = 0; i < 2; i++) {
      assertHeld(chain);
      assertHeld(other);
      for (StoredRecord r : dropped) {
        assertThat(log.read(ONE, 1, r.sequence())).isNull();
        assertThat(log.read(ONE, r.hash())).isNull();
      }
      reopen();
    }
    assertRecovered(chain);
    append(chain, 70, 80);
    reopen();
    assertHeld(chain);
    assertThat(log.read(ONE, dropped.getFirst().hash())).isNull();
    commit(w -> w.truncate(ONE, 1, ChainHead.NONE, 0));
    chain.truncate(0);
    assertHeld(chain);
    reopen();
    assertRecovered(chain);
    assertRecovered(other);
    append(chain, 90);
    assertHeld(chain);
  }

  @Test
  void aBatchMayTruncateWhatItBringsAndGoOn() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20, 21, 22);
    StoredRecord fourth = chain.next(23);
    StoredRecord third = chain.at(3);
    StoredRecord second = chain.at(2);
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    batch.add(w -> w.record(ONE, fourth, 12));
    ChainHead two = chain.head(2);
    batch.add(w -> w.truncate(ONE, 1, two, 6));
    chain.truncate(2);
    StoredRecord another = chain.next(24);
    batch.add(w -> w.record(ONE, another, 9));
    ChainHead one = chain.head(1);
    batch.add(w -> w.truncate(ONE, 1, one, 3));
    chain.truncate(1);
    StoredRecord last = chain.next(25);
    batch.add(w -> w.record(ONE, last, 6));
    assertThat(batch.size()).isEqualTo(5);
    log.commit(batch);
    for (int i = 0; i < 2; i++) {
      assertHeld(chain);
      for (StoredRecord gone : List.of(second, third, fourth, another)) {
        assertThat(log.read(ONE, gone.hash())).isNull();
      }
      assertThat(log.read(ONE, 1, 3)).isNull();
      reopen();
    }
    assertRecovered(chain);
  }

  @Test
  void truncatingToTheHeadChangesNothing() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20, 30);
    commit(w -> w.truncate(ONE, 1, chain.head(), chain.lamport()));
    reopen();
    assertHeld(chain);
    assertRecovered(chain);
  }

  // ------------------------------------------------------------------ what may not be

  @Test
  void aBatchThatBreaksTheContractLeavesNothing() {
    TestChain chain = chain(ONE, 1);
    append(chain, 20, 30);
    TestChain ahead = new TestChain(ONE, 1);
    for (int i = 0; i < 4; i++) {
      ahead.next(20);
    }
    RosterEntry stranger = new RosterEntry(1, TestChain.KEY, RosterEntry.Role.LEADER, 0);
    commit(w -> w.numberFloor(10));
    List<Consumer<ReplicaLog.Writer>> broken =
        List.of(
            w -> w.record(ONE, ahead.at(4), 100),
            w -> w.record(ONE, ahead.at(2), 100),
            w -> w.record(ONE, ahead.at(3), 6),
            w -> w.record(TWO, ahead.at(3), 100),
            w -> w.record(ONE, new TestChain(ONE, 9).next(20), 100),
            w -> w.found(ONE, text("again")),
            w -> w.membership(ONE, 3, text("a gap")),
            w -> w.membership(TWO, 1, text("of nothing")),
            w -> w.introduce(ONE, stranger),
            w -> w.introduce(TWO, stranger),
            w -> w.seal(ONE, 2, SealState.OPEN),
            w -> w.truncate(ONE, 1, ahead.head(3), 9),
            w -> w.release(ONE, ahead.stub(3)),
            w -> w.repair(ONE, ahead.at(3)),
            w -> w.evidence(TWO, text("of nothing")),
            w -> w.rebuilding(TWO, ReplicaLog.Rebuilding.JOINED),
            w -> w.numberFloor(9));
    for (Consumer<ReplicaLog.Writer> change : broken) {
      assertThatThrownBy(
              () ->
                  commit(
                      w -> w.numberFloor(11),
                      w -> w.introduce(ONE, new TestChain(ONE, 5).entry()),
                      w -> w.membership(ONE, 1, text("first")),
                      change))
          .isInstanceOf(AssertionError.class);
      assertHeld(chain);
    }
    append(chain, 40);
    reopen();
    assertHeld(chain);
    assertRecovered(chain);
    assertThat(log.recovered().numberFloor()).isEqualTo(10);
    assertThat(log.recovered().capsules()).hasSize(1);
    assertThat(log.recovered().capsules().getFirst().chains()).hasSize(1);
    assertThat(log.recovered().capsules().getFirst().memberships()).isEmpty();
  }

  @Test
  void aClosedLogIsClosed() {
    TestChain chain = chain(ONE, 1);
    log.close();
    log.close();
    assertThatThrownBy(() -> append(chain, 20)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> log.read(ONE, 1, 1)).isInstanceOf(IllegalStateException.class);
  }

  // ------------------------------------------------------------------ at the same time

  @Test
  void readsRunBesideCommits() throws Exception {
    TestChain chain = chain(ONE, 1);
    append(chain, 20, 20, 20);
    AtomicLong committed = new AtomicLong(3);
    AtomicLong reads = new AtomicLong();
    try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
      Future<?> reading =
          threads.submit(
              () -> {
                while (committed.get() >= 0) {
                  long atLeast = committed.get();
                  // The tail comes and goes; what is before it is always there.
                  byte[] tail = log.read(ONE, 1, atLeast + 1);
                  assertThat(tail == null || tail.length > 0).isTrue();
                  assertThat(log.read(ONE, 1, 1 + reads.get() % 3)).isNotNull();
                  reads.incrementAndGet();
                }
              });
      for (int round = 0; round < 200 || reads.get() < 100; round++) {
        append(chain, 100, 200);
        committed.set(chain.length() - 2);
        ChainHead back = chain.head(3);
        commit(w -> w.truncate(ONE, 1, back, TestChain.lamportOf(3)));
        chain.truncate(3);
      }
      committed.set(-1);
      reading.get(60, TimeUnit.SECONDS);
    }
    assertHeld(chain);
  }
}
