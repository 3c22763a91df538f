package io.capsuledb.core.seal;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import org.jspecify.annotations.Nullable;

/**
 * The payload of a SEAL record, in clear, because replicas obey it. Canonical: an order has one
 * encoding. Format 1, docs/format/record.md. The record around it has the signature, and names the
 * sealer: its writer.
 */
public final class SealOrderCodec {

  private SealOrderCodec() {}

  /** Encodes an order. */
  public static byte[] encode(SealOrder order) {
    byte[] bytes = new byte[SealOrderLayout.BYTES];
    bytes[SealOrderLayout.FORMAT_OFFSET] = SealOrderLayout.FORMAT;
    bytes[SealOrderLayout.KIND_OFFSET] = (byte) order.kind().number();
    LittleEndian.putLong(bytes, SealOrderLayout.WRITER_OFFSET, order.writer());
    LittleEndian.putLong(bytes, SealOrderLayout.TERM_OFFSET, order.term());
    LittleEndian.putLong(bytes, SealOrderLayout.LAST_OFFSET, order.last().sequence());
    order.last().hash().copyTo(bytes, SealOrderLayout.LAST_OFFSET + Long.BYTES);
    return bytes;
  }

  /** Decodes an order. Takes any bytes. */
  public static Decoded<SealOrder> decode(byte[] bytes) {
    if (bytes.length != SealOrderLayout.BYTES) {
      return Decoded.reject(
          bytes.length < SealOrderLayout.BYTES ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "a seal order has " + SealOrderLayout.BYTES + " bytes, not " + bytes.length);
    }
    if (bytes[SealOrderLayout.FORMAT_OFFSET] != SealOrderLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "seal order format " + bytes[SealOrderLayout.FORMAT_OFFSET]);
    }
    SealOrder.Kind kind = kindOf(bytes[SealOrderLayout.KIND_OFFSET]);
    if (kind == null) {
      return Decoded.reject(
          Reason.UNKNOWN_TYPE, "seal order kind " + bytes[SealOrderLayout.KIND_OFFSET]);
    }
    if (!isZero(bytes, SealOrderLayout.RESERVED_OFFSET, SealOrderLayout.WRITER_OFFSET)) {
      return Decoded.reject(Reason.RESERVED_BITS, "reserved bytes of a seal order are not zero");
    }
    long writer = LittleEndian.getLong(bytes, SealOrderLayout.WRITER_OFFSET);
    long term = LittleEndian.getLong(bytes, SealOrderLayout.TERM_OFFSET);
    ChainHead last = lastOf(bytes);
    if (writer < 1
        || writer > RosterEntry.MAX_WRITER
        || term < 1
        || last == null
        || (kind == SealOrder.Kind.PREPARE && !last.equals(ChainHead.NONE))) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          kind
              + " of writer "
              + Long.toHexString(writer)
              + " in term "
              + term
              + (last == null ? " without a head" : " with head " + last.sequence()));
    }
    return Decoded.accept(new SealOrder(kind, writer, term, last));
  }

  /** The final head, or null if the bytes are none. */
  private static @Nullable ChainHead lastOf(byte[] bytes) {
    long sequence = LittleEndian.getLong(bytes, SealOrderLayout.LAST_OFFSET);
    Hash32 hash = Hash32.copyOf(bytes, SealOrderLayout.LAST_OFFSET + Long.BYTES);
    return sequence < 0 || (sequence == 0) != hash.isZero() ? null : new ChainHead(sequence, hash);
  }

  private static boolean isZero(byte[] bytes, int from, int to) {
    for (int i = from; i < to; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }

  private static SealOrder.@Nullable Kind kindOf(int number) {
    for (SealOrder.Kind kind : SealOrder.Kind.values()) {
      if (kind.number() == number) {
        return kind;
      }
    }
    return null;
  }
}
