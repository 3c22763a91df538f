package io.capsuledb.scl.worker;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.epoch.ChainClaim;
import io.capsuledb.scl.epoch.CoordinatorCore;
import io.capsuledb.scl.epoch.EpochCore;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.frame.FrameLayout;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockCache;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.merge.MergeCore;
import io.capsuledb.scl.merge.PullRequest;
import io.capsuledb.scl.merge.RecordChecks;
import io.capsuledb.scl.session.Position;
import io.capsuledb.scl.session.SessionToken;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One worker of a capsule that has several, as a step function: merging, epochs, locks, sessions,
 * and the coordinator if it comes to be it.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the engine gets foreign records in causal order, durable ones only, and cuts at an RTS
 *       before it gets anything that follows it;
 *   <li>it is ready, and may write, only when everything is merged that a quorum of replicas
 *       claimed after its own first record was durable: an RTS that does not count it among the
 *       members is behind it then;
 *   <li>it obeys one coordinator at a time, that of the largest established term it has heard of;
 *       its lease lasts from the sending of a beat that this or an earlier coordinator has echoed;
 *       a worker that has proclaimed a term keeps a short lease until it obeys a larger one;
 *   <li>once it is sealed, named gone by a SYNC, or has left, it does nothing more: {@link
 *       WorkerOutput.Stopped} is its last word.
 * </ul>
 *
 * <p>Outputs are to be carried out in order before the next step. {@code now} is monotonic
 * nanoseconds of this machine. One thread at a time.
 */
public final class WorkerCore {

  private static final int BEATS_REMEMBERED = 64;
  private static final int FAREWELLS = 16;
  private static final int RANKS_PER_LEASE = 8;
  private static final int MAX_RANK = 6;
  private static final int CLAIM_PAUSE_BEATS = 4;
  private static final int LEASES_UNREADY = 3;

  private record Waiting(long ticket, List<Position> unmet, long deadline) {}

  private record Forced(long ticket, long leastEpoch, long deadline) {}

  private final long own;
  private final WorkerOptions options;
  private final RecordChecks checks;
  private final MergeCore merge;
  private final EpochCore epochs;
  private final LockCache locks;
  private final CoordinatorCore coordinator;
  private final Map<Rejection.Reason, Long> rejections =
      new java.util.EnumMap<>(Rejection.Reason.class);

  private List<WorkerOutput> outputs = new ArrayList<>();
  private final List<CapsuleRecord> burst = new ArrayList<>();
  private final ArrayDeque<SclMessage> loop = new ArrayDeque<>();

  private @Nullable RosterEntry ownEntry;
  private ChainHead head = ChainHead.NONE;
  private boolean pending;
  private long clock;
  private boolean ready;
  private boolean leaving;
  private int farewells;
  private boolean stopped;

  // The frontier read under way, and what to compare merging with until this worker is ready.
  private long lastTicket;
  private long readTicket;
  private long readBegan;
  private boolean readAgain;
  private long nextPoll;
  private @Nullable Map<Long, Long> targets;
  private final Map<Long, Long> bound = new TreeMap<>();
  private long introducedAt;

