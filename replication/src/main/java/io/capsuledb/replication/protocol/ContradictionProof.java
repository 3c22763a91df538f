package io.capsuledb.replication.protocol;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.ChainHead;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Proof that a replica lied, or that its disk was set back: two statements that it signed in one
 * incarnation about one capsule, and that no replica that keeps the rules can both have signed.
 * Anybody can check it; no key is needed but the replica's, which is in the statements. This is the
 * payload of an EVIDENCE record (kind 2), docs/format/replication.md. Immutable.
 *
 * <p><b>An honest replica is never convicted</b>, whatever writers, sealers, clients and other
 * replicas do to it, as long as it keeps these rules:
 *
 * <ol>
 *   <li>What it signs is durable before it signs it, the membership included; no number is used
 *       twice in an incarnation, also across restarts.
 *   <li>It drops records of a chain only because it has accepted a final head that they are beyond,
 *       or not on the chain of; in the batch that accepts it if they are beyond.
 *   <li>It promises to ever higher ballots, and its promise names the head it holds. From then on
 *       it takes nothing beyond that head, unless it has accepted a final head.
 *   <li>It accepts a final head of a ballot at least as high as promised, or one that a quorum has
 *       told it they accepted; of ever higher ballots, and never a second one of the same ballot
 *       that differs.
 *   <li>A FRONTIER names every writer of which it holds a record or that it has promised to seal.
 *   <li>If it loses what it has said it holds, by a broken disk or a backup put back, it draws a
 *       new incarnation before it makes another statement.
 * </ol>
 *
 * <p>Two statements cannot show what was accepted between them. Therefore a head that is lower, or
 * another, after a final head was accepted is a contradiction only where nothing else can have been
 * accepted in between and the final head is the very head that was dropped: dropping may have been
 * ordered by a final head that a later ballot replaced.
 */
public final class ContradictionProof {

  private final SignedStatement first;
  private final SignedStatement second;
  private final String reason;

  private ContradictionProof(SignedStatement first, SignedStatement second, String reason) {
    this.first = first;
    this.second = second;
    this.reason = reason;
  }

  /**
   * The proof that two statements make together.
   *
   * @return null if they do not contradict each other, or a signature does not verify
   */
  public static @Nullable ContradictionProof of(
      SignedStatement one, SignedStatement other, Secp256k1 curve) {
    boolean inOrder = order(one, other) <= 0;
    SignedStatement first = inOrder ? one : other;
    SignedStatement second = inOrder ? other : one;
    String reason = contradiction(first.statement(), second.statement());
    return reason != null
            && StatementCodec.verify(first, curve)
            && StatementCodec.verify(second, curve)
        ? new ContradictionProof(first, second, reason)
        : null;
  }

  /** Whom this convicts. */
  public PublicKey replica() {
    return first.statement().replica();
  }

  /** The statement with the lower number; if they have one number, with the smaller bytes. */
  public SignedStatement first() {
    return first;
  }

  /** The other statement. */
  public SignedStatement second() {
    return second;
  }

  /** What contradicts what, for people. */
  public String reason() {
    return reason;
  }

  /** One contradiction of two statements has one encoding. */
  public byte[] encode() {
    byte[] one = first.encoded().bytes();
    byte[] other = second.encoded().bytes();
    FieldWriter out = new FieldWriter(EvidenceLayout.FIRST_OFFSET + one.length + other.length);
    out.putByte(EvidenceLayout.FORMAT);
    out.putByte(EvidenceLayout.KIND_CONTRADICTION);
    out.reserved(EvidenceLayout.RESERVED_BYTES);
    out.putInt(one.length);
    out.put(one);
    out.put(other);
    return out.toBytes();
  }

  /** Decodes and checks a proof, signatures included. Takes any bytes. */
  public static Decoded<ContradictionProof> decode(byte[] bytes, Secp256k1 curve) {
    FieldReader in = new FieldReader("evidence", bytes);
    int format = in.unsignedByte();
    if (format != EvidenceLayout.FORMAT) {
      in.reject(Reason.UNKNOWN_FORMAT, "format " + format);
    }
    int kind = in.unsignedByte();
    if (kind != EvidenceLayout.KIND_CONTRADICTION) {
      in.reject(Reason.UNKNOWN_TYPE, "kind " + kind);
    }
    in.reserved(EvidenceLayout.RESERVED_BYTES);
    byte[] one = in.blob(StatementLayout.MAX_BYTES).bytes();
    byte[] other = in.rest(StatementLayout.MAX_BYTES).bytes();
    Rejection rejection = in.rejection();
    if (rejection != null) {
      return new Decoded.Rejected<>(rejection);
    }
    return StatementCodec.decode(one)
        .then(first -> StatementCodec.decode(other).then(second -> check(first, second, curve)));
  }

