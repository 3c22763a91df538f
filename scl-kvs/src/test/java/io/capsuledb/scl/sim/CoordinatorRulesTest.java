package io.capsuledb.scl.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.epoch.ChainClaim;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.session.Position;
import io.capsuledb.scl.worker.WorkerCore;
import io.capsuledb.scl.worker.WorkerInput;
import io.capsuledb.scl.worker.WorkerOutput;
import io.capsuledb.scl.worker.WorkerStart;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Rules of an established coordinator that other rules mostly make up for, so that the simulation
 * hardly misses them: docs/consistency.md, C2 and L2.
 */
class CoordinatorRulesTest {

  private static final long MS = SclSim.MS;
  private static final long OWN = 77;
  private static final long CHAIN = 500;
  private static final long OTHER = 33;
  private static final long NEWCOMER = 44;
  private static final long TERM = 1;
  private static final long KEY = 5;

  private final SimRecords records = new SimRecords();
  private final WorkerOptions options = WorkerOptions.builder().build();
  private final WorkerCore core = new WorkerCore(OWN, options, WorkerStart.EMPTY, records);
  private final List<CapsuleRecord> others = new ArrayList<>();
  private final Map<Long, ChainClaim> claims = new TreeMap<>();
  private final List<WorkerOutput> said = new ArrayList<>();
  private final List<WorkerOutput> log = new ArrayList<>();
  private long now = MS;

  private List<WorkerOutput> step(WorkerInput input) {
    said.clear();
    said.addAll(core.step(now, input));
    log.addAll(said);
    return List.copyOf(said);
  }

  private <T> T only(Class<T> kind) {
    List<T> found = said.stream().filter(kind::isInstance).map(kind::cast).toList();
    assertThat(found).as("%s in %s", kind, said).hasSize(1);
    return found.getFirst();
  }

  private static ChainHead at(CapsuleRecord record) {
    return new ChainHead(record.header().sequence(), record.hash());
  }

  private void claim(CapsuleRecord newest) {
    ChainHead head = at(newest);
    claims.put(
        newest.header().writer(),
        new ChainClaim(newest.header().writer(), head, head.sequence(), false, null));
  }

  private void answerRead() {
    step(
        new WorkerInput.FrontierRead(
            only(WorkerOutput.ReadFrontier.class).ticket(), List.copyOf(claims.values())));
  }

  /** The next record of the other worker, not yet shown to anybody. */
  private CapsuleRecord write() {
    CapsuleRecord next =
        others.isEmpty()
            ? records.roster(OTHER, Role.WORKER, 1)
            : records.make(
                RecordType.DATA,
                OTHER,
                at(others.getLast()),
                1,
                others.getLast().header().lamport() + 1,
                List.of(),
                new byte[8]);
    others.add(next);
    return next;
  }

  private void show(long from, long to) {
    step(
        new WorkerInput.Received(
            OTHER,
            new SclMessage.Records(OTHER, from, to, others.subList((int) from - 1, (int) to))));
  }

  private void receive(long sender, SclMessage message) {
    step(new WorkerInput.Received(sender, message));
  }

  /** Ticks until a frontier read begins, which is left without an answer. */
  private void untilRead() {
    for (int i = 0; i < 1_000; i++) {
      now += 10 * MS;
      step(new WorkerInput.Tick(1, false));
      if (said.stream().anyMatch(WorkerOutput.ReadFrontier.class::isInstance)) {
        return;
      }
    }
    throw new AssertionError("no frontier read begins");
  }

  private Map<Long, Long> echoes() {
    Map<Long, Long> echoes = new TreeMap<>();
    for (WorkerOutput output : said) {
      if (output instanceof WorkerOutput.Send(long _, SclMessage.CoordinatorBeat beat)) {
        beat.echoes().forEach(echo -> echoes.put(echo.worker(), echo.number()));
      }
    }
    return echoes;
  }

  private void join(long worker, ChainHead head) {
    receive(worker, new SclMessage.Join(TERM, head, List.of()));
  }

  private List<Position> grantedAfter(ChainHead head) {
    receive(
        OTHER,
        new SclMessage.LockRequest(TERM, head, List.of(new LockGrant(KEY, LockMode.EXCLUSIVE, 1))));
    for (WorkerOutput output : said) {
      if (output instanceof WorkerOutput.Send(long _, SclMessage.Grant grant)) {
        return grant.released();
      }
    }
    throw new AssertionError("no grant in " + said);
  }

  /** A coordinator of one other worker, of whom a quorum holds two records. */
  @BeforeEach
  void establish() {
    establish(false);
  }

