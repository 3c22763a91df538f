package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a client knows of one replica, and what is under way to it.
 *
 * <p>Which incarnation of the replica lives is learnt only from a FRONTIER with a nonce that was
 * drawn for the question: no replayed statement can bring an earlier one back. Statements of
 * another incarnation do not count. Of the living one the newest statement about each writer that
 * matters is kept, and the newest about all of them; they count while the replica is {@linkplain
 * #isConfirmed confirmed}.
 */
final class ReplicaPeer {

  /** What a statement turned out to be. */
  enum Verdict {
    /** It counts, as far as it is newer than what is known. */
    TAKEN,
    /** Of an incarnation that does not live, or none is known to. */
    OTHER_INCARNATION,
    /** An answer to a new question, with an old number: the replica was rolled back. */
    ROLLED_BACK,
    /** It contradicts an earlier one: {@link #contradiction}. */
    CONTRADICTION
  }

  /** A question what the replica holds. */
  record Probe(long request, Hash32 nonce, long sentNanos, long newestNumber) {}

  /** Records under way. */
  record Flight(
      long request, long sentNanos, long bytes, Map<Long, Long> first, Map<Long, Long> last) {}

  /** Where sending a chain goes on. */
  static final class Cursor {
    long next;

    /** The replica lacks records that are kept here no more: it has to heal first. */
    boolean lagging;

    /** Refusals of this chain are counted only of flights begun after this request. */
    long rewoundAt;
  }

  /** Payloads that may go. */
  record ReleaseOrder(long writer, long sequence, List<Checkpoint.Range> ranges) {
    ReleaseOrder {
      ranges = List.copyOf(ranges);
    }
  }

  final PublicKey key;
  private final Secp256k1 curve;
  boolean linked;

  /** Whether it has said on this link what it holds, and appends may be sent. */
  boolean synced;

  boolean convicted;
  boolean full;
  long fullUntilNanos;

  private boolean known;
  private boolean confirmed;
  private long incarnation;
  private long newestNumber;
  private @Nullable SignedStatement frontier;
  private final Map<Long, SignedStatement> byWriter = new HashMap<>();
  private @Nullable ContradictionProof contradiction;
  private int membership;

  @Nullable Probe probe;
  long restUntilNanos;
  long pollAtNanos;
  int failures;

  final Map<Long, Flight> flights = new LinkedHashMap<>();
  long flightBytes;
  final Map<Long, Cursor> cursors = new HashMap<>();

  /** Chains of which it refuses a record for good, and why. */
  final Map<Long, String> refusing = new HashMap<>();

  long describeRequest;
  long describeSentNanos;
  int installing;
  long installRequest;
  long installSentNanos;
  long foundRequest;

  final ArrayDeque<ReleaseOrder> releases = new ArrayDeque<>();
  long releaseRequest;
  long releaseSentNanos;
  long releaseAtNanos;
  int releaseTries;

  long inquiryRequest;
  long inquiryWriter;
  long inquirySequence;

  double meanNanos;
  double deviationNanos;
  int strikes;
  long avoidedUntilNanos;

  ReplicaPeer(PublicKey key, Secp256k1 curve) {
    this.key = key;
    this.curve = curve;
  }

  /** Number of the newest statement of the living incarnation; -1 if there is none. */
  long newestNumber() {
    return known ? newestNumber : -1;
  }

  /**
   * Whether it has answered a new question since the link was down or it was silent. It may have
   * come back meanwhile without its disk: what it said before does not count until it shows that it
   * has not.
   */
  boolean isConfirmed() {
    return confirmed;
  }

  /** Version of the membership it says it knows. */
  int membership() {
    return membership;
  }

  @Nullable ContradictionProof contradiction() {
    return contradiction;
  }

  /**
   * Takes a statement whose signature and capsule were checked.
   *
   * @param probed the question it answers, if it is the answer to one with a fresh nonce
   * @param matters whether what is said about a writer is worth keeping
   */
  Verdict take(
      SignedStatement signed, @Nullable Probe probed, java.util.function.LongPredicate matters) {
    Statement said = signed.statement();
    if (probed != null) {
      if (!known || said.incarnation() != incarnation) {
        live(said.incarnation());
      } else if (said.number() <= probed.newestNumber) {
        return Verdict.ROLLED_BACK;
      }
    } else if (!known || said.incarnation() != incarnation) {
      return Verdict.OTHER_INCARNATION;
    }
    contradiction = contradictionBy(signed);
    if (contradiction != null) {
      return Verdict.CONTRADICTION;
    }
    confirmed |= probed != null;
    if (said.number() > newestNumber) {
      newestNumber = said.number();
      membership = said.membership();
    }
    if (said.kind() == Statement.Kind.FRONTIER
        && (frontier == null || frontier.statement().number() < said.number())) {
      frontier = signed;
    }
    for (Statement.Entry entry : said.entries()) {
      if (matters.test(entry.writer())) {
        byWriter.merge(
            entry.writer(),
            signed,
            (old, now) -> old.statement().number() < now.statement().number() ? now : old);
      }
    }
    return Verdict.TAKEN;
  }

  private void live(long newIncarnation) {
    known = true;
    incarnation = newIncarnation;
    newestNumber = -1;
    frontier = null;
    byWriter.clear();
    convicted = false;
    membership = 0;
    refusing.clear();
  }

  private @Nullable ContradictionProof contradictionBy(SignedStatement signed) {
    Statement said = signed.statement();
    Set<SignedStatement> before = new HashSet<>();
    if (frontier != null) {
      before.add(frontier);
    }
    if (said.kind() == Statement.Kind.FRONTIER) {
      before.addAll(byWriter.values());
    } else {
      for (Statement.Entry entry : said.entries()) {
        SignedStatement kept = byWriter.get(entry.writer());
        if (kept != null) {
          before.add(kept);
        }
      }
    }
    for (SignedStatement kept : before) {
      Statement other = kept.statement();
      boolean odd =
          other.number() < said.number()
              ? isOdd(other, said)
              : other.number() > said.number() ? isOdd(said, other) : !other.equals(said);
      // Most that is odd is no lie where a final head was accepted: the proof knows.
      ContradictionProof proof = odd ? ContradictionProof.of(kept, signed, curve) : null;
      if (proof != null) {
        return proof;
      }
    }
    return null;
  }

  /** Whether the later one says less, or something else, than the earlier: cheap, and too much. */
  private static boolean isOdd(Statement earlier, Statement later) {
    if (later.membership() < earlier.membership()) {
      return true;
    }
    for (Statement.Entry was : earlier.entries()) {
      Statement.Entry is = later.entry(was.writer());
      if (is == null) {
        if (later.kind() == Statement.Kind.FRONTIER) {
          return true;
        }
        continue;
      }
      if (is.head().sequence() < was.head().sequence()
          || (is.head().sequence() == was.head().sequence() && !is.head().equals(was.head()))
          || (was.seal().isSealed() && !is.seal().equals(was.seal()))) {
        return true;
      }
    }
    return false;
  }

  /** Whether this very statement was verified and taken: several appends may share one. */
  boolean hasTaken(SignedStatement signed) {
    for (Statement.Entry entry : signed.statement().entries()) {
      if (signed.equals(byWriter.get(entry.writer()))) {
        return true;
      }
    }
    return false;
  }

  /** The newest statement that says anything of a writer; null if there is none. */
  @Nullable SignedStatement statementOf(long writer) {
    SignedStatement own = byWriter.get(writer);
    SignedStatement all = frontier;
    if (all == null || all.statement().entry(writer) == null) {
      return own;
    }
    return own == null || own.statement().number() < all.statement().number() ? all : own;
  }

  private Statement.@Nullable Entry entry(long writer) {
    SignedStatement signed = statementOf(writer);
    return signed == null ? null : signed.statement().entry(writer);
  }

  /** What it says it holds of a writer. */
  ChainHead head(long writer) {
    Statement.Entry entry = entry(writer);
    return entry == null ? ChainHead.NONE : entry.head();
  }

  /** What it says it has promised about a writer. */
  SealState seal(long writer) {
    Statement.Entry entry = entry(writer);
    return entry == null ? SealState.OPEN : entry.seal();
  }

  /** Keeps only what is said of writers that still matter. */
  void forget(long writer) {
    byWriter.remove(writer);
    cursors.remove(writer);
    refusing.remove(writer);
  }

  /** Everything under way is taken for lost. */
  void drop() {
    synced = false;
    confirmed = false;
    probe = null;
    flights.clear();
    flightBytes = 0;
    cursors.clear();
    describeRequest = 0;
    installRequest = 0;
    foundRequest = 0;
    releaseRequest = 0;
    inquiryRequest = 0;
  }

  /** Learns how long an answer took. */
  void took(long nanos) {
    double error = nanos - meanNanos;
    if (meanNanos == 0) {
      meanNanos = nanos;
      deviationNanos = nanos / 2.0;
    } else {
      meanNanos += error / 8;
      deviationNanos += (Math.abs(error) - deviationNanos) / 4;
    }
  }

  /** An answer that takes longer is a slow one; about the 95th percentile. */
  double slowNanos() {
    return meanNanos + 2 * deviationNanos;
  }
}
