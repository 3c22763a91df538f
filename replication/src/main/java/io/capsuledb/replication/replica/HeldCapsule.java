package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordStub;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipChain;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.replica.ReplicaLog.Rebuilding;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One capsule of a replica: its chains, what was promised about their writers, and the rules by
 * which records are taken.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a record is taken only if it is the next of its chain, its writer is in a roster that the
 *       application signed, a signature at or after it in the same run verifies, and no promise
 *       forbids it; whatever is taken is in the group that is being gathered, and nothing else is;
 *   <li>a promise changes together with what it promises about: in one group;
 *   <li>nothing is said to be held that is not durable, or whose payload is missing without a
 *       CHECKPOINT that released it being durable here too.
 * </ul>
 *
 * <p>A plain object of the core's; it reads the log where a rare case needs what is not in memory.
 */
final class HeldCapsule {

  /** Most chains of one capsule: as many as a statement can name. */
  static final int MAX_CHAINS = Statement.MAX_ENTRIES;

  /** Most proofs kept for one capsule. */
  static final int MAX_EVIDENCE = 64;

  final CapsuleName name;
  final CapsuleMetadata metadata;
  final Blob signedMetadata;
  final Parking parking = new Parking();

  private final Secp256k1 curve;
  private final ReplicaLog log;
  private final ChainVerifier verifier;
  private final HeldRotations rotations;
  private final TreeMap<Long, HeldChain> chains = new TreeMap<>();
  private final Set<Blob> evidence = new LinkedHashSet<>();
  private final List<Blob> memberships = new ArrayList<>();
  private MembershipChain membershipChain;

  /** The next membership while it is on its way to the disk, else null. */
  private @Nullable Blob installing;

  /** Whether the disk says that this replica has joined not yet, or may hold unjustified stubs. */
  private boolean rebuilding;

  /**
   * Whether nothing may be said of what is held, because this replica may have held and promised
   * more before it lost its disk; see {@link #tryJoin}.
   */
  private boolean joining;

  /** Whether joining has come to its end, which is on its way to the disk. */
  private boolean joined;

  /** What other replicas said while this one joins, and who of them is joining too. */
  private final Map<PublicKey, Statement> heard = new HashMap<>();

  private final Set<PublicKey> joiningToo = new HashSet<>();

  /** A final head that a replica said it accepted. */
  private record FinalHead(Ballot ballot, ChainHead last) {}

  /**
   * By writer, who said so of which final head, where none of that ballot or a later one is known
   * here.
   */
  private final Map<Long, Map<PublicKey, FinalHead>> finals = new HashMap<>();

  /** Looks for what justifies the stubs, or for the stubs themselves after a restart; else null. */
  private @Nullable StubAudit audit;

  /** Whether a CHECKPOINT or a stub was taken since the last audit began. */
  private boolean auditDue;

  /**
   * Why a run of records was not taken, or not to its end.
   *
   * @param code the reason
   * @param writer whose record was refused, or, of a {@link Refusal#GAP}, whose chain lacks records
   * @param sequence of the refused record; of a GAP, the one that would be next
   * @param index of the refused record in the run
   * @param detail for people
   * @param rejection the failed check of an {@link Refusal#INVALID} record
   */
  record Stop(
      Refusal code,
      long writer,
      long sequence,
      int index,
      String detail,
      @Nullable Rejection rejection) {

    private static Stop of(Refusal code, SignedHeader record, int index, String detail) {
      return new Stop(
          code, record.header().writer(), record.header().sequence(), index, detail, null);
    }

    private static Stop invalid(SignedHeader record, int index, Rejection rejection) {
      return new Stop(
          rejection.reason() == Reason.EQUIVOCATION ? Refusal.EQUIVOCATION : Refusal.INVALID,
          record.header().writer(),
          record.header().sequence(),
          index,
          rejection.toString(),
          rejection);
    }

    /** Whether it names a predecessor other than the record that is held. */
    boolean isFork() {
      return rejection != null && rejection.reason() == Reason.PREVIOUS_HASH;
    }
  }

  HeldCapsule(
      CapsuleName name,
      CapsuleMetadata metadata,
      Blob signedMetadata,
      Secp256k1 curve,
      ReplicaLog log) {
    this.name = name;
    this.metadata = metadata;
    this.signedMetadata = signedMetadata;
    this.curve = curve;
    this.log = log;
    this.verifier = new ChainVerifier(name, metadata, curve);
    this.rotations = new HeldRotations(name, metadata, curve);
    this.membershipChain = MembershipChain.of(name, metadata);
  }

