package io.capsuledb.core.epoch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;

/**
 * The payload of an RTS record before encryption. Canonical: an RTS has one encoding. Format 1,
 * docs/format/epoch.md.
 */
public final class RtsCodec {

  private RtsCodec() {}

  /** Encodes an RTS. */
  public static byte[] encode(Rts rts) {
    byte[] bytes = new byte[RtsLayout.BYTES];
    bytes[RtsLayout.FORMAT_OFFSET] = RtsLayout.FORMAT;
    LittleEndian.putInt(bytes, RtsLayout.ATTEMPT_OFFSET, rts.attempt());
    LittleEndian.putLong(bytes, RtsLayout.EPOCH_OFFSET, rts.epoch());
    LittleEndian.putLong(bytes, RtsLayout.TERM_OFFSET, rts.term());
    LittleEndian.putLong(bytes, RtsLayout.CUT_OFFSET, rts.cutTime());
    LittleEndian.putInt(bytes, RtsLayout.DEADLINE_OFFSET, rts.deadlineMs());
    return bytes;
  }

  /** Decodes an RTS. Takes any bytes. */
  public static Decoded<Rts> decode(byte[] bytes) {
    Rejection refused = EpochFields.wrongLength("RTS", bytes, RtsLayout.BYTES);
    if (refused == null) {
      refused = EpochFields.wrongFormat("RTS", bytes, RtsLayout.FORMAT);
    }
    if (refused == null) {
      refused =
          EpochFields.notZero("RTS", bytes, RtsLayout.RESERVED_OFFSET, RtsLayout.ATTEMPT_OFFSET);
    }
    if (refused == null) {
      refused = EpochFields.notZero("RTS", bytes, RtsLayout.LAST_RESERVED_OFFSET, RtsLayout.BYTES);
    }
    if (refused != null) {
      return new Decoded.Rejected<>(refused);
    }
    long epoch = LittleEndian.getLong(bytes, RtsLayout.EPOCH_OFFSET);
    int attempt = LittleEndian.getInt(bytes, RtsLayout.ATTEMPT_OFFSET);
    long term = LittleEndian.getLong(bytes, RtsLayout.TERM_OFFSET);
    long cutTime = LittleEndian.getLong(bytes, RtsLayout.CUT_OFFSET);
    int deadlineMs = LittleEndian.getInt(bytes, RtsLayout.DEADLINE_OFFSET);
    String wrong = Rts.wrong(epoch, attempt, term, cutTime, deadlineMs);
    return wrong == null
        ? Decoded.accept(new Rts(epoch, attempt, term, cutTime, deadlineMs))
        : EpochFields.outOfRange("RTS", wrong);
  }
}
