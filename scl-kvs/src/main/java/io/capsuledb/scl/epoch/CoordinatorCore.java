package io.capsuledb.scl.epoch;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockTable;
import io.capsuledb.scl.merge.MergeCore;
import io.capsuledb.scl.session.Position;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The coordinator's part that a worker's process may play: claims a term, calls for the end of
 * epochs, joins them by SYNC, seals who is silent, grants locks.
 *
 * <p>Invariants (their proofs are in docs/consistency.md):
 *
 * <ul>
 *   <li>it is established only after every other COORDINATOR chain that a quorum knew after its own
 *       was durable has been sealed and is merged here up to its final head, and after an RTS with
 *       a term above all in those chains is durable in its own: so at most one established
 *       coordinator is not sealed, and terms grow from one to the next;
 *   <li>SYNC(e) is appended only after RTS(e) of this chain was durable, then the members were read
 *       from a quorum, and of each the cut is merged here: its EOE(e), the head it gave by END(e),
 *       or its final head if that lies before the cut time;
 *   <li>locks are granted only to workers that joined this term, and only after every worker that
 *       was a member when it was established has joined, or is sealed and its lease over, also if
 *       somebody else had sealed it;
 *   <li>it renews leases only from beats that it had received when a frontier read began that
 *       showed its own chain not sealed, and admits newcomers likewise;
 *   <li>whoever is condemned (silent, late with an EOE, or leaving) is not echoed any more, and its
 *       locks are free when it is sealed, and its lease over, and a frontier read that began after
 *       both was known showed this chain not sealed;
 *   <li>the lease of the predecessor's own worker is over a short coordinator's lease after the
 *       predecessor was sealed, if no coordinator was established between the two.
 * </ul>
 *
 * <p>{@code now} is monotonic nanoseconds. One thread at a time. Nothing it keeps outlives it.
 */
public final class CoordinatorCore {

  /** What a coordinator wants done. */
  public sealed interface Act {
    /** Send a message; to everybody if {@code receiver} is 0. */
    record Send(long receiver, SclMessage message) implements Act {}

    /** Introduce a chain for it. */
    record Introduce() implements Act {}

    /** Append an RTS to its chain. */
    record AppendRts(long coordinator, Rts rts, List<Hash32> parents) implements Act {
      public AppendRts {
        parents = List.copyOf(parents);
      }
    }

    /** Append a SYNC to its chain. */
    record AppendSync(long coordinator, Sync sync, List<Hash32> parents) implements Act {
      public AppendSync {
        parents = List.copyOf(parents);
      }
    }

    /** Seal a writer in a ballot of this term. */
    record Seal(long coordinator, long writer, long term) implements Act {}

    /** Its chain is not used any more. */
    record End(long coordinator) implements Act {}

    /** Begin a frontier read from now on. */
    record Read() implements Act {}
  }

  /** How far it is. */
  public enum Phase {
    /** It is none. */
    OFF,
    /** Its chain is being made durable. */
    INTRODUCING,
    /** It finds and seals other coordinators. */
    SURVEYING,
    /** It merges what they left. */
    CATCHING_UP,
    /** The record of its term is being made durable. */
    PROCLAIMING,
    /** It is the coordinator, as far as it knows. */
    ESTABLISHED
  }

  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final int APPEND_LEASES = 2;
  private static final int MAX_CANDIDATES = 4096;
  private static final int LEAST_OTHERS = 2;

  /** A worker whose coordinator was replaced says within so many beats that it lives. */
  private static final int REPLACED_BEATS = 2;

  /** Hosts that are remembered: those heard last. */
  private static final int MAX_HOSTS = 64;

  private static final class Host {
    final long worker;
    long heardAt;

    Host(long worker, long heardAt) {
      this.worker = worker;
      this.heardAt = heardAt;
    }
  }

  private static final class Member {
    long since;
    boolean joined;
    long received;
    long receivedAt;
    long noted;
    long notedAt;
    long echo = -1;
    long leaseOver;
    boolean condemned;

    /** Known to a quorum when the term was established: it may hold locks from before. */
    boolean inherited;

    boolean leaving;
    boolean pending;
    boolean freed;
    long wantsEpoch;

    Member(long now, long leaseOver) {
      this.since = now;
      this.receivedAt = now;
      this.notedAt = now;
      this.leaseOver = leaseOver;
    }
  }

  private record Candidate(SclMessage.Join join, long at) {}

  private static final class Sealing {
    long term;
    long since;
    long retryAt;
    boolean underWay;
  }

  private static final class Epoch {
    final Rts rts;
    @Nullable Hash32 hash;
    long durableAt;
    long deadlineFrom;
    @Nullable Set<Long> expected;
    final Map<Long, ChainHead> ended = new HashMap<>();
    final Map<Long, ChainHead> eoes = new HashMap<>();
    boolean late;
    boolean appended;

    Epoch(Rts rts) {
      this.rts = rts;
    }
  }

  private final long own;
  private final WorkerOptions options;
  private final MergeCore merge;
  private final EpochCore epochs;

  private Phase phase = Phase.OFF;
  private long chain;
  private long term;
  private long establishedAt;
  private boolean membersKnown;
  private long surveyAt;
  private boolean surveying;
  private boolean sealedAny;
  private boolean ready;
  private boolean wasAlone;