  /** Takes up what the log knew. */
  void recover(ReplicaLog.Capsule known) {
    for (Blob next : known.memberships()) {
      membershipChain = membershipChain.then(next.bytes(), curve).orThrow();
      memberships.add(next);
    }
    for (ReplicaLog.Chain chain : known.chains()) {
      HeldChain held = new HeldChain(chain.entry(), chain.head(), chain.lamport(), chain.seal());
      chains.put(chain.entry().writer(), held);
      rotations.recover(log, chain.entry(), chain.head().sequence());
      verifier.resumeAt(
          chain.entry(),
          new ChainVerifier.Head(
              chain.entry().writer(),
              chain.head().sequence(),
              chain.head().hash(),
              chain.lamport()));
    }
    for (Blob proof : known.evidence()) {
      keep(proof);
    }
    rebuilding = known.rebuilding() != Rebuilding.NONE;
    joining = known.rebuilding() == Rebuilding.JOINING;
    if (rebuilding) {
      audit = new StubAudit(this, log, true);
    }
  }

  /** A capsule that was not held here before, on this disk. */
  void beginJoining(Group group) {
    joining = true;
    rebuilding = true;
    group.batch.add(w -> w.rebuilding(name, Rebuilding.JOINING));
  }

  // ------------------------------------------------------------------ membership

  /** The newest membership that is durable here. */
  Membership membership() {
    return membershipChain.newest();
  }

  /** Whether a membership, the newest or one before, names a replica. */
  boolean hasNamed(PublicKey replica) {
    MembershipChain chain = MembershipChain.of(name, metadata);
    boolean named = chain.newest().names(replica);
    for (Blob next : memberships) {
      chain = chain.then(next.bytes(), curve).orThrow();
      named |= chain.newest().names(replica);
    }
    return named;
  }

  /** The signed memberships from version 1 on. */
  List<Blob> memberships() {
    return memberships;
  }

  /**
   * Installs the next membership.
   *
   * @return whether it is known already, or is the next and on its way to the disk
   */
  boolean install(Blob encoded, Group group) {
    if (memberships.contains(encoded)) {
      return true;
    }
    if (installing != null || memberships.size() >= Message.MAX_MEMBERSHIPS) {
      return installing != null && installing.equals(encoded);
    }
    if (!(membershipChain.then(encoded.bytes(), curve)
        instanceof Decoded.Accepted<MembershipChain>(MembershipChain next))) {
      return false;
    }
    installing = encoded;
    group.batch.add(w -> w.membership(name, next.newest().version(), encoded));
    group.then.add(
        () -> {
          // Only what is durable is stated.
          membershipChain = next;
          memberships.add(encoded);
          installing = null;
        });
    return true;
  }

  // ------------------------------------------------------------------ looking

  Collection<HeldChain> chains() {
    return chains.values();
  }

  @Nullable HeldChain chain(long writer) {
    return chains.get(writer);
  }

  Collection<Blob> evidence() {
    return evidence;
  }

  /** Whether it can be said what is held: not while stubs are looked for after a restart. */
  boolean canSpeak() {
    return !joining && (audit == null || !audit.isInitial());
  }

  // ------------------------------------------------------------------ joining

  boolean isJoining() {
    return joining;
  }

  /** A replica said, fresh and signed, what it holds. */
  void heard(PublicKey replica, Statement frontier) {
    if (joining) {
      joiningToo.remove(replica);
      heard.put(replica, frontier);
    }
  }

  /** A replica said that it is joining too, or does not know the capsule. */
  void heardJoining(PublicKey replica) {
    if (joining && !heard.containsKey(replica)) {
      joiningToo.add(replica);
    }
  }

