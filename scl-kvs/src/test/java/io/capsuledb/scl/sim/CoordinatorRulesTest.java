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
import io.capsuledb.scl.session.SessionToken;
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
  private static final long PREDECESSOR = 600;
  private static final long BETWEEN = 700;
  private static final long LOSER = 903;

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

  // ------------------------------------------------------------------ after another coordinator

  private final List<CapsuleRecord> coordinators = new ArrayList<>();
  private long predecessorSealedAt;
  private long answered;

  /** Whether the other worker joins before the first frontier read of a new term has its answer. */
  private boolean joinsEarly;

  /** Whether it does, and that read has its answer, and the one that begins with it has none. */
  private boolean asksTwice;

  /** The coordinator of a term, in the process of the other worker: its chain, as it is held. */
  private void coordinated(long chain, long term) {
    CapsuleRecord introduction = records.roster(chain, Role.COORDINATOR, 2);
    Rts rts = new Rts(term, 1, term, 100 * term, 1_000);
    CapsuleRecord call =
        records.make(
            RecordType.RTS,
            chain,
            at(introduction),
            rts.epoch(),
            3,
            List.of(),
            RtsCodec.encode(rts));
    claim(call);
    receive(OTHER, new SclMessage.Records(chain, 1, 2, List.of(introduction, call)));
    step(new WorkerInput.CutMade(rts.epoch(), WorkerInput.Cut.IDLE, ChainHead.NONE, 100 * term));
    coordinators.add(call);
  }

  /** The other worker claims a term too, and does not get to write its RTS. */
  private void claimed(long chain, long term) {
    CapsuleRecord introduction = records.roster(chain, Role.COORDINATOR, 2);
    claim(introduction);
    receive(OTHER, new SclMessage.Records(chain, 1, 1, List.of(introduction)));
    receive(
        OTHER, new SclMessage.CoordinatorBeat(term, chain, at(introduction), true, 0, List.of()));
    coordinators.add(introduction);
  }

  /** Obeys the other worker's coordinator. */
  private void obey() {
    write();
    CapsuleRecord newest = write();
    claim(newest);
    CapsuleRecord own = records.roster(OWN, Role.WORKER, 1);
    claim(own);
    step(new WorkerInput.OwnDurable(List.of(own)));
    show(1, 2);
    coordinated(PREDECESSOR, TERM);
    answerReads();
    assertThat(core.isReady()).isTrue();
    receive(
        OTHER,
        new SclMessage.CoordinatorBeat(
            TERM, PREDECESSOR, at(coordinators.getFirst()), true, 0, List.of()));
    receive(OTHER, new SclMessage.Beat(1, at(newest), TERM, 0, false, false));
  }

  /** Answers the frontier read that is under way, and what begins with its end, if there is one. */
  private void answerReads() {
    while (lastRead() != answered) {
      answered = lastRead();
      step(new WorkerInput.FrontierRead(answered, List.copyOf(claims.values())));
    }
  }

  private long lastRead() {
    long last = 0;
    for (WorkerOutput output : log) {
      if (output instanceof WorkerOutput.ReadFrontier(long ticket)) {
        last = ticket;
      }
    }
    return last;
  }

  private void tickUntil(Class<? extends WorkerOutput> kind, long withinNanos) {
    for (long from = now; now - from <= withinNanos; ) {
      now += 10 * MS;
      int before = log.size();
      step(new WorkerInput.Tick(1, false));
      answerReads();
      if (log.subList(before, log.size()).stream().anyMatch(kind::isInstance)) {
        return;
      }
    }
    throw new AssertionError("no " + kind);
  }

  /** Claims the next term, seals what coordinators there are, and is established. */
  private void succeed() {
    tickUntil(WorkerOutput.IntroduceCoordinator.class, 2 * options.leaseNanos());
    step(new WorkerInput.CoordinatorIntroduced(CHAIN));
    CapsuleRecord introduction = records.roster(CHAIN, Role.COORDINATOR, 5);
    claim(introduction);
    step(new WorkerInput.CoordinatorDurable(List.of(introduction)));
    answerReads();
    for (CapsuleRecord newest : coordinators) {
      long writer = newest.header().writer();
      assertThat(log)
          .anyMatch(o -> o instanceof WorkerOutput.SealWriter(long _, long of, _) && of == writer);
    }
    predecessorSealedAt = now;
    for (CapsuleRecord newest : coordinators) {
      long writer = newest.header().writer();
      claims.put(
          writer, new ChainClaim(writer, at(newest), newest.header().sequence(), true, at(newest)));
      step(new WorkerInput.Sealed(writer, at(newest)));
    }
    answerReads();
    WorkerOutput.AppendRts append =
        log.stream()
            .filter(WorkerOutput.AppendRts.class::isInstance)
            .map(WorkerOutput.AppendRts.class::cast)
            .findFirst()
            .orElseThrow();
    Rts rts = append.rts();
    CapsuleRecord call =
        records.make(
            RecordType.RTS,
            CHAIN,
            at(introduction),
            rts.epoch(),
            6,
            append.parents(),
            RtsCodec.encode(rts));
    claim(call);
    step(new WorkerInput.CoordinatorDurable(List.of(call)));
    step(new WorkerInput.CutMade(rts.epoch(), WorkerInput.Cut.IDLE, ChainHead.NONE, 900));
    if (asksTwice) {
      now += MS;
      LockGrant lock = new LockGrant(KEY, LockMode.SHARED, 1);
      receive(OTHER, new SclMessage.Join(rts.term(), at(others.get(1)), List.of(lock)));
      answered = lastRead();
      step(new WorkerInput.FrontierRead(answered, List.copyOf(claims.values())));
      return;
    }
    if (joinsEarly) {
      LockGrant lock = new LockGrant(KEY, LockMode.EXCLUSIVE, 1);
      receive(OTHER, new SclMessage.Join(rts.term(), at(others.get(1)), List.of(lock)));
      now += options.pullTimeoutNanos();
      step(new WorkerInput.Tick(1, false));
    }
    answerReads();
    assertThat(core.coordinator().members()).contains(OWN, OTHER);
  }

  private boolean isSealWanted() {
    return log.stream()
        .anyMatch(o -> o instanceof WorkerOutput.SealWriter(long _, long of, _) && of == OTHER);
  }

  /** Until locks are granted; the other worker says nothing, and is sealed as soon as wanted. */
  private long openAt() {
    boolean sealed = false;
    for (long from = now; now - from < 4 * options.silenceNanos(); ) {
      if (core.coordinator().isOpen()) {
        return now;
      }
      now += 10 * MS;
      step(new WorkerInput.Tick(1, false));
      if (!sealed && isSealWanted()) {
        step(new WorkerInput.Sealed(OTHER, at(others.get(1))));
        sealed = true;
      }
      answerReads();
    }
    throw new AssertionError("locks are not granted");
  }

  @Test
  void theShortLeaseOfThePredecessorsWorkerIsWaitedFor() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    long heard = after.now;
    after.succeed();
    long open = after.openAt();
    assertThat(open - after.predecessorSealedAt)
        .isGreaterThanOrEqualTo(options.coordinatorSilenceNanos());
    assertThat(open - heard).isLessThan(7 * options.leaseNanos() / 4);
  }

  @Test
  void whoSharedAProcessWithAnEarlierCoordinatorMayHaveALongLease() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    // Of this one nothing was heard but its chain.
    after.coordinated(BETWEEN, TERM + 1);
    after.succeed();
    long established = after.now;
    assertThat(after.openAt() - established).isGreaterThanOrEqualTo(options.silenceNanos());
  }

  @Test
  void whoClaimedTheTermOfThePredecessorMayHaveALongLease() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    after.claimed(LOSER, TERM + 1);
    // This one got it, somewhere else, and gave the other worker its leases.
    after.coordinated(BETWEEN, TERM + 1);
    after.succeed();
    long established = after.now;
    assertThat(after.openAt() - established).isGreaterThanOrEqualTo(options.silenceNanos());
  }

  @Test
  void whoJoinsWithLocksBeforeItIsKnownWhoWasThereIsNotCondemned() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    after.joinsEarly = true;
    after.succeed();
    assertThat(after.isSealWanted()).isFalse();
    assertThat(after.core.coordinator().condemnations()).isZero();
  }

  /** What was asked before the members were known is past when the worker has joined since. */
  @Test
  void aJoinIsNotTakenUpAgainWhenMoreIsHeld() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    after.asksTwice = true;
    after.succeed();
    LockGrant shared = new LockGrant(KEY, LockMode.SHARED, 1);
    long term = after.core.term();
    after.receive(OTHER, new SclMessage.Join(term, at(after.others.get(1)), List.of(shared)));
    after.now += 10 * MS;
    after.step(new WorkerInput.Tick(1, false));
    assertThat(after.core.coordinator().isOpen()).isTrue();
    after.receive(OTHER, new SclMessage.Release(term, at(after.others.get(1)), List.of(shared)));
    LockGrant exclusive = new LockGrant(KEY, LockMode.EXCLUSIVE, 2);
    after.receive(
        OTHER, new SclMessage.LockRequest(term, at(after.others.get(1)), List.of(exclusive)));
    assertThat(after.said)
        .anyMatch(o -> o instanceof WorkerOutput.Send(long to, SclMessage.Grant _) && to == OTHER);
    after.answerReads();
    after.step(
        new WorkerInput.Acquire(
            1,
            List.of(
                new LockWish(LockGrant.ALL, LockMode.SHARED), new LockWish(KEY, LockMode.SHARED)),
            1_000 * MS));
    assertThat(after.said).doesNotHaveAnyElementsOfTypes(WorkerOutput.Granted.class);
  }

  /** Every read after a seal shows one replica that accepted it, and not always a quorum. */
  @Test
  void aWorkerThatOneReplicaHasAcceptedTheEndOfIsNotEchoed() {
    join(OTHER, ChainHead.NONE);
    ChainHead head = at(others.getLast());
    receive(OTHER, new SclMessage.Beat(1, head, TERM, 0, false, false));
    claims.put(OTHER, new ChainClaim(OTHER, head, 2, true, null));
    untilRead();
    answerRead();
    untilRead();
    answerRead();
    assertThat(echoes()).doesNotContainKey(OTHER);
  }

  @Test
  void aTokenMakesNoWriters() {
    SessionToken token = new SessionToken(List.of(new Position(900, 1), new Position(901, 7)));
    step(new WorkerInput.WaitFor(1, token, MS));
    assertThat(core.writers()).contains(OTHER).doesNotContain(900L, 901L);
  }

  /** What it waits for may come to another, which its claims hold back. */
  @Test
  void whoDoesNotGetOnGivesUp() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    after.tickUntil(WorkerOutput.IntroduceCoordinator.class, 2 * options.leaseNanos());
    after.step(new WorkerInput.CoordinatorIntroduced(CHAIN));
    CapsuleRecord introduction = after.records.roster(CHAIN, Role.COORDINATOR, 5);
    after.claim(introduction);
    after.claims.put(999L, new ChainClaim(999, ChainHead.NONE, 1, false, null));
    after.step(new WorkerInput.CoordinatorDurable(List.of(introduction)));
    after.answerReads();
    ChainHead last = at(after.coordinators.getFirst());
    after.claims.put(PREDECESSOR, new ChainClaim(PREDECESSOR, last, 2, true, last));
    after.step(new WorkerInput.Sealed(PREDECESSOR, last));
    after.tickUntil(WorkerOutput.EndCoordinator.class, 3 * options.leaseNanos());
  }

  @Test
  void locksOfASealedWorkerAreFreeOnlyAfterAReadThatBeganAfterTheSeal() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    after.succeed();
    while (!after.isSealWanted()) {
      after.tickUntil(WorkerOutput.ReadFrontier.class, 2 * options.beatNanos());
    }
    after.untilRead();
    // That read goes on for long: the worker's lease is over, and its seal comes before its end.
    after.now += 2 * options.silenceNanos();
    after.step(new WorkerInput.Sealed(OTHER, at(after.others.get(1))));
    after.step(new WorkerInput.FrontierRead(after.lastRead(), List.copyOf(after.claims.values())));
    after.answered = after.lastRead() - 1;
    after.now += MS;
    after.step(new WorkerInput.Tick(1, false));
    assertThat(after.core.coordinator().isOpen()).isFalse();
    after.answerReads();
    after.step(new WorkerInput.Tick(1, false));
    assertThat(after.core.coordinator().isOpen()).isTrue();
  }

  /** What an earlier coordinator gave is cut down before the term is written. */
  @Test
  void whoProclaimsATermKeepsAShortLease() {
    CoordinatorRulesTest after = new CoordinatorRulesTest();
    after.obey();
    // The newest beat is echoed, so the lease begins when the predecessor is heard last.
    after.tickUntil(WorkerOutput.Send.class, options.beatNanos() * 2);
    CapsuleRecord call = after.coordinators.getFirst();
    long beat = 0;
    for (WorkerOutput output : after.log) {
      if (output instanceof WorkerOutput.Send(long _, SclMessage.Beat sent)) {
        beat = sent.number();
      }
    }
    after.receive(
        OTHER,
        new SclMessage.CoordinatorBeat(
            TERM, PREDECESSOR, at(call), true, 0, List.of(new SclMessage.Echo(OWN, beat))));
    assertThat(after.core.leaseUntilNanos() - after.now)
        .isGreaterThan(options.leaseNanos() - options.beatNanos());
    // It leaves, which is why it is succeeded while that lease lasts.
    after.receive(OTHER, new SclMessage.Beat(2, at(after.others.get(1)), TERM, 0, false, true));
    long left = after.now;
    after.succeed();
    assertThat(after.now - left).isLessThan(options.beatNanos());
    assertThat(after.core.leaseUntilNanos() - after.now)
        .isLessThanOrEqualTo(options.coordinatorLeaseNanos());
    int lease = -1;
    int append = -1;
    for (int i = 0; i < after.log.size(); i++) {
      if (after.log.get(i) instanceof WorkerOutput.Lease) {
        lease = i;
      } else if (after.log.get(i) instanceof WorkerOutput.AppendRts && append < 0) {
        append = i;
        assertThat(lease).isEqualTo(append - 1);
      }
    }
    assertThat(append).isPositive();
    // And of whom left nothing is waited for but its seal.
    after.openAt();
    assertThat(after.now - left).isLessThan(2 * options.beatNanos());
  }
}