  private void establish(boolean sealed) {
    write();
    CapsuleRecord newest = write();
    claim(newest);
    if (sealed) {
      claims.put(OTHER, new ChainClaim(OTHER, at(newest), 2, true, at(newest)));
    }
    CapsuleRecord own = records.roster(OWN, Role.WORKER, 1);
    claim(own);
    List<WorkerOutput> first = step(new WorkerInput.OwnDurable(List.of(own)));
    show(1, 2);
    said.clear();
    said.addAll(first);
    answerRead();
    only(WorkerOutput.Ready.class);
    step(new WorkerInput.Tick(1, false));
    only(WorkerOutput.IntroduceCoordinator.class);
    step(new WorkerInput.CoordinatorIntroduced(CHAIN));
    CapsuleRecord introduction = records.roster(CHAIN, Role.COORDINATOR, 2);
    claim(introduction);
    step(new WorkerInput.CoordinatorDurable(List.of(introduction)));
    answerRead();
    Rts rts = only(WorkerOutput.AppendRts.class).rts();
    CapsuleRecord call =
        records.make(
            RecordType.RTS,
            CHAIN,
            at(introduction),
            rts.epoch(),
            3,
            List.of(),
            RtsCodec.encode(rts));
    claim(call);
    List<WorkerOutput> called = step(new WorkerInput.CoordinatorDurable(List.of(call)));
    step(new WorkerInput.CutMade(rts.epoch(), WorkerInput.Cut.IDLE, at(own), rts.cutTime()));
    said.clear();
    said.addAll(called);
    answerRead();
    assertThat(core.coordinator().members()).contains(OWN, OTHER);
  }

  /** Its seal says that it was condemned, not when: it may still read under its locks. */
  @Test
  void theLeaseOfWhomAPredecessorSealedIsWaitedFor() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.establish(true);
    long established = after.now;
    while (after.now - established < options.silenceNanos() - 2 * options.beatNanos()) {
      after.untilRead();
      assertThat(after.core.coordinator().isOpen()).isFalse();
      after.answerRead();
    }
    while (after.now - established < options.silenceNanos() + 2 * options.beatNanos()) {
      after.untilRead();
      after.answerRead();
    }
    assertThat(after.core.coordinator().isOpen()).isTrue();
  }

  @Test
  void aGrantNamesWhatWasDurableWhenTheTermBegan() {
    join(OTHER, ChainHead.NONE);
    untilRead();
    assertThat(core.coordinator().isOpen()).isTrue();
    assertThat(grantedAfter(ChainHead.NONE)).contains(new Position(OTHER, 2));
  }

  @Test
  void aGrantNamesWhatAWorkerHadWrittenWhenItJoined() {
    join(OTHER, at(write()));
    untilRead();
    assertThat(grantedAfter(ChainHead.NONE)).contains(new Position(OTHER, 3));
  }

  @Test
  void aBeatIsEchoedOnlyAfterAReadThatBeganAfterIt() {
    join(OTHER, ChainHead.NONE);
    untilRead();
    List<WorkerOutput> read = List.copyOf(said);
    receive(OTHER, new SclMessage.Beat(1, at(others.getLast()), TERM, 0, false, false));
    said.clear();
    said.addAll(read);
    answerRead();
    assertThat(echoes()).containsEntry(OTHER, 0L);
    untilRead();
    answerRead();
    assertThat(echoes()).containsEntry(OTHER, 1L);
  }

  @Test
  void aNewcomerIsAdmittedOnlyAfterAReadThatBeganAfterItAsked() {
    join(OTHER, ChainHead.NONE);
    untilRead();
    List<WorkerOutput> read = List.copyOf(said);
    CapsuleRecord roster = records.roster(NEWCOMER, Role.WORKER, 1);
    claim(roster);
    receive(NEWCOMER, new SclMessage.Records(NEWCOMER, 1, 1, List.of(roster)));
    now += MS;
    join(NEWCOMER, at(roster));
    said.clear();
    said.addAll(read);
    answerRead();
    assertThat(echoes()).containsKey(OTHER).doesNotContainKey(NEWCOMER);
    // The next read began with the end of that one.
    answerRead();
    assertThat(echoes()).containsKey(NEWCOMER);
  }

  @Test
  void whatASealedWorkerWroteIsMergedBeforeItsLocksAreTaken() {
    join(OTHER, ChainHead.NONE);
    untilRead();
    answerRead();
    grantedAfter(ChainHead.NONE);
    write();
    ChainHead last = at(write());
    // It says nothing more: it is sealed, beyond what is merged here.
    boolean sealed = false;
    for (long from = now; now - from < 3 * options.silenceNanos(); ) {
      untilRead();
      List<WorkerOutput> read = List.copyOf(said);
      if (!sealed && log.stream().anyMatch(o -> o instanceof WorkerOutput.SealWriter)) {
        step(new WorkerInput.Sealed(OTHER, last));
        sealed = true;
      }
      said.clear();
      said.addAll(read);
      answerRead();
    }
    assertThat(sealed).isTrue();
    step(
        new WorkerInput.Acquire(
            1,
            List.of(
                new LockWish(LockGrant.ALL, LockMode.SHARED),
                new LockWish(KEY, LockMode.EXCLUSIVE)),
            1_000 * MS));
    assertThat(said).doesNotHaveAnyElementsOfTypes(WorkerOutput.Granted.class);
    show(3, 4);
    only(WorkerOutput.Granted.class);
  }
}