  // When it last came on with finding, sealing and merging what others left, and how far.
  private long progressAt;
  private long mergedBefore;
  private boolean gaveUp;
  private boolean rivalHeard;
  private long rivalAt;

  /** By its chain, in whose process a coordinator is, or somebody who claims to be one. */
  private final LinkedHashMap<Long, Host> hosts = new LinkedHashMap<>();

  /** The coordinator that the one here succeeds, by its chain; 0 if there was none. */
  private long predecessor;

  private final Set<Long> predecessors = new LinkedHashSet<>();
  private final Set<Long> compactors = new LinkedHashSet<>();
  private final Map<Long, Sealing> sealing = new LinkedHashMap<>();
  private final Map<Long, Member> members = new TreeMap<>();
  private final Map<Long, Candidate> candidates = new LinkedHashMap<>();
  private final Set<Long> left = new LinkedHashSet<>();
  private final Set<Long> departing = new LinkedHashSet<>();
  private final Set<Long> changed = new TreeSet<>();
  private final Map<Long, Long> released = new TreeMap<>();
  private LockTable table = new LockTable();

  private @Nullable Epoch epoch;
  private long lastRtsAt;
  private long lastRtsEpoch;
  private int attempt;
  private long lateClock;
  private boolean forced;
  private boolean appending;
  private long appendSince;
  private ChainHead head = ChainHead.NONE;
  private long checkBegan;
  private boolean checked;
  private long nextBeat;
  private long clock;
  private boolean ticked;
  private long lastTick;
  private long jitters;

  private List<Act> acts = new ArrayList<>();

  // Counters, for status reports.
  private long syncs;
  private long abandoned;
  private long condemnations;

  /**
   * No coordinator yet.
   *
   * @param own the worker in whose process it is
   * @param merge what this worker has merged
   * @param epochs what it knows of epochs
   */
  public CoordinatorCore(long own, WorkerOptions options, MergeCore merge, EpochCore epochs) {
    this.own = own;
    this.options = options;
    this.merge = merge;
    this.epochs = epochs;
  }

  /** What is to be done since this was asked last. */
  public List<Act> take() {
    tellLocks();
    List<Act> taken = acts;
    acts = new ArrayList<>();
    return taken;
  }

  // ------------------------------------------------------------------ claiming a term

  /**
   * The worker in whose process it is has caught up. Before that others are not late: what they
   * wrote may be known, and not merged here yet.
   */
  public void ready(long now) {
    ready = true;
    if (epoch != null) {
      epoch.deadlineFrom = now;
    }
  }

  /** Begins to claim a term. */
  public void claim(long now) {
    if (phase == Phase.OFF) {
      phase = Phase.INTRODUCING;
      chain = 0;
      term = epochs.maxTerm() + 1;
      surveyAt = now;
      acts.add(new Act.Introduce());
    }
  }

  /** Its chain has a writer; it is not durable yet. */
  public void introduced(long now, long writer) {
    if (phase == Phase.INTRODUCING) {
      chain = writer;
      appending = true;
      appendSince = now;
      announce(now);
    }
  }

  private void announce(long now) {
    nextBeat = now + options.beatNanos();
    acts.add(new Act.Send(0, new SclMessage.Claim(term, chain)));
  }

  /** Somebody else claims a term: of two one had better wait. */
  public void rival(long now, long otherTerm, long coordinator) {
    if (phase != Phase.INTRODUCING && phase != Phase.SURVEYING) {
      return;
    }
    rivalHeard = true;
    rivalAt = now;
    boolean stronger = otherTerm != term ? otherTerm > term : coordinator > chain;
    if (stronger && !sealedAny && merge.last(coordinator) == null) {
      stepDown(now);
    }
  }

  /** Records of its chain are durable. */
  public void durable(long now, List<CapsuleRecord> records) {
    for (CapsuleRecord record : records) {
      if (phase == Phase.OFF || record.header().writer() != chain) {
        continue;
      }
      head = new ChainHead(record.header().sequence(), record.hash());
      appending = false;
      if (record.header().type() == RecordType.ROSTER && phase == Phase.INTRODUCING) {
        phase = Phase.SURVEYING;
        progressAt = now;
        read();
        surveyAt = now;
        surveying = true;
      } else if (record.header().type() == RecordType.RTS) {
        rtsDurable(now, record);
      } else if (record.header().type() == RecordType.SYNC) {
        syncDurable();
      }
    }
  }

  /** Its chain takes nothing more. */
  public void ended(long now, long writer) {
    if (phase != Phase.OFF && (writer == chain || chain == 0)) {
      stepDown(now);
    }
  }

  /** There is a sign of life of a worker. */
  public void lives(long now, long worker) {
    for (Host host : hosts.values()) {
      if (host.worker == worker) {
        host.heardAt = now;
      }
    }
  }

  /**
   * Somebody says that it is the coordinator of a term.
   *
   * @param node the worker in whose process it is
   */
  public void heard(long now, long otherTerm, long coordinator, long node) {
    if (node != own) {
      wasAlone = false;
      gaveUp = false;
      hosts.putLast(coordinator, new Host(node, now));
      if (hosts.size() > MAX_HOSTS) {
        hosts.pollFirstEntry();
      }
    }
    if (phase == Phase.OFF || coordinator == chain) {
      return;
    }
    boolean dead = merge.last(coordinator) != null || predecessors.contains(coordinator);
    if (otherTerm > term
        || (otherTerm == term && !dead && phase != Phase.ESTABLISHED)
        || (!dead && !sealedAny && phase != Phase.ESTABLISHED)) {
      stepDown(now);
    }
  }

