package io.capsuledb.replication.client;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.replication.client.QuorumClient.Answer;
import io.capsuledb.replication.client.QuorumClient.Found;
import io.capsuledb.replication.client.QuorumClient.SealOutcome;
import io.capsuledb.replication.client.QuorumClient.Stored;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.SealState;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Takes a capsule over: seals every writer of earlier lives at its final head, with a leader of its
 * own, so that no process of an earlier life can make another record durable; docs/consistency.md,
 * "Taking over".
 *
 * <p>Invariants, on which it rests that of several processes one at most can write:
 *
 * <ul>
 *   <li>the leader's first record is durable before the frontier is asked for;
 *   <li>taking over ends with a frontier, asked for after everything else, in which every chain but
 *       the leader's own is finally sealed at a quorum;
 *   <li>a writer writes only once its first record is durable and, after that, a record of the
 *       leader that names it ({@link #adopt}): a leader that was sealed adopts nobody, and whoever
 *       sealed it has seen those adopted before.
 * </ul>
 *
 * <p>Also leaders are sealed, after those they may have sealed: a SEAL record is there as long as
 * somebody may ask for it. Chains that are sealed already cost nothing. What one replica claims is
 * believed if it, or somebody, can show the records: the SEAL of an accepted final head, the record
 * at the head of a promise.
 *
 * <p>{@link #adopt} is thread-safe; the rest is one thread's.
 */
final class Fencing implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(Fencing.class.getName());

  private static final long READ_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(1_500);
  private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int MAX_DOUBLINGS = 4;

  private static final int PIECE_BYTES = 4 << 20;

  private record Target(RosterEntry entry) {
    long writer() {
      return entry.writer();
    }

    boolean maySeal() {
      return Fencing.maySeal(entry.role());
    }
  }

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final QuorumClient client;
  private final Entropy entropy;

  // Guarded by this after take().
  private @Nullable RecordSealer leader;

  /** Only chains of older key generations are sealed. */
  private int retiring = Integer.MAX_VALUE;

  private long index;
  private long lamport;

  private Fencing(CapsuleMetadata metadata, Secp256k1 curve, QuorumClient client, Entropy entropy) {
    this.capsule = client.capsule();
    this.metadata = metadata;
    this.curve = curve;
    this.client = client;
    this.entropy = entropy;
  }

  /**
   * Takes the capsule over. Waits for a quorum for as long as it takes.
   *
   * @param keys gives the capsule's application key of a generation, which stays the caller's and
   *     is not used afterwards. It is asked for the newest that a chain on the replicas is of:
   *     whoever is of an older one ends nobody of a newer one
   * @throws IntegrityException of {@link Reason#SEALED_WRITER} if another process took over
   *     meanwhile
   */
  static Fencing take(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      QuorumClient client,
      Entropy entropy,
      IntFunction<ApplicationKey> keys) {
    Fencing fencing = new Fencing(metadata, curve, client, entropy);
    boolean taken = false;
    try {
      for (int tries = 0; !taken; tries++) {
        taken = fencing.attempt(keys);
        if (!taken) {
          fencing.withdraw(tries);
        }
      }
      return fencing;
    } finally {
      if (!taken) {
        fencing.close();
      }
    }
  }

  /**
   * Says, in the first record of a leader's chain, that a key generation is to begin; waits until
   * that is durable. Whoever merges it stops writing.
   *
   * @param next of that generation; stays the caller's
   */
  static void announce(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      QuorumClient client,
      Entropy entropy,
      ApplicationKey next) {
    try (Fencing fencing = new Fencing(metadata, curve, client, entropy)) {
      client.await(client.append(true, List.of(fencing.introduce(next))));
    }
  }

  /**
   * Seals every writer of an older key generation at its final head. Several may do it at once: the
   * final heads are the same. Waits for a quorum for as long as it takes.
   *
   * @param next of the generation that is to begin; stays the caller's
   */
  static void retire(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      QuorumClient client,
      Entropy entropy,
      ApplicationKey next) {
    try (Fencing fencing = new Fencing(metadata, curve, client, entropy)) {
      fencing.retiring = next.generation();
      for (int tries = 0; !fencing.attempt(next); tries++) {
        fencing.withdraw(tries);
      }
    }
  }

  /**
   * The same questions, asked for a chain that somebody else appends to.
   *
   * @param sealer that chain's writer
   */
  static Fencing of(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      QuorumClient client,
      Entropy entropy,
      long sealer) {
    Fencing fencing = new Fencing(metadata, curve, client, entropy);
    fencing.index = sealer;
    return fencing;
  }

  /**
   * Brings one writer's chain to its end.
   *
   * @param append has the sealer's chain say an order, soon
   * @return null if the sealer's own chain is sealed
   */
  WriterSealing.@Nullable Outcome seal(long writer, long term, Consumer<SealOrder> append) {
    Target target = target(writer);
    if (target == null) {
      return null;
    }
    Ballot ballot = new Ballot(term, index);
    SealOrder prepare = new SealOrder(SealOrder.Kind.PREPARE, writer, term, ChainHead.NONE);
    Answer<SealOutcome> preparing = client.follow(prepare, ballot, Set.of());
    append.accept(prepare);
    SealOutcome prepared = await(preparing);
    if (prepared == null) {
      return null;
    }
    if (prepared.beyond() != null) {
      return new WriterSealing.Overruled(prepared.beyond().term());
    }
    Value value = value(target, prepare, ballot, prepared);
    if (value == null) {
      return null;
    }
    ChainHead last = value.last;
    if (last == null) {
      return new WriterSealing.Overruled(value.term - 1);
    }
    SealOrder end = new SealOrder(SealOrder.Kind.FINAL, writer, term, last);
    Answer<SealOutcome> ending = client.follow(end, ballot, Set.of());
    append.accept(end);
    SealOutcome ended = await(ending);
    if (ended == null) {
      return null;
    }
    return ended.beyond() == null
        ? new WriterSealing.Sealed(last)
        : new WriterSealing.Overruled(ended.beyond().term());
  }

  /** Waits until somebody shows who a writer is. */
  private @Nullable Target target(long writer) {
    while (true) {
      RosterEntry entry =
          introduced(writer, found(client.readRange(writer, 1, 1, PIECE_BYTES, READ_NANOS)));
      if (entry != null) {
        return new Target(entry);
      }
      if (isContended()) {
        return null;
      }
      client.pause(PAUSE_NANOS);
    }
  }

  /** The leader's writer index. */
  long leader() {
    return index;
  }

  // ------------------------------------------------------------------ the leader

  private static boolean maySeal(RosterEntry.Role role) {
    return role == RosterEntry.Role.LEADER || role == RosterEntry.Role.COORDINATOR;
  }

  private StoredRecord introduce(ApplicationKey given) {
    ApplicationKey derived =
        metadata.directoryMode() == CapsuleMetadata.DirectoryMode.DERIVED && !given.derivesWriters()
            ? given.withDerivedWriters()
            : null;
    try {
      return introduceBy(derived == null ? given : derived);
    } finally {
      if (derived != null) {
        derived.close();
      }
    }
  }

  private StoredRecord introduceBy(ApplicationKey key) {
    long writer = draw() & RosterEntry.MAX_WRITER;
    while (writer == 0) {
      writer = draw() & RosterEntry.MAX_WRITER;
    }
    index = writer;
    lamport = 0;
    RecordSealer sealer;
    try (SecretBytes dataKey = key.dataKey(capsule.toBytes(), writer)) {
      sealer =
          new RecordSealer(
              capsule, key.generation(), writer, key.writerPrivateKey(writer), dataKey, curve);
    }
    leader = sealer;
    RosterEntry entry =
        new RosterEntry(
            writer, key.writerPublicKey(writer), RosterEntry.Role.LEADER, key.generation());
    return record(RecordType.ROSTER, RosterCodec.encode(capsule, key, List.of(entry)));
  }

  private long draw() {
    byte[] random = new byte[Long.BYTES];
    entropy.fill(random);
    return LittleEndian.getLong(random, 0);
  }

  /** The leader's next record. Its Lamport times count along its chain: it has no operations. */
  private StoredRecord record(RecordType type, byte[] payload) {
    RecordSealer sealer = leader;
    if (sealer == null) {
      throw new IllegalStateException("no leader writes");
    }
    CapsuleRecord record = sealer.seal(type, 0, ++lamport, List.of(), payload, 0, payload.length);
    return new StoredRecord(index, record.header().sequence(), record.hash(), record.bytes());
  }

  /**
   * Lets a writer write: says so in a record of the leader, and waits until that is durable.
   *
   * @param first the writer's first record, which is durable
   * @return the leader's record, for the cache
   * @throws IntegrityException of {@link Reason#SEALED_WRITER} if another process took over
   */
  synchronized StoredRecord adopt(StoredRecord first) {
    // The application has signed who the writer is, and signs nothing else here.
    byte[] roster = RecordCodec.decode(capsule, first.bytes()).orThrow().payload();
    StoredRecord adopting = record(RecordType.ROSTER, roster);
    client.await(client.append(true, List.of(adopting)));
    return adopting;
  }

  /**
   * Notices that somebody else is taking over from this leader.
   *
   * @throws IntegrityException of {@link Reason#SEALED_WRITER} if so
   */
  void failIfReplaced() {
    if (isContended()) {
      throw new IntegrityException(
          Rejection.of(
              Reason.SEALED_WRITER,
              "this node was replaced by another one: its leader "
                  + Long.toHexString(index)
                  + " was sealed while it started"));
    }
  }

  /**
   * Has another leader of the next key generation go on, whom this one lets write as its last act.
   *
   * @param next stays the caller's
   * @return the leaders' records, for the cache
   * @throws IntegrityException of {@link Reason#SEALED_WRITER} if another process took over
   */
  synchronized List<StoredRecord> renew(ApplicationKey next) {
    RecordSealer before = leader;
    long beforeIndex = index;
    long beforeLamport = lamport;
    boolean renewed = false;
    RecordSealer successor = null;
    try {
      StoredRecord first = introduce(next);
      successor = leader;
      long successorIndex = index;
      client.await(client.append(true, List.of(first)));
      leader = before;
      index = beforeIndex;
      lamport = beforeLamport;
      StoredRecord last = adopt(first);
      leader = successor;
      index = successorIndex;
      lamport = 1;
      renewed = true;
      return List.of(first, last);
    } finally {
      RecordSealer over = renewed ? before : successor;
      if (!renewed) {
        leader = before;
        index = beforeIndex;
      }
      if (over != null) {
        over.close();
      }
    }
  }

  /** Clears the leader's key. */
  @Override
  public synchronized void close() {
    RecordSealer sealer = leader;
    leader = null;
    if (sealer != null) {
      sealer.close();
    }
  }

  // ------------------------------------------------------------------ taking over

  /** Returns whether it is done; false if another leader is in the way, and neither gets on. */
  private boolean attempt(IntFunction<ApplicationKey> keys) {
    return attempt(keys.apply(newestGeneration(client.await(client.recover()))));
  }

  private boolean attempt(ApplicationKey key) {
    if (await(client.append(true, List.of(introduce(key)))) == null) {
      return false;
    }
    long term = 1;
    while (true) {
      RecoveredFrontier frontier = client.await(client.recover());
      List<Target> targets = targets(frontier);
      if (targets == null) {
        // With the same leader: each new one would have to be sealed, too.
        client.pause(PAUSE_NANOS);
        continue;
      }
      if (targets.isEmpty()) {
        return true;
      }
      LOG.log(
          System.Logger.Level.INFO,
          "event=fencing.sealing capsule={0} leader={1} writers={2}",
          capsule,
          Long.toHexString(index),
          targets.size());
      for (Target target : targets) {
        term = Math.max(term, next(frontier.term(target.writer())));
      }
      Long again = seal(targets, term);
      if (again == null) {
        return false;
      }
      term = Math.max(term, again);
    }
  }

  /** The newest key generation that somebody shows a chain of. */
  private int newestGeneration(RecoveredFrontier frontier) {
    Map<Long, Answer<Found>> firsts = new LinkedHashMap<>();
    for (long writer : frontier.writers()) {
      firsts.put(writer, client.readRange(writer, 1, 1, PIECE_BYTES, READ_NANOS));
    }
    int newest = 0;
    for (Map.Entry<Long, Answer<Found>> first : firsts.entrySet()) {
      RosterEntry entry = introduced(first.getKey(), found(first.getValue()));
      newest = entry == null ? newest : Math.max(newest, entry.generation());
    }
    return newest;
  }

  private static long next(long term) {
    if (term == Long.MAX_VALUE) {
      throw new IntegrityException(
          Rejection.of(Reason.FIELD_OUT_OF_RANGE, "the terms of this capsule are used up"));
    }
    return term + 1;
  }

  /** Gives up a leader that cannot write, so that another may try. */
  private void withdraw(int tries) {
    LOG.log(
        System.Logger.Level.WARNING,
        "event=fencing.contended capsule={0} leader={1} tries={2}",
        capsule,
        Long.toHexString(index),
        tries);
    client.abandon(index);
    close();
    long most = PATIENCE_NANOS << Math.min(tries, MAX_DOUBLINGS);
    client.pause(Long.remainderUnsigned(draw(), most) + 1);
  }

  /**
   * Waits for an answer.
   *
   * @return null if it does not come because somebody else is sealing this leader
   */
  private <T> @Nullable T await(Answer<T> answer) {
    while (true) {
      T value = client.await(answer, PATIENCE_NANOS);
      if (value != null || isContended()) {
        return value;
      }
    }
  }

  private boolean isContended() {
    RecoveredFrontier frontier = client.await(client.recover(), PATIENCE_NANOS);
    return frontier != null && frontier.seal(index).isSealed();
  }

  /**
   * Who is to be sealed: those who may seal others last.
   *
   * @return null if nobody can show now who a writer is that may have written something durable
   */
  private @Nullable List<Target> targets(RecoveredFrontier frontier) {
    Map<Long, Answer<Found>> firsts = new LinkedHashMap<>();
    for (long writer : frontier.writers()) {
      if (writer != index && !frontier.isFinal(writer)) {
        firsts.put(writer, client.readRange(writer, 1, 1, PIECE_BYTES, READ_NANOS));
      }
    }
    List<Target> targets = new ArrayList<>();
    for (Map.Entry<Long, Answer<Found>> first : firsts.entrySet()) {
      long writer = first.getKey();
      RosterEntry entry = introduced(writer, found(first.getValue()));
      if (entry != null) {
        if (entry.generation() < retiring) {
          targets.add(new Target(entry));
        }
      } else if (frontier.mayBeDurable(writer, 1)) {
        LOG.log(
            System.Logger.Level.WARNING,
            "event=fencing.waits capsule={0} record=\"{1}\" reason=\"may be durable, and nobody"
                + " shows it\"",
            capsule,
            CapsuleRecord.describe(writer, 1));
        return null;
      }
    }
    targets.sort(Comparator.comparing(Target::maySeal).thenComparingLong(Target::writer));
    return targets;
  }

  /** What was read; none also if nobody had it in time. */
  private List<SignedHeader> found(Answer<Found> answer) {
    Found found;
    try {
      found = client.await(answer, 2 * READ_NANOS);
    } catch (UnavailableException e) {
      return List.of();
    }
    return found == null
        ? List.of()
        : found.records().stream()
            .map(blob -> RecordCodec.decodeStored(capsule, blob.bytes()).orThrow())
            .toList();
  }

  private @Nullable RosterEntry introduced(long writer, List<SignedHeader> records) {
    if (!records.isEmpty()
        && records.getFirst() instanceof CapsuleRecord record
        && record.header().sequence() == 1
        && record.header().type() == RecordType.ROSTER
        && RosterCodec.decode(capsule, record.payload(), metadata, curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      for (RosterEntry entry : entries) {
        if (entry.writer() == writer && record.isSignedBy(entry.key(), curve)) {
          return entry;
        }
      }
    }
    return null;
  }

  // ------------------------------------------------------------------ sealing

  /**
   * Seals all of them, as far as no higher ballot is met.
   *
   * @return the term to go on with, or null if this leader cannot write
   */
  private @Nullable Long seal(List<Target> targets, long term) {
    long again = term;
    Ballot ballot = new Ballot(term, index);
    Map<Target, SealOrder> prepares = new LinkedHashMap<>();
    for (Target target : targets) {
      prepares.put(
          target, new SealOrder(SealOrder.Kind.PREPARE, target.writer(), term, ChainHead.NONE));
    }
    Map<Target, SealOrder> finals = new LinkedHashMap<>();
    for (Map.Entry<Target, Answer<SealOutcome>> step : order(prepares, ballot).entrySet()) {
      Target target = step.getKey();
      SealOrder order = prepares.get(target);
      SealOutcome outcome = await(step.getValue());
      if (outcome == null || order == null) {
        return null;
      }
      if (outcome.beyond() != null) {
        again = Math.max(again, next(outcome.beyond().term()));
        continue;
      }
      Value value = value(target, order, ballot, outcome);
      if (value == null) {
        return null;
      }
      again = Math.max(again, value.term);
      if (value.last != null) {
        finals.put(target, new SealOrder(SealOrder.Kind.FINAL, target.writer(), term, value.last));
      }
    }
    for (Answer<SealOutcome> answer : order(finals, ballot).values()) {
      SealOutcome outcome = await(answer);
      if (outcome == null) {
        return null;
      }
      if (outcome.beyond() != null) {
        again = Math.max(again, next(outcome.beyond().term()));
      }
    }
    return Math.max(again, next(term));
  }

  /** Appends the orders, in one go, and follows them. */
  private Map<Target, Answer<SealOutcome>> order(Map<Target, SealOrder> orders, Ballot ballot) {
    Map<Target, Answer<SealOutcome>> answers = new LinkedHashMap<>();
    List<StoredRecord> records = new ArrayList<>();
    orders.forEach(
        (target, order) -> {
          answers.put(target, client.follow(order, ballot, Set.of()));
          records.add(record(RecordType.SEAL, SealOrderCodec.encode(order)));
        });
    for (int from = 0; from < records.size(); from += RecordStore.MAX_BATCH_RECORDS) {
      Answer<Stored> unused =
          client.append(
              true,
              records.subList(
                  from, Math.min(records.size(), from + RecordStore.MAX_BATCH_RECORDS)));
      assert unused != null;
    }
    return answers;
  }

  /**
   * What comes of a PREPARE.
   *
   * @param last the final head to propose; null if a higher ballot was met: then nothing may be
   * @param term to go on with
   */
  private record Value(@Nullable ChainHead last, long term) {}

  /**
   * The final head to propose, from what a quorum promised.
   *
   * @return null if this leader cannot write meanwhile
   */
  private @Nullable Value value(Target target, SealOrder order, Ballot ballot, SealOutcome first) {
    Map<PublicKey, SealState> said = first.said();
    Set<PublicKey> disbelieved = new HashSet<>();
    while (true) {
      Map<PublicKey, SealState> believed = new HashMap<>(said);
      believed.keySet().removeAll(disbelieved);
      Proposal proposal = propose(target, believed);
      if (proposal.value != null) {
        return new Value(proposal.value, 0);
      }
      disbelieved.addAll(proposal.lying);
      if (proposal.lying.isEmpty()) {
        // Two branches may be durable: somebody else has to say which, or who was not believed, who
        // may have been unable to show its records then.
        disbelieved.clear();
        client.pause(PAUSE_NANOS);
        // What somebody promised while nobody here followed it, is in its frontier.
        RecoveredFrontier unused = client.await(client.recover(), PATIENCE_NANOS);
        assert unused == null || unused.seal(target.writer()).isSealed();
      }
      SealOutcome outcome = client.await(client.follow(order, ballot, disbelieved), PATIENCE_NANOS);
      if (outcome == null) {
        if (isContended()) {
          return null;
        }
        // No quorum without them: perhaps somebody can show their records by now.
        disbelieved.clear();
      } else if (outcome.beyond() != null) {
        return new Value(null, next(outcome.beyond().term()));
      } else {
        said = outcome.said();
      }
    }
  }

  /**
   * What follows from some promises.
   *
   * @param value the final head, or null if there is none yet
   * @param lying replicas that claim what nobody can show
   */
  private record Proposal(@Nullable ChainHead value, Set<PublicKey> lying) {}

  private Proposal propose(Target target, Map<PublicKey, SealState> said) {
    Ballot highest = Ballot.NONE;
    ChainHead accepted = ChainHead.NONE;
    Map<ChainHead, Set<PublicKey>> heads =
        new TreeMap<>(
            Comparator.comparingLong(ChainHead::sequence)
                .reversed()
                .thenComparing(ChainHead::hash));
    for (Map.Entry<PublicKey, SealState> one : said.entrySet()) {
      SealState state = one.getValue();
      if (state.accepted().compareTo(highest) > 0) {
        highest = state.accepted();
        accepted = state.last();
      }
      if (state.isSealed()) {
        heads.computeIfAbsent(state.head(), h -> new HashSet<>()).add(one.getKey());
      }
    }
    if (!highest.equals(Ballot.NONE)) {
      if (isOrdered(highest, target.writer(), accepted)) {
        return new Proposal(accepted, Set.of());
      }
      Set<PublicKey> lying = new HashSet<>();
      for (Map.Entry<PublicKey, SealState> one : said.entrySet()) {
        if (one.getValue().accepted().equals(highest)) {
          lying.add(one.getKey());
        }
      }
      return new Proposal(null, lying);
    }
    return largest(target, said, heads);
  }

  /** The largest head; of branches the one that may be durable. */
  private Proposal largest(
      Target target, Map<PublicKey, SealState> said, Map<ChainHead, Set<PublicKey>> heads) {
    NavigableSet<Long> wanted = new TreeSet<>();
    for (ChainHead head : heads.keySet()) {
      if (head.sequence() > 0) {
        wanted.add(head.sequence());
      }
    }
    Map<ChainHead, Set<PublicKey>> branches = new LinkedHashMap<>();
    Set<ChainHead> covered = new HashSet<>();
    for (Map.Entry<ChainHead, Set<PublicKey>> tip : heads.entrySet()) {
      if (covered.contains(tip.getKey()) || tip.getKey().sequence() == 0) {
        continue;
      }
      Map<Long, Hash32> path = path(target, tip.getKey(), wanted);
      if (path == null) {
        return new Proposal(null, tip.getValue());
      }
      Set<PublicKey> holders = new HashSet<>();
      heads.forEach(
          (head, replicas) -> {
            Hash32 there = path.get(head.sequence());
            if (there != null && there.equals(head.hash())) {
              covered.add(head);
              holders.addAll(replicas);
            }
          });
      branches.put(tip.getKey(), holders);
    }
    if (branches.isEmpty()) {
      return new Proposal(ChainHead.NONE, Set.of());
    }
    ChainHead best = null;
    int mayBeDurable = 0;
    for (Map.Entry<ChainHead, Set<PublicKey>> branch : branches.entrySet()) {
      if (client.isQuorum(r -> branch.getValue().contains(r) || !isBound(said.get(r)))) {
        mayBeDurable++;
        best = branch.getKey();
      }
    }
    if (branches.size() == 1 || mayBeDurable == 0) {
      // Durable is none of them beyond where they part: the one more replicas hold.
      best = branches.keySet().iterator().next();
      for (Map.Entry<ChainHead, Set<PublicKey>> branch : branches.entrySet()) {
        if (branch.getValue().size() > branches.getOrDefault(best, Set.of()).size()) {
          best = branch.getKey();
        }
      }
    } else if (mayBeDurable > 1) {
      LOG.log(
          System.Logger.Level.ERROR,
          "event=fencing.forked capsule={0} writer={1} branches={2} promised={3}",
          capsule,
          Long.toHexString(target.writer()),
          branches.size(),
          heads);
      best = null;
    }
    return new Proposal(best, Set.of());
  }

  private static boolean isBound(@Nullable SealState state) {
    return state != null && state.isSealed();
  }

  /**
   * The hashes of a chain where heads are claimed, up to one of these heads.
   *
   * @param wanted the sequence numbers of all heads
   * @return null if the chain cannot be shown
   */
  private @Nullable Map<Long, Hash32> path(
      Target target, ChainHead head, NavigableSet<Long> wanted) {
    Map<Long, Hash32> path = new HashMap<>();
    long from = wanted.first();
    long at = from;
    SignedHeader last = null;
    while (at <= head.sequence()) {
      List<SignedHeader> records =
          found(client.readRange(target.writer(), at, head.sequence(), PIECE_BYTES, READ_NANOS));
      if (records.isEmpty()
          || (last != null && !records.getFirst().header().previous().equals(last.hash()))) {
        break;
      }
      for (SignedHeader record : records) {
        if (wanted.contains(record.header().sequence())) {
          path.put(record.header().sequence(), record.hash());
        }
      }
      last = records.getLast();
      at = last.header().sequence() + 1;
    }
    if (last != null
        && last.hash().equals(head.hash())
        && last.isSignedBy(target.entry.key(), curve)) {
      return path;
    }
    // On another branch than the one that was given: back from its end, by hashes.
    path.clear();
    Hash32 next = head.hash();
    for (long sequence = head.sequence(); sequence >= from; sequence--) {
      List<SignedHeader> records = found(client.read(next, false, READ_NANOS));
      if (records.isEmpty()
          || records.getFirst().header().writer() != target.writer()
          || records.getFirst().header().sequence() != sequence
          || (sequence == head.sequence()
              && !records.getFirst().isSignedBy(target.entry.key(), curve))) {
        return null;
      }
      if (wanted.contains(sequence)) {
        path.put(sequence, next);
      }
      next = records.getFirst().header().previous();
    }
    return path;
  }

  /** Whether a sealer has signed that a head is final. */
  private boolean isOrdered(Ballot ballot, long writer, ChainHead last) {
    RosterEntry sealer = null;
    for (long at = 1; ; ) {
      List<SignedHeader> records =
          found(
              client.readRange(
                  ballot.sealer(), at, at + Message.MAX_RECORDS - 1, PIECE_BYTES, READ_NANOS));
      if (records.isEmpty()) {
        return false;
      }
      sealer = at == 1 ? introduced(ballot.sealer(), records) : sealer;
      if (sealer == null || !maySeal(sealer.role())) {
        return false;
      }
      for (SignedHeader header : records) {
        if (header instanceof CapsuleRecord record
            && header.header().type() == RecordType.SEAL
            && SealOrderCodec.decode(record.payload())
                instanceof Decoded.Accepted<SealOrder>(SealOrder order)
            && order.equals(new SealOrder(SealOrder.Kind.FINAL, writer, ballot.term(), last))
            && record.isSignedBy(sealer.key(), curve)) {
          return true;
        }
      }
      at += records.size();
    }
  }
}
