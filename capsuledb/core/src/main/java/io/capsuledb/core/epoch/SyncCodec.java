package io.capsuledb.core.epoch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayList;
import java.util.List;

/**
 * The payload of a SYNC record before encryption. Canonical: a SYNC has one encoding. Format 1,
 * docs/format/epoch.md.
 */
public final class SyncCodec {

  private SyncCodec() {}

  /** Encodes a SYNC. */
  public static byte[] encode(Sync sync) {
    List<Sync.Position> positions = sync.positions();
    byte[] bytes =
        new byte[SyncLayout.POSITIONS_OFFSET + positions.size() * SyncLayout.POSITION_BYTES];
    bytes[SyncLayout.FORMAT_OFFSET] = SyncLayout.FORMAT;
    LittleEndian.putInt(bytes, SyncLayout.ATTEMPT_OFFSET, sync.attempt());
    LittleEndian.putLong(bytes, SyncLayout.EPOCH_OFFSET, sync.epoch());
    LittleEndian.putLong(bytes, SyncLayout.TERM_OFFSET, sync.term());
    LittleEndian.putLong(bytes, SyncLayout.CUT_OFFSET, sync.cutTime());
    LittleEndian.putLong(bytes, SyncLayout.COMPACTOR_OFFSET, sync.compactor());
    LittleEndian.putInt(bytes, SyncLayout.GENERATION_OFFSET, sync.generation());
    LittleEndian.putInt(bytes, SyncLayout.COUNT_OFFSET, positions.size());
    sync.previous().copyTo(bytes, SyncLayout.PREVIOUS_OFFSET);
    int at = SyncLayout.POSITIONS_OFFSET;
    for (Sync.Position position : positions) {
      LittleEndian.putLong(bytes, at + SyncLayout.WRITER_IN_POSITION, position.writer());
      bytes[at + SyncLayout.ROLE_IN_POSITION] = (byte) position.role().number();
      bytes[at + SyncLayout.STATE_IN_POSITION] = (byte) position.state().number();
      LittleEndian.putLong(bytes, at + SyncLayout.SEQUENCE_IN_POSITION, position.head().sequence());
      position.head().hash().copyTo(bytes, at + SyncLayout.HASH_IN_POSITION);
      at += SyncLayout.POSITION_BYTES;
    }
    return bytes;
  }

  /** Decodes a SYNC. Takes any bytes. */
  public static Decoded<Sync> decode(byte[] bytes) {
    if (bytes.length < SyncLayout.POSITIONS_OFFSET) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "SYNC has " + bytes.length + " bytes, at least " + SyncLayout.POSITIONS_OFFSET);
    }
    Rejection refused = EpochFields.wrongFormat("SYNC", bytes, SyncLayout.FORMAT);
    if (refused == null) {
      refused =
          EpochFields.notZero("SYNC", bytes, SyncLayout.RESERVED_OFFSET, SyncLayout.ATTEMPT_OFFSET);
    }
    if (refused != null) {
      return new Decoded.Rejected<>(refused);
    }
    int count = LittleEndian.getInt(bytes, SyncLayout.COUNT_OFFSET);
    if (count < 0 || count > Sync.MAX_POSITIONS) {
      return Decoded.reject(
          Reason.TOO_LARGE, "SYNC of " + Integer.toUnsignedString(count) + " positions");
    }
    int expected = SyncLayout.POSITIONS_OFFSET + count * SyncLayout.POSITION_BYTES;
    refused = EpochFields.wrongLength("SYNC", bytes, expected);
    if (refused != null) {
      return new Decoded.Rejected<>(refused);
    }
    List<Sync.Position> positions = new ArrayList<>(count);
    for (int at = SyncLayout.POSITIONS_OFFSET; at < expected; at += SyncLayout.POSITION_BYTES) {
      switch (position(bytes, at)) {
        case Decoded.Accepted<Sync.Position>(Sync.Position position) -> positions.add(position);
        case Decoded.Rejected<Sync.Position>(Rejection wrong) -> {
          return new Decoded.Rejected<>(wrong);
        }
      }
    }
    long epoch = LittleEndian.getLong(bytes, SyncLayout.EPOCH_OFFSET);
    int attempt = LittleEndian.getInt(bytes, SyncLayout.ATTEMPT_OFFSET);
    long term = LittleEndian.getLong(bytes, SyncLayout.TERM_OFFSET);
    long cutTime = LittleEndian.getLong(bytes, SyncLayout.CUT_OFFSET);
    int generation = LittleEndian.getInt(bytes, SyncLayout.GENERATION_OFFSET);
    long compactor = LittleEndian.getLong(bytes, SyncLayout.COMPACTOR_OFFSET);
    Hash32 previous = Hash32.copyOf(bytes, SyncLayout.PREVIOUS_OFFSET);
    String wrong = Sync.wrong(epoch, attempt, term, cutTime, generation, compactor, positions);
    return wrong == null
        ? Decoded.accept(
            new Sync(epoch, attempt, term, cutTime, generation, compactor, previous, positions))
        : EpochFields.outOfRange("SYNC", wrong);
  }

  private static Decoded<Sync.Position> position(byte[] bytes, int at) {
    Rejection refused =
        EpochFields.notZero(
            "SYNC",
            bytes,
            at + SyncLayout.RESERVED_IN_POSITION,
            at + SyncLayout.SEQUENCE_IN_POSITION);
    if (refused != null) {
      return new Decoded.Rejected<>(refused);
    }
    int role = bytes[at + SyncLayout.ROLE_IN_POSITION];
    Sync.State state = Sync.State.ofNumber(bytes[at + SyncLayout.STATE_IN_POSITION]);
    if (!RosterEntry.Role.known(role) || state == null) {
      return Decoded.reject(
          Reason.UNKNOWN_TYPE,
          "SYNC of role " + role + " and state " + bytes[at + SyncLayout.STATE_IN_POSITION]);
    }
    long sequence = LittleEndian.getLong(bytes, at + SyncLayout.SEQUENCE_IN_POSITION);
    Hash32 hash = Hash32.copyOf(bytes, at + SyncLayout.HASH_IN_POSITION);
    if (sequence < 0 || (sequence == 0) != hash.isZero()) {
      return EpochFields.outOfRange("SYNC", "head " + sequence + " of hash " + hash);
    }
    return Decoded.accept(
        new Sync.Position(
            LittleEndian.getLong(bytes, at + SyncLayout.WRITER_IN_POSITION),
            RosterEntry.Role.ofNumber(role),
            state,
            new ChainHead(sequence, hash)));
  }
}