  /** It is no coordinator any more, and none of its words count. */
  public void stepDown(long now) {
    if (phase == Phase.OFF) {
      return;
    }
    if (chain != 0) {
      acts.add(new Act.End(chain));
    }
    phase = Phase.OFF;
    chain = 0;
    head = ChainHead.NONE;
    membersKnown = false;
    surveying = false;
    sealedAny = false;
    rivalHeard = false;
    predecessors.clear();
    sealing.clear();
    members.clear();
    candidates.clear();
    left.clear();
    changed.clear();
    released.clear();
    table = new LockTable();
    epoch = null;
    attempt = 0;
    lateClock = 0;
    appending = false;
    nextBeat = now;
  }

  /** Whether its last claim came to nothing, and nobody else's was heard of since. */
  public boolean hasGivenUp() {
    return gaveUp;
  }

  private void survey(long now, List<ChainClaim> claims) {
    boolean complete = true;
    for (ChainClaim claim : claims) {
      if (claim.writer() == chain || claim.writer() == own) {
        continue;
      }
      if (isEmpty(claim)) {
        continue;
      }
      RosterEntry entry = merge.entry(claim.writer());
      if (entry == null) {
        merge.introduce(now, claim.writer());
        complete = false;
        continue;
      }
      boolean tree = entry.role() == Role.COMPACTOR;
      if (entry.role() != Role.COORDINATOR && !tree) {
        continue;
      }
      if (merge.last(claim.writer()) == null) {
        complete = false;
        seal(now, claim.writer());
      } else if (tree) {
        compactors.add(claim.writer());
      } else {
        predecessors.add(claim.writer());
      }
    }
    if (complete) {
      phase = Phase.CATCHING_UP;
      proclaim(now);
    }
  }

  /**
   * Whether a chain was sealed before its first record: there is nothing of it and never will be.
   */
  private static boolean isEmpty(ChainClaim claim) {
    ChainHead last = claim.last();
    return last != null && last.sequence() == 0;
  }

  private void proclaim(long now) {
    for (long predecessor : predecessors) {
      ChainHead last = merge.last(predecessor);
      if (last == null || merge.head(predecessor).sequence() < last.sequence()) {
        return;
      }
    }
    predecessor = epochs.maxTermChain();
    term = Math.max(term, epochs.maxTerm() + 1);
    phase = Phase.PROCLAIMING;
    callForEnd(now);
  }

  private void establish(long now) {
    phase = Phase.ESTABLISHED;
    establishedAt = now;
    checkBegan = now;
    checked = false;
    nextBeat = now;
    for (long writer : merge.writers()) {
      if (isWorker(writer) && !isCovered(writer, merge.head(writer).sequence())) {
        changed.add(writer);
      }
    }
  }

  // ------------------------------------------------------------------ frontier reads

  private void read() {
    acts.add(new Act.Read());
  }

  /** A frontier read begins: what was received until now may be confirmed by it. */
  public void readBegins(long now) {
    for (Member member : members.values()) {
      member.noted = member.received;
      member.notedAt = member.receivedAt;
    }
  }

  /**
   * A frontier read has ended; durable and final heads in it are known to merging already.
   *
   * @param began when it began
   */
  public void readEnds(long now, long began, List<ChainClaim> claims) {
    if (phase == Phase.OFF) {
      return;
    }
    for (ChainClaim claim : claims) {
      if (claim.writer() == chain && claim.accepted()) {
        stepDown(now);
        return;
      }
    }
    if (phase == Phase.SURVEYING || phase == Phase.CATCHING_UP) {
      long merged = 0;
      for (long writer : merge.writers()) {
        merged += merge.head(writer).sequence();
      }
      if (merged != mergedBefore) {
        mergedBefore = merged;
        progressAt = now;
      }
    }
    if (phase == Phase.SURVEYING && began >= surveyAt) {
      surveying = false;
      surveyAt = now + RETRY_NANOS;
      survey(now, claims);
    }
    if (phase != Phase.ESTABLISHED || began < establishedAt) {
      return;
    }
    checkBegan = Math.max(checkBegan, began);
    checked = true;
    // One replica that accepted a final head is enough: every read after a seal shows one, and not
    // always the quorum that shows where the end is.
    Set<Long> ending = new TreeSet<>();
    for (ChainClaim claim : claims) {
      if (claim.accepted()) {
        ending.add(claim.writer());
      }
    }
    for (Map.Entry<Long, Member> entry : members.entrySet()) {
      Member member = entry.getValue();
      if (merge.last(entry.getKey()) != null || ending.contains(entry.getKey())) {
        condemn(now, entry.getKey(), member);
      }
      if (member.joined && !member.condemned && member.noted > Math.max(0, member.echo)) {
        member.echo = member.noted;
        long over = member.notedAt + options.silenceNanos();
        member.leaseOver = over - member.leaseOver > 0 ? over : member.leaseOver;
      }
    }
    Epoch current = epoch;
    if (!membersKnown || (current != null && current.hash != null && current.expected == null)) {
      countMembers(now, began, claims, current);
    }
    if (membersKnown) {
      // Not before: who was there before this coordinator may hold locks, and who was not may not.
      admit(now, began, ending);
    }
    beat(now);
    progress(now);
  }

