package io.capsuledb.core.record;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Checks the records of one capsule against its metadata, chain by chain.
 *
 * <p>Verification has two halves, because one of them is expensive:
 *
 * <ul>
 *   <li>{@link #link} checks everything about a record but its signature: that its writer is in a
 *       roster signed by the application and not sealed, that it writes in its own key generation,
 *       that it follows the writer's newest linked record in sequence, hash, Lamport time and
 *       epoch;
 *   <li>{@link #verifySignature} checks a linked record's signature. The signature covers the
 *       record hash, the hash covers the predecessor's hash, so one good signature vouches for the
 *       content and order of every linked record before it: a burst of a chain needs one, on its
 *       newest.
 * </ul>
 *
 * <p>What stays open after {@code link} alone is who wrote the record; until a signature at or
 * after it was verified nothing in it may be relied on. (The signature bytes of vouched-for
 * ancestors are then unchecked; they protect nothing that the hashes do not.)
 *
 * <p>A chain introduces itself: its first record is a ROSTER, in clear and signed by the
 * application key, that names its writer. A plain object; one thread at a time.
 */
public final class ChainVerifier {

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final Map<Long, Chain> chains = new TreeMap<>();

  /** What is known of one writer. */
  private static final class Chain {
    final RosterEntry entry;
    long sequence;
    long lamport;
    long sealedAt = Long.MAX_VALUE;
    Hash32 head = Hash32.ZERO;

    /**
     * The epoch that the next record carries: of a worker's chain exactly, EOEs excepted; of
     * another at least. {@link #UNKNOWN_EPOCH} before the first record that is linked.
     */
    long epoch = UNKNOWN_EPOCH;

    Chain(RosterEntry entry) {
      this.entry = entry;
    }

    /** The epoch after a record, or -1 if the record may not carry the epoch that it does. */
    long epochAfter(RecordHeader header) {
      boolean isWorker = entry.role() == RosterEntry.Role.WORKER;
      if (isWorker && header.type() == RecordType.EOE) {
        // A coordinator may call for the end of an epoch again: that EOE has the same epoch.
        return epoch != UNKNOWN_EPOCH && header.epoch() < epoch - 1 ? -1 : nextOf(header.epoch());
      }
      boolean follows =
          epoch == UNKNOWN_EPOCH || (isWorker ? header.epoch() == epoch : header.epoch() >= epoch);
      return follows ? header.epoch() : -1;
    }

    private static long nextOf(long epoch) {
      return epoch == Long.MAX_VALUE ? epoch : epoch + 1;
    }
  }

  private static final long UNKNOWN_EPOCH = -1;

  /**
   * The newest linked record of a writer.
   *
   * @param writer the writer
   * @param sequence its newest sequence number; 0 if the writer is known but wrote nothing yet
   * @param hash hash of that record
   * @param lamport Lamport time of that record's first operation
   */
  public record Head(long writer, long sequence, Hash32 hash, long lamport) {}

  public ChainVerifier(CapsuleName capsule, CapsuleMetadata metadata, Secp256k1 curve) {
    this.capsule = capsule;
    this.metadata = metadata;
    this.curve = curve;
  }

  /**
   * Appends a record, or the stub of one, to its writer's chain, everything but the signature
   * checked. Whether a payload may be missing is not decided here.
   *
   * @return why it was refused, and then nothing has changed; null if it was linked
   */
  public @Nullable Rejection link(SignedHeader record) {
    RecordHeader header = record.header();
    List<RosterEntry> introduced = List.of();
    if (header.type() == RecordType.ROSTER) {
      // No stub is a ROSTER, unless somebody made one by other ways than the decoder.
      if (!(record instanceof CapsuleRecord roster)) {
        return Rejection.of(Reason.RELEASED, record + " is a ROSTER without its payload");
      }
      switch (RosterCodec.decode(capsule, roster.payload(), metadata, curve)) {
        case Decoded.Accepted<List<RosterEntry>>(var entries) -> introduced = entries;
        case Decoded.Rejected<List<RosterEntry>>(Rejection rejection) -> {
          return Rejection.of(rejection.reason(), record + ": " + rejection.detail());
        }
      }
      for (RosterEntry entry : introduced) {
        Chain known = chains.get(entry.writer());
        if (known != null && !known.entry.equals(entry)) {
          return Rejection.of(
              Reason.EQUIVOCATION,
              record + " gives writer " + Long.toHexString(entry.writer()) + " a second identity");
        }
      }
    }
    Chain chain = chains.get(header.writer());
    if (chain == null) {
      for (RosterEntry entry : introduced) {
        if (entry.writer() == header.writer()) {
          chain = new Chain(entry);
        }
      }
    }
    if (chain == null) {
      return Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer");
    }
    @Nullable Rejection refused = follow(chain, record);
    if (refused != null) {
      return refused;
    }
    chain.epoch = chain.epochAfter(header);
    chain.sequence = header.sequence();
    chain.lamport = header.lamport();
    chain.head = record.hash();
    chains.putIfAbsent(header.writer(), chain);
    for (RosterEntry entry : introduced) {
      chains.putIfAbsent(entry.writer(), new Chain(entry));
    }
    return null;
  }

  /**
   * Makes a writer known by other means than a roster: for reports about a chain whose first record
   * is lost, by whoever holds the application key. Does nothing if the writer is known.
   */
  public void introduce(RosterEntry entry) {
    chains.putIfAbsent(entry.writer(), new Chain(entry));
  }

  /**
   * Begins a chain behind records that need not be read: at a head that somebody trusted vouches
   * for, as a manifest does for the frontier it covers.
   *
   * @param entry the chain's writer
   * @param head its newest record that is vouched for; sequence 0 if none is
   * @throws IllegalArgumentException if {@code head} is another writer's or no head, or {@code
   *     entry} contradicts what is known of the writer
   * @throws IllegalStateException if records of the chain are linked already
   */
  public void resumeAt(RosterEntry entry, Head head) {
    if (head.writer() != entry.writer()
        || head.sequence() < 0
        || (head.sequence() == 0) != head.hash().isZero()
        || head.lamport() < 0
        || head.lamport() > RecordLayout.MAX_LAMPORT) {
      throw new IllegalArgumentException(
          "not a head of writer " + Long.toHexString(entry.writer()) + ": " + head);
    }
    Chain chain = chains.computeIfAbsent(entry.writer(), w -> new Chain(entry));
    if (!chain.entry.equals(entry)) {
      throw new IllegalArgumentException(
          "writer " + Long.toHexString(entry.writer()) + " is known with another identity");
    }
    if (chain.sequence != 0) {
      throw new IllegalStateException(
          "the chain of writer "
              + Long.toHexString(entry.writer())
              + " is linked up to "
              + chain.sequence);
    }
    chain.sequence = head.sequence();
    chain.head = head.hash();
    chain.lamport = head.lamport();
    chain.epoch = UNKNOWN_EPOCH;
  }

  /**
   * Forgets the records of a chain after one of them: they were dropped, because the writer was
   * sealed before them.
   *
   * @throws IllegalArgumentException if {@code head} is not before the newest linked record
   */
  public void rewind(Head head) {
    Chain chain = chains.get(head.writer());
    if (chain == null
        || head.sequence() < 0
        || head.sequence() >= chain.sequence
        || (head.sequence() == 0) != head.hash().isZero()) {
      throw new IllegalArgumentException("not before the head: " + head);
    }
    chain.sequence = head.sequence();
    chain.head = head.hash();
    chain.lamport = head.lamport();
    chain.epoch = UNKNOWN_EPOCH;
  }

  /**
   * Picks a chain up again behind damage: takes the record's word on its place, then links it. Only
   * for reports about a broken chain; nothing behind such a record is vouched for.
   */
  public @Nullable Rejection resume(SignedHeader record) {
    Chain chain = chains.get(record.header().writer());
    if (chain != null && record.header().sequence() > chain.sequence) {
      chain.sequence = record.header().sequence() - 1;
      chain.head = record.header().previous();
      chain.lamport = record.header().lamport() - 1;
      chain.epoch = UNKNOWN_EPOCH;
    }
    return link(record);
  }

  private static @Nullable Rejection follow(Chain chain, SignedHeader record) {
    RecordHeader header = record.header();
    if (header.generation() != chain.entry.generation()) {
      return Rejection.of(
          Reason.KEY_GENERATION,
          record
              + " is of generation "
              + header.generation()
              + ", its writer of "
              + chain.entry.generation());
    }
    if (header.sequence() == chain.sequence
        && chain.sequence > 0
        && !record.hash().equals(chain.head)) {
      return Rejection.of(
          Reason.EQUIVOCATION, record + " and " + chain.head + " share one sequence number");
    }
    if (header.sequence() != chain.sequence + 1) {
      return Rejection.of(
          Reason.SEQUENCE_GAP, record + " follows sequence number " + chain.sequence);
    }
    if (!header.previous().equals(chain.head)) {
      return Rejection.of(
          Reason.PREVIOUS_HASH,
          record + " names predecessor " + header.previous() + " where " + chain.head + " is");
    }
    if (header.lamport() <= chain.lamport) {
      return Rejection.of(
          Reason.LAMPORT_ORDER,
          record + " has Lamport time " + header.lamport() + " after " + chain.lamport);
    }
    if (chain.epochAfter(header) < 0) {
      return Rejection.of(
          Reason.EPOCH_ORDER, record + " is of epoch " + header.epoch() + " after " + chain.epoch);
    }
    if (header.sequence() > chain.sealedAt) {
      return Rejection.of(
          Reason.SEALED_WRITER, record + ": its writer was sealed at " + chain.sealedAt);
    }
    return null;
  }

  /**
   * Checks the signature of a record whose writer is known.
   *
   * @return what is wrong, or null
   */
  public @Nullable Rejection verifySignature(SignedHeader record) {
    Chain chain = chains.get(record.header().writer());
    if (chain == null) {
      return Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer");
    }
    if (!record.isSignedBy(chain.entry.key(), curve)) {
      return Rejection.of(Reason.SIGNATURE, record + " is not signed by its writer's key");
    }
    return null;
  }

  /** Refuses records of {@code writer} beyond {@code finalSequence} from now on. */
  public void seal(long writer, long finalSequence) {
    Chain chain = chains.get(writer);
    if (chain == null) {
      throw new IllegalArgumentException("an unknown writer cannot be sealed");
    }
    chain.sealedAt = Math.min(chain.sealedAt, finalSequence);
  }

  /** What the records are checked against. */
  public CapsuleMetadata metadata() {
    return metadata;
  }

  /** The roster entry of a writer, or null if no linked roster names it. */
  public @Nullable RosterEntry writer(long writer) {
    Chain chain = chains.get(writer);
    return chain == null ? null : chain.entry;
  }

  /** The frontier: the newest linked record of each known writer, by writer index. */
  public List<Head> frontier() {
    return chains.entrySet().stream()
        .map(
            e ->
                new Head(
                    e.getKey(), e.getValue().sequence, e.getValue().head, e.getValue().lamport))
        .toList();
  }

  /** The newest linked record of a known writer. */
  public Head head(long writer) {
    Chain chain = chains.get(writer);
    if (chain == null) {
      throw new IllegalArgumentException("an unknown writer has no head");
    }
    return new Head(writer, chain.sequence, chain.head, chain.lamport);
  }

  /** Every writer any linked roster names. */
  public java.util.Set<Long> writers() {
    return Collections.unmodifiableSet(chains.keySet());
  }
}
