package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog.Rebuilding;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Makes and reads the rows that {@link ReplicaLayout} describes, without the checksum, which {@link
 * StoreCodec} adds. Readers take any bytes and return null for those that are no such row.
 * Thread-safe.
 */
final class ReplicaCodec {

  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);

  private static final RosterEntry.Role[] ROLES = {
    RosterEntry.Role.WORKER,
    RosterEntry.Role.LEADER,
    RosterEntry.Role.COORDINATOR,
    RosterEntry.Role.COMPACTOR
  };

  /** What the store's row says. */
  record StoreRow(long incarnation, long numberFloor) {}

  /** What a chain's row says, the seal aside. */
  record ChainRow(RosterEntry entry, ChainHead head, long lamport) {}

  /** After which position the scrubber goes on, and how many passes it has done. */
  record CursorRow(Hash32 capsule, long writer, long sequence, long passes) {}

  private ReplicaCodec() {}

  // ------------------------------------------------------------------ keys

  static byte[] storeKey(int kind) {
    return new byte[] {(byte) kind};
  }

  static byte[] capsuleKey(int kind, Hash32 capsule) {
    return key(kind, capsule, ReplicaLayout.CAPSULE_KEY_BYTES);
  }

  static byte[] membershipKey(Hash32 capsule, int version) {
    byte[] key = key(ReplicaLayout.MEMBERSHIP, capsule, ReplicaLayout.MEMBERSHIP_KEY_BYTES);
    INT.set(key, ReplicaLayout.CAPSULE_KEY_BYTES, version);
    return key;
  }

  static byte[] writerKey(int kind, Hash32 capsule, long writer) {
    byte[] key = key(kind, capsule, ReplicaLayout.WRITER_KEY_BYTES);
    LONG.set(key, ReplicaLayout.CAPSULE_KEY_BYTES, writer);
    return key;
  }

  static byte[] evidenceKey(Hash32 capsule, Hash32 hash) {
    byte[] key = key(ReplicaLayout.EVIDENCE, capsule, ReplicaLayout.EVIDENCE_KEY_BYTES);
    hash.copyTo(key, ReplicaLayout.CAPSULE_KEY_BYTES);
    return key;
  }

  private static byte[] key(int kind, Hash32 capsule, int length) {
    byte[] key = new byte[length];
    key[ReplicaLayout.KEY_KIND] = (byte) kind;
    capsule.copyTo(key, ReplicaLayout.KEY_CAPSULE);
    return key;
  }

  /** What a key's row is; the key's length is checked, so that its parts can be asked for. */
  static boolean isKey(byte[] key, int kind, int length) {
    return key.length == length && key[ReplicaLayout.KEY_KIND] == kind;
  }

  static Hash32 capsuleOf(byte[] key) {
    return Hash32.copyOf(key, ReplicaLayout.KEY_CAPSULE);
  }

  static int versionOf(byte[] membershipKey) {
    return (int) INT.get(membershipKey, ReplicaLayout.CAPSULE_KEY_BYTES);
  }

  static long writerOf(byte[] writerKey) {
    return (long) LONG.get(writerKey, ReplicaLayout.CAPSULE_KEY_BYTES);
  }

  // ------------------------------------------------------------------ bodies

  static byte[] store(StoreRow row) {
    byte[] body = new byte[ReplicaLayout.STORE_BYTES];
    LONG.set(body, ReplicaLayout.STORE_INCARNATION, row.incarnation());
    LONG.set(body, ReplicaLayout.STORE_NUMBER_FLOOR, row.numberFloor());
    return body;
  }

  static @Nullable StoreRow store(byte[] body) {
    return body.length != ReplicaLayout.STORE_BYTES
        ? null
        : new StoreRow(
            (long) LONG.get(body, ReplicaLayout.STORE_INCARNATION),
            (long) LONG.get(body, ReplicaLayout.STORE_NUMBER_FLOOR));
  }

  static byte[] chain(ChainRow row) {
    byte[] body = new byte[ReplicaLayout.CHAIN_BYTES];
    INT.set(body, ReplicaLayout.CHAIN_GENERATION, row.entry().generation());
    body[ReplicaLayout.CHAIN_ROLE] = (byte) (1 + Arrays.asList(ROLES).indexOf(row.entry().role()));
    row.entry().key().copyTo(body, ReplicaLayout.CHAIN_KEY);
    putHead(body, ReplicaLayout.CHAIN_HEAD, row.head());
    LONG.set(body, ReplicaLayout.CHAIN_LAMPORT, row.lamport());
    return body;
  }

  static @Nullable ChainRow chain(long writer, byte[] body) {
    if (body.length != ReplicaLayout.CHAIN_BYTES) {
      return null;
    }
    int role = body[ReplicaLayout.CHAIN_ROLE];
    int generation = (int) INT.get(body, ReplicaLayout.CHAIN_GENERATION);
    ChainHead head = head(body, ReplicaLayout.CHAIN_HEAD);
    if (role < 1
        || role > ROLES.length
        || generation < 0
        || writer < 1
        || writer > RosterEntry.MAX_WRITER
        || head == null
        || !(PublicKey.decode(body, ReplicaLayout.CHAIN_KEY)
            instanceof Decoded.Accepted<PublicKey>(PublicKey key))) {
      return null;
    }
    return new ChainRow(
        new RosterEntry(writer, key, ROLES[role - 1], generation),
        head,
        (long) LONG.get(body, ReplicaLayout.CHAIN_LAMPORT));
  }

  static byte[] seal(SealState seal) {
    byte[] body = new byte[ReplicaLayout.SEAL_BYTES];
    putBallot(body, ReplicaLayout.SEAL_PROMISED, seal.promised());
    putHead(body, ReplicaLayout.SEAL_HEAD, seal.head());
    putBallot(body, ReplicaLayout.SEAL_ACCEPTED, seal.accepted());
    putHead(body, ReplicaLayout.SEAL_LAST, seal.last());
    return body;
  }

  static @Nullable SealState seal(byte[] body) {
    if (body.length != ReplicaLayout.SEAL_BYTES) {
      return null;
    }
    Ballot promised = ballot(body, ReplicaLayout.SEAL_PROMISED);
    ChainHead head = head(body, ReplicaLayout.SEAL_HEAD);
    Ballot accepted = ballot(body, ReplicaLayout.SEAL_ACCEPTED);
    ChainHead last = head(body, ReplicaLayout.SEAL_LAST);
    return promised == null
            || head == null
            || accepted == null
            || last == null
            || accepted.compareTo(promised) > 0
        ? null
        : new SealState(promised, head, accepted, last);
  }

  static byte[] rebuilding(Rebuilding rebuilding) {
    return new byte[] {
      switch (rebuilding) {
        case NONE -> ReplicaLayout.REBUILDING_NONE;
        case JOINING -> ReplicaLayout.REBUILDING_JOINING;
        case JOINED -> ReplicaLayout.REBUILDING_JOINED;
      }
    };
  }

  static @Nullable Rebuilding rebuilding(byte[] body) {
    if (body.length != ReplicaLayout.REBUILDING_BYTES) {
      return null;
    }
    return switch (body[0]) {
      case ReplicaLayout.REBUILDING_NONE -> Rebuilding.NONE;
      case ReplicaLayout.REBUILDING_JOINING -> Rebuilding.JOINING;
      case ReplicaLayout.REBUILDING_JOINED -> Rebuilding.JOINED;
      default -> null;
    };
  }

  static byte[] cursor(CursorRow row) {
    byte[] body = new byte[ReplicaLayout.CURSOR_BYTES];
    row.capsule().copyTo(body, ReplicaLayout.CURSOR_CAPSULE);
    LONG.set(body, ReplicaLayout.CURSOR_WRITER, row.writer());
    LONG.set(body, ReplicaLayout.CURSOR_SEQUENCE, row.sequence());
    LONG.set(body, ReplicaLayout.CURSOR_PASSES, row.passes());
    return body;
  }

  static @Nullable CursorRow cursor(byte[] body) {
    return body.length != ReplicaLayout.CURSOR_BYTES
        ? null
        : new CursorRow(
            Hash32.copyOf(body, ReplicaLayout.CURSOR_CAPSULE),
            (long) LONG.get(body, ReplicaLayout.CURSOR_WRITER),
            (long) LONG.get(body, ReplicaLayout.CURSOR_SEQUENCE),
            (long) LONG.get(body, ReplicaLayout.CURSOR_PASSES));
  }

  private static void putHead(byte[] body, int at, ChainHead head) {
    LONG.set(body, at + ReplicaLayout.HEAD_SEQUENCE, head.sequence());
    head.hash().copyTo(body, at + ReplicaLayout.HEAD_HASH);
  }

  private static @Nullable ChainHead head(byte[] body, int at) {
    long sequence = (long) LONG.get(body, at + ReplicaLayout.HEAD_SEQUENCE);
    Hash32 hash = Hash32.copyOf(body, at + ReplicaLayout.HEAD_HASH);
    return sequence >= 0 && (sequence == 0) == hash.isZero() ? new ChainHead(sequence, hash) : null;
  }

  private static void putBallot(byte[] body, int at, Ballot ballot) {
    LONG.set(body, at + ReplicaLayout.BALLOT_TERM, ballot.term());
    LONG.set(body, at + ReplicaLayout.BALLOT_SEALER, ballot.sealer());
  }

  private static @Nullable Ballot ballot(byte[] body, int at) {
    long term = (long) LONG.get(body, at + ReplicaLayout.BALLOT_TERM);
    long sealer = (long) LONG.get(body, at + ReplicaLayout.BALLOT_SEALER);
    return term < 0 || sealer < 0 || (term == 0) != (sealer == 0) ? null : new Ballot(term, sealer);
  }
}
