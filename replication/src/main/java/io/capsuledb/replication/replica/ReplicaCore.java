package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Evidence;
import io.capsuledb.replication.protocol.EvidenceCodec;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipChain;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A replica as a step function: messages, the outcomes of commits and the passing of time go in;
 * messages and commits come out.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a record is verified before it is stored ({@link HeldCapsule});
 *   <li>at most one commit is under way; what is taken meanwhile, for whatever capsule, is gathered
 *       in one group and committed next: one sync for all;
 *   <li>a statement says only what is durable, and its number is larger than that of every
 *       statement before it in this incarnation, also before a crash: numbers are reserved on the
 *       disk before they are used;
 *   <li>after a commit failed, nothing is taken any more and what is said of chains is what was
 *       durable before; only opening the log again, with a new core, helps.
 * </ul>
 *
 * <p>One thread at a time. Links are numbered by whoever owns the sockets.
 */
public final class ReplicaCore {

  /** Bytes gathered while a commit is under way beyond which appends are refused. */
  static final long MAX_GATHERED_BYTES = 96L << 20;

  /** Most waiters of one group. */
  static final int MAX_WAITERS = 16_384;

  /** Statement numbers reserved at once. */
  static final long NUMBERS = 1 << 20;

  /** Stubs made in one step of a release. */
  private static final int STUBS_PER_STEP = 256;

  private static final long SIZE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Chains that one statement for several who asked says something of. */
  private static final int MAX_SHARED_ENTRIES = 64;

  /** Releases that may wait. */
  private static final int MAX_RELEASES = 256;

  /** Something done for a status report. */
  private final Map<String, Long> counters = new LinkedHashMap<>();

  private final ReplicaOptions options;
  private final ReplicaIdentity identity;
  private final Secp256k1 curve;
  private final ReplicaLog log;
  private final ReplicaOutbox out;
  private final Telemetry telemetry;
  private final Healer healer;
  private final FrameRelay relay;
  private final NavigableMap<Hash32, HeldCapsule> capsules = new TreeMap<>();
  private final Map<Long, PublicKey> links = new LinkedHashMap<>();
  private final ArrayDeque<ReleaseJob> releases = new ArrayDeque<>();

  private final long incarnation;
  private long number;
  private long reserved;

  /** What the log takes, looked at now and then: it lists a directory. */
  private long storeBytes;

  private long nextSize;

  private Group gathering = new Group();
  private @Nullable Group committing;
  private @Nullable CapsuleException failure;

  /** Payloads to drop, checked against the CHECKPOINT that says so. */
  private static final class ReleaseJob {
    final HeldCapsule capsule;
    final ArrayDeque<Checkpoint.Range> ranges;
    long next;

    ReleaseJob(HeldCapsule capsule, List<Checkpoint.Range> ranges) {
      this.capsule = capsule;
      this.ranges = new ArrayDeque<>(ranges);
    }
  }

  /**
   * A replica over what its log holds.
   *
   * @param log open; what {@link ReplicaOutbox#commit} is given goes there
   * @param seed makes nonces and choices of peers unpredictable to peers
   */
  public ReplicaCore(
      ReplicaOptions options,
      ReplicaIdentity identity,
      Secp256k1 curve,
      ReplicaLog log,
      ReplicaOutbox out,
      Telemetry telemetry,
      long seed) {
    this.options = options;
    this.identity = identity;
    this.curve = curve;
    this.log = log;
    this.out = out;
    this.telemetry = telemetry;
    this.relay = new FrameRelay(out);
    ReplicaLog.Recovered recovered = log.recovered();
    this.incarnation = recovered.incarnation();
    this.number = recovered.numberFloor();
    this.reserved = number;
    for (ReplicaLog.Capsule known : recovered.capsules()) {
      HeldCapsule capsule = recover(known);
      capsules.put(capsule.name.hash(), capsule);
    }
    this.healer = new Healer(this, options, out, curve, seed);
    reserveNumbers();
  }

  private HeldCapsule recover(ReplicaLog.Capsule known) {
    CapsuleMetadata metadata = MetadataCodec.decode(known.metadata().bytes(), curve).orThrow();
    HeldCapsule capsule = new HeldCapsule(known.name(), metadata, known.metadata(), curve, log);
    capsule.recover(known);
    return capsule;
  }

