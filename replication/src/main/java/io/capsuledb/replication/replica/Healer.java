package io.capsuledb.replication.replica;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Makes a replica hold what its peers hold. It asks one peer after the other for its frontier,
 * fetches what is missing in chains that are longer there, and the capsules, memberships and
 * repairs that are missing here. All that a peer sends goes through the same checks as what a
 * client sends; a peer can waste time, nothing else.
 *
 * <p>Invariants: requests under way are bounded, and each ends by its reply, its deadline or its
 * link's end; of one chain at most one range is being fetched.
 *
 * <p>Part of the core: a plain object, stepped with it.
 */
final class Healer {

  /** Most requests under way. */
  static final int MAX_PENDING = 64;

  /** Ranges being fetched at once. */
  static final int MAX_PULLS = 8;

  /** Chains that are remembered to be longer at peers. */
  static final int MAX_WANTS = 1 << 16;

  /** Bytes asked for at once. */
  static final int PULL_BYTES = 4 << 20;

  /** Capsules whose frontier is asked for in one round. */
  static final int CAPSULES_PER_ROUND = 32;

  /** Positions to be repaired that are remembered. */
  static final int MAX_REPAIRS = 4096;

  /** Peers asked for one repair before it is given up until the next scrub. */
  private static final int MAX_REPAIR_ASKS = 128;

  private static final byte[] NONCE_TAG =
      "capsuledb/v1/healer-nonce".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

  /** What a request under way is for. */
  private enum Purpose {
    FRONTIER,
    CAPSULES,
    DESCRIPTION,
    RANGE,
    FORK,
    REPAIR
  }

  private record Pending(
      Purpose purpose,
      long link,
      long deadline,
      CapsuleName capsule,
      long writer,
      long sequence,
      Hash32 nonce) {}

  /** A chain that is longer at a peer. */
  private static final class Want {
    long upTo;
    final TreeSet<Long> links = new TreeSet<>();
  }

  private record ChainKey(CapsuleName capsule, long writer) {}

  private record Repair(CapsuleName capsule, long writer, long sequence) {}

  private final ReplicaCore core;
  private final ReplicaOptions options;
  private final ReplicaOutbox out;
  private final Secp256k1 curve;
  private final SplittableRandom random;

  private final Map<Long, Pending> pending = new HashMap<>();
  private final Map<ChainKey, Want> wants = new LinkedHashMap<>();
  private final TreeMap<Long, ChainKey> pulling = new TreeMap<>();
  private final LinkedHashMap<Repair, Integer> repairs = new LinkedHashMap<>();
  private final Map<Long, Hash32> listedUpTo = new HashMap<>();
  private final ArrayDeque<Long> round = new ArrayDeque<>();

  private @Nullable Hash32 nextCapsule;
  private long nextRequest = 1;
  private long nextGossip;
  private long nextJoin;
  private long budgetAt;
  private long budgetBytes;
  private boolean nudged;

  Healer(ReplicaCore core, ReplicaOptions options, ReplicaOutbox out, Secp256k1 curve, long seed) {
    this.core = core;
    this.options = options;
    this.out = out;
    this.curve = curve;
    this.random = new SplittableRandom(seed);
  }

  // ------------------------------------------------------------------ time

  /** Something is missing: look at once. */
  void nudge() {
    nudged = true;
  }

  void tick(long now) {
    expire(now);
    refill(now);
    if (nudged || now - nextGossip >= 0) {
      nudged = false;
      nextGossip = now + options.gossipNanos();
      gossip(now);
    }
    join(now);
    pull(now);
    askRepairs(now);
  }

  /** Asks every other replica of a capsule that this one is joining. */
  private void join(long now) {
    if (now - nextJoin < 0) {
      return;
    }
    nextJoin = now + options.gossipNanos() / 4;
    for (HeldCapsule capsule : core.capsules()) {
      if (capsule.isJoining()) {
        core.links()
            .forEach(
                (link, peer) -> {
                  if (!peer.equals(core.self()) && capsule.membership().names(peer)) {
                    askFrontier(now, link, capsule);
                  }
                });
      }
    }
  }

  private void askFrontier(long now, long link, HeldCapsule capsule) {
    Hash32 nonce = nonce(capsule.name);
    ask(
        now,
        Purpose.FRONTIER,
        link,
        capsule.name,
        0,
        0,
        nonce,
        request -> new Message.AskFrontier(request, capsule.name, nonce));
  }