  private void countMembers(
      long now, long began, List<ChainClaim> claims, @Nullable Epoch current) {
    Set<Long> expected = new TreeSet<>();
    for (ChainClaim claim : claims) {
      if (isEmpty(claim)) {
        continue;
      }
      RosterEntry entry = merge.entry(claim.writer());
      if (entry == null) {
        merge.introduce(now, claim.writer());
        return;
      }
      if (entry.role() != Role.WORKER) {
        continue;
      }
      if (merge.last(claim.writer()) == null) {
        expected.add(claim.writer());
      } else {
        // Sealed, perhaps by a predecessor that did not come to say so.
        changed.add(claim.writer());
      }
    }
    if (current != null
        && current.hash != null
        && current.expected == null
        && began >= current.durableAt) {
      current.expected = expected;
    }
    for (long writer : expected) {
      members.computeIfAbsent(writer, w -> new Member(now, now + options.silenceNanos()));
    }
    if (!membersKnown) {
      membersKnown = true;
      for (ChainClaim claim : claims) {
        ChainHead last = merge.last(claim.writer());
        if (last != null && !isEmpty(claim) && isWorker(claim.writer())) {
          waitForLease(now, claim.writer());
        }
        raise(claim.writer(), last == null ? claim.durable().sequence() : last.sequence());
      }
      members.values().forEach(member -> member.inherited = true);
      succeed(now);
      for (long writer : departing) {
        Member member = members.get(writer);
        if (member != null) {
          leaves(now, writer, member);
        }
      }
      departing.clear();
    }
  }

  /**
   * The worker in whose process the predecessor was: it has not long lived, or it says so soon, and
   * its lease counts from the seal of the predecessor. Where others were coordinators between the
   * two, or the predecessor was not heard of, nothing is known of it.
   */
  private void succeed(long now) {
    Host host = hosts.get(predecessor);
    Member member = host == null ? null : members.get(host.worker);
    if (host == null || member == null || member.joined || merge.last(predecessor) == null) {
      return;
    }
    long over = merge.sealKnownSince(predecessor) + options.coordinatorSilenceNanos();
    if (over - member.leaseOver < 0) {
      member.leaseOver = over;
    }
    long least = now - options.silenceNanos() + REPLACED_BEATS * options.beatNanos();
    member.receivedAt = host.heardAt - least > 0 ? host.heardAt : least;
  }

  /**
   * Whoever a predecessor had sealed was condemned before, and its lease was not renewed after
   * that; but it may last, and the predecessor does not wait for its end any more.
   */
  private void waitForLease(long now, long worker) {
    long since = merge.sealKnownSince(worker);
    if (now - since < options.silenceNanos()) {
      long over = since + options.silenceNanos();
      Member member = members.computeIfAbsent(worker, w -> new Member(now, over));
      member.condemned = true;
    }
  }

  private void admit(long now, long began, Set<Long> ending) {
    for (Map.Entry<Long, Candidate> entry : List.copyOf(candidates.entrySet())) {
      long worker = entry.getKey();
      if (entry.getValue().at() > began) {
        continue;
      }
      RosterEntry known = merge.entry(worker);
      if (known == null) {
        merge.introduce(now, worker);
        continue;
      }
      candidates.remove(worker);
      if (known.role() != Role.WORKER || merge.last(worker) != null || ending.contains(worker)) {
        continue;
      }
      Member member =
          members.computeIfAbsent(worker, w -> new Member(now, now + options.silenceNanos()));
      if (!member.joined && !member.condemned) {
        joined(now, worker, member, entry.getValue().join());
      }
    }
  }

  // ------------------------------------------------------------------ members

  /** A worker lives. */
  public void received(long now, long worker, SclMessage.Beat beat) {
    Member member = members.get(worker);
    if (member == null || phase != Phase.ESTABLISHED) {
      if (beat.leaving()) {
        // For the time when it is the coordinator, if it comes to that.
        departing.removeIf(known -> merge.last(known) != null);
        if (departing.size() < MAX_CANDIDATES && merge.last(worker) == null) {
          departing.add(worker);
        }
      }
      return;
    }
    if (beat.number() > member.received) {
      member.received = beat.number();
      member.wantsEpoch = beat.wantsEpoch();
      member.pending = beat.pending();
      if (!member.condemned) {
        member.receivedAt = now;
      }
    }
    if (beat.leaving()) {
      leaves(now, worker, member);
    }
  }

  /** It holds no lock and never will again, whomever it obeyed. */
  private void leaves(long now, long worker, Member member) {
    if (!member.leaving) {
      member.leaving = true;
      left.add(worker);
      condemn(now, worker, member);
    }
  }

  /** A worker joins. */
  public void received(long now, long worker, SclMessage.Join join) {
    if (phase != Phase.ESTABLISHED || join.term() != term) {
      return;
    }
    Member member = members.get(worker);
    if (member != null) {
      // What it asked before it was known would say what it held then.
      candidates.remove(worker);
      if (!member.joined && !member.condemned) {
        member.receivedAt = now;
        joined(now, worker, member, join);
      }
    } else if (merge.last(worker) == null
        && (candidates.size() < MAX_CANDIDATES || candidates.containsKey(worker))) {
      Candidate first = candidates.get(worker);
      candidates.put(worker, new Candidate(join, first == null ? now : first.at()));
      if (first == null) {
        read();
      }
    }
  }