  // ------------------------------------------------------------------ inputs

  /** A link is there, and this is who is at its other end. */
  public void up(long link, PublicKey peer) {
    links.put(link, peer);
  }

  /** A link is gone. */
  public void down(long link) {
    links.remove(link);
    healer.down(link);
    relay.down(link);
    capsules.values().forEach(capsule -> capsule.parking.down(link));
  }

  /** A message came. {@link #endStep} must follow, after this or more of them. */
  public void receive(long now, long link, Message message) {
    if (message instanceof Message.Request request) {
      try {
        request(now, link, request);
      } catch (IntegrityException damaged) {
        // Rules are checked before anything changes: a record that cannot be read leaves all as is.
        count("damage_met", 1);
        refuse(link, request.request(), Refusal.DAMAGED, 0, 0, "a record cannot be read here");
      }
    } else if (message instanceof Message.Reply reply) {
      try {
        healer.reply(now, link, reply);
      } catch (IntegrityException damaged) {
        count("damage_met", 1);
      }
    }
  }

  /** Time has passed. */
  public void tick(long now) {
    if (failure != null) {
      return;
    }
    if (now - nextSize >= 0) {
      nextSize = now + SIZE_NANOS;
      storeBytes = log.sizeBytes();
    }
    healer.tick(now);
    releaseStep();
    for (HeldCapsule capsule : capsules.values()) {
      capsule.tryJoin(identity.key(), gathering);
    }
    for (HeldCapsule capsule : capsules.values()) {
      if (capsule.auditStep(() -> healer.isQuiet(capsule), gathering)) {
        break;
      }
    }
  }

  /** Ends a step: hands out the next commit, if none is under way and something waits for one. */
  public void endStep() {
    if (committing != null || failure != null || gathering.isEmpty()) {
      return;
    }
    Group group = gathering;
    gathering = new Group();
    if (group.batch.isEmpty()) {
      finish(group);
      endStep();
      return;
    }
    committing = group;
    out.commit(group.batch);
  }

  /**
   * The commit that was under way is durable, or has failed. {@link #endStep} must follow.
   *
   * @param failed why it failed, or null
   */
  public void committed(@Nullable CapsuleException failed) {
    Group group = committing;
    if (group == null) {
      throw new IllegalStateException("no commit is under way");
    }
    committing = null;
    if (failed == null) {
      count("commits", 1);
      finish(group);
      return;
    }
    failure = failed;
    count("commit_failures", 1);
    refuseAll(group);
    refuseAll(gathering);
    gathering = new Group();
  }

  /** A read found damage at a position. */
  public void damaged(CapsuleName capsule, long writer, long sequence) {
    HeldCapsule held = capsules.get(capsule.hash());
    if (held != null) {
      count("damaged_records", 1);
      healer.wantRepair(held, writer, sequence);
    }
  }

  /** Why nothing is taken any more, or null. */
  public @Nullable CapsuleException failure() {
    return failure;
  }

  /** Whether a commit is under way. */
  public boolean isCommitting() {
    return committing != null;
  }

  private void finish(Group group) {
    group.durable();
    count("records_stored", group.records);
    count("bytes_stored", group.bytes);
    Map<CapsuleName, SignedStatement> shared = share(group.waiters);
    for (Group.Waiter waiter : group.waiters) {
      try {
        answer(waiter, shared.get(waiter.capsule()));
      } catch (IntegrityException damaged) {
        count("damage_met", 1);
        refuse(
            waiter.link(), waiter.request(), Refusal.DAMAGED, 0, 0, "a stub cannot be read here");
      }
    }
  }

  private void refuseAll(Group group) {
    for (Group.Waiter waiter : group.waiters) {
      refuse(waiter.link(), waiter.request(), unable(), 0, 0, "the disk does not take it");
    }
  }

  private Refusal unable() {
    return failure instanceof UnavailableException ? Refusal.FULL : Refusal.DAMAGED;
  }

  // ------------------------------------------------------------------ requests