  private void refill(long now) {
    long most = Math.max(options.healBytesPerSecond() / 4, 2L * PULL_BYTES);
    if (budgetAt == 0 || options.healBytesPerSecond() == 0) {
      budgetBytes = most;
    } else {
      double seconds = (double) (now - budgetAt) / TimeUnit.SECONDS.toNanos(1);
      double more = Math.min((double) most, seconds * (double) options.healBytesPerSecond());
      budgetBytes = Math.min(most, budgetBytes + (long) more);
    }
    budgetAt = now;
  }

  private void expire(long now) {
    Iterator<Map.Entry<Long, Pending>> all = pending.entrySet().iterator();
    while (all.hasNext()) {
      Map.Entry<Long, Pending> entry = all.next();
      if (now - entry.getValue().deadline >= 0) {
        all.remove();
        unanswered(entry.getKey(), entry.getValue());
        core.count("heal_timeouts", 1);
      }
    }
  }

  /** A link is gone, and with it what was asked there. */
  void down(long link) {
    listedUpTo.remove(link);
    Iterator<Map.Entry<Long, Pending>> all = pending.entrySet().iterator();
    while (all.hasNext()) {
      Map.Entry<Long, Pending> entry = all.next();
      if (entry.getValue().link == link) {
        all.remove();
        unanswered(entry.getKey(), entry.getValue());
      }
    }
    wants.values().forEach(want -> want.links.remove(link));
    wants.values().removeIf(want -> want.links.isEmpty());
  }

  private void unanswered(long request, Pending asked) {
    if (asked.purpose == Purpose.RANGE) {
      pulling.remove(request);
      disappointed(new ChainKey(asked.capsule, asked.writer), asked.link);
    }
  }

  private void disappointed(ChainKey key, long link) {
    Want want = wants.get(key);
    if (want != null) {
      want.links.remove(link);
      if (want.links.isEmpty()) {
        wants.remove(key);
      }
    }
  }

  /** Whether nothing is being fetched of a capsule, nor about to be. */
  boolean isQuiet(HeldCapsule capsule) {
    return wants.keySet().stream().noneMatch(key -> key.capsule.equals(capsule.name))
        && pulling.values().stream().noneMatch(key -> key.capsule.equals(capsule.name));
  }

  /** Records that peers say they hold and this replica does not. */
  long recordsBehind() {
    long behind = 0;
    for (Map.Entry<ChainKey, Want> want : wants.entrySet()) {
      behind += Math.max(0, want.getValue().upTo - have(want.getKey()));
    }
    return behind;
  }

  private long have(ChainKey key) {
    HeldCapsule capsule = core.capsule(key.capsule);
    HeldChain chain = capsule == null ? null : capsule.chain(key.writer);
    return chain == null ? 0 : chain.accepted.sequence();
  }

  // ------------------------------------------------------------------ asking

  private boolean ask(
      long now,
      Purpose purpose,
      long link,
      CapsuleName capsule,
      long writer,
      long sequence,
      Hash32 nonce,
      java.util.function.LongFunction<Message.Request> message) {
    if (pending.size() >= MAX_PENDING) {
      return false;
    }
    long request = nextRequest++;
    pending.put(
        request,
        new Pending(
            purpose, link, now + options.pullTimeoutNanos(), capsule, writer, sequence, nonce));
    if (purpose == Purpose.RANGE) {
      pulling.put(request, new ChainKey(capsule, writer));
    }
    out.send(link, message.apply(request));
    return true;
  }

  /** One round: the next peer, about some capsules. */
  private void gossip(long now) {
    Long link = nextPeer();
    if (link == null) {
      return;
    }
    PublicKey peer = core.links().get(link);
    if (peer == null) {
      return;
    }
    Hash32 after = listedUpTo.getOrDefault(link, Hash32.ZERO);
    ask(
        now,
        Purpose.CAPSULES,
        link,
        new CapsuleName(after),
        0,
        0,
        Hash32.ZERO,
        request -> new Message.AskCapsules(request, after));
    int capsules = Math.min(CAPSULES_PER_ROUND, core.capsules().size());
    for (int i = 0; i < capsules; i++) {
      HeldCapsule capsule = java.util.Objects.requireNonNull(core.capsuleAfter(nextCapsule));
      nextCapsule = capsule.name.hash();
      if (capsule.membership().names(peer)) {
        askFrontier(now, link, capsule);
      }
    }
  }