  private void joined(long now, long worker, Member member, SclMessage.Join join) {
    if (!member.inherited && !join.locks().isEmpty()) {
      // It holds what no coordinator that counts can have granted.
      condemn(now, worker, member);
      return;
    }
    member.joined = true;
    wasAlone &= worker == own;
    raise(worker, join.head().sequence());
    table.holds(worker, join.locks());
  }

  private void condemn(long now, long worker, Member member) {
    if (!member.condemned) {
      member.condemned = true;
      condemnations++;
    }
    if (merge.last(worker) == null) {
      seal(now, worker);
    }
  }

  /**
   * Whether it hears none of at least two others: then most likely it is not they that are gone.
   * The second time in a row it takes them for gone all the same, else nobody ever would.
   */
  private boolean isAlone(long now) {
    long others = 0;
    for (Map.Entry<Long, Member> entry : members.entrySet()) {
      Member member = entry.getValue();
      if (entry.getKey() == own || member.condemned) {
        continue;
      }
      if (now - member.receivedAt < options.leaseNanos()) {
        return false;
      }
      others++;
    }
    return others >= LEAST_OTHERS && !wasAlone;
  }

  private void watch(long now) {
    for (Map.Entry<Long, Member> entry : List.copyOf(members.entrySet())) {
      long worker = entry.getKey();
      Member member = entry.getValue();
      if (!member.condemned) {
        long silence = now - member.receivedAt;
        boolean neverJoined = !member.joined && now - member.since >= 2 * options.silenceNanos();
        if (silence >= options.silenceNanos() && isAlone(now)) {
          wasAlone = true;
          stepDown(now);
          return;
        }
        if (silence >= options.silenceNanos() || neverJoined) {
          condemn(now, worker, member);
        }
        continue;
      }
      ChainHead last = merge.last(worker);
      if (last != null
          && !member.freed
          && (member.leaving || (now - member.leaseOver >= 0 && isConfirmed(worker)))) {
        member.freed = true;
        raise(worker, last.sequence());
        table.gone(worker);
        changed.add(worker);
      }
    }
    if (!table.isOpen()
        && membersKnown
        && members.values().stream()
            .allMatch(m -> !m.inherited || m.freed || (m.joined && !m.condemned))) {
      table.open();
      beat(now);
    }
    members.entrySet().removeIf(e -> e.getValue().freed && isPast(e.getKey()));
  }

  /**
   * Whether this coordinator was not sealed when a worker was: a successor sees that seal, then,
   * before it could renew the worker's lease.
   */
  private boolean isConfirmed(long worker) {
    return checked && checkBegan - merge.sealKnownSince(worker) >= 0;
  }

  /** Whether the newest SYNC says all there is to be said of a sealed writer. */
  private boolean isPast(long worker) {
    EpochCore.Merged sync = epochs.lastSync();
    ChainHead last = merge.last(worker);
    if (sync == null || last == null) {
      return false;
    }
    Sync.Position position = sync.sync().of(worker);
    return position == null
        ? isCovered(worker, last.sequence())
        : position.state() != Sync.State.LIVE && position.head().equals(last);
  }

  // ------------------------------------------------------------------ seals

  private void seal(long now, long writer) {
    Sealing step = sealing.get(writer);
    if (step == null) {
      step = new Sealing();
      step.since = now;
      sealing.put(writer, step);
    }
    if (step.term == 0 || (!step.underWay && now - step.retryAt >= 0)) {
      step.underWay = true;
      step.term = Math.max(step.term, term);
      sealedAny = true;
      acts.add(new Act.Seal(chain, writer, step.term));
    }
  }

  /** A writer is sealed; merging knows where. */
  public void sealed(long now, long writer) {
    sealing.remove(writer);
    progressAt = now;
    if (phase == Phase.SURVEYING && sealing.isEmpty()) {
      surveyAt = now;
      surveying = true;
      read();
    }
    if (phase == Phase.ESTABLISHED) {
      changed.add(writer);
      read();
      progress(now);
    }
  }

  /** A seal met a higher ballot. */
  public void overruled(long now, long writer, long beyond) {
    Sealing step = sealing.get(writer);
    if (step == null) {
      return;
    }
    if (phase == Phase.SURVEYING && rivalHeard && now - rivalAt < 2 * options.beatNanos()) {
      // Whoever has the higher ballot lives and says so: let it finish.
      stepDown(now);
      return;
    }
    step.underWay = false;
    step.term = Math.max(step.term, beyond + 1);
    if (phase != Phase.ESTABLISHED && phase != Phase.PROCLAIMING) {
      term = Math.max(term, beyond + 1);
    }
    step.retryAt = now + jitter(options.beatNanos(), 4 * options.beatNanos());
  }

  /** Spreads what would collide: a fixed function of the worker and of how often it was asked. */
  private long jitter(long least, long most) {
    long mixed = (own + ++jitters * 0x9E3779B97F4A7C15L) * 0xBF58476D1CE4E5B9L;
    mixed ^= mixed >>> 29;
    return least + Long.remainderUnsigned(mixed, most - least + 1);
  }

  // ------------------------------------------------------------------ epochs