  /**
   * Ends joining when this replica can take the place of one that never lost anything: when it
   * holds all that so many others hold that everything durable is among it, and every seal that one
   * of them knows of has come to its end. (Of a seal under way this replica may have promised to,
   * and forgotten what; the others bring it to its end without it.) Where more than may fail hold
   * nothing, the capsule is new.
   */
  void tryJoin(PublicKey self, Group group) {
    if (!joining || joined) {
      return;
    }
    Membership now = membership();
    if (!now.names(self)
        || heard.values().stream().anyMatch(said -> said.membership() > now.version())) {
      // A membership that is not in force here yet says who has to be heard.
      return;
    }
    if (!canJoin(now.current(), self) || (now.isJoint() && !canJoin(now.outgoing(), self))) {
      return;
    }
    for (HeldChain chain : chains.values()) {
      if (chain.seal.isSealed() && !chain.durableSeal.isFinal()) {
        return;
      }
    }
    for (Statement statement : heard.values()) {
      for (Statement.Entry entry : statement.entries()) {
        HeldChain chain = chains.get(entry.writer());
        long head = entry.head().sequence();
        if (chain == null) {
          if (!isRetired(entry.writer()) && (head > 0 || entry.seal().isSealed())) {
            return;
          }
        } else if (chain.durable.sequence()
                < Math.min(head, Math.min(chain.durableSeal.limit(), rotations.limit(chain.entry)))
            || (entry.seal().isSealed() && !chain.durableSeal.isFinal())) {
          return;
        }
      }
    }
    joined = true;
    heard.clear();
    joiningToo.clear();
    group.batch.add(w -> w.rebuilding(name, Rebuilding.JOINED));
    // Nothing is said before: a replica that spoke has no need to join again, and others that join
    // rely on it.
    group.then.add(() -> joining = false);
  }

  /** Whether nothing of a writer counts, as its generation was retired without naming it. */
  private boolean isRetired(long writer) {
    RosterEntry known = verifier.writer(writer);
    return known != null && rotations.limit(known) == 0;
  }

  private boolean canJoin(Membership.ReplicaSet set, PublicKey self) {
    if (!set.replicas().contains(self)) {
      return true;
    }
    int informed = 0;
    int empty = 0;
    for (PublicKey other : set.replicas()) {
      informed += heard.containsKey(other) ? 1 : 0;
      empty += joiningToo.contains(other) ? 1 : 0;
    }
    int mayFail = set.replicas().size() - set.quorum();
    // With one more than may fail of the others, every quorum that this replica was in has a member
    // among them. And more replicas without anything than may fail are so because nothing was ever
    // written: the capsule is new.
    return informed > mayFail || empty + 1 > mayFail;
  }

  /** How far a chain is held: durably, and with every payload that was not released. */
  ChainHead held(HeldChain chain) {
    if (chain.unjustified.isEmpty() || chain.unjustified.first() > chain.durable.sequence()) {
      return chain.durable;
    }
    ChainHead before = chain.beforeUnjustified;
    if (before == null) {
      long first = chain.unjustified.first();
      SignedHeader stub = decodeHeld(chain.entry.writer(), first);
      before = new ChainHead(first - 1, stub.header().previous());
      chain.beforeUnjustified = before;
    }
    return before;
  }

  Statement.Entry entry(HeldChain chain) {
    return new Statement.Entry(chain.entry.writer(), held(chain), chain.durableSeal);
  }

