package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.replication.client.QuorumClient.Answer;
import io.capsuledb.replication.client.QuorumClient.Found;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Brings a cache and the replicas together before anything is read: afterwards the cache has
 * everything that is durable, and everything that is read from it is.
 *
 * <p>For each chain, what a quorum of replicas claims to hold is fetched up to the largest head,
 * from whoever has it. The newest record of each piece must carry its writer's signature, the piece
 * must be linked by its hashes, and its first record must follow what was there: then every record
 * in it is the writer's. Records that fewer than a quorum claim, and those that only the cache has,
 * are brought to a quorum: what is read here once must not be gone the next time. A claim that
 * nobody can serve is passed over only if those who claim it and those who did not answer are no
 * quorum together; otherwise it may be durable, and there is nothing to do but to ask again.
 *
 * <p>A final head is believed if the SEAL record that sets it is there: what is beyond is hidden.
 * Of a writer that is being sealed what a quorum holds is shown, and nothing is added.
 *
 * <p>One thread.
 */
final class StoreRecovery {

  /** Records asked for at once. */
  private static final int PIECE_RECORDS = 256;

  private static final int PIECE_BYTES = 4 << 20;

  /** Pieces under way of one chain. */
  private static final int PIECES = 4;

  /** How often a piece is asked for again when it was wrong. */
  private static final int MAX_WRONG = 8;

  private static final int PUSH_BYTES = 1 << 20;

  /** How long records of a chain that others may write are pushed before it is looked at again. */
  private static final long PUSH_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** A stub that came where the record may still be had. */
  private record Stub(long writer, long sequence, Hash32 hash) {}

  private record Piece(long from, long to, Answer<Found> answer) {}

  private record FinalOrder(Ballot ballot, SealOrder order) {}

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final RecordStore cache;
  private final QuorumClient client;
  private final ReplicatedStore store;
  private final boolean othersWrite;
  private final long readTimeoutNanos;
  private final LongConsumer progress;

  private final List<Checkpoint> checkpoints = new ArrayList<>();
  private final List<Stub> stubs = new ArrayList<>();
  private final Map<Long, FinalOrder> finals = new HashMap<>();
  private long fetched;

  /**
   * A recovery.
   *
   * @param othersWrite whether chains may grow and be sealed meanwhile
   */
  StoreRecovery(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      RecordStore cache,
      QuorumClient client,
      ReplicatedStore store,
      boolean othersWrite,
      long readTimeoutNanos,
      LongConsumer progress) {
    this.capsule = client.capsule();
    this.metadata = metadata;
    this.curve = curve;
    this.cache = cache;
    this.client = client;
    this.store = store;
    this.othersWrite = othersWrite;
    this.readTimeoutNanos = readTimeoutNanos;
    this.progress = progress;
  }

  /**
   * Does it once.
   *
   * @throws UnavailableException if something that may be durable cannot be had now: try again
   */
  void run() {
    RecoveredFrontier frontier = client.await(client.recover());
    TreeSet<Long> writers = new TreeSet<>(frontier.writers());
    for (long writer : cache.writers()) {
      writers.add(writer);
    }
    // Sealers before those they sealed, so that the orders are known; some are sealed themselves.
    List<Long> sealed = new ArrayList<>();
    for (long writer : writers) {
      if (frontier.seal(writer).isSealed()) {
        sealed.add(writer);
      } else {
        chain(frontier, writer);
      }
    }
    boolean more = true;
    while (more) {
      List<Long> ordered =
          sealed.stream().filter(writer -> order(writer, frontier.seal(writer)) != null).toList();
      for (long writer : ordered) {
        chain(frontier, writer);
      }
      sealed.removeAll(ordered);
      more = !ordered.isEmpty();
    }
    for (long writer : sealed) {
      chain(frontier, writer);
    }
    fetchOrdered();
    replaceStubs();
  }

