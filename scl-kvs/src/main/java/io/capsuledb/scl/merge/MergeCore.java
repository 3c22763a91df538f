package io.capsuledb.scl.merge;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Takes up the chains of other writers: records and claims go in, in any order and any number of
 * times; records come out in causal order, each once.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a record is merged only if it is durable, its predecessor and all its parents are merged,
 *       and its chain was verified up to it: so whatever a merged record can have seen is merged;
 *   <li>what is merged of a chain is a prefix of it, and only grows;
 *   <li>what is durable is known by the word of a worker that vouches for it or by a frontier read
 *       ({@link #durable}), and of a verified record's parents by that record: its writer had
 *       merged them, and so had found them durable;
 *   <li>records that wait are bounded in number and bytes, the next one of each chain not counted:
 *       it always has room, so that merging goes on; when there is no room the chain that takes
 *       most of it gives its newest up, to be fetched again;
 *   <li>for everything durable that is missing a fetch is under way, or will be after a pause: at
 *       most {@link #MAX_PULLS_OF_CHAIN} of a chain, {@link #MAX_PULLS} altogether.
 * </ul>
 *
 * <p>{@code now} is monotonic nanoseconds. One thread at a time.
 */
public final class MergeCore {

  /** Most records one pull asks for. */
  public static final int PULL_RECORDS = 256;

  /** Most pulls under way at a time. */
  public static final int MAX_PULLS = 64;

  /** Most pulls of one chain under way at a time. */
  public static final int MAX_PULLS_OF_CHAIN = 4;

  /** Most chains. */
  public static final int MAX_CHAINS = 1 << 18;

  /** Hashes of merged records that are remembered; for older ones replicas are asked. */
  private static final int REMEMBERED = 1 << 16;

  private static final int MAX_WANTED_HASHES = 4096;
  private static final int MAX_DOUBLINGS = 6;
  private static final long GRACE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  private static final class Parked {
    final CapsuleRecord record;
    final long ticket;
    boolean verified;

    Parked(CapsuleRecord record, long ticket) {
      this.record = record;
      this.ticket = ticket;
    }
  }

  private static final class Chain {
    final long writer;
    @Nullable RosterEntry entry;
    ChainHead head = ChainHead.NONE;
    long lamport;
    long durable;
    @Nullable ChainHead last;
    boolean sealKnown;
    long sealKnownSince;
    boolean introductionWanted;
    final TreeMap<Long, Parked> parked = new TreeMap<>();
    long parkedBytes;
    final List<Pull> pulls = new ArrayList<>();
    boolean missing;
    long missingSince;
    boolean paused;
    long pauseUntil;
    int failures;

    Chain(long writer) {
      this.writer = writer;
    }

    /** Up to where records may be merged. */
    long limit() {
      return last == null ? durable : Math.min(durable, last.sequence());
    }
  }

  private record Pull(
      long ticket, long writer, long from, long to, @Nullable Hash32 hash, long deadline) {}

  private static final class WantedHash {
    final Set<Long> waiting = new LinkedHashSet<>();
    boolean seen;
    long notBefore;
    long ticket;
    int failures;
  }

  private final long own;
  private final RecordChecks checks;
  private final int maxRecords;
  private final long maxBytes;
  private final long pullTimeoutNanos;

  private final Map<Long, Chain> chains = new LinkedHashMap<>();
  private final Map<Hash32, Long> heads = new HashMap<>();
  private final Set<Hash32> remembered =
      Collections.newSetFromMap(
          new LinkedHashMap<>() {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<Hash32, Boolean> eldest) {
              return size() > REMEMBERED;
            }
          });
  private final Map<Hash32, WantedHash> wanted = new LinkedHashMap<>();
  private final Map<Long, Pull> pulls = new LinkedHashMap<>();
  private final Set<Long> needy = new LinkedHashSet<>();
  private final ArrayDeque<Long> ready = new ArrayDeque<>();
  private final Set<Long> queued = new HashSet<>();
  private final Map<Reason, Long> rejections = new EnumMap<>(Reason.class);

  private List<CapsuleRecord> merged = new ArrayList<>();
  private List<PullRequest> requests = new ArrayList<>();
  private long lastTicket;
  private int parkedRecords;
  private long parkedBytes;
  private long evicted;

  /**
   * A frontier of nothing.
   *
   * @param own the worker's own writer, whose records it has
   * @param maxRecords most records that wait
   * @param maxBytes most bytes of them; one record always fits
   */
  public MergeCore(
      long own, RecordChecks checks, int maxRecords, long maxBytes, long pullTimeoutNanos) {
    this.own = own;
    this.checks = checks;
    this.maxRecords = maxRecords;
    this.maxBytes = maxBytes;
    this.pullTimeoutNanos = pullTimeoutNanos;
  }

  // ------------------------------------------------------------------ what is known

  /**
   * Everything of a chain up to a record is merged already: it was replayed when the engine opened.
   *
   * @param lamport time of the record's first operation
   */
  public void resume(RosterEntry entry, ChainHead head, long lamport) {
    Chain chain = chain(entry.writer());
    if (chain == null || chain.head.sequence() != 0) {
      throw new IllegalStateException("a chain is resumed once, at the beginning");
    }
    chain.entry = entry;
    chain.durable = head.sequence();
    advanceTo(chain, head, lamport);
  }

  /** A record of the own chain, durable, the next one: the engine has it already. */
  public void own(CapsuleRecord record, RosterEntry entry) {
    Chain chain = chain(own);
    if (chain == null || record.header().sequence() != chain.head.sequence() + 1) {
      throw new IllegalStateException("own records come in order: " + record);
    }
    chain.entry = entry;
    chain.durable = record.header().sequence();
    advanceTo(
        chain, new ChainHead(record.header().sequence(), record.hash()), record.header().lamport());
    drain();
  }

  /** Everything of a chain up to here is durable. */
  public void durable(long now, long writer, long sequence) {
    Chain chain = chain(writer);
    if (chain != null && writer != own && sequence > chain.durable) {
      chain.durable = sequence;
      touch(chain);
      needy.add(writer);
      drain();
      wants(now, chain);
    }
  }

  /**
   * A chain ends here: nothing beyond is ever merged. What is before is durable when a quorum holds
   * it, which may be later: those that accepted the final head fetch what they lack.
   */
  public void sealed(long now, long writer, ChainHead last) {
    Chain chain = chain(writer);
    if (chain == null || chain.last != null) {
      return;
    }
    if (writer != own && last.sequence() < chain.head.sequence()) {
      throw new IllegalStateException(
          "merged beyond the final head " + last + " of " + Long.toHexString(writer));
    }
    chain.last = last;
    sealKnown(now, chain);
    for (Parked beyond : chain.parked.tailMap(last.sequence(), false).values()) {
      forget(chain, beyond);
    }
    chain.parked.tailMap(last.sequence(), false).clear();
    touch(chain);
    drain();
    wants(now, chain);
  }

  /** A chain was sealed, at a head that may not be known here. */
  public void sealed(long now, long writer) {
    Chain chain = chain(writer);
    if (chain != null) {
      sealKnown(now, chain);
    }
  }

  private static void sealKnown(long now, Chain chain) {
    if (!chain.sealKnown) {
      chain.sealKnown = true;
      chain.sealKnownSince = now;
    }
  }

  /** Who writes this chain should be learnt, even if nothing of it is durable. */
  public void introduce(long now, long writer) {
    Chain chain = chain(writer);
    if (chain != null && chain.entry == null) {
      chain.introductionWanted = true;
      needy.add(writer);
      wants(now, chain);
    }
  }

  // ------------------------------------------------------------------ records

  /**
   * Records that came by themselves. Those that come together and follow each other cost one check
   * of a signature.
   */
  public void offer(long now, List<CapsuleRecord> records) {
    records.forEach(record -> offer(record, 0));
    drain();
    records.stream()
        .map(record -> record.header().writer())
        .distinct()
        .map(chains::get)
        .filter(Objects::nonNull)
        .forEach(chain -> wants(now, chain));
  }

  /** What a pull gave; none if nobody has it or nobody answered. */
  public void pulled(long now, long ticket, List<CapsuleRecord> records) {
    Pull pull = pulls.remove(ticket);
    if (pull == null) {
      records.forEach(record -> offer(record, 0));
      drain();
      return;
    }
    if (pull.hash != null) {
      pulledByHash(now, pull, pull.hash, records);
      drain();
      return;
    }
    Chain chain = chains.get(pull.writer);
    if (chain == null) {
      return;
    }
    chain.pulls.remove(pull);
    long next = pull.from;
    for (CapsuleRecord record : records) {
      if (record.header().writer() != pull.writer || record.header().sequence() != next) {
        reject(Rejection.of(Reason.MISPLACED, record + " was not asked for"), ticket);
        break;
      }
      offer(record, ticket);
      next++;
    }
    if (next == pull.from) {
      failed(now, chain);
    } else {
      chain.failures = 0;
    }
    drain();
    wants(now, chain);
  }

  private void pulledByHash(long now, Pull pull, Hash32 hash, List<CapsuleRecord> records) {
    WantedHash want = wanted.get(hash);
    CapsuleRecord record = records.isEmpty() ? null : records.getFirst();
    if (record != null && !record.hash().equals(hash)) {
      reject(Rejection.of(Reason.MISPLACED, record + " was not asked for"), pull.ticket);
      record = null;
    }
    if (record == null) {
      if (want != null) {
        want.ticket = 0;
        want.notBefore =
            now + (PAUSE_NANOS << Math.min(want.failures, MAX_DOUBLINGS)) + spread(want.failures);
        want.failures++;
      }
      return;
    }
    Chain chain = chain(record.header().writer());
    if (chain == null) {
      return;
    }
    if (record.header().sequence() <= chain.head.sequence()) {
      remember(hash);
      return;
    }
    offer(record, pull.ticket);
    if (want != null) {
      want.ticket = 0;
      want.notBefore = now + pullTimeoutNanos;
    }
    // It is a parent of a verified record, so it is durable.
    durable(now, chain.writer, record.header().sequence());
  }

  private void offer(CapsuleRecord record, long ticket) {
    RecordHeader header = record.header();
    if (header.writer() == own) {
      return;
    }
    Chain chain = chain(header.writer());
    if (chain == null
        || header.sequence() <= chain.head.sequence()
        || (chain.last != null && header.sequence() > chain.last.sequence())
        || chain.parked.containsKey(header.sequence())) {
      return;
    }
    Parked parked = new Parked(record, ticket);
    chain.parked.put(header.sequence(), parked);
    chain.parkedBytes += record.bytes().length;
    parkedBytes += record.bytes().length;
    parkedRecords++;
    makeRoom();
    if (header.sequence() == 1 && chain.entry == null) {
      introduced(chain, parked);
    }
    touch(chain);
  }

  private void introduced(Chain chain, Parked first) {
    Decoded<RosterEntry> decoded =
        first.record.header().type() == RecordType.ROSTER
            ? checks.introduced(first.record)
            : Decoded.reject(Reason.UNKNOWN_WRITER, first.record + " introduces nobody");
    switch (decoded) {
      case Decoded.Accepted<RosterEntry>(RosterEntry entry) -> {
        if (entry.writer() == chain.writer) {
          chain.entry = entry;
          chain.introductionWanted = false;
        } else {
          drop(chain, first, Rejection.of(Reason.UNKNOWN_WRITER, first.record + " is another's"));
        }
      }
      case Decoded.Rejected<RosterEntry>(Rejection rejection) -> drop(chain, first, rejection);
    }
  }

  /** Gives up the newest of whoever has most, so that one writer does not starve the others. */
  private void makeRoom() {
    while ((parkedRecords > maxRecords || parkedBytes > maxBytes) && parkedRecords > 1) {
      Chain most = null;
      for (Chain chain : chains.values()) {
        // The next record of each chain stays: among them is one that waits for no other.
        if (!chain.parked.isEmpty()
            && chain.parked.lastKey() > chain.head.sequence() + 1
            && (most == null
                || chain.parkedBytes > most.parkedBytes
                || (chain.parkedBytes == most.parkedBytes
                    && chain.parked.size() > most.parked.size()))) {
          most = chain;
        }
      }
      if (most == null) {
        return;
      }
      forget(most, most.parked.pollLastEntry().getValue());
      evicted++;
      needy.add(most.writer);
    }
  }

  private void forget(Chain chain, Parked parked) {
    chain.parkedBytes -= parked.record.bytes().length;
    parkedBytes -= parked.record.bytes().length;
    parkedRecords--;
  }

  private void drop(Chain chain, Parked parked, Rejection rejection) {
    if (chain.parked.remove(parked.record.header().sequence(), parked)) {
      forget(chain, parked);
    }
    reject(rejection, parked.ticket);
    needy.add(chain.writer);
  }

  private void reject(Rejection rejection, long ticket) {
    rejections.merge(rejection.reason(), 1L, Long::sum);
    if (ticket != 0) {
      requests.add(new PullRequest.Blame(ticket, rejection));
    }
  }

  // ------------------------------------------------------------------ merging

  private void touch(Chain chain) {
    queue(chain.writer);
  }

  private void queue(long writer) {
    if (queued.add(writer)) {
      ready.add(writer);
    }
  }

  private void drain() {
    for (Long writer = ready.poll(); writer != null; writer = ready.poll()) {
      queued.remove(writer);
      Chain chain = chains.get(writer);
      if (chain != null && chain.writer != own) {
        advance(chain);
      }
    }
  }

  private void advance(Chain chain) {
    while (true) {
      long next = chain.head.sequence() + 1;
      Parked parked = chain.parked.get(next);
      if (parked == null || chain.entry == null) {
        return;
      }
      if (!parked.verified && !verify(chain)) {
        return;
      }
      if (next > chain.limit()) {
        return;
      }
      Hash32 missing = missingParent(parked.record);
      if (missing != null) {
        if (wanted.size() < MAX_WANTED_HASHES || wanted.containsKey(missing)) {
          wanted.computeIfAbsent(missing, h -> new WantedHash()).waiting.add(chain.writer);
        } else {
          needy.add(chain.writer);
        }
        return;
      }
      chain.parked.remove(next);
      forget(chain, parked);
      merged.add(parked.record);
      advanceTo(chain, new ChainHead(next, parked.record.hash()), parked.record.header().lamport());
    }
  }

  private void advanceTo(Chain chain, ChainHead head, long lamport) {
    heads.remove(chain.head.hash());
    chain.head = head;
    chain.lamport = lamport;
    if (head.sequence() > 0) {
      heads.put(head.hash(), chain.writer);
      remember(head.hash());
    }
  }

  private void remember(Hash32 hash) {
    remembered.add(hash);
    WantedHash want = wanted.remove(hash);
    if (want != null) {
      pulls.remove(want.ticket);
      want.waiting.forEach(this::queue);
    }
  }

  private @Nullable Hash32 missingParent(CapsuleRecord record) {
    for (Hash32 parent : record.header().parents()) {
      if (!remembered.contains(parent) && !heads.containsKey(parent)) {
        return parent;
      }
    }
    return null;
  }

  /** Verifies what follows the head without a gap; returns whether its first record is good. */
  private boolean verify(Chain chain) {
    RosterEntry entry = chain.entry;
    if (entry == null) {
      return false;
    }
    List<Parked> run = new ArrayList<>();
    List<CapsuleRecord> records = new ArrayList<>();
    Hash32 previous = chain.head.hash();
    long lamport = chain.lamport;
    long sequence = chain.head.sequence();
    for (Parked parked : chain.parked.values()) {
      RecordHeader header = parked.record.header();
      if (header.sequence() != sequence + 1) {
        break;
      }
      Rejection wrong = follows(entry, parked.record, previous, lamport);
      if (wrong != null) {
        drop(chain, parked, wrong);
        break;
      }
      if (!parked.verified) {
        run.add(parked);
        records.add(parked.record);
      }
      previous = parked.record.hash();
      lamport = header.lamport();
      sequence++;
    }
    if (run.isEmpty()) {
      return false;
    }
    Rejection wrong = checks.verify(entry, records);
    if (wrong == null) {
      run.forEach(parked -> parked.verified = true);
      return true;
    }
    // The newest is not vouched for: whether those before it are good has to be found out singly.
    drop(chain, run.removeLast(), wrong);
    for (Parked parked : run) {
      Rejection single = checks.verify(entry, List.of(parked.record));
      if (single != null) {
        drop(chain, parked, single);
        return run.getFirst().verified;
      }
      parked.verified = true;
    }
    return !run.isEmpty();
  }

  private static @Nullable Rejection follows(
      RosterEntry entry, CapsuleRecord record, Hash32 previous, long lamport) {
    RecordHeader header = record.header();
    if (header.generation() != entry.generation()) {
      return Rejection.of(Reason.KEY_GENERATION, record + " of another generation");
    }
    if (!header.previous().equals(previous)) {
      return Rejection.of(Reason.PREVIOUS_HASH, record + " does not follow " + previous);
    }
    return header.lamport() <= lamport
        ? Rejection.of(Reason.LAMPORT_ORDER, record + " is not after its predecessor")
        : null;
  }

  // ------------------------------------------------------------------ fetching

  /** Time passes: what is missing is fetched, what was not answered is asked for again. */
  public void tick(long now) {
    for (Iterator<Pull> i = pulls.values().iterator(); i.hasNext(); ) {
      Pull pull = i.next();
      if (now - pull.deadline < 0) {
        continue;
      }
      i.remove();
      if (pull.hash != null) {
        WantedHash want = wanted.get(pull.hash);
        if (want != null && want.ticket == pull.ticket) {
          want.ticket = 0;
        }
      } else {
        Chain chain = chains.get(pull.writer);
        if (chain != null) {
          chain.pulls.remove(pull);
          failed(now, chain);
        }
      }
    }
    for (long writer : List.copyOf(needy)) {
      Chain chain = chains.get(writer);
      if (chain == null || !wants(now, chain)) {
        needy.remove(writer);
      }
    }
    for (Map.Entry<Hash32, WantedHash> entry : wanted.entrySet()) {
      WantedHash want = entry.getValue();
      if (!want.seen) {
        want.seen = true;
        want.notBefore = now + GRACE_NANOS;
      } else if (want.ticket == 0 && now - want.notBefore >= 0 && pulls.size() < MAX_PULLS) {
        want.ticket = ++lastTicket;
        pulls.put(
            want.ticket, new Pull(want.ticket, 0, 0, 0, entry.getKey(), now + pullTimeoutNanos));
        requests.add(new PullRequest.ByHash(want.ticket, entry.getKey()));
      }
    }
  }

  private static void failed(long now, Chain chain) {
    chain.paused = true;
    chain.pauseUntil =
        now + (PAUSE_NANOS << Math.min(chain.failures, MAX_DOUBLINGS)) + spread(chain.failures);
    chain.failures = Math.min(chain.failures + 1, MAX_DOUBLINGS);
  }

  /** Keeps fetches apart that failed together. */
  private static long spread(int failures) {
    return PAUSE_NANOS / 8 * (failures % 8);
  }

  /** Asks for what a chain lacks; returns whether it lacks anything. */
  private boolean wants(long now, Chain chain) {
    if (chain.writer == own) {
      return false;
    }
    long limit = chain.limit();
    boolean introduce = chain.introductionWanted && chain.entry == null && limit == 0;
    long to = introduce ? 1 : limit;
    boolean lacks = false;
    long room = Math.max(1, Math.min(maxRecords - parkedRecords, maxRecords / 2));
    for (long at = chain.head.sequence() + 1; at <= to; ) {
      Parked parked = chain.parked.get(at);
      if (parked != null) {
        at = endOfParked(chain, at) + 1;
        continue;
      }
      Pull under = coveredBy(chain, at);
      if (under != null) {
        lacks = true;
        at = under.to + 1;
        continue;
      }
      lacks = true;
      if (!chain.missing) {
        chain.missing = true;
        chain.missingSince = now;
      }
      chain.paused &= now - chain.pauseUntil < 0;
      if (at - chain.head.sequence() > room
          || now - chain.missingSince < GRACE_NANOS
          || chain.paused
          || chain.pulls.size() >= MAX_PULLS_OF_CHAIN
          || pulls.size() >= MAX_PULLS) {
        break;
      }
      Long higher = chain.parked.higherKey(at);
      long end = Math.min(Math.min(to, at + PULL_RECORDS - 1), chain.head.sequence() + room);
      if (higher != null) {
        end = Math.min(end, higher - 1);
      }
      for (Pull pull : chain.pulls) {
        if (pull.from > at) {
          end = Math.min(end, pull.from - 1);
        }
      }
      Pull pull = new Pull(++lastTicket, chain.writer, at, end, null, now + pullTimeoutNanos);
      chain.pulls.add(pull);
      pulls.put(pull.ticket, pull);
      requests.add(new PullRequest.Range(pull.ticket, chain.writer, at, end));
      at = end + 1;
    }
    chain.missing &= lacks;
    return lacks;
  }

  private static long endOfParked(Chain chain, long from) {
    long end = from;
    while (chain.parked.containsKey(end + 1)) {
      end++;
    }
    return end;
  }

  private static @Nullable Pull coveredBy(Chain chain, long sequence) {
    for (Pull pull : chain.pulls) {
      if (pull.from <= sequence && sequence <= pull.to) {
        return pull;
      }
    }
    return null;
  }

  private @Nullable Chain chain(long writer) {
    Chain chain = chains.get(writer);
    if (chain == null && chains.size() < MAX_CHAINS) {
      chain = new Chain(writer);
      chains.put(writer, chain);
    }
    return chain;
  }

  // ------------------------------------------------------------------ what came of it

  /** Records merged since this was asked last, in causal order. */
  public List<CapsuleRecord> takeMerged() {
    List<CapsuleRecord> taken = merged;
    merged = new ArrayList<>();
    return taken;
  }

  /** What is to be fetched. */
  public List<PullRequest> takeRequests() {
    List<PullRequest> taken = requests;
    requests = new ArrayList<>();
    return taken;
  }

  /** The newest merged record of a chain. */
  public ChainHead head(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? ChainHead.NONE : chain.head;
  }

  /** Time of the first operation of that record; 0 without one. */
  public long lamport(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? 0 : chain.lamport;
  }

  /** Who writes a chain, or null while that is not known. */
  public @Nullable RosterEntry entry(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? null : chain.entry;
  }

  /** Where a chain ends, or null if that is not known. */
  public @Nullable ChainHead last(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? null : chain.last;
  }

  /** Since when it is known that a chain was sealed; 0 if it is not. */
  public long sealKnownSince(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? 0 : chain.sealKnownSince;
  }

  /** Every chain anything is known of. */
  public Collection<Long> writers() {
    return Collections.unmodifiableSet(chains.keySet());
  }

  /** How often what was refused, by reason. */
  public Map<Reason, Long> rejections() {
    return Collections.unmodifiableMap(rejections);
  }

  /** Records that wait for others. */
  public int parkedRecords() {
    return parkedRecords;
  }

  /** Records that were given up for want of room, to be fetched again. */
  public long evicted() {
    return evicted;
  }
}
