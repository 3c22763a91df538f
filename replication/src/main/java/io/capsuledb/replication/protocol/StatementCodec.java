package io.capsuledb.replication.protocol;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Statements of replicas to signed bytes and back. Canonical: a statement has one encoding, the
 * signature apart. Format 1, docs/format/replication.md.
 *
 * <p>Decoding and verifying are apart, because verifying is expensive: {@link #decode} says only
 * that bytes have the form of a statement, {@link #verify} that its replica signed it.
 */
public final class StatementCodec {

  private static final byte[] TAG = "capsuledb/v1/statement".getBytes(StandardCharsets.US_ASCII);

  private StatementCodec() {}

  /**
   * Encodes and signs.
   *
   * @param replicaSigner signs a digest with the key of {@link Statement#replica}, 64 bytes
   * @throws IllegalArgumentException if the statement breaks a rule of the format, which an honest
   *     replica's never does; the message says which
   */
  public static SignedStatement encode(
      Statement statement, Function<Hash32, byte[]> replicaSigner) {
    String wrong = wrong(statement);
    if (wrong != null) {
      throw new IllegalArgumentException("statement with " + wrong);
    }
    byte[] bytes = new byte[StatementLayout.bytes(statement.entries().size())];
    bytes[StatementLayout.FORMAT_OFFSET] = StatementLayout.FORMAT;
    bytes[StatementLayout.KIND_OFFSET] = (byte) statement.kind().number();
    statement.capsule().hash().copyTo(bytes, StatementLayout.CAPSULE_OFFSET);
    statement.replica().copyTo(bytes, StatementLayout.REPLICA_OFFSET);
    LittleEndian.putInt(bytes, StatementLayout.MEMBERSHIP_OFFSET, statement.membership());
    LittleEndian.putInt(bytes, StatementLayout.COUNT_OFFSET, statement.entries().size());
    LittleEndian.putLong(bytes, StatementLayout.INCARNATION_OFFSET, statement.incarnation());
    LittleEndian.putLong(bytes, StatementLayout.NUMBER_OFFSET, statement.number());
    statement.nonce().copyTo(bytes, StatementLayout.NONCE_OFFSET);
    int at = StatementLayout.ENTRIES_OFFSET;
    for (Statement.Entry entry : statement.entries()) {
      LittleEndian.putLong(bytes, at + StatementLayout.WRITER_IN_ENTRY, entry.writer());
      putHead(bytes, at + StatementLayout.HEAD_IN_ENTRY, entry.head());
      SealState seal = entry.seal();
      putBallot(bytes, at + StatementLayout.PROMISED_IN_ENTRY, seal.promised());
      putHead(bytes, at + StatementLayout.SEAL_HEAD_IN_ENTRY, seal.head());
      putBallot(bytes, at + StatementLayout.ACCEPTED_IN_ENTRY, seal.accepted());
      putHead(bytes, at + StatementLayout.LAST_IN_ENTRY, seal.last());
      at += StatementLayout.ENTRY_BYTES;
    }
    byte[] signature = replicaSigner.apply(digest(bytes));
    if (signature.length != StatementLayout.SIGNATURE_BYTES) {
      throw new IllegalStateException("a signature has 64 bytes, not " + signature.length);
    }
    System.arraycopy(signature, 0, bytes, at, signature.length);
    return new SignedStatement(statement, Blob.of(bytes));
  }

  /**
   * Decodes a statement. Takes any bytes; keeps {@code bytes}, which must not be modified
   * afterwards. Who signed it is not checked: {@link #verify}.
   */
  public static Decoded<SignedStatement> decode(byte[] bytes) {
    return decode(bytes, null);
  }

  /**
   * As {@link #decode(byte[])}, and faster if the guess is right: a key that is not known takes a
   * square root modulo a prime.
   *
   * @param likely the replica whose statement it probably is; a wrong guess changes nothing
   */
  public static Decoded<SignedStatement> decode(byte[] bytes, @Nullable PublicKey likely) {
    if (bytes.length < StatementLayout.MIN_BYTES) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "statement has " + bytes.length + " bytes, at least " + StatementLayout.MIN_BYTES);
    }
    if (bytes[StatementLayout.FORMAT_OFFSET] != StatementLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "statement format " + bytes[StatementLayout.FORMAT_OFFSET]);
    }
    Statement.Kind kind = kindOf(bytes[StatementLayout.KIND_OFFSET]);
    if (kind == null) {
      return Decoded.reject(
          Reason.UNKNOWN_TYPE, "statement kind " + bytes[StatementLayout.KIND_OFFSET]);
    }
    if (!isZero(bytes, StatementLayout.RESERVED_OFFSET, StatementLayout.CAPSULE_OFFSET)
        || !isZero(bytes, StatementLayout.PADDING_OFFSET, StatementLayout.MEMBERSHIP_OFFSET)) {
      return Decoded.reject(Reason.RESERVED_BITS, "reserved bytes of a statement are not zero");
    }
    int count = LittleEndian.getInt(bytes, StatementLayout.COUNT_OFFSET);
    if (count < 0 || count > Statement.MAX_ENTRIES) {
      return Decoded.reject(
          Reason.TOO_LARGE, "statement of " + Integer.toUnsignedString(count) + " entries");
    }
    int expected = StatementLayout.bytes(count);
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "statement has " + bytes.length + " bytes where its count says " + expected);
    }
    List<Statement.Entry> entries = new ArrayList<>(count);
    int at = StatementLayout.ENTRIES_OFFSET;
    for (int i = 0; i < count; i++, at += StatementLayout.ENTRY_BYTES) {
      Statement.Entry entry = entry(bytes, at);
      if (entry == null) {
        return Decoded.reject(
            Reason.FIELD_OUT_OF_RANGE, "statement entry " + i + " has no head or ballot");
      }
      entries.add(entry);
    }
    return key(bytes, likely).then(replica -> assemble(bytes, kind, replica, entries));
  }

  private static Decoded<PublicKey> key(byte[] bytes, @Nullable PublicKey likely) {
    int at = StatementLayout.REPLICA_OFFSET;
    return likely != null
            && Arrays.equals(likely.bytes(), 0, PublicKey.BYTES, bytes, at, at + PublicKey.BYTES)
        ? Decoded.accept(likely)
        : PublicKey.decode(bytes, at);
  }

  private static Decoded<SignedStatement> assemble(
      byte[] bytes, Statement.Kind kind, PublicKey replica, List<Statement.Entry> entries) {
    Statement statement =
        new Statement(
            kind,
            new CapsuleName(Hash32.copyOf(bytes, StatementLayout.CAPSULE_OFFSET)),
            replica,
            LittleEndian.getInt(bytes, StatementLayout.MEMBERSHIP_OFFSET),
            LittleEndian.getLong(bytes, StatementLayout.INCARNATION_OFFSET),
            LittleEndian.getLong(bytes, StatementLayout.NUMBER_OFFSET),
            Hash32.copyOf(bytes, StatementLayout.NONCE_OFFSET),
            entries);
    String wrong = wrong(statement);
    return wrong == null
        ? Decoded.accept(new SignedStatement(statement, Blob.of(bytes)))
        : Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "statement with " + wrong);
  }

  /**
   * Whether the replica that the statement names signed it. Whether that replica is one of the
   * capsule's is for the membership to say.
   *
   * @param signed as {@link #encode} or {@link #decode} made it
   */
  public static boolean verify(SignedStatement signed, Secp256k1 curve) {
    byte[] bytes = signed.encoded().bytes();
    return curve.verify(
        digest(bytes),
        bytes,
        bytes.length - StatementLayout.SIGNATURE_BYTES,
        signed.statement().replica());
  }

  /** What the replica signs. */
  private static Hash32 digest(byte[] signed) {
    return Hashes.tagged(
        TAG, Arrays.copyOf(signed, signed.length - StatementLayout.SIGNATURE_BYTES));
  }

  // ------------------------------------------------------------------ rules

  /** Which rule of the format a statement breaks, or null. */
  private static @Nullable String wrong(Statement statement) {
    int count = statement.entries().size();
    if (statement.membership() < 0 || statement.number() < 0) {
      return "membership version " + statement.membership() + ", number " + statement.number();
    }
    if (count > Statement.MAX_ENTRIES
        || (statement.kind() == Statement.Kind.SEALED && count != 1)) {
      return count + " entries in a " + statement.kind();
    }
    if (statement.kind() != Statement.Kind.FRONTIER && !statement.nonce().isZero()) {
      return "a nonce in a " + statement.kind();
    }
    long before = 0;
    for (Statement.Entry entry : statement.entries()) {
      if (entry.writer() <= before || entry.writer() > RosterEntry.MAX_WRITER) {
        return "writer "
            + Long.toHexString(entry.writer())
            + " after writer "
            + Long.toHexString(before);
      }
      before = entry.writer();
      String wrong = wrong(entry.head(), entry.seal());
      if (wrong != null) {
        return "writer " + Long.toHexString(entry.writer()) + ": " + wrong;
      }
    }
    return null;
  }

  /** A replica never holds what it has promised not to hold. */
  private static @Nullable String wrong(ChainHead head, SealState seal) {
    if (seal.promised().sealer() > RosterEntry.MAX_WRITER
        || seal.accepted().sealer() > RosterEntry.MAX_WRITER) {
      return "a sealer that is no writer";
    }
    if ((!seal.isSealed() && !seal.head().equals(ChainHead.NONE))
        || (!seal.isFinal() && !seal.last().equals(ChainHead.NONE))) {
      return "a head under no ballot";
    }
    if (head.sequence() > seal.limit()
        || (seal.isFinal()
            && head.sequence() == seal.last().sequence()
            && !head.equals(seal.last()))) {
      return "head " + head.sequence() + " where " + seal.limit() + " is sealed";
    }
    return null;
  }

  // ------------------------------------------------------------------ parts

  private static Statement.@Nullable Entry entry(byte[] bytes, int at) {
    ChainHead head = head(bytes, at + StatementLayout.HEAD_IN_ENTRY);
    Ballot promised = ballot(bytes, at + StatementLayout.PROMISED_IN_ENTRY);
    ChainHead sealHead = head(bytes, at + StatementLayout.SEAL_HEAD_IN_ENTRY);
    Ballot accepted = ballot(bytes, at + StatementLayout.ACCEPTED_IN_ENTRY);
    ChainHead last = head(bytes, at + StatementLayout.LAST_IN_ENTRY);
    if (head == null
        || promised == null
        || sealHead == null
        || accepted == null
        || last == null
        || accepted.compareTo(promised) > 0) {
      return null;
    }
    SealState seal = new SealState(promised, sealHead, accepted, last);
    return new Statement.Entry(
        LittleEndian.getLong(bytes, at + StatementLayout.WRITER_IN_ENTRY),
        head,
        seal.equals(SealState.OPEN) ? SealState.OPEN : seal);
  }

  static void putHead(byte[] bytes, int at, ChainHead head) {
    LittleEndian.putLong(bytes, at, head.sequence());
    head.hash().copyTo(bytes, at + Long.BYTES);
  }

  /** The head at an offset, or null if there is none. */
  static @Nullable ChainHead head(byte[] bytes, int at) {
    long sequence = LittleEndian.getLong(bytes, at);
    if (sequence == 0) {
      return isZero(bytes, at + Long.BYTES, at + Long.BYTES + Hash32.BYTES) ? ChainHead.NONE : null;
    }
    Hash32 hash = Hash32.copyOf(bytes, at + Long.BYTES);
    return sequence < 0 || hash.isZero() ? null : new ChainHead(sequence, hash);
  }

  private static void putBallot(byte[] bytes, int at, Ballot ballot) {
    LittleEndian.putLong(bytes, at, ballot.term());
    LittleEndian.putLong(bytes, at + Long.BYTES, ballot.sealer());
  }

  private static @Nullable Ballot ballot(byte[] bytes, int at) {
    long term = LittleEndian.getLong(bytes, at);
    long sealer = LittleEndian.getLong(bytes, at + Long.BYTES);
    if (term < 0 || sealer < 0 || (term == 0) != (sealer == 0)) {
      return null;
    }
    return term == 0 ? Ballot.NONE : new Ballot(term, sealer);
  }

  private static Statement.@Nullable Kind kindOf(int number) {
    for (Statement.Kind kind : Statement.Kind.values()) {
      if (kind.number() == number) {
        return kind;
      }
    }
    return null;
  }

  static boolean isZero(byte[] bytes, int from, int to) {
    for (int i = from; i < to; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }
}