  /** Nobody can have prepared the answer to a question that was not asked before. */
  private Hash32 nonce(CapsuleName capsule) {
    byte[] fresh = new byte[2 * Long.BYTES];
    LittleEndian.putLong(fresh, 0, random.nextLong());
    LittleEndian.putLong(fresh, Long.BYTES, random.nextLong());
    return Hashes.tagged(NONCE_TAG, capsule.hash().toBytes(), fresh);
  }

  private @Nullable Long nextPeer() {
    round.removeIf(link -> !core.links().containsKey(link));
    if (round.isEmpty()) {
      // A replica that holds nothing yet takes everybody for a peer: it learns of its capsules so.
      boolean everybody = core.capsules().isEmpty();
      Set<PublicKey> replicas = new HashSet<>();
      core.capsules().forEach(capsule -> replicas.addAll(capsule.membership().everybody()));
      core.links()
          .forEach(
              (link, key) -> {
                if (!key.equals(core.self()) && (everybody || replicas.contains(key))) {
                  round.add(link);
                }
              });
    }
    return round.poll();
  }

  private void pull(long now) {
    if (wants.isEmpty() || core.taking() == null) {
      return;
    }
    Iterator<Map.Entry<ChainKey, Want>> all = wants.entrySet().iterator();
    while (all.hasNext()) {
      Map.Entry<ChainKey, Want> entry = all.next();
      if (pulling.size() >= MAX_PULLS || budgetBytes <= 0) {
        return;
      }
      ChainKey key = entry.getKey();
      Want want = entry.getValue();
      HeldCapsule capsule = core.capsule(key.capsule);
      long have = have(key);
      HeldChain chain = capsule == null ? null : capsule.chain(key.writer);
      if (capsule == null || have >= want.upTo || (chain != null && have >= chain.seal.limit())) {
        all.remove();
        continue;
      }
      if (pulling.containsValue(key)) {
        continue;
      }
      List<Long> sources = List.copyOf(want.links);
      long link = sources.get(random.nextInt(sources.size()));
      if (!ask(
          now,
          Purpose.RANGE,
          link,
          key.capsule,
          key.writer,
          have + 1,
          Hash32.ZERO,
          request ->
              new Message.ReadRange(
                  request, key.capsule, key.writer, have + 1, want.upTo, PULL_BYTES))) {
        return;
      }
      budgetBytes -= PULL_BYTES;
    }
  }

  // ------------------------------------------------------------------ answers

  void reply(long now, long link, Message.Reply reply) {
    Pending asked = pending.get(reply.request());
    if (asked == null || asked.link != link) {
      core.count("replies_not_asked_for", 1);
      return;
    }
    pending.remove(reply.request());
    pulling.remove(reply.request());
    switch (reply) {
      case Message.Frontier frontier when asked.purpose == Purpose.FRONTIER ->
          frontier(now, asked, frontier);
      case Message.Refused refused when asked.purpose == Purpose.FRONTIER ->
          frontierRefused(asked, refused);
      case Message.Capsules names when asked.purpose == Purpose.CAPSULES ->
          names(now, asked, names);
      case Message.Described description when asked.purpose == Purpose.DESCRIPTION ->
          described(asked, description);
      case Message.Records records when asked.purpose == Purpose.RANGE ->
          range(now, asked, records);
      case Message.Records records when asked.purpose == Purpose.FORK -> fork(asked, records);
      case Message.Records records when asked.purpose == Purpose.REPAIR -> repair(asked, records);
      default -> {
        if (asked.purpose == Purpose.RANGE) {
          disappointed(new ChainKey(asked.capsule, asked.writer), link);
        }
      }
    }
  }