  private void request(long now, long link, Message.Request request) {
    switch (request) {
      case Message.AskStatus ask -> out.send(link, new Message.Status(ask.request(), status()));
      case Message.AskCapsules ask -> names(link, ask);
      case Message.Found found -> found(link, found);
      default -> {
        CapsuleName name = request.capsule();
        HeldCapsule capsule = name == null ? null : capsules.get(name.hash());
        if (capsule == null) {
          refuse(
              link,
              request.request(),
              Refusal.UNKNOWN_CAPSULE,
              0,
              0,
              "no capsule " + name + " is held here");
        } else {
          request(now, link, request, capsule);
        }
      }
    }
  }

  private void request(long now, long link, Message.Request request, HeldCapsule capsule) {
    switch (request) {
      case Message.Append append -> append(link, append, capsule);
      case Message.ReadRange read -> out.answer(link, read);
      case Message.ReadHash read -> out.answer(link, read);
      case Message.AskFrontier ask -> frontier(link, ask, capsule);
      case Message.Describe ask ->
          out.send(
              link,
              new Message.Described(ask.request(), capsule.signedMetadata, capsule.memberships()));
      case Message.Install install -> install(link, install, capsule);
      case Message.Release release -> release(link, release, capsule);
      case Message.AskEvidence ask ->
          out.send(link, new Message.Evidence(ask.request(), List.copyOf(capsule.evidence())));
      case Message.Accuse accuse -> accuse(link, accuse, capsule);
      case Message.Listen listen -> {
        if (!relay.listen(now, link, listen)) {
          refuse(link, listen.request(), Refusal.BUSY, 0, 0, "too many listen here");
        }
      }
      case Message.Relay frame -> {
        if (relay.relay(now, link, frame)) {
          count("frames_relayed", 1);
        } else {
          // Not even a word about it: whoever is beyond its rate would be answered at that rate.
          count("frames_not_relayed", 1);
        }
      }
      case Message.Found found -> throw new IllegalStateException("handled before: " + found);
      case Message.AskCapsules ask -> throw new IllegalStateException("handled before: " + ask);
      case Message.AskStatus ask -> throw new IllegalStateException("handled before: " + ask);
    }
  }

  private void refuse(
      long link, long request, Refusal code, long writer, long sequence, String detail) {
    count("refused_" + code.name().toLowerCase(java.util.Locale.ROOT), 1);
    String text =
        detail.length() <= Message.MAX_TEXT_BYTES / 4
            ? detail
            : detail.substring(0, Message.MAX_TEXT_BYTES / 4);
    out.send(link, new Message.Refused(request, code, writer, sequence, text));
  }

  /** Whether something can be taken at all; else says why. */
  private boolean canTake(long link, long request) {
    if (failure != null) {
      refuse(link, request, unable(), 0, 0, "nothing is stored at present: " + failure.code());
      return false;
    }
    if (gathering.bytes > MAX_GATHERED_BYTES || gathering.waiters.size() >= MAX_WAITERS) {
      refuse(link, request, Refusal.BUSY, 0, 0, "too much is waiting for the disk");
      return false;
    }
    return true;
  }

  // ------------------------------------------------------------------ appending

  private void append(long link, Message.Append append, HeldCapsule capsule) {
    if (!canTake(link, append.request())) {
      return;
    }
    if (!capsule.membership().names(identity.key())) {
      refuse(
          link,
          append.request(),
          Refusal.NOT_A_MEMBER,
          0,
          0,
          "membership " + capsule.membership().version() + " does not name this replica");
      return;
    }
    Group.Waiter waiter = new Group.Waiter(link, append.request(), capsule.name);
    List<SignedHeader> decoded = new ArrayList<>(append.records().size());
    for (Blob record : append.records()) {
      switch (RecordCodec.decode(capsule.name, record.bytes())) {
        case Decoded.Accepted<CapsuleRecord>(CapsuleRecord accepted) -> decoded.add(accepted);
        case Decoded.Rejected<CapsuleRecord>(Rejection rejection) -> {
          telemetry.rejected(rejection.reason());
          refuse(link, append.request(), Refusal.INVALID, 0, 0, rejection.toString());
          return;
        }
      }
    }
    HeldCapsule.Stop stop = null;
    for (List<SignedHeader> run : runs(decoded)) {
      stop = take(capsule, run, false, waiter.sealed(), link, append.request());
      waiter.held().add(run.getFirst().header().writer());
      if (stop != null) {
        break;
      }
    }
    if (stop != null) {
      refuse(link, append.request(), stop.code(), stop.writer(), stop.sequence(), stop.detail());
      if (stop.code() == Refusal.GAP) {
        healer.nudge();
      }
    }
    // Also when something was refused: what was taken before it is acknowledged.
    wait(waiter);
  }

