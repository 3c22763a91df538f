package io.capsuledb.replication.client;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.replication.client.ReplicaPeer.Cursor;
import io.capsuledb.replication.client.ReplicaPeer.Flight;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Durability;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipChain;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A client of one capsule's replicas as a step function: links, messages, records to append,
 * questions and the passing of time go in; messages and outcomes come out ({@link #take}).
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a record is durable when replicas of the membership that are distinct by their keys, a
 *       quorum of them (a quorum of both sets while it is joint), have signed that they hold the
 *       chain up to it or beyond, of this capsule, on the same chain: the hash they name is the one
 *       known here for that position; and that they accepted one final head, or none ({@link
 *       Durability});
 *   <li>a statement counts only if it is of the incarnation that answered a nonce of ours last, and
 *       if the membership its replica knows is known here too;
 *   <li>a replica whose statements contradict each other counts for nothing until it has a new
 *       incarnation;
 *   <li>what one replica says without proof never stops the client: it costs that replica a strike.
 *       What is proven against a writer, or what no quorum can come to agree to, does: {@link
 *       #failure};
 *   <li>a record that was taken is tried for ever: appending twice is appending once.
 * </ul>
 *
 * <p>Replicas are met with a question: on each new link, and after each failure and a pause, one is
 * asked for its frontier with a fresh nonce, and sent what it lacks from there. One that lacks
 * records that are kept here no more heals from its peers; it is asked again now and then.
 *
 * <p>{@code now} is monotonic nanoseconds and never goes back. One thread at a time.
 */
public final class QuorumClientCore {

  /** Most reads at a time. */
  public static final int MAX_READS = 4096;

  /** Most chains whose records may be under way at a time. */
  public static final int MAX_CHAINS = 4096;

  /** Most replicas that are asked what a capsule is before its metadata is known. */
  private static final int MAX_STRANGERS = 128;

  private static final int MAX_RELEASES = 1024;
  private static final int MAX_RELEASE_TRIES = 5;
  private static final int MAX_DOUBLINGS = 16;
  private static final int MAX_ROUNDS = 1 << 20;
  private static final long FULL_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long HEAL_POLL_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long MEMBERSHIP_POLL_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long STRIKE_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int MAX_STRIKE_DOUBLINGS = 6;
  private static final long READ_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private record Appending(long ticket, Map<Long, Long> last, long sinceNanos, long deadline) {}

  private static final class Recovering {
    final long ticket;
    final Map<PublicKey, Statement> answers = new LinkedHashMap<>();

    /** What was known to be durable when it began: what became so since need not be in answers. */
    final Map<Long, ChainHead> demanded;

    long sinceNanos;
    long quorumAtNanos;
    boolean quorum;

    final long graceNanos;

    Recovering(long ticket, Map<Long, ChainHead> demanded, long now, long graceNanos) {
      this.graceNanos = graceNanos;
      this.demanded = Map.copyOf(demanded);
      this.ticket = ticket;
      this.sinceNanos = now;
    }
  }

  private final CapsuleName capsule;
  private final QuorumOptions options;
  private final Secp256k1 curve;
  private final Entropy entropy;

  private @Nullable Blob signedMetadata;
  private @Nullable CapsuleMetadata metadata;
  private @Nullable MembershipChain memberships;
  private final List<Blob> signedMemberships = new ArrayList<>();

  private final Map<PublicKey, ReplicaPeer> peers = new LinkedHashMap<>();
  private final Map<Long, ChainWindow> chains = new LinkedHashMap<>();
  private final Map<Long, RosterEntry> writers = new HashMap<>();
  private final Map<Long, ChainHead> demanded = new TreeMap<>();
  private final Set<Long> expendable = new HashSet<>();
  private final List<Appending> appendings = new ArrayList<>();
  private final Map<Long, ReadTask> reads = new LinkedHashMap<>();
  private final List<Recovering> recoveries = new ArrayList<>();
  private final List<SealRound> rounds = new ArrayList<>();
  private List<QuorumOutput> outputs = new ArrayList<>();

  private long lastRequest;
  private long lastTicket;
  private long pendingBytes;
  private long retainedBytes;
  private @Nullable CapsuleException failure;

  /** Since when there is no quorum; meaningless while there is one. */
  private long awaySinceNanos;

  private boolean away;
  private boolean clockSet;

  // Counters, for status reports.
  private long struck;
  private long accused;
  private long hedged;
  private long resent;

  /**
   * A client that knows the capsule's name.
   *
   * @param entropy for nonces and to spread retries
   */
  public QuorumClientCore(
      CapsuleName capsule, QuorumOptions options, Secp256k1 curve, Entropy entropy) {
    this.capsule = capsule;
    this.options = options;
    this.curve = curve;
    this.entropy = entropy;
  }

  /** What is to be done, and what was found out, since this was asked last. */
  public List<QuorumOutput> take() {
    List<QuorumOutput> taken = outputs;
    outputs = new ArrayList<>();
    return taken;
  }

  // ------------------------------------------------------------------ the capsule

  /**
   * Makes the capsule known. Replicas that do not hold it are told to. Without this call the first
   * replica that sends the metadata of this name makes it known.
   *
   * @throws IntegrityException if these are not the metadata that the name stands for, or not
   *     signed by the owner they name
   */
  public void know(long now, Blob metadataSigned) {
    if (!MetadataCodec.nameOf(metadataSigned.bytes()).equals(capsule)) {
      throw new IntegrityException(
          Rejection.of(Reason.MISPLACED, "the metadata are not those of capsule " + capsule));
    }
    CapsuleMetadata decoded = MetadataCodec.decode(metadataSigned.bytes(), curve).orThrow();
    if (metadata != null) {
      return;
    }
    metadata = decoded;
    signedMetadata = metadataSigned;
    memberships = MembershipChain.of(capsule, decoded);
    membershipChanged(now);
  }

  /** The metadata, or null while they are unknown. */
  public @Nullable Blob metadata() {
    return signedMetadata;
  }

  /** The newest membership that is known, or null while none is. */
  public @Nullable Membership membership() {
    MembershipChain chain = memberships;
    return chain == null ? null : chain.newest();
  }

  /** The signed memberships from version 1 on. */
  public List<Blob> signedMemberships() {
    return List.copyOf(signedMemberships);
  }

  private void membershipChanged(long now) {
    Membership current = newestMembership();
    peers.values().removeIf(p -> !current.names(p.key) && !p.linked);
    for (PublicKey replica : current.everybody()) {
      peers.computeIfAbsent(replica, key -> new ReplicaPeer(key, curve));
    }
    outputs.add(new QuorumOutput.MembershipAdopted(current));
    for (Recovering recovering : recoveries) {
      recovering.answers.clear();
      recovering.quorum = false;
      recovering.sinceNanos = now;
    }
    for (ReplicaPeer peer : peers.values()) {
      if (peer.linked && current.names(peer.key) && (!peer.synced || !recoveries.isEmpty())) {
        ask(now, peer);
      }
    }
    recountAll(now);
  }

  private Membership newestMembership() {
    return java.util.Objects.requireNonNull(membership());
  }

  private void describe(long now, ReplicaPeer peer) {
    if (peer.describeRequest == 0) {
      peer.describeRequest = ++lastRequest;
      peer.describeSentNanos = now;
      send(peer, new Message.Describe(peer.describeRequest, capsule));
    }
  }

  private void described(long now, ReplicaPeer peer, Message.Described described) {
    if (described.request() != peer.describeRequest) {
      return;
    }
    peer.describeRequest = 0;
    if (metadata == null) {
      if (!MetadataCodec.nameOf(described.metadata().bytes()).equals(capsule)
          || !(MetadataCodec.decode(described.metadata().bytes(), curve)
              instanceof Decoded.Accepted<CapsuleMetadata>)) {
        strike(now, peer, "sent metadata that are not the capsule's");
        return;
      }
      know(now, described.metadata());
      outputs.add(new QuorumOutput.MetadataFound(described.metadata()));
    }
    MembershipChain chain = java.util.Objects.requireNonNull(memberships);
    boolean longer = false;
    for (int version = 1; version <= described.memberships().size(); version++) {
      Blob signed = described.memberships().get(version - 1);
      if (version <= signedMemberships.size()) {
        // Another signature over the same membership would be another link of the chain.
        if (!signedMemberships.get(version - 1).equals(signed)) {
          strike(now, peer, "knows another membership version " + version);
          return;
        }
        continue;
      }
      if (chain.then(signed.bytes(), curve)
          instanceof Decoded.Accepted<MembershipChain>(MembershipChain next)) {
        chain = next;
        signedMemberships.add(signed);
        longer = true;
      } else {
        strike(now, peer, "sent a membership that does not follow");
        break;
      }
    }
    memberships = chain;
    if (longer) {
      membershipChanged(now);
    }
  }

  // ------------------------------------------------------------------ links

  /** There is a link to a replica, whose key it has shown to have. Repeating this does nothing. */
  public void linkUp(long now, PublicKey replica) {
    ReplicaPeer peer = peers.get(replica);
    if (peer == null) {
      // Before the metadata are known anybody may tell them; afterwards only members matter.
      if (metadata != null || peers.size() >= MAX_STRANGERS) {
        return;
      }
      peer = new ReplicaPeer(replica, curve);
      peers.put(replica, peer);
    }
    if (!peer.linked) {
      peer.linked = true;
      peer.drop();
      if (metadata == null) {
        describe(now, peer);
      } else {
        ask(now, peer);
      }
    }
  }

  /** The last link to a replica is gone, and what was under way on it. */
  public void linkDown(long now, PublicKey replica) {
    ReplicaPeer peer = peers.get(replica);
    if (peer != null && peer.linked) {
      peer.linked = false;
      lost(now, peer);
    }
  }

  /** A message that was taken out could not be sent. */
  public void notSent(long now, PublicKey replica, Message message) {
    ReplicaPeer peer = peers.get(replica);
    if (peer == null || !(message instanceof Message.Request request)) {
      return;
    }
    switch (request) {
      case Message.Append append -> {
        if (peer.flights.containsKey(append.request())) {
          rest(now, peer);
        }
      }
      case Message.AskFrontier _ -> {
        if (peer.probe != null && peer.probe.request() == request.request()) {
          rest(now, peer);
        }
      }
      case Message.ReadHash _, Message.ReadRange _ -> readFailed(now, request.request());
      default -> {
        // Asked again when its answer is overdue.
      }
    }
  }

  /** Everything under way to a replica is taken for lost. */
  private void lost(long now, ReplicaPeer peer) {
    peer.drop();
    for (ReadTask task : List.copyOf(reads.values())) {
      if (task.outstanding.values().removeIf(a -> a.replica().equals(peer.key))) {
        dispatch(now, task);
      }
    }
  }

  /** Lets a replica be for a while; then it is asked what it holds. */
  private void rest(long now, ReplicaPeer peer) {
    lost(now, peer);
    peer.restUntilNanos = now + backoff(peer.failures);
    peer.failures = Math.min(peer.failures + 1, MAX_DOUBLINGS);
  }

  /** Between half of it and all of it, so that clients do not come back together. */
  private long backoff(int failures) {
    long most =
        Math.min(options.maxBackoffMs(), options.backoffMs() << Math.min(failures, MAX_DOUBLINGS));
    long nanos = TimeUnit.MILLISECONDS.toNanos(most);
    byte[] random = new byte[Long.BYTES];
    entropy.fill(random);
    return nanos / 2 + Long.remainderUnsigned(LittleEndian.getLong(random, 0), nanos / 2 + 1);
  }

  private void ask(long now, ReplicaPeer peer) {
    byte[] nonce = new byte[Hash32.BYTES];
    entropy.fill(nonce);
    Hash32 fresh = Hash32.of(nonce);
    peer.probe = new ReplicaPeer.Probe(++lastRequest, fresh, now, peer.newestNumber());
    send(peer, new Message.AskFrontier(lastRequest, capsule, fresh));
  }

  private void send(ReplicaPeer peer, Message message) {
    outputs.add(new QuorumOutput.Send(peer.key, message));
  }

  private void strike(long now, ReplicaPeer peer, String reason) {
    struck++;
    peer.avoidedUntilNanos = now + (STRIKE_NANOS << Math.min(peer.strikes, MAX_STRIKE_DOUBLINGS));
    peer.strikes = Math.min(peer.strikes + 1, MAX_STRIKE_DOUBLINGS);
    outputs.add(new QuorumOutput.Struck(peer.key, reason));
  }

  /** What a replica sent as an answer to a read turned out to be wrong. */
  public void blame(long now, PublicKey replica, String reason) {
    ReplicaPeer peer = peers.get(replica);
    if (peer != null) {
      strike(now, peer, reason);
    }
  }

  // ------------------------------------------------------------------ messages

  /** A replica said something. */
  public void received(long now, PublicKey replica, Message message) {
    ReplicaPeer peer = peers.get(replica);
    if (peer == null || !peer.linked || failure != null) {
      return;
    }
    if (message instanceof Message.AskCapsules) {
      // A replica that holds nothing yet asks everybody: it cannot know who its peers are.
      return;
    }
    if (!(message instanceof Message.Reply reply)) {
      strike(now, peer, "asks a client");
      return;
    }
    if (metadata == null) {
      if (reply instanceof Message.Described described) {
        described(now, peer, described);
      }
      return;
    }
    switch (reply) {
      case Message.Held held -> held(now, peer, held);
      case Message.Sealed sealed ->
          statement(now, peer, sealed.statement(), Statement.Kind.SEALED, null);
      case Message.Frontier frontier -> frontier(now, peer, frontier);
      case Message.Refused refused -> refused(now, peer, refused);
      case Message.Records records -> records(now, peer, records);
      case Message.Described described -> described(now, peer, described);
      case Message.Done done -> done(now, peer, done);
      case Message.Capsules _, Message.Status _, Message.Evidence _ -> {
        // Nothing here asks for them.
      }
      case Message.Listening _, Message.Relayed _ -> {
        // The shell's, whose frames are no matter of quorums.
      }
    }
    pump(now, peer);
  }

  /**
   * Checks a statement and takes it.
   *
   * @return whether it counts
   */
  private boolean statement(
      long now,
      ReplicaPeer peer,
      SignedStatement signed,
      Statement.Kind kind,
      ReplicaPeer.@Nullable Probe probed) {
    Statement said = signed.statement();
    if (said.kind() != kind
        || !said.replica().equals(peer.key)
        || !said.capsule().equals(capsule)
        || (probed != null && !said.nonce().equals(probed.nonce()))
        || !(peer.hasTaken(signed) || StatementCodec.verify(signed, curve))) {
      strike(now, peer, "sent a statement that is not its own, or not about this");
      return false;
    }
    switch (peer.take(signed, probed, this::matters)) {
      case TAKEN -> {}
      case OTHER_INCARNATION -> {
        if (peer.probe == null) {
          rest(now, peer);
        }
        return false;
      }
      case ROLLED_BACK -> {
        strike(now, peer, "was rolled back: its statements' numbers start again");
        rest(now, peer);
        return false;
      }
      case CONTRADICTION -> {
        convict(now, peer);
        return false;
      }
    }
    if (said.membership() > newestMembership().version()) {
      describe(now, peer);
    }
    boolean refuses = false;
    if (kind == Statement.Kind.FRONTIER) {
      for (ChainWindow chain : chains.values()) {
        suspect(now, peer, chain);
        refuses |= isPastItsSeal(peer, chain);
      }
      recountAll(now);
    } else {
      for (Statement.Entry entry : said.entries()) {
        ChainWindow chain = chains.get(entry.writer());
        if (chain != null) {
          suspect(now, peer, chain);
          refuses |= isPastItsSeal(peer, chain);
          recount(now, chain);
        }
      }
    }
    if (refuses) {
      judgeRefusals();
    }
    judgeRounds();
    return true;
  }

  /**
   * Whether a replica says that it will not take what is appended here. One that already holds it,
   * from before it promised, is sent nothing more, and would never be heard to refuse it.
   */
  private static boolean isPastItsSeal(ReplicaPeer peer, ChainWindow chain) {
    long writer = chain.writer();
    SealState seal = peer.seal(writer);
    if (chain.durable() >= chain.newest() || seal.limit() >= chain.newest()) {
      return false;
    }
    peer.refusing.putIfAbsent(
        writer,
        Refusal.SEALED
            + ": its writer is sealed at "
            + seal.limit()
            + " by "
            + Long.toHexString(seal.promised().sealer()));
    return true;
  }

  private boolean matters(long writer) {
    return chains.containsKey(writer)
        || rounds.stream().anyMatch(r -> r.order().writer() == writer);
  }

  private void convict(long now, ReplicaPeer peer) {
    ContradictionProof proof = java.util.Objects.requireNonNull(peer.contradiction());
    if (!peer.convicted) {
      peer.convicted = true;
      accused++;
      strike(now, peer, "contradicts itself: " + proof.reason());
      Blob evidence = Blob.of(proof.encode());
      outputs.add(new QuorumOutput.Accused(peer.key, evidence));
      accuse(evidence);
      recountAll(now);
    }
    rest(now, peer);
  }

  private void accuse(Blob evidence) {
    for (ReplicaPeer peer : peers.values()) {
      if (peer.linked) {
        send(peer, new Message.Accuse(++lastRequest, capsule, evidence));
      }
    }
  }

  private void held(long now, ReplicaPeer peer, Message.Held held) {
    Flight flight = peer.flights.get(held.request());
    if (!statement(now, peer, held.statement(), Statement.Kind.HELD, null)) {
      if (peer.flights.containsKey(held.request())) {
        rest(now, peer);
      }
      return;
    }
    if (flight == null || peer.flights.remove(held.request()) == null) {
      return;
    }
    peer.flightBytes -= flight.bytes();
    for (Map.Entry<Long, Long> sent : flight.last().entrySet()) {
      if (peer.head(sent.getKey()).sequence() < sent.getValue()) {
        // It says that it is done, and does not say that it holds what it was sent.
        rest(now, peer);
        return;
      }
      peer.refusing.remove(sent.getKey());
    }
    peer.failures = 0;
    peer.full = false;
  }

  private void frontier(long now, ReplicaPeer peer, Message.Frontier frontier) {
    ReplicaPeer.Probe probe = peer.probe;
    if (probe == null || probe.request() != frontier.request()) {
      return;
    }
    peer.probe = null;
    if (!statement(now, peer, frontier.statement(), Statement.Kind.FRONTIER, probe)) {
      if (peer.synced || peer.restUntilNanos <= now) {
        rest(now, peer);
      }
      return;
    }
    peer.took(now - probe.sentNanos());
    if (peer.convicted) {
      rest(now, peer);
      return;
    }
    boolean first = !peer.synced;
    peer.synced = true;
    if (first) {
      peer.cursors.clear();
    } else {
      peer.cursors.values().removeIf(c -> c.lagging);
    }
    Statement said = frontier.statement().statement();
    if (said.membership() < newestMembership().version()) {
      install(now, peer, said.membership() + 1);
    }
    if (said.membership() <= newestMembership().version()) {
      for (Recovering recovering : recoveries) {
        if (probe.sentNanos() >= recovering.sinceNanos) {
          recovering.answers.put(peer.key, said);
        }
      }
    }
    judgeRecoveries(now);
    trim();
  }

  private void install(long now, ReplicaPeer peer, int version) {
    if (peer.installRequest == 0 && version >= 1 && version <= signedMemberships.size()) {
      peer.installing = version;
      peer.installSentNanos = now;
      peer.installRequest = ++lastRequest;
      send(
          peer,
          new Message.Install(peer.installRequest, capsule, signedMemberships.get(version - 1)));
    }
  }

  private void done(long now, ReplicaPeer peer, Message.Done done) {
    if (done.request() == 0) {
      return;
    }
    if (done.request() == peer.foundRequest) {
      peer.foundRequest = 0;
      if (signedMemberships.isEmpty()) {
        ask(now, peer);
      } else {
        install(now, peer, 1);
      }
    } else if (done.request() == peer.installRequest) {
      peer.installRequest = 0;
      if (peer.installing < signedMemberships.size()) {
        install(now, peer, peer.installing + 1);
      } else if (!peer.synced) {
        ask(now, peer);
      }
    } else if (done.request() == peer.releaseRequest) {
      peer.releaseRequest = 0;
      peer.releaseTries = 0;
      peer.releases.poll();
      sendRelease(now, peer);
    }
  }

  private void refused(long now, ReplicaPeer peer, Message.Refused refused) {
    long request = refused.request();
    Flight flight = peer.flights.remove(request);
    if (flight != null) {
      peer.flightBytes -= flight.bytes();
      appendRefused(now, peer, flight, refused);
      return;
    }
    if (peer.probe != null && request == peer.probe.request()) {
      peer.probe = null;
      if (refused.code() == Refusal.UNKNOWN_CAPSULE) {
        found(now, peer);
      } else {
        noteFull(now, peer, refused.code());
        rest(now, peer);
      }
    } else if (request != 0 && request == peer.foundRequest) {
      peer.foundRequest = 0;
      noteFull(now, peer, refused.code());
      rest(now, peer);
    } else if (request != 0 && request == peer.installRequest) {
      peer.installRequest = 0;
      describe(now, peer);
      if (!peer.synced) {
        rest(now, peer);
      }
    } else if (request != 0 && request == peer.describeRequest) {
      peer.describeRequest = 0;
    } else if (request != 0 && request == peer.releaseRequest) {
      releaseRefused(now, peer);
    } else if (request != 0 && request == peer.inquiryRequest) {
      peer.inquiryRequest = 0;
    } else {
      readFailed(now, request);
    }
  }

  private void noteFull(long now, ReplicaPeer peer, Refusal code) {
    if (code == Refusal.FULL) {
      peer.full = true;
      peer.fullUntilNanos = now + FULL_NANOS;
    }
  }

  private void found(long now, ReplicaPeer peer) {
    Blob known = signedMetadata;
    if (known != null && peer.foundRequest == 0) {
      rest(now, peer);
      peer.foundRequest = ++lastRequest;
      send(peer, new Message.Found(peer.foundRequest, capsule, known));
    }
  }

  private void appendRefused(long now, ReplicaPeer peer, Flight flight, Message.Refused refused) {
    switch (refused.code()) {
      case GAP -> gap(now, peer, flight, refused);
      case BUSY, DAMAGED, DENIED, JOINING -> rest(now, peer);
      case FULL -> {
        noteFull(now, peer, refused.code());
        rest(now, peer);
      }
      case UNKNOWN_CAPSULE -> found(now, peer);
      case NOT_A_MEMBER, STALE_MEMBERSHIP -> {
        rest(now, peer);
        describe(now, peer);
      }
      case INVALID, SEALED, EQUIVOCATION -> {
        for (long writer : flight.last().keySet()) {
          if (refused.writer() == 0 || refused.writer() == writer) {
            peer.refusing.put(writer, refused.code() + ": " + refused.detail());
          }
        }
        rest(now, peer);
        if (refused.code() == Refusal.EQUIVOCATION) {
          inquire(peer, refused.writer(), refused.sequence());
        }
        judgeRefusals();
      }
    }
  }

  /** A quorum can no longer come about for a chain: nothing that can be repeated will help. */
  private void judgeRefusals() {
    for (ChainWindow chain : List.copyOf(chains.values())) {
      if (chain.durable() < chain.newest()
          && !newestMembership().isQuorum(r -> !peer(r).refusing.containsKey(chain.writer()))) {
        String why = "";
        for (ReplicaPeer peer : peers.values()) {
          String reason = peer.refusing.get(chain.writer());
          why = reason == null ? why : reason;
        }
        if (expendable.contains(chain.writer())) {
          abandon(chain.writer());
          continue;
        }
        fail(
            new IntegrityException(
                Rejection.of(
                    why.startsWith(Refusal.SEALED.name())
                        ? Reason.SEALED_WRITER
                        : why.startsWith(Refusal.EQUIVOCATION.name())
                            ? Reason.EQUIVOCATION
                            : Reason.MISPLACED,
                    why.startsWith(Refusal.SEALED.name())
                        ? "this node was replaced by another one: writer "
                            + Long.toHexString(chain.writer())
                            + " was sealed: "
                            + why
                        : "replicas refuse records of writer "
                            + Long.toHexString(chain.writer())
                            + " for good: "
                            + why)));
        return;
      }
    }
  }

  private void gap(long now, ReplicaPeer peer, Flight flight, Message.Refused refused) {
    ChainWindow chain = chains.get(refused.writer());
    Cursor cursor = peer.cursors.get(refused.writer());
    Long first = flight.first().get(refused.writer());
    if (chain == null || cursor == null || first == null || refused.sequence() < 1) {
      rest(now, peer);
      return;
    }
    if (flight.request() < cursor.rewoundAt) {
      // Sent before sending went back: the same gap, seen again.
      return;
    }
    if (refused.sequence() >= first) {
      // It misses what it was sent.
      rest(now, peer);
      return;
    }
    resent++;
    cursor.rewoundAt = lastRequest + 1;
    cursor.next = refused.sequence();
    if (refused.sequence() <= peer.head(refused.writer()).sequence()) {
      // It has signed that it holds this. What it signs next will say.
      rest(now, peer);
    } else if (refused.sequence() <= chain.base()) {
      cursor.lagging = true;
      peer.pollAtNanos = now + HEAL_POLL_NANOS;
    }
  }

  // ------------------------------------------------------------------ appending

  /** Whether so many bytes more may be appended now. */
  public boolean hasRoom(long bytes) {
    return pendingBytes == 0 || pendingBytes + bytes <= options.maxPendingBytes();
  }

  /** Bytes that were taken and are not durable. */
  public long pendingBytes() {
    return pendingBytes;
  }

  /**
   * Makes a writer's key known, so that what replicas claim of its chain can be held against them.
   * Chains that are appended from their ROSTER on need no introduction.
   */
  public void introduce(RosterEntry entry) {
    writers.put(entry.writer(), entry);
  }

  /**
   * Takes records, each the next of its chain. They are tried until they are durable.
   *
   * @param own whether nobody but this client writes these chains
   * @param deadlineNanos when whoever waits is told that the outcome is unknown
   * @return the ticket of a {@link QuorumOutput.Appended}
   * @throws IllegalArgumentException if a record does not follow the one before it
   * @throws UnavailableException without room for them ({@link #hasRoom})
   */
  public long append(long now, boolean own, List<StoredRecord> records, long deadlineNanos) {
    CapsuleException failed = failure;
    if (failed != null) {
      throw failed;
    }
    long bytes = 0;
    for (StoredRecord record : records) {
      bytes += record.bytes().length;
    }
    if (!hasRoom(bytes)) {
      throw new UnavailableException("too much is waiting for a quorum of replicas");
    }
    Map<Long, Long> last = new TreeMap<>();
    for (StoredRecord record : records) {
      ChainWindow chain = chains.get(record.writer());
      if (chain == null) {
        chain = begin(record, own);
      } else if (own) {
        chain.becomesOwn();
      }
      chain.add(record);
      pendingBytes += record.bytes().length;
      retainedBytes += record.bytes().length;
      last.put(record.writer(), record.sequence());
    }
    Appending appending = new Appending(++lastTicket, last, now, deadlineNanos);
    appendings.add(appending);
    peers.values().forEach(peer -> pump(now, peer));
    // Replicas may have said that they hold it before it was appended here: after a restart.
    last.keySet()
        .forEach(writer -> recount(now, java.util.Objects.requireNonNull(chains.get(writer))));
    return appending.ticket;
  }

  private ChainWindow begin(StoredRecord record, boolean own) {
    if (chains.size() >= MAX_CHAINS) {
      for (ChainWindow chain : List.copyOf(chains.values())) {
        if (!chain.isOwn()) {
          forget(chain.writer());
        }
      }
      if (chains.size() >= MAX_CHAINS) {
        throw new UnavailableException("records of " + chains.size() + " chains are under way");
      }
    }
    SignedHeader header = RecordCodec.decodeStored(capsule, record.bytes()).orThrow();
    if (header.header().type() == RecordType.ROSTER
        && header instanceof CapsuleRecord roster
        && RosterCodec.decode(
                capsule, roster.payload(), java.util.Objects.requireNonNull(metadata), curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      entries.forEach(entry -> writers.putIfAbsent(entry.writer(), entry));
    }
    ChainWindow chain =
        new ChainWindow(record.writer(), own, record.sequence() - 1, header.header().previous());
    chains.put(record.writer(), chain);
    return chain;
  }

  /**
   * Lets go of a chain whose records are all durable; does nothing if some are not. For chains of
   * others that were brought to a quorum once.
   */
  public void forget(long writer) {
    ChainWindow chain = chains.get(writer);
    if (chain != null && chain.durable() == chain.newest()) {
      retainedBytes -= chain.trim(chain.newest());
      chains.remove(writer);
      peers.values().forEach(peer -> peer.forget(writer));
    }
  }

  /**
   * Gives a chain up, whatever of it is durable: nothing of it is sent any more, and appends with
   * records of it come to no end ({@link QuorumOutput.Abandoned}). For a writer that was sealed
   * before it wrote anything that matters.
   */
  public void abandon(long writer) {
    expendable.remove(writer);
    ChainWindow chain = chains.remove(writer);
    if (chain == null) {
      return;
    }
    pendingBytes -= chain.pendingBytes();
    retainedBytes -= chain.retainedBytes();
    demanded.remove(writer);
    peers.values().forEach(peer -> peer.forget(writer));
    appendings.removeIf(
        appending -> {
          boolean gone = appending.last.containsKey(writer);
          if (gone) {
            outputs.add(new QuorumOutput.Abandoned(appending.ticket));
          }
          return gone;
        });
  }

  /**
   * Says that a chain may come to its end while this client goes on: when replicas refuse its
   * records for good, it is given up ({@link #abandon}), and nothing else fails. Before anything of
   * it is appended.
   */
  public void expendable(long writer) {
    expendable.add(writer);
  }

  /** Up to where a chain is known to be durable; 0 if nothing of it was appended here. */
  public long durable(long writer) {
    ChainWindow chain = chains.get(writer);
    return chain == null ? 0 : chain.durable();
  }

  /** Sends a replica what it lacks, as far as there is room in its window. */
  private void pump(long now, ReplicaPeer peer) {
    if (!peer.linked || !peer.synced || peer.convicted || failure != null) {
      return;
    }
    while (peer.flightBytes < options.flightBytes() || peer.flights.isEmpty()) {
      List<Blob> records = new ArrayList<>();
      Map<Long, Long> first = new TreeMap<>();
      Map<Long, Long> last = new TreeMap<>();
      long bytes = 0;
      for (ChainWindow chain : chains.values()) {
        String refused = peer.refusing.get(chain.writer());
        if (refused != null && refused.startsWith(Refusal.SEALED.name())) {
          // Promised is promised. The others may still make a quorum.
          continue;
        }
        Cursor cursor = cursor(now, peer, chain);
        while (!cursor.lagging
            && cursor.next <= chain.newest()
            && records.size() < Message.MAX_RECORDS) {
          StoredRecord record = chain.at(cursor.next);
          if (record == null) {
            cursor.lagging = true;
            peer.pollAtNanos = now + HEAL_POLL_NANOS;
            break;
          }
          if (!records.isEmpty() && bytes + record.bytes().length > QuorumOptions.MESSAGE_BYTES) {
            break;
          }
          records.add(Blob.of(record.bytes()));
          bytes += record.bytes().length;
          first.putIfAbsent(chain.writer(), cursor.next);
          last.put(chain.writer(), cursor.next);
          cursor.next++;
        }
      }
      if (records.isEmpty()) {
        return;
      }
      Flight flight = new Flight(++lastRequest, now, bytes, first, last);
      peer.flights.put(flight.request(), flight);
      peer.flightBytes += bytes;
      send(peer, new Message.Append(flight.request(), capsule, records));
    }
  }

  private static Cursor cursor(long now, ReplicaPeer peer, ChainWindow chain) {
    return peer.cursors.computeIfAbsent(
        chain.writer(),
        w -> {
          Cursor cursor = new Cursor();
          long head = peer.head(w).sequence();
          cursor.next = Math.min(head, chain.newest()) + 1;
          if (head < chain.base()) {
            cursor.lagging = true;
            peer.pollAtNanos = now + HEAL_POLL_NANOS;
          }
          return cursor;
        });
  }

  // ------------------------------------------------------------------ counting

  private ReplicaPeer peer(PublicKey replica) {
    return java.util.Objects.requireNonNull(peers.get(replica));
  }

  /** Up to where a replica's signed word counts for a chain. */
  private long counted(PublicKey replica, ChainWindow chain) {
    Statement.Entry entry = countedEntry(replica, chain);
    return entry == null ? 0 : entry.head().sequence();
  }

  /** What a replica signed of a chain, if it counts and is about the chain that is known here. */
  private Statement.@Nullable Entry countedEntry(PublicKey replica, ChainWindow chain) {
    ReplicaPeer peer = peer(replica);
    SignedStatement signed = peer.statementOf(chain.writer());
    if (peer.convicted
        || !peer.isConfirmed()
        || signed == null
        || signed.statement().membership() > newestMembership().version()) {
      return null;
    }
    Statement.Entry entry = signed.statement().entry(chain.writer());
    if (entry == null || entry.head().sequence() == 0 || entry.head().sequence() > chain.newest()) {
      return null;
    }
    Hash32 here = chain.hashAt(entry.head().sequence());
    return here != null && here.equals(entry.head().hash()) ? entry : null;
  }

  private void recountAll(long now) {
    List.copyOf(chains.values()).forEach(chain -> recount(now, chain));
    judgeRounds();
  }

  private void recount(long now, ChainWindow chain) {
    Membership current = newestMembership();
    Map<PublicKey, Statement.Entry> counts = new HashMap<>();
    for (PublicKey replica : current.everybody()) {
      Statement.Entry entry = countedEntry(replica, chain);
      if (entry != null) {
        counts.put(replica, entry);
      }
    }
    long durable = chain.durable();
    for (Statement.Entry entry : counts.values()) {
      long candidate = entry.head().sequence();
      if (candidate > durable && Durability.isDurable(current, counts, candidate)) {
        durable = candidate;
      }
    }
    if (durable > chain.durable()) {
      pendingBytes -= chain.advance(durable);
      if (chain.isOwn()) {
        demanded.put(chain.writer(), chain.durableHead());
      }
      outputs.add(new QuorumOutput.Durable(chain.writer(), durable));
      completeAppends(now);
      trim();
    }
  }

  private void completeAppends(long now) {
    appendings.removeIf(
        appending -> {
          boolean all =
              appending.last.entrySet().stream().allMatch(e -> durable(e.getKey()) >= e.getValue());
          if (all) {
            outputs.add(new QuorumOutput.Appended(appending.ticket, null));
            return true;
          }
          return false;
        });
    noteAvailability(now);
  }

  /** Lets go of what everybody has, and of what a quorum has where too much is kept. */
  private void trim() {
    Membership current = membership();
    if (current == null) {
      return;
    }
    for (ChainWindow chain : chains.values()) {
      long everybody = chain.durable();
      for (PublicKey replica : current.everybody()) {
        everybody = Math.min(everybody, Math.max(counted(replica, chain), chain.base()));
      }
      retainedBytes -= chain.trim(everybody);
    }
    if (retainedBytes - pendingBytes > options.windowBytes()) {
      for (ChainWindow chain : chains.values()) {
        long excess = retainedBytes - pendingBytes - options.windowBytes();
        while (excess > 0 && chain.base() < chain.durable()) {
          long freed = chain.trim(chain.base() + 1);
          retainedBytes -= freed;
          excess -= freed;
        }
      }
    }
  }

  // ------------------------------------------------------------------ suspicion

  /**
   * Looks whether what a replica claims of a chain of ours can be true, and has it show the record
   * if not: with the record there is proof against the writer, without it the replica is wrong.
   */
  private void suspect(long now, ReplicaPeer peer, ChainWindow chain) {
    ChainHead head = peer.head(chain.writer());
    Hash32 here = chain.hashAt(head.sequence());
    boolean other = head.sequence() > 0 && here != null && !here.equals(head.hash());
    boolean beyond = chain.isOwn() && head.sequence() > chain.newest();
    if (other || beyond) {
      strike(now, peer, "claims " + (other ? "another record" : "records") + " of a chain of ours");
      inquire(peer, chain.writer(), beyond ? chain.newest() + 1 : head.sequence());
    }
  }

  private void inquire(ReplicaPeer peer, long writer, long sequence) {
    if (peer.inquiryRequest == 0 && peer.linked && writer > 0 && sequence > 0) {
      peer.inquiryRequest = ++lastRequest;
      peer.inquiryWriter = writer;
      peer.inquirySequence = sequence;
      send(
          peer,
          new Message.ReadRange(
              peer.inquiryRequest, capsule, writer, sequence, sequence, Message.MAX_RECORD_BYTES));
    }
  }

  private void inquired(long now, ReplicaPeer peer, Message.Records records) {
    peer.inquiryRequest = 0;
    RosterEntry entry = writers.get(peer.inquiryWriter);
    ChainWindow chain = chains.get(peer.inquiryWriter);
    if (entry == null
        || chain == null
        || records.records().size() != 1
        || !(RecordCodec.decodeStored(capsule, records.records().getFirst().bytes())
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader theirs))
        || theirs.header().writer() != peer.inquiryWriter
        || theirs.header().sequence() != peer.inquirySequence
        || !theirs.isSignedBy(entry.key(), curve)) {
      strike(now, peer, "cannot show a record that it claims to hold");
      return;
    }
    StoredRecord ours = chain.at(peer.inquirySequence);
    if (ours == null) {
      if (chain.isOwn() && peer.inquirySequence > chain.newest()) {
        fail(
            new IntegrityException(
                Rejection.of(
                    Reason.EQUIVOCATION,
                    theirs + " is signed with this writer's key, and was not written here")));
      }
      return;
    }
    EquivocationProof proof =
        EquivocationProof.of(
            RecordCodec.decodeStored(capsule, ours.bytes()).orThrow(), theirs, entry.key(), curve);
    if (proof != null) {
      Blob evidence = Blob.of(proof.encode());
      accused++;
      outputs.add(new QuorumOutput.Accused(null, evidence));
      accuse(evidence);
      fail(
          new IntegrityException(
              Rejection.of(
                  Reason.EQUIVOCATION, theirs + " and " + ours + " share one sequence number")));
    }
  }

  private void fail(CapsuleException cause) {
    if (failure == null) {
      failure = cause;
      outputs.add(new QuorumOutput.Failed(cause));
    }
  }

  /** Why nothing more is done, or null. */
  public @Nullable CapsuleException failure() {
    return failure;
  }

  // ------------------------------------------------------------------ certificates

  /**
   * The statements that make a record durable: with the metadata, the memberships and the headers
   * between their heads, a certificate. Only the newest statement of each replica is kept, so those
   * for an old record have heads far beyond it.
   *
   * @return a quorum's, those with the smallest heads at or beyond the record, or null if they are
   *     not there
   */
  public @Nullable List<SignedStatement> vouchers(long writer, long sequence) {
    ChainWindow chain = chains.get(writer);
    Membership current = membership();
    if (chain == null || current == null || sequence < 1) {
      return null;
    }
    // Of one ballot: see Durability.
    Map<Ballot, Map<PublicKey, SignedStatement>> byBallot = new TreeMap<>();
    current.everybody().stream()
        .filter(r -> counted(r, chain) >= sequence)
        .sorted(Comparator.comparingLong(r -> counted(r, chain)))
        .forEach(
            replica -> {
              SignedStatement signed = peer(replica).statementOf(writer);
              // What a replica says when it seals is no acknowledgement of records; and whoever
              // checks a certificate knows one membership only.
              if (signed != null
                  && signed.statement().kind() != Statement.Kind.SEALED
                  && signed.statement().membership() == current.version()) {
                Map<PublicKey, SignedStatement> taken =
                    byBallot.computeIfAbsent(
                        peer(replica).seal(writer).accepted(), b -> new LinkedHashMap<>());
                if (!current.isQuorum(taken::containsKey)) {
                  taken.put(replica, signed);
                }
              }
            });
    for (Map<PublicKey, SignedStatement> taken : byBallot.values()) {
      if (current.isQuorum(taken::containsKey)) {
        return List.copyOf(taken.values());
      }
    }
    return null;
  }

  // ------------------------------------------------------------------ reads

  /**
   * Reads the record with a hash.
   *
   * @param whole whether its payload is wanted, if anybody has it
   * @return the ticket of a {@link QuorumOutput.Read}
   * @throws UnavailableException if too many reads are under way
   */
  public long read(long now, Hash32 hash, boolean whole, long deadlineNanos) {
    return read(now, new ReadTask(++lastTicket, hash, whole, deadlineNanos));
  }

  /**
   * Reads records of a writer: the first of them, as far as {@code maxBytes} reaches.
   *
   * @return the ticket of a {@link QuorumOutput.Read}
   * @throws UnavailableException if too many reads are under way
   */
  public long readRange(
      long now, long writer, long from, long to, int maxBytes, long deadlineNanos) {
    return read(
        now,
        new ReadTask(
            ++lastTicket,
            writer,
            from,
            Math.min(to, from + Message.MAX_RECORDS - 1),
            maxBytes,
            deadlineNanos));
  }

  private long read(long now, ReadTask task) {
    if (reads.size() >= MAX_READS) {
      throw new UnavailableException("too many reads are waiting for replicas");
    }
    reads.put(task.ticket, task);
    dispatch(now, task);
    return task.ticket;
  }

  /** Asks the best replica that was not asked in this round. */
  private void dispatch(long now, ReadTask task) {
    if (!reads.containsKey(task.ticket) || metadata == null) {
      return;
    }
    ReplicaPeer best = null;
    for (PublicKey replica : newestMembership().everybody()) {
      ReplicaPeer peer = peer(replica);
      if (peer.linked
          && !task.triedThisRound.contains(replica)
          && !task.nothing.contains(replica)
          && (best == null || cost(now, peer) < cost(now, best))) {
        best = peer;
      }
    }
    if (best == null) {
      if (task.outstanding.isEmpty()) {
        task.triedThisRound.clear();
        task.rounds = Math.min(task.rounds + 1, MAX_ROUNDS);
        task.askAgainAtNanos =
            now + (READ_PAUSE_NANOS << Math.min(task.rounds, MAX_STRIKE_DOUBLINGS));
      }
      return;
    }
    long request = ++lastRequest;
    task.triedThisRound.add(best.key);
    task.outstanding.put(request, new ReadTask.Asked(best.key, now));
    task.askAgainAtNanos =
        now
            + Math.min(
                TimeUnit.MILLISECONDS.toNanos(options.requestTimeoutMs()),
                Math.max(
                    TimeUnit.MILLISECONDS.toNanos(options.hedgeMs()), (long) best.slowNanos()));
    send(best, task.request(request, capsule));
  }

  /** Smaller is better: those that were wrong last, those that are slow later. */
  private static double cost(long now, ReplicaPeer peer) {
    double avoided = now < peer.avoidedUntilNanos || peer.convicted ? 1e18 * (1 + peer.strikes) : 0;
    return avoided + (peer.synced ? 0 : 1e17) + peer.meanNanos;
  }

  private @Nullable ReadTask taskOf(long request) {
    for (ReadTask task : reads.values()) {
      if (task.outstanding.containsKey(request)) {
        return task;
      }
    }
    return null;
  }

  private void readFailed(long now, long request) {
    ReadTask task = taskOf(request);
    if (task != null) {
      task.outstanding.remove(request);
      dispatch(now, task);
    }
  }

  private void records(long now, ReplicaPeer peer, Message.Records records) {
    if (records.request() != 0 && records.request() == peer.inquiryRequest) {
      inquired(now, peer, records);
      return;
    }
    ReadTask task = taskOf(records.request());
    if (task == null) {
      return;
    }
    ReadTask.Asked asked = task.outstanding.get(records.request());
    if (asked == null || !asked.replica().equals(peer.key)) {
      strike(now, peer, "answers what another was asked");
      return;
    }
    task.outstanding.remove(records.request());
    switch (task.judge(capsule, records.records())) {
      case RIGHT -> {
        peer.took(now - asked.sentNanos());
        if (task.whole && RecordCodec.isStub(records.records().getFirst().bytes())) {
          task.stub = records.records().getFirst();
          task.stubFrom = peer.key;
          nothing(now, task, peer);
        } else {
          peer.strikes = 0;
          finish(task, records.records(), peer.key, null);
        }
      }
      case NOTHING -> {
        peer.took(now - asked.sentNanos());
        nothing(now, task, peer);
      }
      case WRONG -> {
        strike(now, peer, "sent something else than it was asked for");
        dispatch(now, task);
      }
    }
  }

  private void nothing(long now, ReadTask task, ReplicaPeer peer) {
    task.nothing.add(peer.key);
    Membership current = newestMembership();
    boolean everybody =
        current.everybody().stream().allMatch(r -> task.nothing.contains(r) || !peer(r).linked);
    if (everybody && current.isQuorum(task.nothing::contains)) {
      finishWithNothing(task);
    } else {
      dispatch(now, task);
    }
  }

  private void finishWithNothing(ReadTask task) {
    Blob stub = task.stub;
    finish(task, stub == null ? List.of() : List.of(stub), task.stubFrom, null);
  }

  private void finish(
      ReadTask task,
      List<Blob> found,
      @Nullable PublicKey from,
      @Nullable CapsuleException failed) {
    reads.remove(task.ticket);
    outputs.add(new QuorumOutput.Read(task.ticket, found, from, failed));
  }

  // ------------------------------------------------------------------ recovery

  /**
   * Asks what replicas hold, each with a fresh nonce, until a quorum has answered and everybody
   * else has or had a little time to.
   *
   * @return the ticket of a {@link QuorumOutput.Recovered}
   */
  public long recoverFrontier(long now) {
    return recoverFrontier(now, TimeUnit.MILLISECONDS.toNanos(options.recoveryGraceMs()));
  }

  /**
   * The same with less time for those that answer after a quorum did: for whoever asks often, and
   * needs no more than a quorum.
   */
  public long recoverFrontier(long now, long graceNanos) {
    Recovering recovering = new Recovering(++lastTicket, demanded, now, graceNanos);
    recoveries.add(recovering);
    if (metadata != null) {
      for (ReplicaPeer peer : peers.values()) {
        if (peer.linked && peer.foundRequest == 0 && peer.installRequest == 0) {
          ask(now, peer);
        }
      }
    }
    return recovering.ticket;
  }

  /**
   * Says that a head is known to be durable, by a certificate for example: a recovery that finds
   * nobody who holds it is a failure and not a silent loss.
   */
  public void demand(long writer, ChainHead head) {
    demanded.merge(writer, head, (a, b) -> a.sequence() >= b.sequence() ? a : b);
  }

  private void judgeRecoveries(long now) {
    for (Recovering recovering : List.copyOf(recoveries)) {
      Membership current = newestMembership();
      Map<PublicKey, Statement> answers = recovering.answers;
      if (!current.isQuorum(answers::containsKey)) {
        continue;
      }
      if (!recovering.quorum) {
        recovering.quorum = true;
        recovering.quorumAtNanos = now;
      }
      boolean everybody = current.everybody().stream().allMatch(answers::containsKey);
      if (everybody || now - recovering.quorumAtNanos >= recovering.graceNanos) {
        recoveries.remove(recovering);
        Map<PublicKey, Statement> ofMembers = new LinkedHashMap<>(answers);
        ofMembers.keySet().removeIf(r -> !current.names(r));
        RecoveredFrontier frontier = new RecoveredFrontier(current, ofMembers);
        if (checkDemands(recovering.demanded, frontier)) {
          outputs.add(new QuorumOutput.Recovered(recovering.ticket, frontier));
        }
      }
    }
  }

  private boolean checkDemands(Map<Long, ChainHead> demands, RecoveredFrontier frontier) {
    for (Map.Entry<Long, ChainHead> demand : demands.entrySet()) {
      long writer = demand.getKey();
      List<RecoveredFrontier.Claim> claims = frontier.claims(writer);
      if (claims.isEmpty() || claims.getFirst().head().sequence() < demand.getValue().sequence()) {
        fail(
            new IntegrityException(
                Rejection.of(
                    Reason.MISSING_RECORD,
                    CapsuleRecord.describe(writer, demand.getValue().sequence())
                        + " is durable, and no replica of a quorum says that it holds it")));
        return false;
      }
    }
    return true;
  }

  // ------------------------------------------------------------------ seals

  /**
   * Follows one step in sealing a writer, whose SEAL record the caller appends before or after.
   *
   * @param ballot the order's term, and the writer index of whoever appends it
   * @return the ticket of a {@link QuorumOutput.SealReached} or {@link QuorumOutput.SealOverruled}
   */
  public long follow(SealOrder order, Ballot ballot) {
    return follow(order, ballot, Set.of());
  }

  /** Follows one step, not counting what some replicas say. */
  public long follow(SealOrder order, Ballot ballot, Set<PublicKey> disbelieved) {
    SealRound round = new SealRound(++lastTicket, order, ballot, disbelieved);
    rounds.add(round);
    if (metadata != null) {
      judgeRounds();
    }
    return round.ticket();
  }

  /** Follows it no longer. */
  public void unfollow(long ticket) {
    rounds.removeIf(r -> r.ticket() == ticket);
  }

  private void judgeRounds() {
    if (rounds.isEmpty()) {
      return;
    }
    Membership current = newestMembership();
    rounds.removeIf(
        round -> {
          Map<PublicKey, SealState> said = new HashMap<>();
          for (PublicKey replica : current.everybody()) {
            ReplicaPeer peer = peer(replica);
            SignedStatement signed = peer.statementOf(round.order().writer());
            if (!peer.convicted
                && peer.isConfirmed()
                && !round.disbelieved().contains(replica)
                && signed != null
                && signed.statement().membership() <= current.version()) {
              said.put(replica, peer.seal(round.order().writer()));
            }
          }
          QuorumOutput outcome = round.outcome(current, said);
          if (outcome != null) {
            outputs.add(outcome);
          }
          return outcome != null;
        });
  }

  // ------------------------------------------------------------------ release

  /**
   * Tells replicas that payloads may go: by the CHECKPOINT at {@code writer}, {@code sequence},
   * which is durable. Tried a few times; what a replica misses costs it room and nothing else.
   */
  public void release(long now, long writer, long sequence, List<Checkpoint.Range> ranges) {
    Membership current = membership();
    if (current == null) {
      return;
    }
    for (PublicKey replica : current.everybody()) {
      ReplicaPeer peer = peer(replica);
      for (int from = 0; from < ranges.size(); from += Message.MAX_RANGES) {
        if (peer.releases.size() >= MAX_RELEASES) {
          // The oldest but the one under way.
          ReplicaPeer.ReleaseOrder first = peer.releases.poll();
          peer.releases.poll();
          if (first != null) {
            peer.releases.addFirst(first);
          }
        }
        peer.releases.add(
            new ReplicaPeer.ReleaseOrder(
                writer,
                sequence,
                ranges.subList(from, Math.min(ranges.size(), from + Message.MAX_RANGES))));
      }
      sendRelease(now, peer);
    }
  }

  private void sendRelease(long now, ReplicaPeer peer) {
    ReplicaPeer.ReleaseOrder order = peer.releases.peek();
    if (order != null && peer.releaseRequest == 0 && peer.synced && now >= peer.releaseAtNanos) {
      peer.releaseRequest = ++lastRequest;
      peer.releaseSentNanos = now;
      send(
          peer,
          new Message.Release(
              peer.releaseRequest, capsule, order.writer(), order.sequence(), order.ranges()));
    }
  }

  private void releaseRefused(long now, ReplicaPeer peer) {
    peer.releaseRequest = 0;
    peer.releaseAtNanos = now + HEAL_POLL_NANOS;
    if (++peer.releaseTries >= MAX_RELEASE_TRIES) {
      peer.releaseTries = 0;
      peer.releases.poll();
    }
  }

  // ------------------------------------------------------------------ availability

  /** Whether a quorum of replicas is connected, answers and takes records. */
  public boolean available() {
    Membership current = membership();
    return current != null
        && failure == null
        && current.isQuorum(
            r -> {
              ReplicaPeer peer = peer(r);
              return peer.linked && peer.synced && !peer.full && !peer.convicted;
            });
  }

  /**
   * Why new writes are refused: there was no quorum, or what was appended has waited for one, for
   * longer than {@link QuorumOptions#refuseAfterMs}.
   *
   * @return null if they are not
   */
  public @Nullable CapsuleException unavailable(long now) {
    if (failure != null) {
      return failure;
    }
    long limit = TimeUnit.MILLISECONDS.toNanos(options.refuseAfterMs());
    boolean waits = !appendings.isEmpty() && now - appendings.getFirst().sinceNanos >= limit;
    if (!waits && !(away && now - awaySinceNanos >= limit)) {
      return null;
    }
    Membership current = membership();
    int connected = 0;
    int full = 0;
    for (ReplicaPeer peer : peers.values()) {
      connected += peer.linked && peer.synced ? 1 : 0;
      full += peer.full ? 1 : 0;
    }
    return new UnavailableException(
        full > 0 && current != null && !current.isQuorum(r -> !peer(r).full)
            ? "out of space: " + full + " replicas take no records"
            : (waits
                    ? "no quorum of replicas has stated for "
                        + TimeUnit.NANOSECONDS.toMillis(now - appendings.getFirst().sinceNanos)
                        + " ms that it holds what was sent: "
                    : "no quorum of replicas: ")
                + connected
                + (current == null
                    ? " answer"
                    : " of "
                        + current.everybody().size()
                        + " answer, "
                        + current.current().quorum()
                        + " are needed"));
  }

  private void noteAvailability(long now) {
    boolean nowAway = !available();
    if (!clockSet || (nowAway && !away)) {
      awaySinceNanos = now;
      clockSet = true;
    }
    away = nowAway;
  }

  // ------------------------------------------------------------------ time

  /** Time has passed. To be called every few milliseconds. */
  public void tick(long now) {
    if (failure != null) {
      return;
    }
    long timeout = TimeUnit.MILLISECONDS.toNanos(options.requestTimeoutMs());
    for (ReplicaPeer peer : List.copyOf(peers.values())) {
      tick(now, peer, timeout);
    }
    if (metadata != null) {
      judgeRecoveries(now);
    }
    for (ReadTask task : List.copyOf(reads.values())) {
      tick(now, task, timeout);
    }
    for (int i = 0; i < appendings.size(); i++) {
      Appending appending = appendings.get(i);
      if (appending.deadline - now <= 0) {
        outputs.add(
            new QuorumOutput.Appended(
                appending.ticket,
                new OutcomeUnknownException(
                    "no quorum of replicas has said in time that it holds the records; they are"
                        + " still being tried")));
        appendings.set(
            i,
            new Appending(
                appending.ticket, appending.last, appending.sinceNanos, Long.MAX_VALUE / 2 + now));
      }
    }
    noteAvailability(now);
  }

  private void tick(long now, ReplicaPeer peer, long timeout) {
    if (peer.full && now - peer.fullUntilNanos >= 0) {
      peer.full = false;
    }
    if (!peer.linked) {
      return;
    }
    if (peer.describeRequest != 0 && now - peer.describeSentNanos >= timeout) {
      peer.describeRequest = 0;
    }
    if (metadata == null) {
      if (peer.describeRequest == 0 && now - peer.describeSentNanos >= HEAL_POLL_NANOS) {
        describe(now, peer);
      }
      return;
    }
    if (!newestMembership().names(peer.key)) {
      return;
    }
    ReplicaPeer.Probe probe = peer.probe;
    if (probe != null && now - probe.sentNanos() >= timeout) {
      rest(now, peer);
    }
    if (!peer.flights.isEmpty()
        && now - peer.flights.values().iterator().next().sentNanos() >= timeout) {
      rest(now, peer);
    }
    if (peer.installRequest != 0 && now - peer.installSentNanos >= timeout) {
      peer.installRequest = 0;
    }
    if (peer.releaseRequest != 0 && now - peer.releaseSentNanos >= timeout) {
      releaseRefused(now, peer);
    }
    if (peer.probe == null) {
      if (!peer.synced) {
        // Also where a Found or an Install got no answer.
        if (now - peer.restUntilNanos >= (peer.foundRequest != 0 ? timeout : 0)) {
          peer.foundRequest = 0;
          ask(now, peer);
        }
      } else if (now - peer.pollAtNanos >= 0
          && peer.cursors.values().stream().anyMatch(c -> c.lagging)) {
        peer.pollAtNanos = now + HEAL_POLL_NANOS;
        ask(now, peer);
      } else if (recoveries.stream().anyMatch(r -> !r.answers.containsKey(peer.key))) {
        ask(now, peer);
      } else if (now - peer.pollAtNanos >= 0
          && peer.flights.isEmpty()
          && now - peer.restUntilNanos >= 0
          && !appendings.isEmpty()
          && now - appendings.getFirst().sinceNanos >= timeout) {
        // What it said was of another time: what it has promised since may be all that is missing.
        peer.pollAtNanos = now + HEAL_POLL_NANOS;
        ask(now, peer);
      }
    }
    // Who writes hears of a new membership from what replicas sign; who writes nothing, so.
    if (peer.synced
        && peer.describeRequest == 0
        && now - peer.describeSentNanos >= MEMBERSHIP_POLL_NANOS) {
      describe(now, peer);
    }
    sendRelease(now, peer);
    pump(now, peer);
  }

  private void tick(long now, ReadTask task, long timeout) {
    if (task.deadlineNanos - now <= 0) {
      if (metadata != null && newestMembership().isQuorum(task.nothing::contains)) {
        finishWithNothing(task);
        return;
      }
      finish(
          task,
          List.of(),
          null,
          new UnavailableException("no replica that can be reached has what was asked for"));
      return;
    }
    task.outstanding.values().removeIf(asked -> now - asked.sentNanos() >= timeout);
    if (now - task.askAgainAtNanos >= 0) {
      if (!task.outstanding.isEmpty()) {
        hedged++;
      }
      dispatch(now, task);
    }
  }

  // ------------------------------------------------------------------ for reports

  /**
   * What happened so far.
   *
   * @param struck answers and statements that were wrong
   * @param accused contradictions that were found
   * @param hedged reads for which a second replica was asked because the first was slow
   * @param resent times that sending a chain went back to an earlier record
   * @param pendingBytes taken and not durable
   * @param retainedBytes kept for replicas that lag
   */
  public record Stats(
      long struck, long accused, long hedged, long resent, long pendingBytes, long retainedBytes) {}

  /** A moment's {@link Stats}. */
  public Stats stats() {
    return new Stats(struck, accused, hedged, resent, pendingBytes, retainedBytes);
  }

  /**
   * A replica, as this client sees it.
   *
   * @param connected whether there is a link
   * @param usable whether it has answered on that link and takes records
   * @param full whether it has said that it has no space
   * @param convicted whether its statements contradict each other
   * @param lagging whether it lacks records that it has to get from its peers
   * @param strikes how often it was wrong, lately
   * @param meanNanos how long answers take
   */
  public record ReplicaStatus(
      PublicKey replica,
      boolean connected,
      boolean usable,
      boolean full,
      boolean convicted,
      boolean lagging,
      int strikes,
      long meanNanos) {}

  /** The replicas of the membership. */
  public List<ReplicaStatus> replicas() {
    Membership current = membership();
    if (current == null) {
      return List.of();
    }
    return current.everybody().stream()
        .map(this::peer)
        .sorted(Comparator.comparing(p -> p.key.toString()))
        .map(
            p ->
                new ReplicaStatus(
                    p.key,
                    p.linked,
                    p.linked && p.synced && !p.full && !p.convicted,
                    p.full,
                    p.convicted,
                    p.cursors.values().stream().anyMatch(c -> c.lagging),
                    p.strikes,
                    (long) p.meanNanos))
        .toList();
  }
}
