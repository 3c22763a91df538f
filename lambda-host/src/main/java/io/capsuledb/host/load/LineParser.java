package io.capsuledb.host.load;

import io.capsuledb.core.error.InvalidRequestException;
import java.util.Arrays;

/** Makes an operation of a line. */
sealed interface LineParser permits TraceParser, JsonLineParser, TsvParser {

  /** Longest key a server takes, in bytes. */
  int MAX_KEY_BYTES = 64 << 10;

  /** Longest value a server takes, in bytes. */
  int MAX_VALUE_BYTES = 16 << 20;

  /**
   * Parses the bytes of {@code buffer} from {@code start} to {@code end}, which are a line without
   * its line end, and not empty.
   *
   * @throws InvalidRequestException if it is no operation; the message repeats nothing of the line
   */
  LoadOperation parse(byte[] buffer, int start, int end);

  /** Copies a key out of a line, checking its length. */
  static byte[] key(byte[] buffer, int start, int end) {
    return checkedKey(Arrays.copyOfRange(buffer, start, end));
  }

  static byte[] checkedKey(byte[] key) {
    if (key.length == 0 || key.length > MAX_KEY_BYTES) {
      throw new InvalidRequestException(
          "the key has " + key.length + " bytes: allowed are 1 to " + MAX_KEY_BYTES);
    }
    return key;
  }

  static byte[] checkedValue(byte[] value) {
    if (value.length > MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "the value has " + value.length + " bytes: allowed are 0 to " + MAX_VALUE_BYTES);
    }
    return value;
  }
}