  /** What is stored at a position of a chain and durable. */
  SignedHeader decodeHeld(long writer, long sequence) {
    byte[] bytes = log.read(name, writer, sequence);
    if (bytes == null) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISSING_RECORD,
              CapsuleRecord.describe(writer, sequence) + " of capsule " + name + " is gone"));
    }
    return RecordCodec.decodeStored(name, bytes).orThrow();
  }

  // ------------------------------------------------------------------ taking records

  /**
   * Takes what is new of a run of records of one writer.
   *
   * @param run in the order of the chain, without gaps
   * @param healing whether they come from another replica: only then may they be stubs
   * @param group takes the changes
   * @param sealed takes the writers about whom promises were asked for
   * @return what kept the rest from being taken, or null if all is held now or will be
   */
  @Nullable Stop take(
      List<SignedHeader> run, boolean healing, Group group, SortedSet<Long> sealed) {
    long writer = run.getFirst().header().writer();
    HeldChain chain = chains.get(writer);
    long have = chain == null ? 0 : chain.accepted.sequence();
    int index = 0;
    while (index < run.size() && run.get(index).header().sequence() < have) {
      index++;
    }
    if (index == run.size()) {
      return chain == null ? null : compareOld(chain, run.getLast(), run.size() - 1, group);
    }
    if (chain != null && run.get(index).header().sequence() == have) {
      SignedHeader same = run.get(index);
      if (!same.hash().equals(chain.accepted.hash())) {
        return conflict(chain, same, index, group);
      }
      if (same.header().type() == RecordType.SEAL) {
        noteSealed(same, sealed);
      }
      index++;
      if (index == run.size()) {
        return null;
      }
    }
    return takeNew(chain, run, index, healing, group, sealed);
  }

  private @Nullable Stop takeNew(
      @Nullable HeldChain known,
      List<SignedHeader> run,
      int from,
      boolean healing,
      Group group,
      SortedSet<Long> sealed) {
    HeldChain chain = known;
    SignedHeader first = run.get(from);
    long writer = first.header().writer();
    long have = chain == null ? 0 : chain.accepted.sequence();
    if (first.header().sequence() != have + 1) {
      return new Stop(Refusal.GAP, writer, have + 1, from, "held are records up to " + have, null);
    }
    if (chain != null && chain.convicted && !healing) {
      return Stop.of(
          Refusal.EQUIVOCATION, first, from, "there is proof that its writer equivocated");
    }
    Stop after = null;
    int to = run.size();
    long limit = chain == null ? Long.MAX_VALUE : chain.seal.limit();
    if (run.get(to - 1).header().sequence() > limit) {
      to = from + (int) Math.max(0, limit - have);
      after =
          Stop.of(
              Refusal.SEALED,
              run.get(to),
              to,
              "its writer is sealed at "
                  + limit
                  + " by "
                  + Long.toHexString(chain == null ? 0 : chain.seal.promised().sealer()));
      if (to == from) {
        return after;
      }
    }
    for (int i = from + 1; i < to; i++) {
      if (!run.get(i).header().previous().equals(run.get(i - 1).hash())) {
        after =
            Stop.invalid(
                run.get(i),
                i,
                Rejection.of(
                    Reason.PREVIOUS_HASH,
                    run.get(i) + " does not follow " + run.get(i - 1) + " that came before it"));
        to = i;
      }
    }
    // An introduction is the application's word, whoever brings it; the record that carries it
    // counts only with its writer's signature.
    if (chain == null) {
      Stop unknown = introduceOwn(first, from);
      if (unknown != null) {
        return unknown;
      }
    }
    RosterEntry introduced = verifier.writer(writer);
    long end = introduced == null ? Long.MAX_VALUE : rotations.limit(introduced);
    if (run.get(to - 1).header().sequence() > end) {
      to = from + (int) Math.max(0, end - have);
      after =
          Stop.of(
              Refusal.SEALED,
              run.get(to),
              to,
              "its key generation is retired, and its chain ends at " + end);
      if (to == from) {
        return after;
      }
    }
    Rejection unsigned = verifier.verifySignature(run.get(to - 1));
    if (unsigned != null) {
      return Stop.invalid(run.get(to - 1), to - 1, unsigned);
    }
    for (int i = from; i < to; i++) {
      Stop stop = takeOne(run.get(i), i, healing, group, sealed);
      if (stop != null) {
        return stop;
      }
    }
    return after;
  }

  /** Makes a writer known that a ROSTER introduces at the beginning of its own chain. */
  private @Nullable Stop introduceOwn(SignedHeader first, int index) {
    long writer = first.header().writer();
    if (chains.size() >= MAX_CHAINS) {
      return Stop.of(Refusal.BUSY, first, index, "the capsule has " + MAX_CHAINS + " chains");
    }
    if (first instanceof CapsuleRecord roster && first.header().type() == RecordType.ROSTER) {
      switch (rosterOf(roster)) {
        case Decoded.Accepted<List<RosterEntry>>(var entries) -> {
          for (RosterEntry entry : entries) {
            if (entry.writer() == writer) {
              verifier.introduce(entry);
              return null;
            }
          }
        }
        case Decoded.Rejected<List<RosterEntry>>(Rejection rejection) -> {
          return Stop.invalid(first, index, rejection);
        }
      }
    }
    return Stop.invalid(
        first, index, Rejection.of(Reason.UNKNOWN_WRITER, first + ": no roster names its writer"));
  }

  private Decoded<List<RosterEntry>> rosterOf(CapsuleRecord roster) {
    return RosterCodec.decode(name, roster.payload(), metadata, curve);
  }

  /** Takes the next record of a chain, whose signature is vouched for. */
  private @Nullable Stop takeOne(
      SignedHeader record, int index, boolean healing, Group group, SortedSet<Long> sealed) {
    RecordHeader header = record.header();
    if (record instanceof RecordStub && !healing) {
      return Stop.invalid(
          record, index, Rejection.of(Reason.RELEASED, record + " comes without its payload"));
    }
    RosterEntry writer = verifier.writer(header.writer());
    if (writer == null) {
      throw new IllegalStateException(record + " was verified and its writer is unknown");
    }
    @Nullable Rejection role = wrongRole(record, writer.role());
    if (role == null) {
      role = rotations.check(record, writer);
    }
    if (role != null) {
      return Stop.invalid(record, index, role);
    }
    HeldChain chain = chains.get(header.writer());
    if (chain != null
        && chain.seal.isFinal()
        && header.sequence() == chain.seal.last().sequence()
        && !record.hash().equals(chain.seal.last().hash())) {
      return Stop.of(
          Refusal.SEALED, record, index, "its writer is sealed with another record there");
    }
    SealOrder order = null;
    Kept kept = null;
    if (header.type() == RecordType.SEAL) {
      switch (SealOrderCodec.decode(((CapsuleRecord) record).payload())) {
        case Decoded.Accepted<SealOrder>(SealOrder decoded) -> order = decoded;
        case Decoded.Rejected<SealOrder>(Rejection rejection) -> {
          return Stop.invalid(record, index, rejection);
        }
      }
      Stop stop = checkSeal(record, index, order);
      if (stop != null) {
        return stop;
      }
      // What has to be read for it is read now, when nothing has changed yet.
      kept = keptAfter(order);
    }
    Rejection refused = verifier.link(record);
    if (refused != null) {
      return Stop.invalid(record, index, refused);
    }
    if (header.type() == RecordType.ROSTER) {
      for (RosterEntry entry : rosterOf((CapsuleRecord) record).orThrow()) {
        if (!chains.containsKey(entry.writer()) && chains.size() < MAX_CHAINS) {
          chains.put(entry.writer(), new HeldChain(entry, ChainHead.NONE, 0, SealState.OPEN));
          group.batch.add(w -> w.introduce(name, entry));
        }
      }
    }
    chain = chains.get(header.writer());
    if (chain == null) {
      throw new IllegalStateException(record + " was linked and has no chain");
    }
    stage(chain, record, group);
    rotations.take(record, writer);
    if (order != null) {
      sealed.add(order.writer());
      obey(order, new Ballot(order.term(), header.writer()), kept, group);
    }
    return null;
  }

  private static @Nullable Rejection wrongRole(SignedHeader record, RosterEntry.Role role) {
    boolean right =
        switch (record.header().type()) {
          case SEAL -> role == RosterEntry.Role.COORDINATOR || role == RosterEntry.Role.LEADER;
          case CHECKPOINT, MANIFEST, BLOCK -> role == RosterEntry.Role.COMPACTOR;
          case RTS, SYNC -> role == RosterEntry.Role.COORDINATOR;
          case EOE -> role == RosterEntry.Role.WORKER;
          case DATA, ROSTER, ROTATE, EVIDENCE -> true;
        };
    return right ? null : Rejection.of(Reason.ROLE, record + " is by a " + role);
  }

  private void stage(HeldChain chain, SignedHeader record, Group group) {
    RecordHeader header = record.header();
    chain.accepted = new ChainHead(header.sequence(), record.hash());
    chain.lamport = header.lamport();
    group.heads.put(chain, chain.accepted);
    group.bytes += record.bytes().length;
    group.records++;
    StoredRecord stored =
        new StoredRecord(header.writer(), header.sequence(), record.hash(), record.bytes());
    long lamport = header.lamport();
    group.batch.add(w -> w.record(name, stored, lamport));
    if (record instanceof RecordStub) {
      addUnjustified(chain, header.sequence());
      if (!rebuilding) {
        rebuilding = true;
        group.batch.add(w -> w.rebuilding(name, Rebuilding.JOINED));
      }
      auditDue = true;
    } else if (header.type() == RecordType.CHECKPOINT && rebuilding) {
      if (CheckpointCodec.decode(((CapsuleRecord) record).payload())
          instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)) {
        // What the CHECKPOINT says counts when it is durable here.
        group.then.add(
            () ->
                checkpoint
                    .released()
                    .forEach(r -> justify(r.writer(), r.fromSequence(), r.toSequence())));
      }
    }
  }

  // ------------------------------------------------------------------ contradictions

  /** A record older than the newest: it is held, or its writer equivocated. */
  private @Nullable Stop compareOld(HeldChain chain, SignedHeader record, int index, Group group) {
    long sequence = record.header().sequence();
    if (sequence > chain.durable.sequence() || log.read(name, record.hash()) != null) {
      return null;
    }
    SignedHeader held = decodeHeld(chain.entry.writer(), sequence);
    return held.hash().equals(record.hash()) ? null : conflict(chain, record, held, index, group);
  }

  private Stop conflict(HeldChain chain, SignedHeader record, int index, Group group) {
    long sequence = record.header().sequence();
    if (sequence > chain.durable.sequence()) {
      return Stop.of(Refusal.BUSY, record, index, "another record is being stored at its position");
    }
    return conflict(chain, record, decodeHeld(chain.entry.writer(), sequence), index, group);
  }

  private Stop conflict(
      HeldChain chain, SignedHeader record, SignedHeader held, int index, Group group) {
    EquivocationProof proof = EquivocationProof.of(held, record, chain.entry.key(), curve);
    if (proof == null) {
      return Stop.invalid(
          record,
          index,
          Rejection.of(
              Reason.SIGNATURE, record + " is not signed by its writer, and not what is held"));
    }
    Blob blob = Blob.of(proof.encode());
    if (keep(blob)) {
      group.batch.add(w -> w.evidence(name, blob));
    }
    return Stop.invalid(
        record,
        index,
        Rejection.of(Reason.EQUIVOCATION, record + " and " + held + " share a position"));
  }

  /** What the record at a position of a fork proves, when both are at hand. */
  void compare(SignedHeader theirs, Group group) {
    HeldChain chain = chains.get(theirs.header().writer());
    if (chain != null && theirs.header().sequence() <= chain.durable.sequence()) {
      compareOld(chain, theirs, 0, group);
    }
  }

  /** Adds a proof, verified before; returns whether it is new and there is room for it. */
  boolean keep(Blob proof) {
    if (evidence.contains(proof) || evidence.size() >= MAX_EVIDENCE) {
      return false;
    }
    evidence.add(proof);
    HeldChain chain =
        EquivocationProof.accused(name, proof.bytes())
                instanceof Decoded.Accepted<Long>(Long accused)
            ? chains.get(accused)
            : null;
    if (chain != null
        && EquivocationProof.decode(name, proof.bytes(), chain.entry.key(), curve)
            instanceof Decoded.Accepted<EquivocationProof>) {
      chain.convicted = true;
    }
    return true;
  }

  // ------------------------------------------------------------------ sealing

  private static void noteSealed(SignedHeader record, SortedSet<Long> sealed) {
    if (record instanceof CapsuleRecord whole
        && SealOrderCodec.decode(whole.payload())
            instanceof Decoded.Accepted<SealOrder>(SealOrder order)) {
      sealed.add(order.writer());
    }
  }

  /** Whether a SEAL can be obeyed now; nothing has changed if not. */
  private @Nullable Stop checkSeal(SignedHeader record, int index, SealOrder order) {
    HeldChain target = chains.get(order.writer());
    if (target == null) {
      return new Stop(
          Refusal.GAP, order.writer(), 1, index, "the writer to be sealed is not known", null);
    }
    if (order.kind() == SealOrder.Kind.FINAL
        && target.accepted.sequence() >= order.last().sequence()
        && !target.accepted.equals(target.durable)) {
      return Stop.of(
          Refusal.BUSY, record, index, "records of the writer to be sealed are being stored");
    }
    RosterEntry sealer = verifier.writer(record.header().writer());
    if (sealer != null && sealer.generation() < target.entry.generation()) {
      // Else whoever has a retired key could undo the rotation.
      return Stop.invalid(
          record,
          index,
          Rejection.of(
              Reason.KEY_GENERATION,
              record
                  + ": a sealer of generation "
                  + sealer.generation()
                  + " seals one of "
                  + target.entry.generation()));
    }
    if (order.kind() == SealOrder.Kind.FINAL && target == chains.get(record.header().writer())) {
      return Stop.invalid(
          record, index, Rejection.of(Reason.ROLE, record + ": nobody finally seals itself"));
    }
    return null;
  }

  /** A record that stays the newest of a chain when those after it are dropped. */
  private record Kept(ChainHead head, long lamport) {}

  /** What stays of the chain of a writer that is finally sealed; null: all of it. */
  private @Nullable Kept keptAfter(SealOrder order) {
    HeldChain target = chains.get(order.writer());
    if (target == null || order.kind() != SealOrder.Kind.FINAL) {
      return null;
    }
    return keptAfter(target, order.last());
  }

  private @Nullable Kept keptAfter(HeldChain target, ChainHead last) {
    ChainHead have = target.accepted;
    if (have.sequence() < last.sequence() || have.equals(last)) {
      return null;
    }
    long writer = target.entry.writer();
    Kept kept = keptUpTo(writer, last.sequence());
    // On another branch: what of it is right shows when the right one is fetched.
    return kept.head.sequence() < last.sequence() || kept.head.equals(last)
        ? kept
        : keptUpTo(writer, last.sequence() - 1);
  }

  /**
   * The newest record up to a position that can be read. What is damaged on a branch that goes
   * nobody could repair, for the others have another one; on the right one it is fetched again.
   */
  private Kept keptUpTo(long writer, long sequence) {
    for (long at = sequence; at > 0; at--) {
      try {
        SignedHeader record = decodeHeld(writer, at);
        return new Kept(new ChainHead(at, record.hash()), record.header().lamport());
      } catch (IntegrityException _) {
        // It goes, with what is above it.
      }
    }
    return new Kept(ChainHead.NONE, 0);
  }

  /** Single-decree Paxos, acceptor's side; docs/consistency.md. */
  private void obey(SealOrder order, Ballot ballot, @Nullable Kept kept, Group group) {
    HeldChain target = chains.get(order.writer());
    if (target == null) {
      throw new IllegalStateException("a seal was checked and its writer is unknown");
    }
    SealState before = target.seal;
    int rank = ballot.compareTo(before.promised());
    // A promise is about what is accepted, not what is durable: both become durable together.
    ChainHead head = before.isSealed() ? before.head() : target.accepted;
    if (order.kind() == SealOrder.Kind.PREPARE) {
      if (rank > 0) {
        change(target, new SealState(ballot, head, before.accepted(), before.last()), group);
      }
      return;
    }
    if (rank < 0 || before.accepted().equals(ballot)) {
      return;
    }
    change(target, new SealState(ballot, head, ballot, order.last()), group);
    if (kept != null) {
      truncate(target, kept, group);
    }
  }

  /**
   * Learns final heads that are chosen, though no SEAL record could make this replica accept them:
   * it has promised a higher ballot of a sealer that went away. What a quorum said it accepted in
   * one ballot is the final head in every later one too; docs/consistency.md, S1.
   *
   * @param replica who said it, freshly and signed
   */
  void learn(PublicKey replica, Statement frontier, Group group) {
    Membership now = membership();
    if (frontier.membership() != now.version() || !now.names(replica)) {
      return;
    }
    for (Statement.Entry entry : frontier.entries()) {
      HeldChain chain = chains.get(entry.writer());
      Ballot ballot = entry.seal().accepted();
      if (chain == null || chain.seal.accepted().compareTo(ballot) >= 0) {
        // Nothing to learn, for now or any more.
        finals.remove(entry.writer());
        continue;
      }
      FinalHead said = new FinalHead(ballot, entry.seal().last());
      Map<PublicKey, FinalHead> all =
          finals.computeIfAbsent(entry.writer(), writer -> new HashMap<>());
      all.put(replica, said);
      boolean chosen = now.isQuorum(other -> said.equals(all.get(other)));
      if (chosen && chain.accepted.equals(chain.durable)) {
        finals.remove(entry.writer());
        SealState before = chain.seal;
        Ballot promised = before.promised().compareTo(ballot) < 0 ? ballot : before.promised();
        ChainHead head = before.isSealed() ? before.head() : chain.accepted;
        Kept kept = keptAfter(chain, said.last);
        change(chain, new SealState(promised, head, ballot, said.last), group);
        if (kept != null) {
          truncate(chain, kept, group);
        }
      }
    }
  }

  private void change(HeldChain target, SealState seal, Group group) {
    target.seal = seal;
    group.seals.put(target, seal);
    long writer = target.entry.writer();
    group.batch.add(w -> w.seal(name, writer, seal));
  }

  /**
   * Gives up the newest record of a chain that is finally sealed on another branch.
   *
   * @return false if that cannot be now
   */
  boolean retreat(long writer, Group group) {
    HeldChain chain = chains.get(writer);
    if (chain == null
        || !chain.seal.isFinal()
        || chain.accepted.sequence() == 0
        || !chain.accepted.equals(chain.durable)
        || chain.accepted.equals(chain.seal.last())) {
      return false;
    }
    truncate(chain, keptUpTo(writer, chain.accepted.sequence() - 1), group);
    return true;
  }

  private void truncate(HeldChain chain, Kept kept, Group group) {
    long writer = chain.entry.writer();
    ChainHead head = kept.head;
    long lamport = kept.lamport;
    verifier.rewind(new ChainVerifier.Head(writer, head.sequence(), head.hash(), lamport));
    chain.accepted = head;
    chain.lamport = lamport;
    rotations.truncated(writer, head.sequence());
    chain.unjustified.remove(head.sequence() + 1, Long.MAX_VALUE - 1);
    chain.beforeUnjustified = null;
    group.heads.put(chain, head);
    group.batch.add(w -> w.truncate(name, writer, head, lamport));
  }

  // ------------------------------------------------------------------ stubs

  boolean isRebuilding() {
    return rebuilding;
  }

  void addUnjustified(HeldChain chain, long sequence) {
    boolean first = chain.unjustified.isEmpty() || sequence < chain.unjustified.first();
    chain.unjustified.add(sequence, sequence);
    if (first) {
      chain.beforeUnjustified = null;
    }
  }

  /** Stubs that a CHECKPOINT held here releases are as good as records. */
  void justify(long writer, long from, long to) {
    HeldChain chain = chains.get(writer);
    if (chain != null && !chain.unjustified.isEmpty()) {
      chain.unjustified.remove(from, to);
      chain.beforeUnjustified = null;
    }
  }

  /** Ends rebuilding if no stub is in doubt any more. */
  private void noteJustified(Group group) {
    if (rebuilding && canSpeak() && firstUnjustified() == null) {
      rebuilding = false;
      auditDue = false;
      audit = null;
      group.batch.add(w -> w.rebuilding(name, Rebuilding.NONE));
    }
  }

  /** A chain with a stub in doubt, or null. */
  @Nullable HeldChain firstUnjustified() {
    for (HeldChain chain : chains.values()) {
      if (!chain.unjustified.isEmpty()) {
        return chain;
      }
    }
    return null;
  }

  /**
   * Looks through some records for what justifies stubs.
   *
   * @param quiet whether nothing is being fetched: before, looking is vain
   * @return whether anything was done
   */
  boolean auditStep(BooleanSupplier quiet, Group group) {
    noteJustified(group);
    if (audit == null) {
      if (!rebuilding || !auditDue || !quiet.getAsBoolean() || !isSettled()) {
        return false;
      }
      auditDue = false;
      audit = new StubAudit(this, log, false);
    }
    if (audit.step()) {
      audit = null;
      noteJustified(group);
    }
    return true;
  }

  /**
   * Whether all that was taken is durable: an audit reads what is, and must not miss the newest.
   */
  private boolean isSettled() {
    for (HeldChain chain : chains.values()) {
      if (!chain.accepted.equals(chain.durable)) {
        return false;
      }
    }
    return true;
  }

  /** What justifies a stub was not found, and nobody had the payload: look again. */
  void auditAgain() {
    auditDue |= rebuilding;
  }

  /** Puts a verified record in the place of a stub in doubt or of a damaged record. */
  void repair(SignedHeader record, Group group) {
    RecordHeader header = record.header();
    HeldChain chain = chains.get(header.writer());
    if (chain == null || header.sequence() > chain.durable.sequence()) {
      return;
    }
    StoredRecord stored =
        new StoredRecord(header.writer(), header.sequence(), record.hash(), record.bytes());
    group.batch.add(w -> w.repair(name, stored));
    rotations.take(record, chain.entry);
    group.bytes += record.bytes().length;
    if (record instanceof CapsuleRecord) {
      group.then.add(
          () -> {
            justify(header.writer(), header.sequence(), header.sequence());
            auditDue |= rebuilding;
          });
    }
  }

  /** Whether a record, which is signed, belongs between its neighbours as far as these are held. */
  boolean fits(SignedHeader record) {
    RecordHeader header = record.header();
    HeldChain chain = chains.get(header.writer());
    if (chain == null || header.sequence() > chain.durable.sequence()) {
      return false;
    }
    if (header.sequence() == chain.durable.sequence()) {
      return record.hash().equals(chain.durable.hash());
    }
    try {
      return decodeHeld(header.writer(), header.sequence() + 1)
          .header()
          .previous()
          .equals(record.hash());
    } catch (IntegrityException damaged) {
      // The neighbour is damaged too: of two records its writer signed for one position, which
      // would be proof against the writer, this may be either.
      return true;
    }
  }

  /** Whether it is known that the payload at a position was released. */
  boolean mayBeStub(long writer, long sequence) {
    HeldChain chain = chains.get(writer);
    return chain != null && !chain.unjustified.contains(sequence) && !rebuilding;
  }

  /** Whether a record is signed by the writer its header names. */
  boolean isSigned(SignedHeader record) {
    return verifier.writer(record.header().writer()) != null
        && verifier.verifySignature(record) == null;
  }

  /** Whether records follow each other, and the newest is signed by a writer that is known. */
  boolean isSignedRun(List<SignedHeader> run) {
    for (int i = 1; i < run.size(); i++) {
      if (!run.get(i).header().previous().equals(run.get(i - 1).hash())) {
        return false;
      }
    }
    return isSigned(run.getLast());
  }
}
