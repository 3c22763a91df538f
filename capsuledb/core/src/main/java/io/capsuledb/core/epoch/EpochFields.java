package io.capsuledb.core.epoch;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import org.jspecify.annotations.Nullable;

/** What the three payloads have in common. */
final class EpochFields {

  private EpochFields() {}

  static @Nullable Rejection wrongLength(String what, byte[] bytes, int expected) {
    return bytes.length == expected
        ? null
        : Rejection.of(
            bytes.length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
            what + " has " + bytes.length + " bytes, not " + expected);
  }

  static @Nullable Rejection wrongFormat(String what, byte[] bytes, int format) {
    return bytes[0] == format
        ? null
        : Rejection.of(Reason.UNKNOWN_FORMAT, what + " format " + bytes[0]);
  }

  static @Nullable Rejection notZero(String what, byte[] bytes, int from, int to) {
    for (int i = from; i < to; i++) {
      if (bytes[i] != 0) {
        return Rejection.of(Reason.RESERVED_BITS, what + " byte " + i + " is not zero");
      }
    }
    return null;
  }

  static <T> Decoded<T> outOfRange(String what, String wrong) {
    return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, what + " with " + wrong);
  }
}