  private void frontier(long now, Pending asked, Message.Frontier frontier) {
    HeldCapsule capsule = core.capsule(asked.capsule);
    Statement statement = frontier.statement().statement();
    PublicKey peer = core.links().get(asked.link);
    if (capsule == null
        || peer == null
        || statement.kind() != Statement.Kind.FRONTIER
        || !statement.capsule().equals(asked.capsule)
        || !statement.nonce().equals(asked.nonce)
        || !statement.replica().equals(peer)
        || !StatementCodec.verify(frontier.statement(), curve)) {
      core.count("frontiers_rejected", 1);
      return;
    }
    capsule.heard(peer, statement);
    if (statement.membership() > capsule.membership().version()) {
      describe(now, asked.link, asked.capsule);
    }
    for (Statement.Entry entry : statement.entries()) {
      ChainKey key = new ChainKey(asked.capsule, entry.writer());
      HeldChain chain = capsule.chain(entry.writer());
      long have = chain == null ? 0 : chain.accepted.sequence();
      long limit = chain == null ? Long.MAX_VALUE : chain.seal.limit();
      long upTo = Math.min(entry.head().sequence(), limit);
      if (upTo > have) {
        Want want = wants.get(key);
        if (want == null) {
          if (wants.size() >= MAX_WANTS) {
            // A later round finds it again.
            core.count("wants_refused", 1);
            continue;
          }
          want = new Want();
          wants.put(key, want);
        }
        want.upTo = Math.max(want.upTo, upTo);
        want.links.add(asked.link);
      } else if (chain != null
          && entry.head().sequence() == chain.durable.sequence()
          && !entry.head().equals(chain.durable)) {
        askFork(now, asked.link, asked.capsule, entry.writer(), entry.head().sequence());
      }
    }
    pull(now);
  }

  private void frontierRefused(Pending asked, Message.Refused refused) {
    HeldCapsule capsule = core.capsule(asked.capsule);
    PublicKey peer = core.links().get(asked.link);
    if (capsule != null
        && peer != null
        && (refused.code() == Refusal.JOINING || refused.code() == Refusal.UNKNOWN_CAPSULE)) {
      capsule.heardJoining(peer);
    }
  }

  private void names(long now, Pending asked, Message.Capsules names) {
    if (!core.links().containsKey(asked.link)) {
      return;
    }
    Hash32 last = asked.capsule.hash();
    for (CapsuleName name : names.names()) {
      if (name.hash().compareTo(last) <= 0) {
        core.count("lists_rejected", 1);
        return;
      }
      last = name.hash();
      if (core.capsule(name) == null) {
        describe(now, asked.link, name);
      }
    }
    // After the last page the list begins again.
    listedUpTo.put(asked.link, names.names().size() < Message.MAX_NAMES ? Hash32.ZERO : last);
  }

  private void describe(long now, long link, CapsuleName name) {
    ask(
        now,
        Purpose.DESCRIPTION,
        link,
        name,
        0,
        0,
        Hash32.ZERO,
        request -> new Message.Describe(request, name));
  }

  private void described(Pending asked, Message.Described description) {
    Group group = core.taking();
    if (group == null) {
      return;
    }
    HeldCapsule capsule = core.capsule(asked.capsule);
    if (capsule == null) {
      if (!core.concernsUs(asked.capsule, description)
          || core.found(asked.capsule, description.metadata()) != null) {
        return;
      }
      capsule = core.capsule(asked.capsule);
      core.count("capsules_learned", 1);
      nudge();
    }
    if (capsule != null) {
      for (Blob membership : description.memberships()) {
        if (!capsule.memberships().contains(membership)) {
          // One at a time: the next is asked for when this one is in force.
          capsule.install(membership, group);
          return;
        }
      }
    }
  }

  private void range(long now, Pending asked, Message.Records records) {
    ChainKey key = new ChainKey(asked.capsule, asked.writer);
    HeldCapsule capsule = core.capsule(asked.capsule);
    if (capsule == null || core.taking() == null) {
      return;
    }
    List<SignedHeader> run = new ArrayList<>();
    for (Blob bytes : records.records()) {
      SignedHeader record =
          RecordCodec.decodeStored(asked.capsule, bytes.bytes())
                  instanceof Decoded.Accepted<SignedHeader>(SignedHeader decoded)
              ? decoded
              : null;
      if (record == null
          || record.header().writer() != asked.writer
          || record.header().sequence() != asked.sequence + run.size()) {
        break;
      }
      run.add(record);
    }
    if (run.isEmpty()) {
      disappointed(key, asked.link);
      return;
    }
    HeldCapsule.Stop stop = core.take(capsule, run, true, new TreeSet<>(), 0, 0);
    core.count("records_healed", stop == null ? run.size() : stop.index());
    if (stop != null) {
      disappointed(key, asked.link);
      if (stop.isFork()) {
        forked(now, asked, capsule, run.getFirst());
      }
    } else if (run.size() < records.records().size()) {
      disappointed(key, asked.link);
    }
    pull(now);
  }