  /**
   * Fetches what final heads stand for that were ordered, and perhaps accepted, since the frontier
   * was asked for: an order names records that its sealer has seen, and counts for whoever reads
   * it.
   *
   * @throws UnavailableException if nobody gives them now
   */
  private void fetchOrdered() {
    for (Map.Entry<Long, FinalOrder> ordered : finals.entrySet()) {
      long writer = ordered.getKey();
      ChainHead last = ordered.getValue().order.last();
      long cached = cache.newestSequence(writer);
      if (cached < last.sequence()) {
        RosterEntry entry = cached == 0 ? null : entry(writer);
        ChainHead head = cached == 0 ? ChainHead.NONE : verifiedHead(entry, writer, cached);
        ChainHead unused = fetchFinal(writer, entry, head, last, last.sequence());
        assert unused.sequence() >= last.sequence();
      }
      if (last.sequence() > 0 && store.read(writer, last.sequence()) == null) {
        throw new UnavailableException(
            CapsuleRecord.describe(writer, last.sequence())
                + " is to be the last of its chain, and whether a quorum agreed is not known yet");
      }
    }
  }

  // ------------------------------------------------------------------ one chain

  private void chain(RecoveredFrontier frontier, long writer) {
    long cached = cache.newestSequence(writer);
    SealState seal = frontier.seal(writer);
    FinalOrder ordered = order(writer, seal);
    long end = ordered == null ? Long.MAX_VALUE : ordered.order.last().sequence();
    if (ordered != null && cached > 0) {
      cached = cutBack(writer, ordered.order.last());
    }
    List<RecoveredFrontier.Claim> claims = frontier.claims(writer);
    RosterEntry entry = cached == 0 ? null : entry(writer);
    ChainHead head = cached == 0 ? ChainHead.NONE : verifiedHead(entry, writer, cached);
    for (RecoveredFrontier.Claim claim : claims) {
      long target = Math.min(claim.head().sequence(), end);
      if (target > head.sequence()) {
        try {
          head =
              ordered == null
                  ? fetch(writer, entry, head, target)
                  : fetchFinal(writer, entry, head, ordered.order.last(), target);
        } catch (UnavailableException e) {
          long have = cache.newestSequence(writer);
          if (frontier.mayBeDurable(writer, have + 1)) {
            throw e;
          }
          head = have == 0 ? ChainHead.NONE : verifiedHead(entry(writer), writer, have);
        }
        if (entry == null && head.sequence() > 0) {
          entry = entry(writer);
        }
      }
    }
    if (entry == null || head.sequence() == 0) {
      return;
    }
    RosterEntry known = entry;
    for (RecoveredFrontier.Claim claim : claims) {
      if (ordered == null
          && claim.head().sequence() <= head.sequence()
          && !isAt(writer, claim.head())) {
        contradicted(known, claim);
      }
    }
    long at = head.sequence();
    long quorum =
        Math.min(
            at, frontier.quorumSequence(writer, h -> h.sequence() <= at ? isAt(writer, h) : true));
    if (end < at) {
      store.hide(writer, end);
    } else if (seal.isSealed()) {
      if (end == Long.MAX_VALUE && quorum < at) {
        store.hide(writer, quorum);
      }
    } else if (quorum < at) {
      push(known, quorum, at);
    }
    // What a crash left half done, and records that were read before: orders and releases.
    note(writer, known.role());
  }

  /** Fetches records of a chain whose end is known: of two branches the one that leads there. */
  private ChainHead fetchFinal(
      long writer, @Nullable RosterEntry entry, ChainHead head, ChainHead last, long target) {
    ChainHead at;
    try {
      at = fetch(writer, entry, head, target);
    } catch (IntegrityException forked) {
      if (forked.rejection().reason() != Reason.EQUIVOCATION) {
        throw forked;
      }
      at = ChainHead.NONE;
    }
    if (at.sequence() == 0 || (at.sequence() == last.sequence() && !at.equals(last))) {
      cache.truncate(writer, 0);
      throw new UnavailableException(
          "another branch than that with the final head "
              + CapsuleRecord.describe(writer, last.sequence())
              + " was given");
    }
    return at;
  }

