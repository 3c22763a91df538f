package io.capsuledb.replication.protocol;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads fields of untrusted bytes one after the other. The first defect is kept, and from then on
 * every read gives zero or nothing: whoever reads asks once, at the end. Invariant: nothing is
 * allocated from a length before that many bytes were seen to be there. One thread.
 */
final class FieldReader {

  private static final Blob NOTHING = Blob.of(new byte[0]);

  private final String what;
  private final byte[] bytes;
  private int at;
  private @Nullable Rejection rejection;

  /**
   * A reader from the first byte on.
   *
   * @param what is read, for the details of rejections
   */
  FieldReader(String what, byte[] bytes) {
    this.what = what;
    this.bytes = bytes;
  }

  /** The first defect, or null. */
  @Nullable Rejection rejection() {
    return rejection;
  }

  boolean isSound() {
    return rejection == null;
  }

  /** Notes a defect, unless there is one already. */
  void reject(Reason reason, String detail) {
    if (rejection == null) {
      rejection = Rejection.of(reason, what + ": " + detail);
    }
  }

  /** Notes a defect unless {@code holds}. */
  void require(boolean holds, String detail) {
    if (!holds) {
      reject(Reason.FIELD_OUT_OF_RANGE, detail);
    }
  }

  /** The offset of the next {@code length} bytes, which are there, or -1. */
  private int take(int length) {
    if (rejection != null) {
      return -1;
    }
    if (length > bytes.length - at) {
      reject(
          Reason.TRUNCATED,
          length + " bytes wanted at " + at + " where " + (bytes.length - at) + " are");
      return -1;
    }
    int offset = at;
    at += length;
    return offset;
  }

  int unsignedByte() {
    int offset = take(1);
    return offset < 0 ? 0 : bytes[offset] & 0xFF;
  }

  int unsignedShort() {
    int offset = take(Short.BYTES);
    return offset < 0 ? 0 : LittleEndian.getUnsignedShort(bytes, offset);
  }

  int signedInt() {
    int offset = take(Integer.BYTES);
    return offset < 0 ? 0 : LittleEndian.getInt(bytes, offset);
  }

  long signedLong() {
    int offset = take(Long.BYTES);
    return offset < 0 ? 0 : LittleEndian.getLong(bytes, offset);
  }

  Hash32 hash() {
    int offset = take(Hash32.BYTES);
    return offset < 0 ? Hash32.ZERO : Hash32.copyOf(bytes, offset);
  }

  /** Bytes that have to be zero. */
  void reserved(int length) {
    int offset = take(length);
    if (offset >= 0 && !StatementCodec.isZero(bytes, offset, offset + length)) {
      reject(Reason.RESERVED_BITS, "reserved bytes at " + offset + " are not zero");
    }
  }

  /**
   * A number of things of at least {@code leastBytes} bytes each, all of which are still to come.
   */
  int count(int most, int leastBytes) {
    int count = signedInt();
    if (count < 0 || count > most) {
      reject(
          Reason.TOO_LARGE, "a list of " + Integer.toUnsignedString(count) + ", at most " + most);
      return 0;
    }
    if ((long) count * leastBytes > bytes.length - at) {
      reject(
          Reason.TRUNCATED,
          "a list of " + count + " where " + (bytes.length - at) + " bytes follow");
      return 0;
    }
    return count;
  }

  /** A length of four bytes, then that many bytes: copied. */
  Blob blob(int most) {
    int length = signedInt();
    if (length < 0 || length > most) {
      reject(Reason.TOO_LARGE, Integer.toUnsignedString(length) + " bytes in one, at most " + most);
      return NOTHING;
    }
    int offset = take(length);
    return offset < 0 || length == 0
        ? NOTHING
        : Blob.of(Arrays.copyOfRange(bytes, offset, offset + length));
  }

  /** All bytes that follow: copied. */
  Blob rest(int most) {
    int length = bytes.length - at;
    if (length > most) {
      reject(Reason.TOO_LARGE, length + " bytes in one, at most " + most);
    }
    int offset = take(length);
    return offset < 0 ? NOTHING : Blob.of(Arrays.copyOfRange(bytes, offset, offset + length));
  }

  /** A length of two bytes, then that many bytes of printable UTF-8. */
  String text(int most) {
    int length = unsignedShort();
    if (length > most) {
      reject(Reason.TOO_LARGE, "a text of " + length + " bytes, at most " + most);
      return "";
    }
    int offset = take(length);
    if (offset < 0) {
      return "";
    }
    try {
      String text =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(bytes, offset, length))
              .toString();
      if (text.chars().noneMatch(Character::isISOControl)) {
        return text;
      }
      reject(Reason.FIELD_OUT_OF_RANGE, "a text with control characters");
    } catch (CharacterCodingException e) {
      reject(Reason.FIELD_OUT_OF_RANGE, "a text that is not UTF-8");
    }
    return "";
  }

  /** Nothing may follow. */
  void end() {
    if (rejection == null && at != bytes.length) {
      reject(Reason.TRAILING_BYTES, (bytes.length - at) + " bytes follow");
    }
  }
}