  // ------------------------------------------------------------------ forks

  /** What a peer has does not follow what is held here. */
  private void forked(long now, Pending asked, HeldCapsule capsule, SignedHeader theirs) {
    long sequence = theirs.header().sequence() - 1;
    if (sequence < 1 || !capsule.isSigned(theirs)) {
      return;
    }
    askFork(now, asked.link, asked.capsule, asked.writer, sequence);
    Group group = core.taking();
    if (group != null && capsule.retreat(asked.writer, group)) {
      nudge();
    }
  }

  private void askFork(long now, long link, CapsuleName capsule, long writer, long sequence) {
    ask(
        now,
        Purpose.FORK,
        link,
        capsule,
        writer,
        sequence,
        Hash32.ZERO,
        request -> new Message.ReadRange(request, capsule, writer, sequence, sequence, PULL_BYTES));
  }

  private void fork(Pending asked, Message.Records records) {
    HeldCapsule capsule = core.capsule(asked.capsule);
    Group group = core.taking();
    if (capsule != null
        && group != null
        && !records.records().isEmpty()
        && RecordCodec.decodeStored(asked.capsule, records.records().getFirst().bytes())
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader theirs)
        && theirs.header().writer() == asked.writer
        && theirs.header().sequence() == asked.sequence) {
      capsule.compare(theirs, group);
    }
  }

  // ------------------------------------------------------------------ repairs

  /** A record held here is damaged, or a stub in doubt. */
  void wantRepair(HeldCapsule capsule, long writer, long sequence) {
    if (repairs.size() < MAX_REPAIRS) {
      repairs.putIfAbsent(new Repair(capsule.name, writer, sequence), 0);
    }
  }

  private void askRepairs(long now) {
    for (HeldCapsule capsule : core.capsules()) {
      if (capsule.isRebuilding() && capsule.canSpeak() && isQuiet(capsule) && repairs.isEmpty()) {
        HeldChain chain = capsule.firstUnjustified();
        if (chain != null) {
          wantRepair(capsule, chain.entry.writer(), chain.unjustified.first());
        }
      }
    }
    if (repairs.isEmpty() || core.taking() == null) {
      return;
    }
    Map.Entry<Repair, Integer> next = repairs.pollFirstEntry();
    Repair repair = next.getKey();
    HeldCapsule capsule = core.capsule(repair.capsule);
    List<Long> peers = new ArrayList<>();
    core.links()
        .forEach(
            (link, key) -> {
              if (capsule != null && !key.equals(core.self()) && capsule.membership().names(key)) {
                peers.add(link);
              }
            });
    if (peers.isEmpty()) {
      repairs.put(repair, next.getValue());
      return;
    }
    long link = peers.get(next.getValue() % peers.size());
    if (next.getValue() < MAX_REPAIR_ASKS) {
      // Asked again, of the next peer, until an answer is good.
      repairs.put(repair, next.getValue() + 1);
    } else {
      core.count("repairs_given_up", 1);
      if (capsule != null) {
        capsule.auditAgain();
      }
    }
    ask(
        now,
        Purpose.REPAIR,
        link,
        repair.capsule,
        repair.writer,
        repair.sequence,
        Hash32.ZERO,
        request ->
            new Message.ReadRange(
                request,
                repair.capsule,
                repair.writer,
                repair.sequence,
                repair.sequence,
                PULL_BYTES));
  }

  private void repair(Pending asked, Message.Records records) {
    HeldCapsule capsule = core.capsule(asked.capsule);
    Group group = core.taking();
    Repair repair = new Repair(asked.capsule, asked.writer, asked.sequence);
    if (capsule == null
        || group == null
        || records.records().isEmpty()
        || !repairs.containsKey(repair)
        || !(RecordCodec.decodeStored(asked.capsule, records.records().getFirst().bytes())
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader theirs))
        || theirs.header().writer() != asked.writer
        || theirs.header().sequence() != asked.sequence
        || !capsule.isSigned(theirs)
        || !capsule.fits(theirs)) {
      return;
    }
    boolean whole = theirs instanceof CapsuleRecord;
    if (!whole && !capsule.mayBeStub(asked.writer, asked.sequence)) {
      // Perhaps another peer still has the payload.
      return;
    }
    repairs.remove(repair);
    capsule.repair(theirs, group);
    core.count("records_repaired", 1);
  }
}