  private void callForEnd(long now) {
    attempt++;
    long from = Math.max(Math.max(clock, lateClock), epochs.maxCut());
    long cut = Math.min(from + options.cutMargin(), RecordLayout.MAX_LAMPORT);
    long number = Math.max(epochs.maxEpoch(), lastRtsEpoch) + 1;
    Rts rts =
        new Rts(
            number,
            attempt,
            term,
            cut,
            (int) Math.max(1, TimeUnit.NANOSECONDS.toMillis(options.epochDeadlineNanos())));
    epoch = new Epoch(rts);
    lastRtsAt = now;
    lastRtsEpoch = number;
    appending = true;
    appendSince = now;
    forced = false;
    List<Hash32> parents = new ArrayList<>();
    if (phase == Phase.PROCLAIMING) {
      for (long predecessor : predecessors) {
        ChainHead last = merge.head(predecessor);
        if (last.sequence() > 0 && parents.size() < RecordLayout.MAX_PARENTS) {
          parents.add(last.hash());
        }
      }
    }
    acts.add(new Act.AppendRts(chain, rts, parents));
  }

  private void rtsDurable(long now, CapsuleRecord record) {
    Epoch current = epoch;
    if (current == null || record.header().epoch() != current.rts.epoch()) {
      return;
    }
    current.hash = record.hash();
    current.durableAt = now;
    current.deadlineFrom = now;
    if (phase == Phase.PROCLAIMING) {
      establish(now);
    }
    read();
  }

  /** A worker answers an RTS by a frame. */
  public void received(long now, long worker, SclMessage.End end) {
    Epoch current = epoch;
    if (phase != Phase.ESTABLISHED
        || current == null
        || end.coordinator() != chain
        || end.epoch() != current.rts.epoch()) {
      return;
    }
    if (end.late()) {
      current.late = true;
      lateClock = Math.max(lateClock, end.clock());
    } else {
      current.ended.putIfAbsent(worker, end.head());
    }
    progress(now);
  }

  /**
   * A record was merged here, or one of this node's own worker is durable. Merging may be further
   * than what was told of it so far: nothing is concluded before {@link #mergedAll}.
   */
  public void merged(CapsuleRecord record) {
    if (phase != Phase.ESTABLISHED) {
      return;
    }
    long writer = record.header().writer();
    if (!isWorker(writer)) {
      return;
    }
    changed.add(writer);
    Epoch current = epoch;
    if (current != null
        && current.hash != null
        && record.header().type() == RecordType.EOE
        && record.header().parents().contains(current.hash)) {
      current.eoes.put(writer, new ChainHead(record.header().sequence(), record.hash()));
    }
  }

  /** Whatever is merged was told, and {@link EpochCore} knows the RTSs and SYNCs among it. */
  public void mergedAll(long now) {
    if (phase == Phase.CATCHING_UP) {
      proclaim(now);
    }
  }

  private boolean isWorker(long writer) {
    RosterEntry entry = merge.entry(writer);
    return entry != null && entry.role() == Role.WORKER;
  }

  /** Whether the newest SYNC's cut has everything of a chain up to a record. */
  private boolean isCovered(long writer, long sequence) {
    EpochCore.Merged sync = epochs.lastSync();
    if (sync == null) {
      return sequence == 0;
    }
    Sync.Position position = sync.sync().of(writer);
    return position != null
        ? sequence <= position.head().sequence()
        : merge.head(writer).sequence() >= sequence
            && merge.lamport(writer) <= sync.sync().cutTime();
  }

  private void progress(long now) {
    Epoch current = epoch;
    Set<Long> expected = current == null ? null : current.expected;
    if (phase != Phase.ESTABLISHED || current == null || expected == null || current.appended) {
      return;
    }
    if (current.late) {
      abandon(now);
      return;
    }
    Map<Long, Sync.Position> cut = new TreeMap<>();
    boolean complete = true;
    Set<Long> listed = new TreeSet<>(expected);
    for (long writer : changed) {
      if (merge.last(writer) != null && isWorker(writer) && !isPast(writer)) {
        listed.add(writer);
      }
    }
    for (long writer : epochs.living()) {
      if (merge.last(writer) != null) {
        listed.add(writer);
      }
    }
    for (long writer : listed) {
      ChainHead at = cutOf(writer, current);
      if (at != null) {
        Sync.State state =
            merge.last(writer) == null
                ? Sync.State.LIVE
                : left.contains(writer) ? Sync.State.ENDED : Sync.State.GONE;
        cut.put(writer, new Sync.Position(writer, Role.WORKER, state, at));
        continue;
      }
      complete = false;
      if (current.late) {
        abandon(now);
        return;
      }
      Member member = members.get(writer);
      if (ready && member != null && now - current.deadlineFrom >= options.epochDeadlineNanos()) {
        condemn(now, writer, member);
      }
    }
    if (complete) {
      append(now, current, cut);
    }
  }

  /** Where a chain is cut, or null while that is not known or not merged. */
  private @Nullable ChainHead cutOf(long writer, Epoch current) {
    ChainHead eoe = current.eoes.get(writer);
    if (eoe != null) {
      return eoe;
    }
    ChainHead merged = merge.head(writer);
    ChainHead ended = current.ended.get(writer);
    ChainHead last = merge.last(writer);
    if (ended != null && (last == null || ended.sequence() <= last.sequence())) {
      return merged.sequence() >= ended.sequence() ? ended : null;
    }
    if (last == null || merged.sequence() < last.sequence()) {
      return null;
    }
    if (merge.lamport(writer) + options.recordOperations() > current.rts.cutTime()) {
      // It went on beyond the cut after an END that was lost, or was late: this cut fails.
      current.late = true;
      return null;
    }
    return last;
  }