  // The coordinator that is obeyed.
  private long term;
  private long coordinatorNode;
  private boolean joined;
  private long heardAt;
  private long framesAt;
  private long signAt;
  private long claimNotBefore;
  private boolean anyCoordinator;
  private long vacantTerm;
  private long vacantAt;
  private long proclaimed;
  private long leaseUntil;
  private long beats;
  private long nextBeat;
  private final Map<Long, Long> beatTimes =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Long> eldest) {
          return size() > BEATS_REMEMBERED;
        }
      };
  private boolean isCompactor;

  private final Map<Long, Waiting> sessions = new LinkedHashMap<>();
  private final Map<Long, Forced> forced = new LinkedHashMap<>();

  /**
   * A worker whose chain has no record yet.
   *
   * @param own its writer
   * @param start what its engine has replayed
   * @param checks verifies and opens records
   */
  public WorkerCore(long own, WorkerOptions options, WorkerStart start, RecordChecks checks) {
    this.own = own;
    this.options = options;
    this.checks = checks;
    this.merge =
        new MergeCore(
            own,
            checks,
            options.maxParkedRecords(),
            options.maxParkedBytes(),
            options.pullTimeoutNanos());
    this.epochs = new EpochCore(own);
    this.locks =
        new LockCache(
            options.maxWaiting(),
            options.maxCachedLocks(),
            writer -> merge.head(writer).sequence());
    this.coordinator = new CoordinatorCore(own, options, merge, epochs);
    for (WorkerStart.Start chain : start.chains()) {
      merge.resume(chain.entry(), chain.head(), chain.lamport());
    }
    start.epochRecords().forEach(this::epochRecord);
  }

  /** Takes an input; returns what is to be done. */
  public List<WorkerOutput> step(long now, WorkerInput input) {
    if (stopped) {
      return List.of();
    }
    take(now, input);
    settle(now);
    List<WorkerOutput> taken = outputs;
    outputs = new ArrayList<>();
    return taken;
  }

  private void take(long now, WorkerInput input) {
    switch (input) {
      case WorkerInput.Received(long sender, SclMessage message) -> received(now, sender, message);
      case WorkerInput.OwnDurable(List<CapsuleRecord> records) -> ownDurable(now, records);
      case WorkerInput.CoordinatorIntroduced(long writer) -> coordinator.introduced(now, writer);
      case WorkerInput.CoordinatorDurable(List<CapsuleRecord> records) -> {
        merge.offer(now, records);
        CapsuleRecord newest = records.getLast();
        merge.durable(now, newest.header().writer(), newest.header().sequence());
        mergeAll(now);
        announce(records);
        coordinator.durable(now, records);
      }
      case WorkerInput.CoordinatorEnded(long writer) -> coordinator.ended(now, writer);
      case WorkerInput.Pulled(long ticket, List<CapsuleRecord> records) -> {
        merge.pulled(now, ticket, records);
      }
      case WorkerInput.FrontierRead(long ticket, List<ChainClaim> claims) ->
          frontierRead(now, ticket, claims);
      case WorkerInput.Sealed(long writer, ChainHead last) -> {
        merge.sealed(now, writer, last);
        mergeAll(now);
        coordinator.sealed(now, writer);
      }
      case WorkerInput.SealOverruled(long writer, long beyond) ->
          coordinator.overruled(now, writer, beyond);
      case WorkerInput.CutMade(long epoch, WorkerInput.Cut cut, ChainHead at, long lamport) -> {
        clock = Math.max(clock, lamport);
        epochs.cut(epoch, cut != WorkerInput.Cut.MADE, cut == WorkerInput.Cut.LATE, at, lamport);
        answerEpoch();
      }
      case WorkerInput.Acquire(long ticket, var wishes, long timeoutNanos) ->
          acquire(now, ticket, wishes, timeoutNanos);
      case WorkerInput.Finish(long ticket, long lastSequence) -> locks.finish(ticket, lastSequence);
      case WorkerInput.WaitFor(long ticket, SessionToken token, long timeoutNanos) ->
          waitFor(now, ticket, token, timeoutNanos);
      case WorkerInput.ForceSync(long ticket, long timeoutNanos) -> {
        if (forced.size() >= options.maxWaiting()) {
          deny(ticket, "too many wait for a SYNC");
        } else {
          forced.put(ticket, new Forced(ticket, epochs.lastCutEpoch() + 1, now + timeoutNanos));
          nextBeat = now;
        }
      }
      case WorkerInput.Leave() -> {
        leaving = true;
        locks.close();
      }
      case WorkerInput.EngineFailed(CapsuleException failure) -> stop(now, failure);
      case WorkerInput.Tick(long lamport, boolean notDurable) -> tick(now, lamport, notDurable);
    }
  }

  /** Carries on until nothing more follows from the input. */
  private void settle(long now) {
    while (!stopped) {
      mergeAll(now);
      boolean more = false;
      for (CoordinatorCore.Act act : coordinator.take()) {
        more = true;
        act(now, act);
      }
      for (SclMessage message = loop.poll(); message != null; message = loop.poll()) {
        more = true;
        received(now, own, message);
      }
      progressLocks(now);
      more |= tellLocks();
      if (!more) {
        break;
      }
    }
    if (!stopped) {
      for (PullRequest request : merge.takeRequests()) {
        outputs.add(
            switch (request) {
              case PullRequest.Range(long ticket, long writer, long from, long to) ->
                  new WorkerOutput.PullRange(ticket, writer, from, to);
              case PullRequest.ByHash(long ticket, var hash) ->
                  new WorkerOutput.PullHash(ticket, hash);
              case PullRequest.Blame(long ticket, Rejection rejection) ->
                  new WorkerOutput.Blame(ticket, rejection);
            });
      }
    }
  }

  // ------------------------------------------------------------------ merging

  private void mergeAll(long now) {
    List<CapsuleRecord> merged = merge.takeMerged();
    if (merged.isEmpty()) {
      return;
    }
    for (CapsuleRecord record : merged) {
      switch (record.header().type()) {
        case RTS -> {
          flushBurst();
          epochRecord(record);
          sign(now, record);
        }
        case SYNC -> {
          burst.add(record);
          flushBurst();
          epochRecord(record);
          sign(now, record);
          noteSealed(now, record);
          if (epochs.isGone()) {
            stop(now, new UnavailableException("a SYNC names this worker as gone; it was sealed"));
            return;
          }
        }
        default -> burst.add(record);
      }
      coordinator.merged(record);
    }
    flushBurst();
    coordinator.mergedAll(now);
    progressSessions();
    checkReady(now);
  }

  /** Whom a SYNC names as gone or ended was sealed before it. */
  private void noteSealed(long now, CapsuleRecord record) {
    EpochCore.Merged newest = epochs.lastSync();
    if (newest != null && newest.record() == record) {
      for (Sync.Position position : newest.sync().positions()) {
        if (position.state() != Sync.State.LIVE && position.writer() != own) {
          merge.sealed(now, position.writer());
        }
      }
    }
  }

  /** What a coordinator writes is a sign of its life, for who hears nobody at all. */
  private void sign(long now, CapsuleRecord record) {
    if (merge.last(record.header().writer()) == null) {
      signAt = now;
    }
  }

  /**
   * When a coordinator was last known to live. A worker that reaches replicas and none of several
   * others had better not claim a term that those are content with; whoever hears others, and no
   * coordinator, does not wait for one that only replicas hear.
   *
   * @param others workers that may live besides this one and the coordinator's
   */
  private long coordinatorSeenAt(long now, int others) {
    boolean hearsNobody = others > 0 && now - framesAt >= options.leaseNanos() / 2;
    return hearsNobody && signAt - heardAt > 0 ? signAt : heardAt;
  }

  private void flushBurst() {
    if (!burst.isEmpty()) {
      outputs.add(new WorkerOutput.Merge(burst));
      burst.clear();
    }
  }

  private void epochRecord(CapsuleRecord record) {
    if (record.header().type() == RecordType.RTS) {
      switch (checks.open(record).then(RtsCodec::decode)) {
        case Decoded.Accepted<Rts>(Rts rts) -> {
          epochs.merged(record, rts);
          outputs.add(new WorkerOutput.BeginCut(record, rts, true));
        }
        case Decoded.Rejected<Rts>(Rejection rejection) -> defective(rejection);
      }
    } else if (record.header().type() == RecordType.SYNC) {
      switch (checks.open(record).then(SyncCodec::decode)) {
        case Decoded.Accepted<Sync>(Sync sync) -> {
          epochs.merged(record, sync);
          if (epochs.isGone()) {
            // Its engine may hold writes that the cut has not: they were never durable.
            return;
          }
          outputs.add(new WorkerOutput.Stable(record, sync));
          appoint(sync);
          tellForced(record, sync);
        }
        case Decoded.Rejected<Sync>(Rejection rejection) -> defective(rejection);
      }
    }
  }

  /** A record signed by a coordinator that says nonsense: it is merged and has no meaning. */
  private void defective(Rejection rejection) {
    rejections.merge(rejection.reason(), 1L, Long::sum);
  }

  private void appoint(Sync sync) {
    boolean appointed = sync.compactor() == own;
    if (appointed != isCompactor) {
      isCompactor = appointed;
      outputs.add(
          new WorkerOutput.Compactor(
              appointed, appointed ? coordinator.sealedCompactors() : List.of()));
    }
  }

  private void tellForced(CapsuleRecord record, Sync sync) {
    forced
        .values()
        .removeIf(
            waiting -> {
              if (sync.epoch() < waiting.leastEpoch()) {
                return false;
              }
              outputs.add(new WorkerOutput.Synced(waiting.ticket(), record, sync));
              return true;
            });
  }

  private void ownDurable(long now, List<CapsuleRecord> records) {
    for (CapsuleRecord record : records) {
      RosterEntry entry = ownEntry;
      if (entry == null) {
        entry = checks.introduced(record).orThrow();
        if (entry.writer() != own || entry.role() != Role.WORKER) {
          throw new IllegalStateException("the first own record introduces somebody else");
        }
        ownEntry = entry;
        introducedAt = now;
        heardAt = now;
        framesAt = now;
        signAt = now;
        claimNotBefore = now;
        leaseUntil = now;
        nextBeat = now;
        read(now);
      }
      merge.own(record, entry);
      head = new ChainHead(record.header().sequence(), record.hash());
      coordinator.merged(record);
    }
    locks.durable(head.sequence());
    announce(records);
  }

  private void announce(List<CapsuleRecord> records) {
    int from = 0;
    while (from < records.size()) {
      List<CapsuleRecord> piece = new ArrayList<>();
      long bytes = 0;
      int at = from;
      while (at < records.size() && at - from < SclMessage.MAX_RECORDS) {
        CapsuleRecord record = records.get(at);
        bytes += record.bytes().length + Integer.BYTES;
        if (bytes > FrameLayout.MAX_RECORDS_BYTES && at > from) {
          break;
        }
        if (bytes <= FrameLayout.MAX_RECORDS_BYTES) {
          piece.add(record);
        }
        at++;
      }
      outputs.add(
          new WorkerOutput.Send(
              0,
              new SclMessage.Records(
                  records.get(from).header().writer(),
                  records.get(from).header().sequence(),
                  records.get(at - 1).header().sequence(),
                  piece)));
      from = at;
    }
  }

  // ------------------------------------------------------------------ the frontier

  private void read(long now) {
    if (readTicket != 0) {
      readAgain = true;
      return;
    }
    readTicket = ++lastTicket;
    readBegan = now;
    readAgain = false;
    nextPoll = now + options.pollNanos();
    if (coordinator.phase() == CoordinatorCore.Phase.ESTABLISHED && !leaving) {
      // Of its own worker the coordinator needs no frame to know that it lives, and how recently.
      coordinator.received(now, own, nextBeatOf(now, false));
    }
    coordinator.readBegins(now);
    outputs.add(new WorkerOutput.ReadFrontier(readTicket));
  }

  private void frontierRead(long now, long ticket, List<ChainClaim> claims) {
    if (ticket != readTicket) {
      return;
    }
    long began = readBegan;
    readTicket = 0;
    for (ChainClaim claim : claims) {
      ChainHead last = claim.last();
      if (claim.writer() == own) {
        if (claim.accepted()) {
          stop(now, new UnavailableException("this worker's chain was sealed"));
          return;
        }
        continue;
      }
      if (last != null) {
        merge.sealed(now, claim.writer(), last);
      }
      merge.durable(now, claim.writer(), claim.durable().sequence());
    }
    if (!ready && ownEntry != null && began >= introducedAt) {
      Map<Long, Long> claimed = new TreeMap<>();
      anyCoordinator = false;
      for (ChainClaim claim : claims) {
        ChainHead last = claim.last();
        if (claim.writer() != own) {
          claimed.put(claim.writer(), last == null ? claim.claimed() : last.sequence());
        }
      }
      targets = claimed;
    }
    mergeAll(now);
    if (stopped) {
      return;
    }
    checkReady(now);
    coordinator.readEnds(now, began, claims);
    if (readAgain) {
      read(now);
    }
  }

  private void checkReady(long now) {
    Map<Long, Long> behind = targets;
    if (ready || behind == null) {
      return;
    }
    behind.entrySet().removeIf(this::isMerged);
    bound.entrySet().removeIf(this::isMerged);
    if (behind.isEmpty() && bound.isEmpty()) {
      ready = true;
      targets = null;
      coordinator.ready(now);
      for (long writer : merge.writers()) {
        RosterEntry entry = merge.entry(writer);
        anyCoordinator |=
            entry != null && entry.role() == Role.COORDINATOR && merge.last(writer) == null;
      }
      outputs.add(new WorkerOutput.Ready());
    }
  }

  private boolean isMerged(Map.Entry<Long, Long> position) {
    long sequence = position.getValue();
    ChainHead last = merge.last(position.getKey());
    return merge.head(position.getKey()).sequence()
        >= (last == null ? sequence : Math.min(sequence, last.sequence()));
  }

  // ------------------------------------------------------------------ frames

  private void received(long now, long sender, SclMessage message) {
    if (sender != own) {
      framesAt = now;
      coordinator.lives(now, sender);
    }
    switch (message) {
      case SclMessage.Records(long writer, long from, long to, List<CapsuleRecord> records) -> {
        if (writer != own) {
          merge.offer(now, records);
          merge.durable(now, writer, to);
        }
      }
      case SclMessage.Beat beat -> {
        if (sender != own) {
          merge.durable(now, sender, beat.head().sequence());
          if (beat.leaving() && sender == coordinatorNode && vacantTerm != term) {
            // Its coordinator has stepped down: nobody has to wait until that is missed.
            vacantTerm = term;
            vacantAt = now;
          }
        }
        coordinator.received(now, sender, beat);
      }
      case SclMessage.CoordinatorBeat beat -> heard(now, sender, beat);
      case SclMessage.Claim claim -> {
        if (sender != own) {
          coordinator.rival(now, claim.term(), claim.coordinator());
          long later = now + options.leaseNanos() / 2;
          claimNotBefore = later - claimNotBefore > 0 ? later : claimNotBefore;
        }
      }
      case SclMessage.Join join -> coordinator.received(now, sender, join);
      case SclMessage.End end -> coordinator.received(now, sender, end);
      case SclMessage.LockRequest request -> coordinator.received(now, sender, request);
      case SclMessage.Release release -> coordinator.received(now, sender, release);
      case SclMessage.Grant(long ofTerm, List<LockGrant> grants, List<Position> released) -> {
        if (ofTerm == term && sender == coordinatorNode) {
          grants.forEach(grant -> locks.granted(grant, released));
        }
      }
      case SclMessage.Recall(long ofTerm, List<LockGrant> grants) -> {
        if (ofTerm == term && sender == coordinatorNode) {
          grants.forEach(locks::recalled);
        }
      }
    }
  }

  private void heard(long now, long sender, SclMessage.CoordinatorBeat beat) {
    coordinator.heard(now, beat.term(), beat.coordinator(), sender);
    if (sender != own) {
      merge.durable(now, beat.coordinator(), beat.head().sequence());
    }
    if (beat.term() < term || ownEntry == null) {
      return;
    }
    heardAt = now;
    if (!ready && beat.ending() > 0) {
      // It has written nothing, and will not before it has merged this RTS: its end is its roster.
      bound.merge(beat.coordinator(), beat.head().sequence(), Math::max);
      send(0, new SclMessage.End(beat.ending(), beat.coordinator(), false, head, clock));
    }
    if (beat.term() > term) {
      term = beat.term();
      coordinatorNode = sender;
      joined = false;
      join();
    }
    for (SclMessage.Echo echo : beat.echoes()) {
      if (echo.worker() != own) {
        continue;
      }
      if (!joined) {
        joined = true;
        locks.remind();
      }
      Long sent = beatTimes.get(echo.number());
      long lease =
          beat.term() > proclaimed ? options.leaseNanos() : options.coordinatorLeaseNanos();
      if (sent != null && sent + lease - leaseUntil > 0) {
        leaseUntil = sent + lease;
        outputs.add(new WorkerOutput.Lease(leaseUntil));
      }
    }
  }

  private void join() {
    if (ownEntry != null && term > 0 && !leaving) {
      send(coordinatorNode, new SclMessage.Join(term, head, locks.held()));
    }
  }

  private void answerEpoch() {
    SclMessage.End answer = epochs.answer();
    if (answer != null) {
      send(0, answer);
    }
  }

  private void send(long receiver, SclMessage message) {
    if (receiver != own) {
      outputs.add(new WorkerOutput.Send(receiver, message));
    }
    if (receiver == own || (receiver == 0 && !(message instanceof SclMessage.Records))) {
      loop.add(message);
    }
  }

  // ------------------------------------------------------------------ the coordinator here

  private void act(long now, CoordinatorCore.Act act) {
    switch (act) {
      case CoordinatorCore.Act.Send(long receiver, SclMessage message) -> send(receiver, message);
      case CoordinatorCore.Act.Introduce() -> outputs.add(new WorkerOutput.IntroduceCoordinator());
      case CoordinatorCore.Act.AppendRts(long chain, Rts rts, var parents) -> {
        proclaim(now, rts.term());
        outputs.add(new WorkerOutput.AppendRts(chain, rts, parents));
      }
      case CoordinatorCore.Act.AppendSync(long chain, Sync sync, var parents) ->
          outputs.add(new WorkerOutput.AppendSync(chain, sync, parents));
      case CoordinatorCore.Act.Seal(long chain, long writer, long ballot) ->
          outputs.add(new WorkerOutput.SealWriter(chain, writer, ballot));
      case CoordinatorCore.Act.End(long chain) -> {
        outputs.add(new WorkerOutput.EndCoordinator(chain));
        long pause =
            coordinator.hasGivenUp()
                ? options.leaseNanos()
                : CLAIM_PAUSE_BEATS * options.beatNanos();
        claimNotBefore = now + pause + spread();
      }
      case CoordinatorCore.Act.Read() -> read(now);
    }
  }

  /**
   * A successor of this coordinator counts on a short lease of its worker from the first record
   * that names the term: so what an earlier coordinator gave is cut down before that record is
   * written.
   */
  private void proclaim(long now, long ofTerm) {
    if (ofTerm > proclaimed) {
      proclaimed = ofTerm;
      long most = now + options.coordinatorLeaseNanos();
      if (leaseUntil - most > 0) {
        leaseUntil = most;
        outputs.add(new WorkerOutput.Lease(leaseUntil));
      }
    }
  }

  /** Up to four beats, a fixed function of the worker and of what it has said. */
  private long spread() {
    long mixed = (own ^ (beats << 32)) * 0x9E3779B97F4A7C15L;
    return Long.remainderUnsigned(mixed >>> 17, CLAIM_PAUSE_BEATS * options.beatNanos());
  }

  /**
   * A worker that is not ready yet leaves it to those that are, for a while: it may wait for what
   * nobody can make durable before somebody seals its writer.
   */
  private void mayClaim(long now) {
    if (leaving || coordinator.phase() != CoordinatorCore.Phase.OFF) {
      return;
    }
    boolean fresh = ready && term == 0 && !anyCoordinator;
    // Among those that may be left.
    List<Long> living = epochs.living();
    living.remove(Long.valueOf(coordinatorNode));
    int rank = living.contains(own) ? living.indexOf(own) : living.size();
    living.remove(Long.valueOf(own));
    long turn = Math.min(rank, MAX_RANK) * (options.leaseNanos() / RANKS_PER_LEASE);
    long wait = (ready ? 1 : LEASES_UNREADY) * options.leaseNanos() + turn;
    boolean vacant = ready && term > 0 && vacantTerm == term && now - vacantAt >= turn;
    if (now - claimNotBefore >= 0
        && (fresh || vacant || now - coordinatorSeenAt(now, living.size()) >= wait)) {
      claimNotBefore = now + CLAIM_PAUSE_BEATS * options.beatNanos() + spread();
      coordinator.claim(now);
    }
  }

  // ------------------------------------------------------------------ locks, sessions

  private void acquire(
      long now, long ticket, List<io.capsuledb.scl.lock.LockWish> wishes, long timeoutNanos) {
    if (!ready || leaving) {
      deny(ticket, ready ? "this worker leaves" : "this worker is not ready yet");
      return;
    }
    try {
      locks.acquire(now, ticket, wishes, timeoutNanos);
    } catch (InvalidRequestException wrong) {
      outputs.add(new WorkerOutput.Denied(ticket, wrong));
    }
  }

  private void progressLocks(long now) {
    locks.progress(ownEntry != null && leaseUntil - now > 0);
  }

  private boolean tellLocks() {
    List<LockGrant> asked = new ArrayList<>();
    List<LockGrant> released = new ArrayList<>();
    for (LockCache.Event event : locks.take()) {
      switch (event) {
        case LockCache.Event.Granted(long ticket) -> outputs.add(new WorkerOutput.Granted(ticket));
        case LockCache.Event.Denied(long ticket, CapsuleException reason) ->
            outputs.add(new WorkerOutput.Denied(ticket, reason));
        case LockCache.Event.Ask(LockGrant wish) -> asked.add(wish);
        case LockCache.Event.Released(LockGrant grant) -> released.add(grant);
      }
    }
    if (!joined) {
      // What is not heard is asked again, and what is not held is not in the JOIN.
      return false;
    }
    // Releases first: who asks anew has released before.
    for (int from = 0; from < released.size(); from += SclMessage.MAX_LOCKS) {
      List<LockGrant> piece =
          released.subList(from, Math.min(released.size(), from + SclMessage.MAX_LOCKS));
      send(coordinatorNode, new SclMessage.Release(term, head, piece));
    }
    for (int from = 0; from < asked.size(); from += SclMessage.MAX_LOCKS) {
      List<LockGrant> piece =
          asked.subList(from, Math.min(asked.size(), from + SclMessage.MAX_LOCKS));
      send(coordinatorNode, new SclMessage.LockRequest(term, head, piece));
    }
    return !asked.isEmpty() || !released.isEmpty();
  }

  private void waitFor(long now, long ticket, SessionToken token, long timeoutNanos) {
    List<Position> unmet = unmet(token.positions());
    if (unmet.isEmpty()) {
      outputs.add(new WorkerOutput.Reached(ticket));
    } else if (sessions.size() >= options.maxWaiting()) {
      deny(ticket, "too many sessions wait");
    } else {
      sessions.put(ticket, new Waiting(ticket, unmet, now + timeoutNanos));
    }
  }

  private List<Position> unmet(List<Position> positions) {
    return positions.stream()
        .filter(position -> merge.head(position.writer()).sequence() < position.sequence())
        .toList();
  }

  private void progressSessions() {
    for (Waiting waiting : List.copyOf(sessions.values())) {
      List<Position> unmet = unmet(waiting.unmet());
      if (unmet.isEmpty()) {
        sessions.remove(waiting.ticket());
        outputs.add(new WorkerOutput.Reached(waiting.ticket()));
      } else if (unmet.size() < waiting.unmet().size()) {
        sessions.put(waiting.ticket(), new Waiting(waiting.ticket(), unmet, waiting.deadline()));
      }
    }
  }

  private void deny(long ticket, String why) {
    outputs.add(new WorkerOutput.Denied(ticket, new UnavailableException(why)));
  }

  // ------------------------------------------------------------------ time

  private void tick(long now, long lamport, boolean notDurable) {
    clock = Math.max(clock, lamport);
    pending = notDurable;
    merge.tick(now);
    coordinator.tick(now, clock);
    locks.tick(now);
    sessions
        .values()
        .removeIf(
            waiting -> {
              if (now - waiting.deadline() < 0) {
                return false;
              }
              deny(waiting.ticket(), "the token's records did not come in time");
              return true;
            });
    forced
        .values()
        .removeIf(
            waiting -> {
              if (now - waiting.deadline() < 0) {
                return false;
              }
              deny(waiting.ticket(), "no SYNC came in time");
              return true;
            });
    if (ownEntry == null) {
      return;
    }
    if (readTicket != 0 && now - readBegan >= options.pullTimeoutNanos()) {
      readTicket = 0;
      read(now);
    } else if (now - nextPoll >= 0) {
      read(now);
    } else if (!ready && readTicket == 0) {
      read(now);
    }
    mayClaim(now);
    if (now - nextBeat >= 0) {
      beat(now);
    }
  }

  private void beat(long now) {
    nextBeat = now + options.beatNanos();
    boolean farewell = leaving && locks.isEmpty() && !pending;
    if (farewell) {
      coordinator.stepDown(now);
      if (++farewells > FAREWELLS) {
        stop(now, null);
        return;
      }
    }
    if (!joined) {
      join();
    }
    send(0, nextBeatOf(now, farewell));
    answerEpoch();
    if (joined) {
      locks.remind();
    }
  }

  private SclMessage.Beat nextBeatOf(long now, boolean farewell) {
    long wants = forced.values().stream().mapToLong(Forced::leastEpoch).max().orElse(0);
    beats++;
    beatTimes.put(beats, now);
    return new SclMessage.Beat(beats, head, term, wants, pending, farewell);
  }

  private void stop(long now, @Nullable CapsuleException failure) {
    coordinator.stepDown(now);
    for (CoordinatorCore.Act act : coordinator.take()) {
      if (act instanceof CoordinatorCore.Act.End) {
        act(now, act);
      }
    }
    stopped = true;
    outputs.add(new WorkerOutput.Stopped(failure));
  }

  // ------------------------------------------------------------------ status

  /** Its writer. */
  public long writer() {
    return own;
  }

  /** Whether it may write. */
  public boolean isReady() {
    return ready && !stopped;
  }

  /** Whether it is over. */
  public boolean isStopped() {
    return stopped;
  }

  /** The term of the coordinator it obeys; 0 if it knows none. */
  public long term() {
    return term;
  }

  /** The newest merged record of a chain; of the own, the newest durable. */
  public ChainHead merged(long writer) {
    return merge.head(writer);
  }

  /** Every chain anything is known of. */
  public java.util.Collection<Long> writers() {
    return merge.writers();
  }

  /** The newest SYNC that is merged, or null. */
  public EpochCore.@Nullable Merged lastSync() {
    return epochs.lastSync();
  }

  /** Until when reads under locks are valid; the past if they are not. */
  public long leaseUntilNanos() {
    return leaseUntil;
  }

  /** The locks it holds. */
  public List<LockGrant> heldLocks() {
    return locks.held();
  }

  /** The coordinator's part. */
  public CoordinatorCore coordinator() {
    return coordinator;
  }

  /**
   * Everything that is merged now, as a token: the newest SYNC stands for its cut.
   *
   * @return at most {@link SessionToken#MAX_POSITIONS} positions
   */
  public SessionToken token() {
    EpochCore.Merged sync = epochs.lastSync();
    TreeMap<Long, Position> positions = new TreeMap<>();
    for (long writer : merge.writers()) {
      long sequence = merge.head(writer).sequence();
      RosterEntry entry = merge.entry(writer);
      if (sequence == 0 || entry == null) {
        continue;
      }
      boolean covered;
      if (sync == null) {
        covered = false;
      } else if (entry.role() != Role.WORKER) {
        covered = writer != sync.record().header().writer();
      } else {
        Sync.Position position = sync.sync().of(writer);
        covered =
            position != null
                ? sequence <= position.head().sequence()
                : merge.lamport(writer) <= sync.sync().cutTime();
      }
      if (!covered && positions.size() < SessionToken.MAX_POSITIONS) {
        positions.put(writer, new Position(writer, sequence));
      }
    }
    return new SessionToken(List.copyOf(positions.values()));
  }

  /** How often what was refused, by reason. */
  public Map<Rejection.Reason, Long> rejections() {
    Map<Rejection.Reason, Long> all = new java.util.EnumMap<>(Rejection.Reason.class);
    all.putAll(rejections);
    merge.rejections().forEach((reason, count) -> all.merge(reason, count, Long::sum));
    return all;
  }
}
