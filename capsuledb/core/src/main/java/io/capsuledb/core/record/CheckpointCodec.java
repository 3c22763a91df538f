package io.capsuledb.core.record;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.ArrayList;
import java.util.List;

/**
 * The payload of a CHECKPOINT record. It travels in clear, because whoever drops a payload, or
 * finds one dropped, needs it. Canonical: a checkpoint has one encoding. Format 1,
 * docs/format/record.md.
 */
public final class CheckpointCodec {

  private CheckpointCodec() {}

  /** Encodes a checkpoint. */
  public static byte[] encode(Checkpoint checkpoint) {
    List<Checkpoint.Range> ranges = checkpoint.released();
    byte[] bytes =
        new byte[CheckpointLayout.RANGES_OFFSET + ranges.size() * CheckpointLayout.RANGE_BYTES];
    bytes[CheckpointLayout.FORMAT_OFFSET] = CheckpointLayout.FORMAT;
    checkpoint.manifest().copyTo(bytes, CheckpointLayout.MANIFEST_OFFSET);
    checkpoint.stateRoot().copyTo(bytes, CheckpointLayout.STATE_ROOT_OFFSET);
    LittleEndian.putLong(bytes, CheckpointLayout.COVERED_OFFSET, checkpoint.coveredLamport());
    LittleEndian.putInt(bytes, CheckpointLayout.COUNT_OFFSET, ranges.size());
    int at = CheckpointLayout.RANGES_OFFSET;
    for (Checkpoint.Range range : ranges) {
      LittleEndian.putLong(bytes, at + CheckpointLayout.WRITER_IN_RANGE, range.writer());
      LittleEndian.putLong(bytes, at + CheckpointLayout.FROM_IN_RANGE, range.fromSequence());
      LittleEndian.putLong(bytes, at + CheckpointLayout.TO_IN_RANGE, range.toSequence());
      at += CheckpointLayout.RANGE_BYTES;
    }
    return bytes;
  }

  /** Decodes a checkpoint. Takes any bytes. */
  public static Decoded<Checkpoint> decode(byte[] bytes) {
    if (bytes.length < CheckpointLayout.RANGES_OFFSET) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "checkpoint has " + bytes.length + " bytes, at least " + CheckpointLayout.RANGES_OFFSET);
    }
    if (bytes[CheckpointLayout.FORMAT_OFFSET] != CheckpointLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "checkpoint format " + bytes[CheckpointLayout.FORMAT_OFFSET]);
    }
    for (int i = CheckpointLayout.RESERVED_OFFSET; i < CheckpointLayout.MANIFEST_OFFSET; i++) {
      if (bytes[i] != 0) {
        return Decoded.reject(Reason.RESERVED_BITS, "checkpoint byte " + i + " is not zero");
      }
    }
    int count = LittleEndian.getInt(bytes, CheckpointLayout.COUNT_OFFSET);
    if (count < 0 || count > CheckpointLayout.MAX_RANGES) {
      return Decoded.reject(
          Reason.TOO_LARGE, "checkpoint of " + Integer.toUnsignedString(count) + " ranges");
    }
    int expected = CheckpointLayout.RANGES_OFFSET + count * CheckpointLayout.RANGE_BYTES;
    if (bytes.length != expected) {
      return Decoded.reject(
          bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "checkpoint has " + bytes.length + " bytes where its count says " + expected);
    }
    Hash32 manifest = Hash32.copyOf(bytes, CheckpointLayout.MANIFEST_OFFSET);
    Hash32 stateRoot = Hash32.copyOf(bytes, CheckpointLayout.STATE_ROOT_OFFSET);
    long covered = LittleEndian.getLong(bytes, CheckpointLayout.COVERED_OFFSET);
    List<Checkpoint.Range> ranges = new ArrayList<>(count);
    for (int at = CheckpointLayout.RANGES_OFFSET;
        at < expected;
        at += CheckpointLayout.RANGE_BYTES) {
      ranges.add(
          new Checkpoint.Range(
              LittleEndian.getLong(bytes, at + CheckpointLayout.WRITER_IN_RANGE),
              LittleEndian.getLong(bytes, at + CheckpointLayout.FROM_IN_RANGE),
              LittleEndian.getLong(bytes, at + CheckpointLayout.TO_IN_RANGE)));
    }
    String wrong = Checkpoint.wrong(manifest, stateRoot, covered, ranges);
    return wrong == null
        ? Decoded.accept(new Checkpoint(manifest, stateRoot, covered, ranges))
        : Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "checkpoint with " + wrong);
  }
}
