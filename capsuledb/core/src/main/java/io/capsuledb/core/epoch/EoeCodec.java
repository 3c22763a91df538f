package io.capsuledb.core.epoch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;

/**
 * The payload of an EOE record before encryption. Canonical: an EOE has one encoding. Format 1,
 * docs/format/epoch.md.
 */
public final class EoeCodec {

  private EoeCodec() {}

  /** Encodes an EOE. */
  public static byte[] encode(Eoe eoe) {
    byte[] bytes = new byte[EoeLayout.BYTES];
    bytes[EoeLayout.FORMAT_OFFSET] = EoeLayout.FORMAT;
    LittleEndian.putInt(bytes, EoeLayout.ATTEMPT_OFFSET, eoe.attempt());
    LittleEndian.putLong(bytes, EoeLayout.EPOCH_OFFSET, eoe.epoch());
    LittleEndian.putLong(bytes, EoeLayout.CUT_OFFSET, eoe.cutTime());
    eoe.rts().copyTo(bytes, EoeLayout.RTS_OFFSET);
    return bytes;
  }

  /** Decodes an EOE. Takes any bytes. */
  public static Decoded<Eoe> decode(byte[] bytes) {
    Rejection refused = EpochFields.wrongLength("EOE", bytes, EoeLayout.BYTES);
    if (refused == null) {
      refused = EpochFields.wrongFormat("EOE", bytes, EoeLayout.FORMAT);
    }
    if (refused == null) {
      refused =
          EpochFields.notZero("EOE", bytes, EoeLayout.RESERVED_OFFSET, EoeLayout.ATTEMPT_OFFSET);
    }
    if (refused != null) {
      return new Decoded.Rejected<>(refused);
    }
    long epoch = LittleEndian.getLong(bytes, EoeLayout.EPOCH_OFFSET);
    int attempt = LittleEndian.getInt(bytes, EoeLayout.ATTEMPT_OFFSET);
    long cutTime = LittleEndian.getLong(bytes, EoeLayout.CUT_OFFSET);
    Hash32 rts = Hash32.copyOf(bytes, EoeLayout.RTS_OFFSET);
    String wrong = Eoe.wrong(epoch, attempt, cutTime, rts);
    return wrong == null
        ? Decoded.accept(new Eoe(epoch, attempt, cutTime, rts))
        : EpochFields.outOfRange("EOE", wrong);
  }
}
