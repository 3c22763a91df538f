package io.capsuledb.host.pair;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads the body of a message that the other process wrote, which is not to be trusted: every
 * length is checked before it is used. What does not fit is an {@link IntegrityException}.
 */
final class PairReader {

  private final byte[] bytes;
  private int at;

  PairReader(byte[] bytes) {
    this.bytes = bytes;
  }

  private int take(long length) {
    if (length < 0 || length > bytes.length - at) {
      throw rejected(Rejection.Reason.TRUNCATED, length + " bytes of " + (bytes.length - at));
    }
    int from = at;
    at += (int) length;
    return from;
  }

  static IntegrityException rejected(Rejection.Reason reason, String detail) {
    return new IntegrityException(Rejection.of(reason, "process pair: " + detail));
  }

  int u8() {
    return bytes[take(1)] & 0xff;
  }

  int u32() {
    return LittleEndian.getInt(bytes, take(Integer.BYTES));
  }

  /** A number of things, at most so many. */
  int count(int most) {
    int count = u32();
    if (count < 0 || count > most) {
      throw rejected(Rejection.Reason.TOO_LARGE, "count " + count + " of at most " + most);
    }
    return count;
  }

  long u64() {
    return LittleEndian.getLong(bytes, take(Long.BYTES));
  }

  Hash32 hash() {
    int from = take(Hash32.BYTES);
    return Hash32.of(Arrays.copyOfRange(bytes, from, from + Hash32.BYTES));
  }

  byte @Nullable [] bytesOrNull(int most) {
    int length = u32();
    if (length == -1) {
      return null;
    }
    if (length < 0 || length > most) {
      throw rejected(Rejection.Reason.TOO_LARGE, length + " bytes, at most " + most);
    }
    int from = take(length);
    return Arrays.copyOfRange(bytes, from, from + length);
  }

  byte[] bytes(int most) {
    byte[] value = bytesOrNull(most);
    if (value == null) {
      throw rejected(Rejection.Reason.FIELD_OUT_OF_RANGE, "nothing where bytes have to be");
    }
    return value;
  }

  /** A text for people; what is no UTF-8 is replaced. */
  String text(int most) {
    return new String(bytes(most), StandardCharsets.UTF_8);
  }

  boolean atEnd() {
    return at == bytes.length;
  }

  /** Refuses anything that is left. */
  void end() {
    if (!atEnd()) {
      throw rejected(Rejection.Reason.TRAILING_BYTES, (bytes.length - at) + " bytes");
    }
  }
}