  /** The order that set the final head which replicas say was accepted, if it is there. */
  private @Nullable FinalOrder order(long writer, SealState seal) {
    FinalOrder ordered = finals.get(writer);
    return seal.isFinal()
            && ordered != null
            && ordered.ballot.compareTo(seal.accepted()) >= 0
            && ordered.order.last().equals(seal.last())
        ? ordered
        : null;
  }

  /**
   * Drops from the cache what is beyond a final head, or on another branch; returns how far the
   * cache goes then.
   */
  private long cutBack(long writer, ChainHead last) {
    long cached = cache.newestSequence(writer);
    if (cached > last.sequence()) {
      cached = last.sequence();
      cache.truncate(writer, cached);
    }
    if (cached > 0 && cached == last.sequence() && !isAt(writer, last)) {
      // Where the branches part is not known: what is right is fetched again.
      cached = 0;
      cache.truncate(writer, 0);
    }
    return cached;
  }

  /** Reads what those without keys may know from the records in clear. */
  private void note(long writer, RosterEntry.Role role) {
    if (role != RosterEntry.Role.COORDINATOR && role != RosterEntry.Role.LEADER) {
      return;
    }
    for (long sequence = 1; sequence <= cache.newestSequence(writer); sequence++) {
      byte[] bytes = store.read(writer, sequence);
      if (bytes != null && RecordCodec.typeOf(bytes) == RecordType.SEAL) {
        if (RecordCodec.decode(capsule, bytes)
                instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
            && SealOrderCodec.decode(record.payload())
                instanceof Decoded.Accepted<SealOrder>(SealOrder order)
            && order.kind() == SealOrder.Kind.FINAL) {
          Ballot ballot = new Ballot(order.term(), writer);
          finals.merge(
              order.writer(),
              new FinalOrder(ballot, order),
              (a, b) -> a.ballot.compareTo(b.ballot) >= 0 ? a : b);
        }
      }
    }
  }