  private void abandon(long now) {
    abandoned++;
    callForEnd(now);
  }

  private void append(long now, Epoch current, Map<Long, Sync.Position> cut) {
    EpochCore.Merged previous = epochs.lastSync();
    List<Hash32> parents = new ArrayList<>();
    if (previous != null && previous.record().header().writer() != chain) {
      parents.add(previous.record().hash());
    }
    for (Sync.Position position : cut.values()) {
      Sync.Position before = previous == null ? null : previous.sync().of(position.writer());
      if (position.head().sequence() > 0
          && (before == null || !before.head().equals(position.head()))) {
        parents.add(position.head().hash());
      }
    }
    Sync sync =
        new Sync(
            current.rts.epoch(),
            current.rts.attempt(),
            term,
            current.rts.cutTime(),
            generation(),
            own,
            previous == null ? Hash32.ZERO : previous.record().hash(),
            List.copyOf(cut.values()));
    current.appended = true;
    appending = true;
    appendSince = now;
    acts.add(new Act.AppendSync(chain, sync, parents));
  }

  private int generation() {
    RosterEntry entry = merge.entry(own);
    return entry == null ? 0 : entry.generation();
  }

  private void syncDurable() {
    syncs++;
    epoch = null;
    attempt = 0;
    lateClock = 0;
    left.removeIf(this::isPast);
    changed.removeIf(
        writer ->
            merge.last(writer) == null
                ? isCovered(writer, merge.head(writer).sequence())
                : isPast(writer));
    released.entrySet().removeIf(e -> isCovered(e.getKey(), e.getValue()));
  }

  private boolean wantsEpoch() {
    EpochCore.Merged sync = epochs.lastSync();
    return forced
        || sync == null
        || !changed.isEmpty()
        || members.values().stream().anyMatch(m -> m.pending || m.wantsEpoch > lastRtsEpoch);
  }

  // ------------------------------------------------------------------ locks

  /** A worker asks for locks. */
  public void received(long now, long worker, SclMessage.LockRequest request) {
    Member member = members.get(worker);
    if (phase == Phase.ESTABLISHED
        && request.term() == term
        && member != null
        && member.joined
        && !member.condemned) {
      raise(worker, request.head().sequence());
      request.locks().forEach(wish -> table.request(worker, wish));
    }
  }

  /** A worker gives locks up. */
  public void received(long now, long worker, SclMessage.Release release) {
    Member member = members.get(worker);
    if (phase == Phase.ESTABLISHED
        && release.term() == term
        && member != null
        && member.joined
        && !member.freed) {
      raise(worker, release.head().sequence());
      release.locks().forEach(grant -> table.release(worker, grant));
    }
  }

  private void raise(long writer, long sequence) {
    if (sequence > 0 && !isCovered(writer, sequence)) {
      released.merge(writer, sequence, Math::max);
    }
  }

  private void tellLocks() {
    List<LockTable.Notice> notices = table.take();
    if (notices.isEmpty() || phase != Phase.ESTABLISHED) {
      return;
    }
    Map<Long, List<LockGrant>> grants = new LinkedHashMap<>();
    Map<Long, List<LockGrant>> recalls = new LinkedHashMap<>();
    for (LockTable.Notice notice : notices) {
      switch (notice) {
        case LockTable.Notice.Granted(long worker, LockGrant grant) ->
            grants.computeIfAbsent(worker, w -> new ArrayList<>()).add(grant);
        case LockTable.Notice.Recalled(long worker, LockGrant grant) ->
            recalls.computeIfAbsent(worker, w -> new ArrayList<>()).add(grant);
      }
    }
    List<Position> frontier = releasedFrontier();
    if (frontier.size() > SclMessage.MAX_POSITIONS) {
      // Asked for again, the grants are told again; the SYNC makes the frontier short.
      forced = true;
      grants.clear();
    }
    grants.forEach(
        (worker, locks) ->
            pieces(locks)
                .forEach(
                    piece ->
                        acts.add(
                            new Act.Send(worker, new SclMessage.Grant(term, piece, frontier)))));
    recalls.forEach(
        (worker, locks) ->
            pieces(locks)
                .forEach(
                    piece -> acts.add(new Act.Send(worker, new SclMessage.Recall(term, piece)))));
  }

  private static List<List<LockGrant>> pieces(List<LockGrant> locks) {
    List<List<LockGrant>> pieces = new ArrayList<>();
    for (int from = 0; from < locks.size(); from += SclMessage.MAX_LOCKS) {
      pieces.add(locks.subList(from, Math.min(locks.size(), from + SclMessage.MAX_LOCKS)));
    }
    return pieces;
  }

  private List<Position> releasedFrontier() {
    List<Position> frontier = new ArrayList<>();
    EpochCore.Merged sync = epochs.lastSync();
    if (sync != null) {
      frontier.add(
          new Position(sync.record().header().writer(), sync.record().header().sequence()));
    }
    released.forEach((writer, sequence) -> frontier.add(new Position(writer, sequence)));
    return frontier;
  }

