package io.capsuledb.scl.frame;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.ChainHead;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads fields of untrusted bytes one after the other. The first defect is kept, and from then on
 * every read gives zero or nothing: whoever reads asks once, at the end. Invariant: nothing is
 * allocated from a length before that many bytes were seen to be there. One thread.
 */
final class FieldReader {

  private final byte[] bytes;
  private final int end;
  private int at;
  private @Nullable Rejection rejection;

  FieldReader(byte[] bytes, int from, int end) {
    this.bytes = bytes;
    this.at = from;
    this.end = end;
  }

  /** The first defect, or null. */
  @Nullable Rejection rejection() {
    return rejection;
  }

  boolean isSound() {
    return rejection == null;
  }

  void reject(Rejection defect) {
    if (rejection == null) {
      rejection = defect;
    }
  }

  void reject(Reason reason, String detail) {
    reject(Rejection.of(reason, "frame: " + detail));
  }

  void require(boolean holds, String detail) {
    if (!holds) {
      reject(Reason.FIELD_OUT_OF_RANGE, detail);
    }
  }

  private int take(int length) {
    if (rejection != null) {
      return -1;
    }
    if (length > end - at) {
      reject(Reason.TRUNCATED, length + " bytes wanted where " + (end - at) + " are");
      return -1;
    }
    int offset = at;
    at += length;
    return offset;
  }

  int u8() {
    int offset = take(1);
    return offset < 0 ? 0 : bytes[offset] & 0xFF;
  }

  long u63(String what) {
    int offset = take(Long.BYTES);
    long value = offset < 0 ? 0 : LittleEndian.getLong(bytes, offset);
    require(value >= 0, what + " " + value);
    return value;
  }

  long any64() {
    int offset = take(Long.BYTES);
    return offset < 0 ? 0 : LittleEndian.getLong(bytes, offset);
  }

  /** A number of entries of at least {@code entryBytes} each, which are there. */
  int count(int most, int entryBytes) {
    int offset = take(Integer.BYTES);
    int count = offset < 0 ? 0 : LittleEndian.getInt(bytes, offset);
    if (count < 0 || count > most) {
      reject(Reason.TOO_LARGE, Integer.toUnsignedString(count) + " entries, at most " + most);
    } else if ((long) count * entryBytes > end - at) {
      reject(Reason.TRUNCATED, count + " entries in " + (end - at) + " bytes");
    }
    return rejection == null ? count : 0;
  }

  ChainHead head() {
    long sequence = u63("sequence");
    int offset = take(Hash32.BYTES);
    Hash32 hash = offset < 0 ? Hash32.ZERO : Hash32.copyOf(bytes, offset);
    if (rejection == null && (sequence == 0) != hash.isZero()) {
      reject(Reason.FIELD_OUT_OF_RANGE, "head " + sequence + " of hash " + hash);
    }
    return rejection == null ? new ChainHead(sequence, hash) : ChainHead.NONE;
  }

  /** Bytes behind their length, a copy. */
  byte[] bytes(int most) {
    int length = count(most, 1);
    int offset = take(length);
    return offset < 0 ? new byte[0] : Arrays.copyOfRange(bytes, offset, offset + length);
  }

  void end() {
    if (rejection == null && at != end) {
      reject(Reason.TRAILING_BYTES, (end - at) + " bytes after the message");
    }
  }
}