  private static Decoded<ContradictionProof> check(
      SignedStatement first, SignedStatement second, Secp256k1 curve) {
    ContradictionProof proof = of(first, second, curve);
    if (proof == null || !proof.first.equals(first)) {
      return Decoded.reject(Reason.SIGNATURE, "the statements prove no contradiction of a replica");
    }
    return Decoded.accept(proof);
  }

  /** By number; without the signatures, of which a dishonest replica can make many. */
  private static int order(SignedStatement one, SignedStatement other) {
    int byNumber = Long.compare(one.statement().number(), other.statement().number());
    if (byNumber != 0) {
      return byNumber;
    }
    byte[] first = one.encoded().bytes();
    byte[] second = other.encoded().bytes();
    return Arrays.compareUnsigned(
        first,
        0,
        first.length - StatementLayout.SIGNATURE_BYTES,
        second,
        0,
        second.length - StatementLayout.SIGNATURE_BYTES);
  }

  // ------------------------------------------------------------------ what contradicts

  /**
   * What contradicts what in two statements, or null if nothing does; signatures are not looked at.
   *
   * @param earlier the statement with the lower number, or of two with one number any
   */
  static @Nullable String contradiction(Statement earlier, Statement later) {
    if (!earlier.replica().equals(later.replica())
        || !earlier.capsule().equals(later.capsule())
        || earlier.incarnation() != later.incarnation()) {
      return null;
    }
    if (earlier.number() == later.number()) {
      return earlier.equals(later) ? null : "two statements have the number " + later.number();
    }
    if (later.membership() < earlier.membership()) {
      return "membership version " + later.membership() + " after version " + earlier.membership();
    }
    for (Statement.Entry before : earlier.entries()) {
      Statement.Entry after = later.entry(before.writer());
      if (after == null && later.kind() == Statement.Kind.FRONTIER) {
        after = new Statement.Entry(before.writer(), ChainHead.NONE, SealState.OPEN);
      }
      String wrong = after == null ? null : contradiction(before, after);
      if (wrong != null) {
        return "writer " + Long.toHexString(before.writer()) + ": " + wrong;
      }
    }
    return null;
  }

  private static @Nullable String contradiction(Statement.Entry before, Statement.Entry after) {
    SealState was = before.seal();
    SealState is = after.seal();
    if (is.promised().compareTo(was.promised()) < 0) {
      return "promised to " + is.promised() + " after " + was.promised();
    }
    int accepted = is.accepted().compareTo(was.accepted());
    if (accepted < 0) {
      return "accepted " + is.accepted() + " after " + was.accepted();
    }
    if (accepted == 0 && !is.last().equals(was.last())) {
      return "accepted two final heads of " + is.accepted();
    }
    return is.isFinal() ? afterFinal(before, after) : contradictionOfHeads(before, after);
  }

  /** No final head was accepted before {@code after}: so nothing was ever dropped. */
  private static @Nullable String contradictionOfHeads(
      Statement.Entry before, Statement.Entry after) {
    SealState was = before.seal();
    SealState is = after.seal();
    if (after.head().sequence() < before.head().sequence()) {
      return "held " + before.head().sequence() + ", then " + after.head().sequence();
    }
    if (was.isSealed() && !is.head().equals(was.head())) {
      return "promised at " + was.head().sequence() + ", then at " + is.head().sequence();
    }
    // All these it held at some time, so they are one chain.
    Map<Long, ChainHead> bySequence = new TreeMap<>();
    for (ChainHead head : List.of(before.head(), was.head(), after.head(), is.head())) {
      ChainHead known = bySequence.putIfAbsent(head.sequence(), head);
      if (known != null && !known.equals(head)) {
        return "two records at " + head.sequence();
      }
    }
    return null;
  }

  /**
   * A final head was accepted, perhaps after others that ordered records to be dropped; also after
   * one of a lower ballot than was promised, which a quorum had accepted.
   */
  private static @Nullable String afterFinal(Statement.Entry before, Statement.Entry after) {
    SealState was = before.seal();
    SealState is = after.seal();
    return was.accepted().equals(is.accepted())
            && before.head().equals(is.last())
            && !after.head().equals(is.last())
        ? "held the final head " + is.last().sequence() + ", then " + after.head().sequence()
        : null;
  }
}