  /** Splits what may be records of many chains into runs of one, without gaps. */
  static List<List<SignedHeader>> runs(List<SignedHeader> records) {
    List<List<SignedHeader>> runs = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= records.size(); i++) {
      if (i == records.size()
          || records.get(i).header().writer() != records.get(i - 1).header().writer()
          || records.get(i).header().sequence() != records.get(i - 1).header().sequence() + 1) {
        runs.add(records.subList(from, i));
        from = i;
      }
    }
    return runs;
  }

  /**
   * Takes a run, parks it if it came too early, and takes what was parked behind it.
   *
   * @param link who is told about it if it is taken later
   */
  HeldCapsule.@Nullable Stop take(
      HeldCapsule capsule,
      List<SignedHeader> run,
      boolean healing,
      SortedSet<Long> sealed,
      long link,
      long request) {
    long writer = run.getFirst().header().writer();
    HeldCapsule.Stop stop = capsule.take(run, healing, gathering, sealed);
    if (stop != null) {
      if (stop.rejection() != null) {
        telemetry.rejected(stop.rejection().reason());
      }
      if (stop.code() == Refusal.GAP
          && stop.writer() == writer
          && !healing
          && capsule.isSignedRun(run)) {
        run.forEach(r -> capsule.parking.park(r, link, request));
      }
      return stop;
    }
    HeldChain chain = capsule.chain(writer);
    while (chain != null) {
      List<Parking.Parked> parked = capsule.parking.next(writer, chain.accepted.sequence());
      if (parked.isEmpty()) {
        break;
      }
      Group.Waiter later =
          new Group.Waiter(parked.getLast().link(), parked.getLast().request(), capsule.name);
      later.held().add(writer);
      List<SignedHeader> records = new ArrayList<>();
      parked.forEach(p -> records.add(p.record()));
      HeldCapsule.Stop refused = capsule.take(records, false, gathering, later.sealed());
      wait(later);
      if (refused != null) {
        break;
      }
    }
    return null;
  }

  private void wait(Group.Waiter waiter) {
    // If nothing new is gathered, what the waiter asks about may be in the commit under way: it is
    // answered with the group after it, which is empty and costs nothing.
    gathering.waiters.add(waiter);
  }

  /**
   * One statement for all who wait for records of the same capsule: it is cumulative, and a
   * signature costs as much as everything else that is done for a small record.
   */
  private Map<CapsuleName, SignedStatement> share(List<Group.Waiter> waiters) {
    Map<CapsuleName, SortedSet<Long>> asked = new HashMap<>();
    Map<CapsuleName, Integer> askers = new HashMap<>();
    for (Group.Waiter waiter : waiters) {
      if (!waiter.held().isEmpty()) {
        asked.computeIfAbsent(waiter.capsule(), c -> new TreeSet<>()).addAll(waiter.held());
        askers.merge(waiter.capsule(), 1, Integer::sum);
      }
    }
    Map<CapsuleName, SignedStatement> shared = new HashMap<>();
    asked.forEach(
        (name, writers) -> {
          HeldCapsule capsule = capsules.get(name.hash());
          if (capsule != null
              && capsule.canSpeak()
              && askers.getOrDefault(name, 0) > 1
              && writers.size() <= MAX_SHARED_ENTRIES) {
            try {
              List<Statement.Entry> entries = entries(capsule, writers);
              if (!entries.isEmpty()) {
                shared.put(name, state(capsule, Statement.Kind.HELD, Hash32.ZERO, entries));
              }
            } catch (IntegrityException damaged) {
              // Then each is answered for itself: one cannot be.
              count("damage_met", 1);
            }
          }
        });
    return shared;
  }

  private static List<Statement.Entry> entries(HeldCapsule capsule, SortedSet<Long> writers) {
    List<Statement.Entry> entries = new ArrayList<>();
    for (long writer : writers) {
      HeldChain chain = capsule.chain(writer);
      if (chain != null) {
        entries.add(capsule.entry(chain));
      }
    }
    return entries;
  }

  private void answer(Group.Waiter waiter, @Nullable SignedStatement shared) {
    HeldCapsule capsule = capsules.get(waiter.capsule().hash());
    if (capsule == null || !links.containsKey(waiter.link())) {
      return;
    }
    if (!capsule.canSpeak()) {
      refuse(waiter.link(), waiter.request(), Refusal.JOINING, 0, 0, "this replica is joining");
      return;
    }
    SignedStatement held = waiter.held().isEmpty() ? null : shared;
    if (held == null) {
      List<Statement.Entry> entries = entries(capsule, waiter.held());
      held = entries.isEmpty() ? null : state(capsule, Statement.Kind.HELD, Hash32.ZERO, entries);
    }
    if (held != null) {
      out.send(waiter.link(), new Message.Held(waiter.request(), held));
    }
    for (long writer : waiter.sealed()) {
      HeldChain chain = capsule.chain(writer);
      if (chain != null) {
        out.send(
            waiter.link(),
            new Message.Sealed(
                waiter.request(),
                state(capsule, Statement.Kind.SEALED, Hash32.ZERO, List.of(capsule.entry(chain)))));
      }
    }
  }

  // ------------------------------------------------------------------ statements

  private void reserveNumbers() {
    long upTo = Math.addExact(number, NUMBERS);
    gathering.batch.add(w -> w.numberFloor(upTo));
    gathering.then.add(() -> reserved = upTo);
  }

  /** Whether there is a number left to make a statement with. */
  private boolean canState() {
    return number < reserved;
  }

  private SignedStatement state(
      HeldCapsule capsule, Statement.Kind kind, Hash32 nonce, List<Statement.Entry> entries) {
    if (!canState()) {
      throw new IllegalStateException("no statement number is reserved");
    }
    number++;
    if (reserved - number == NUMBERS / 2) {
      reserveNumbers();
    }
    count("statements", 1);
    return StatementCodec.encode(
        new Statement(
            kind,
            capsule.name,
            identity.key(),
            capsule.membership().version(),
            incarnation,
            number,
            nonce,
            entries),
        identity::sign);
  }

  private void frontier(long link, Message.AskFrontier ask, HeldCapsule capsule) {
    if (!capsule.canSpeak()) {
      refuse(link, ask.request(), Refusal.JOINING, 0, 0, "this replica is joining");
      return;
    }
    if (!canState()) {
      refuse(link, ask.request(), Refusal.BUSY, 0, 0, "this replica is starting");
      return;
    }
    List<Statement.Entry> entries = new ArrayList<>();
    for (HeldChain chain : capsule.chains()) {
      entries.add(capsule.entry(chain));
    }
    out.send(
        link,
        new Message.Frontier(
            ask.request(), state(capsule, Statement.Kind.FRONTIER, ask.nonce(), entries)));
  }

  // ------------------------------------------------------------------ capsules and memberships

  private void names(long link, Message.AskCapsules ask) {
    List<CapsuleName> names = new ArrayList<>();
    for (Hash32 name : capsules.tailMap(ask.after(), false).keySet()) {
      if (names.size() == Message.MAX_NAMES) {
        break;
      }
      names.add(new CapsuleName(name));
    }
    out.send(link, new Message.Capsules(ask.request(), names));
  }

  private void found(long link, Message.Found found) {
    if (!canTake(link, found.request())) {
      return;
    }
    HeldCapsule known = capsules.get(found.capsule().hash());
    if (known == null) {
      Refusal refusal = found(found.capsule(), found.metadata());
      if (refusal != null) {
        refuse(
            link,
            found.request(),
            refusal,
            0,
            0,
            "capsule " + found.capsule() + " is not taken here");
        return;
      }
    }
    done(link, found.request());
  }

  /** Takes a new capsule; returns why not, or null. */
  @Nullable Refusal found(CapsuleName name, Blob signedMetadata) {
    if (!MetadataCodec.nameOf(signedMetadata.bytes()).equals(name)) {
      return Refusal.INVALID;
    }
    switch (MetadataCodec.decode(signedMetadata.bytes(), curve)) {
      case Decoded.Rejected<CapsuleMetadata>(Rejection rejection) -> {
        telemetry.rejected(rejection.reason());
        return Refusal.INVALID;
      }
      case Decoded.Accepted<CapsuleMetadata>(CapsuleMetadata metadata) -> {
        if (!options.owners().isEmpty() && !options.owners().contains(metadata.ownerKey())) {
          return Refusal.DENIED;
        }
        if (capsules.size() >= options.maxCapsules()) {
          return Refusal.FULL;
        }
        HeldCapsule capsule = new HeldCapsule(name, metadata, signedMetadata, curve, log);
        capsules.put(name.hash(), capsule);
        gathering.batch.add(w -> w.found(name, signedMetadata));
        capsule.beginJoining(gathering);
        capsule.tryJoin(identity.key(), gathering);
        healer.nudge();
        return null;
      }
    }
  }

  private void done(long link, long request) {
    gathering.then.add(() -> out.send(link, new Message.Done(request)));
  }

  private void install(long link, Message.Install install, HeldCapsule capsule) {
    if (!canTake(link, install.request())) {
      return;
    }
    if (!capsule.install(install.membership(), gathering)) {
      refuse(
          link,
          install.request(),
          Refusal.STALE_MEMBERSHIP,
          0,
          0,
          "known is membership " + capsule.membership().version());
      return;
    }
    done(link, install.request());
  }

  // ------------------------------------------------------------------ releasing

  private void release(long link, Message.Release release, HeldCapsule capsule) {
    if (!canTake(link, release.request())) {
      return;
    }
    String wrong = wrongRelease(release, capsule);
    if (wrong != null) {
      refuse(link, release.request(), Refusal.INVALID, release.writer(), release.sequence(), wrong);
      return;
    }
    if (releases.size() >= MAX_RELEASES) {
      refuse(link, release.request(), Refusal.BUSY, 0, 0, "too many releases are waiting");
      return;
    }
    releases.add(new ReleaseJob(capsule, release.ranges()));
    out.send(link, new Message.Done(release.request()));
  }

  private @Nullable String wrongRelease(Message.Release release, HeldCapsule capsule) {
    HeldChain chain = capsule.chain(release.writer());
    if (chain == null
        || chain.entry.role() != RosterEntry.Role.COMPACTOR
        || release.sequence() < 1
        || release.sequence() > chain.durable.sequence()) {
      return "no such CHECKPOINT is held here";
    }
    if (!(capsule.decodeHeld(release.writer(), release.sequence()) instanceof CapsuleRecord record)
        || record.header().type() != RecordType.CHECKPOINT
        || !(CheckpointCodec.decode(record.payload())
            instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint))) {
      return "the record named is no CHECKPOINT";
    }
    for (Checkpoint.Range range : release.ranges()) {
      boolean covered =
          checkpoint.released().stream()
              .anyMatch(
                  r ->
                      r.writer() == range.writer()
                          && r.fromSequence() <= range.fromSequence()
                          && range.toSequence() <= r.toSequence());
      if (!covered) {
        return "the CHECKPOINT does not release " + range;
      }
    }
    return null;
  }

  private void releaseStep() {
    ReleaseJob job = releases.peek();
    if (job == null) {
      return;
    }
    for (int i = 0; i < STUBS_PER_STEP; i++) {
      Checkpoint.Range range = job.ranges.peek();
      if (range == null) {
        releases.remove();
        return;
      }
      job.next = Math.max(job.next, range.fromSequence());
      HeldChain chain = job.capsule.chain(range.writer());
      if (chain == null || job.next > Math.min(range.toSequence(), chain.durable.sequence())) {
        job.ranges.remove();
        job.next = 0;
        continue;
      }
      release(job.capsule, range.writer(), job.next);
      job.next++;
    }
  }

  private void release(HeldCapsule capsule, long writer, long sequence) {
    byte[] bytes;
    try {
      bytes = log.read(capsule.name, writer, sequence);
    } catch (IntegrityException damaged) {
      // Nobody needs it any more; the scrub finds it if somebody does.
      count("damaged_records", 1);
      return;
    }
    RecordType type = bytes == null ? null : RecordCodec.typeOf(bytes);
    if (bytes == null || type == null || !type.mayBeReleased() || RecordCodec.isStub(bytes)) {
      return;
    }
    if (RecordCodec.decode(capsule.name, bytes)
        instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)) {
      StoredRecord stub =
          new StoredRecord(writer, sequence, record.hash(), RecordCodec.stub(bytes));
      gathering.batch.add(w -> w.release(capsule.name, stub));
      gathering.bytes += stub.bytes().length;
      count("payloads_released", 1);
    }
  }

  // ------------------------------------------------------------------ evidence

  private void accuse(long link, Message.Accuse accuse, HeldCapsule capsule) {
    if (!canTake(link, accuse.request())) {
      return;
    }
    Decoded<Evidence> decoded =
        EvidenceCodec.decode(
            capsule.name,
            accuse.evidence().bytes(),
            writer -> {
              HeldChain chain = capsule.chain(writer);
              return chain == null ? null : chain.entry.key();
            },
            curve);
    if (!(decoded instanceof Decoded.Accepted<Evidence>(Evidence evidence))
        || (evidence instanceof Evidence.Contradiction(ContradictionProof proof)
            && !capsule.hasNamed(proof.replica()))) {
      refuse(link, accuse.request(), Refusal.INVALID, 0, 0, "this proves nothing");
      return;
    }
    if (capsule.keep(accuse.evidence())) {
      gathering.batch.add(w -> w.evidence(capsule.name, accuse.evidence()));
    }
    done(link, accuse.request());
  }

  // ------------------------------------------------------------------ for the healer

  /** Whether a capsule that a peer describes names this replica. */
  boolean concernsUs(CapsuleName name, Message.Described described) {
    return MetadataCodec.nameOf(described.metadata().bytes()).equals(name)
        && MetadataCodec.decode(described.metadata().bytes(), curve)
            instanceof Decoded.Accepted<CapsuleMetadata>(CapsuleMetadata metadata)
        && MembershipChain.verify(name, metadata, described.memberships(), curve)
            instanceof Decoded.Accepted<Membership>(Membership newest)
        && newest.names(identity.key());
  }

  Collection<HeldCapsule> capsules() {
    return capsules.values();
  }

  /** The capsule after another one, and after the last the first; null if none is held. */
  @Nullable HeldCapsule capsuleAfter(@Nullable Hash32 name) {
    Map.Entry<Hash32, HeldCapsule> next = name == null ? null : capsules.higherEntry(name);
    if (next == null) {
      next = capsules.firstEntry();
    }
    return next == null ? null : next.getValue();
  }

  @Nullable HeldCapsule capsule(CapsuleName name) {
    return capsules.get(name.hash());
  }

  /** Links to other replicas, in the order in which they came up. */
  Map<Long, PublicKey> links() {
    return links;
  }

  PublicKey self() {
    return identity.key();
  }

  /** The group that is being gathered, or null if nothing can be taken. */
  @Nullable Group taking() {
    return failure != null || gathering.bytes > MAX_GATHERED_BYTES ? null : gathering;
  }

  void count(String what, long amount) {
    counters.merge(what, amount, Long::sum);
  }

  // ------------------------------------------------------------------ status

  /** Counters and measurements, for people and metrics. */
  public List<Message.Counter> status() {
    long chains = 0;
    long unjustified = 0;
    long parked = 0;
    long evidence = 0;
    long behind = healer.recordsBehind();
    for (HeldCapsule capsule : capsules.values()) {
      chains += capsule.chains().size();
      parked += capsule.parking.size();
      evidence += capsule.evidence().size();
      unjustified += capsule.isRebuilding() ? 1 : 0;
    }
    List<Message.Counter> status = new ArrayList<>();
    status.add(new Message.Counter("capsules", capsules.size()));
    status.add(new Message.Counter("chains", chains));
    status.add(new Message.Counter("records_behind", behind));
    status.add(new Message.Counter("records_parked", parked));
    status.add(new Message.Counter("capsules_rebuilding", unjustified));
    status.add(
        new Message.Counter(
            "capsules_joining", capsules.values().stream().filter(HeldCapsule::isJoining).count()));
    status.add(new Message.Counter("evidence", evidence));
    status.add(new Message.Counter("links", links.size()));
    status.add(new Message.Counter("store_bytes", storeBytes));
    status.add(new Message.Counter("failed", failure == null ? 0 : 1));
    counters.forEach((name, value) -> status.add(new Message.Counter(name, value)));
    return status;
  }

  @Override
  public String toString() {
    return identity.toString();
  }
}