  // ------------------------------------------------------------------ time

  /**
   * Time passes.
   *
   * @param lamport the engine's clock
   */
  public void tick(long now, long lamport) {
    clock = Math.max(clock, lamport);
    if (phase == Phase.OFF) {
      ticked = false;
      return;
    }
    excuse(now);
    long patience = APPEND_LEASES * options.leaseNanos();
    if ((appending && now - appendSince >= patience)
        || sealing.values().stream().anyMatch(s -> now - s.since >= patience)) {
      // Its chain may be promised to somebody who did not finish, or there is no quorum.
      stepDown(now);
      return;
    }
    if ((phase == Phase.SURVEYING || phase == Phase.CATCHING_UP) && now - progressAt >= patience) {
      // What it waits for may come to somebody else, whom its claim holds back.
      gaveUp = true;
      stepDown(now);
      return;
    }
    for (Map.Entry<Long, Sealing> entry : sealing.entrySet()) {
      if (!entry.getValue().underWay && now - entry.getValue().retryAt >= 0) {
        seal(now, entry.getKey());
      }
    }
    if (phase != Phase.ESTABLISHED && chain != 0 && now - nextBeat >= 0) {
      announce(now);
    }
    switch (phase) {
      case SURVEYING -> {
        if (!surveying && now - surveyAt >= 0) {
          surveyAt = now;
          surveying = true;
          read();
        }
      }
      case CATCHING_UP -> {
        proclaim(now);
        if (now - surveyAt >= 0) {
          surveyAt = now + RETRY_NANOS;
          read();
        }
      }
      case ESTABLISHED -> {
        watch(now);
        if (phase == Phase.OFF) {
          return;
        }
        progress(now);
        if (now - nextBeat >= 0) {
          nextBeat = now + options.beatNanos();
          table.remind();
          read();
        }
        if (epoch == null && now - lastRtsAt >= options.epochNanos() && wantsEpoch()) {
          callForEnd(now);
        }
      }
      default -> {
        // Others have to answer first.
      }
    }
  }

  /**
   * If this process was stopped for a while, the others were not silent: it did not listen. What
   * they are given more time for does not become less safe by it.
   */
  private void excuse(long now) {
    long stalled = now - lastTick - options.beatNanos();
    if (ticked && stalled > 0) {
      for (Member member : members.values()) {
        member.since += stalled;
        member.receivedAt += stalled;
      }
      sealing.values().forEach(step -> step.since += stalled);
      progressAt += stalled;
      appendSince += stalled;
      if (epoch != null) {
        epoch.deadlineFrom += stalled;
      }
    }
    ticked = true;
    lastTick = now;
  }

  private void beat(long now) {
    if (phase != Phase.ESTABLISHED || now - checkBegan >= options.leaseNanos()) {
      return;
    }
    List<SclMessage.Echo> echoes = new ArrayList<>();
    members.forEach(
        (worker, member) -> {
          if (member.joined && !member.condemned && echoes.size() < SclMessage.MAX_POSITIONS) {
            echoes.add(new SclMessage.Echo(worker, Math.max(0, member.echo)));
          }
        });
    Epoch current = epoch;
    long ending =
        current == null || current.hash == null || current.appended ? 0 : current.rts.epoch();
    acts.add(
        new Act.Send(
            0, new SclMessage.CoordinatorBeat(term, chain, head, table.isOpen(), ending, echoes)));
  }

  // ------------------------------------------------------------------ status

  /** How far it is. */
  public Phase phase() {
    return phase;
  }

  /** Its term; meaningless unless it is established. */
  public long term() {
    return term;
  }

  /** Its chain's writer; 0 if it has none. */
  public long chain() {
    return chain;
  }

  /** Whether it grants locks. */
  public boolean isOpen() {
    return phase == Phase.ESTABLISHED && table.isOpen();
  }

  /** COMPACTOR chains that were found sealed when a term was claimed. */
  public List<Long> sealedCompactors() {
    return compactors.stream().sorted(Comparator.naturalOrder()).toList();
  }

  /** The workers that it counts as members, whatever their state. */
  public Collection<Long> members() {
    return List.copyOf(members.keySet());
  }

  /** What it waits for, by worker, for status reports; empty if it waits for nobody. */
  public Map<Long, String> waitingFor() {
    Map<Long, String> waits = new TreeMap<>();
    Epoch current = epoch;
    members.forEach(
        (worker, member) -> {
          String state =
              (member.joined ? "" : "not joined ")
                  + (member.condemned ? "condemned " : "")
                  + (member.condemned && merge.last(worker) == null ? "not sealed " : "")
                  + (member.freed ? "freed " : "");
          if (current != null
              && current.expected != null
              && current.expected.contains(worker)
              && cutOf(worker, current) == null) {
            state += "epoch " + current.rts.epoch() + " not ended";
          }
          if (!state.isEmpty()) {
            waits.put(worker, state.strip());
          }
        });
    return waits;
  }

  /** SYNCs it has made durable, in all its terms. */
  public long syncs() {
    return syncs;
  }

  /** Cuts that failed and were called for again. */
  public long abandoned() {
    return abandoned;
  }

  /** Workers that it had sealed, or found sealed. */
  public long condemnations() {
    return condemnations;
  }
}