  /** The cache's newest record of a chain, if it is its writer's. */
  private ChainHead verifiedHead(@Nullable RosterEntry entry, long writer, long sequence) {
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null || entry == null) {
      throw new UnavailableException(CapsuleRecord.describe(writer, sequence) + " cannot be read");
    }
    SignedHeader record = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (record.header().writer() != writer
        || record.header().sequence() != sequence
        || !record.isSignedBy(entry.key(), curve)) {
      throw new IntegrityException(
          Rejection.of(
              Reason.SIGNATURE,
              "the cache has something else as " + CapsuleRecord.describe(writer, sequence)));
    }
    return new ChainHead(sequence, record.hash());
  }

  private boolean isAt(long writer, ChainHead head) {
    byte[] bytes = head.sequence() == 0 ? null : store.read(writer, head.sequence());
    return bytes != null
        && RecordCodec.decodeStored(capsule, bytes)
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
        && record.hash().equals(head.hash());
  }

  /** Who a chain's writer is, by the roster that its first record is. */
  private RosterEntry entry(long writer) {
    byte[] bytes = store.read(writer, 1);
    if (bytes == null) {
      throw new UnavailableException(CapsuleRecord.describe(writer, 1) + " cannot be read");
    }
    RosterEntry entry = entryIn(writer, bytes);
    if (entry == null) {
      throw new IntegrityException(
          Rejection.of(
              Reason.UNKNOWN_WRITER, CapsuleRecord.describe(writer, 1) + " does not introduce it"));
    }
    return entry;
  }

  private @Nullable RosterEntry entryIn(long writer, byte[] bytes) {
    if (RecordCodec.decode(capsule, bytes)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
        && record.header().type() == RecordType.ROSTER
        && RosterCodec.decode(capsule, record.payload(), metadata, curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      for (RosterEntry entry : entries) {
        if (entry.writer() == writer) {
          return entry;
        }
      }
    }
    return null;
  }

  /** A replica claims another record than ours: proof against the writer, or against nobody. */
  private void contradicted(RosterEntry entry, RecoveredFrontier.Claim claim) {
    long writer = entry.writer();
    long sequence = claim.head().sequence();
    Found found =
        client.await(
            client.read(claim.head().hash(), false, readTimeoutNanos), 2 * readTimeoutNanos);
    byte[] ours = store.read(writer, sequence);
    if (found != null && !found.records().isEmpty() && ours != null) {
      SignedHeader theirs =
          RecordCodec.decodeStored(capsule, found.records().getFirst().bytes()).orThrow();
      EquivocationProof proof =
          EquivocationProof.of(
              RecordCodec.decodeStored(capsule, ours).orThrow(), theirs, entry.key(), curve);
      if (proof != null) {
        store.accused(Blob.of(proof.encode()));
        throw new IntegrityException(
            Rejection.of(
                Reason.EQUIVOCATION, theirs + " and " + claim.head() + " share one number"));
      }
    }
    claim.replicas().forEach(r -> client.blame(r, "claims a record that it cannot show"));
  }

  // ------------------------------------------------------------------ fetching

  /** Fetches the records after {@code head} up to a sequence number into the cache. */
  private ChainHead fetch(
      long writer, @Nullable RosterEntry knownEntry, ChainHead head, long target) {
    RosterEntry entry = knownEntry;
    ChainHead at = head;
    ArrayDeque<Piece> pieces = new ArrayDeque<>();
    long next = at.sequence() + 1;
    int wrong = 0;
    while (at.sequence() < target) {
      while (pieces.size() < PIECES && next <= target) {
        long to = Math.min(target, next + PIECE_RECORDS - 1);
        pieces.add(new Piece(next, to, ask(writer, next, to)));
        next = to + 1;
      }
      Piece piece = pieces.removeFirst();
      Found found = client.await(piece.answer, 2 * readTimeoutNanos);
      if (found == null || found.records().isEmpty()) {
        throw new UnavailableException(
            "no replica gives " + CapsuleRecord.describe(writer, piece.from));
      }
      List<SignedHeader> records = new ArrayList<>();
      for (Blob blob : found.records()) {
        records.add(RecordCodec.decodeStored(capsule, blob.bytes()).orThrow());
      }
      RosterEntry writing =
          entry == null ? entryIn(writer, found.records().getFirst().bytes()) : entry;
      SignedHeader last = records.getLast();
      PublicKey from = found.from();
      if (writing == null || !last.isSignedBy(writing.key(), curve)) {
        if (from != null) {
          client.blame(from, "sent records that are not their writer's");
        }
        if (++wrong > MAX_WRONG) {
          throw new UnavailableException(
              "replicas give no record that is its writer's where "
                  + CapsuleRecord.describe(writer, piece.from)
                  + " belongs");
        }
        pieces.addFirst(new Piece(piece.from, piece.to, ask(writer, piece.from, piece.to)));
        continue;
      }
      entry = writing;
      if (!records.getFirst().header().previous().equals(at.hash())) {
        fork(entry, at, from);
      }
      keep(entry, records);
      at = new ChainHead(last.header().sequence(), last.hash());
      if (at.sequence() < piece.to) {
        pieces.addFirst(
            new Piece(at.sequence() + 1, piece.to, ask(writer, at.sequence() + 1, piece.to)));
      }
    }
    return at;
  }

  private Answer<Found> ask(long writer, long from, long to) {
    return client.readRange(writer, from, to, PIECE_BYTES, readTimeoutNanos);
  }

  /** Both what was there and what was fetched are signed, and do not fit. */
  private void fork(RosterEntry entry, ChainHead at, @Nullable PublicKey from) {
    byte[] ours = store.read(entry.writer(), at.sequence());
    Found found =
        client.await(ask(entry.writer(), at.sequence(), at.sequence()), 2 * readTimeoutNanos);
    if (ours != null && found != null && !found.records().isEmpty()) {
      EquivocationProof proof =
          EquivocationProof.of(
              RecordCodec.decodeStored(capsule, ours).orThrow(),
              RecordCodec.decodeStored(capsule, found.records().getFirst().bytes()).orThrow(),
              entry.key(),
              curve);
      if (proof != null) {
        store.accused(Blob.of(proof.encode()));
      }
    }
    throw new IntegrityException(
        Rejection.of(
            Reason.EQUIVOCATION,
            "the chain of writer "
                + Long.toHexString(entry.writer())
                + " goes on from two records "
                + at.sequence()
                + ", says "
                + from));
  }

  private void keep(RosterEntry entry, List<SignedHeader> records) {
    List<StoredRecord> batch = new ArrayList<>();
    for (SignedHeader record : records) {
      batch.add(
          new StoredRecord(
              entry.writer(), record.header().sequence(), record.hash(), record.bytes()));
      if (!(record instanceof CapsuleRecord whole)) {
        stubs.add(new Stub(entry.writer(), record.header().sequence(), record.hash()));
      } else if (record.header().type() == RecordType.CHECKPOINT
          && entry.role() == RosterEntry.Role.COMPACTOR
          && CheckpointCodec.decode(whole.payload())
              instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)
          && !checkpoint.released().isEmpty()) {
        checkpoints.add(checkpoint);
      }
    }
    for (int from = 0; from < batch.size(); from += RecordStore.MAX_BATCH_RECORDS) {
      cache.append(
          batch.subList(from, Math.min(batch.size(), from + RecordStore.MAX_BATCH_RECORDS)));
    }
    fetched += batch.size();
    progress.accept(fetched);
  }

  /** A stub that no CHECKPOINT released is asked for as a whole: somebody may still have it. */
  private void replaceStubs() {
    for (Stub stub : stubs) {
      if (checkpoints.stream().anyMatch(c -> c.releases(stub.writer, stub.sequence))) {
        continue;
      }
      Found found =
          client.await(client.read(stub.hash, true, readTimeoutNanos), 2 * readTimeoutNanos);
      if (found == null) {
        throw QuorumClient.late("the payload of a record");
      }
      if (!found.records().isEmpty() && !RecordCodec.isStub(found.records().getFirst().bytes())) {
        store.repaired(stub.writer, stub.sequence, stub.hash, found.records().getFirst().bytes());
      }
    }
    stubs.clear();
  }

  // ------------------------------------------------------------------ pushing

  /** Brings records to a quorum. */
  private void push(RosterEntry entry, long after, long to) {
    client.introduce(entry);
    if (othersWrite) {
      // Sealed meanwhile, it is looked at again.
      client.expendable(entry.writer());
    }
    long sequence = after + 1;
    Answer<QuorumClient.Stored> last = null;
    while (sequence <= to) {
      List<StoredRecord> batch = new ArrayList<>();
      long bytes = 0;
      while (sequence <= to && batch.size() < RecordStore.MAX_BATCH_RECORDS && bytes < PUSH_BYTES) {
        byte[] record = store.read(entry.writer(), sequence);
        if (record == null || RecordCodec.isStub(record)) {
          // Released: a quorum had it once. Those who lack it get it from their peers.
          throw new UnavailableException(
              CapsuleRecord.describe(entry.writer(), sequence)
                  + " is not held by a quorum yet, and its payload is gone");
        }
        Hash32 hash = RecordCodec.decodeStored(capsule, record).orThrow().hash();
        batch.add(new StoredRecord(entry.writer(), sequence, hash, record));
        bytes += record.length;
        sequence++;
      }
      last = client.append(false, batch);
    }
    if (last == null) {
      return;
    }
    if (!othersWrite) {
      client.await(last);
    } else if (client.await(last, PUSH_NANOS) == null) {
      // Its writer has brought replicas farther than what was pushed here, and of heads beyond that
      // nobody knows here whether they are on the same branch: a new frontier will say.
      client.abandon(entry.writer());
      throw QuorumClient.late("a quorum for the records of a writer");
    }
    client.forget(entry.writer());
  }

  /** Whether trying again may help. */
  static boolean isPassing(CapsuleException e) {
    return e instanceof UnavailableException;
  }
}
