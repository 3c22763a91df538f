package io.capsuledb.host.load;

import io.capsuledb.core.error.InvalidRequestException;
import java.util.Arrays;

/**
 * The trace format: {@code SET key value} or {@code GET key}. Words are separated by exactly one
 * space; a key holds no space; a value is everything after the space that follows the key, spaces
 * included, and may be empty.
 */
final class TraceParser implements LineParser {

  private static final int VERB_BYTES = 4;

  @Override
  public LoadOperation parse(byte[] buffer, int start, int end) {
    if (begins(buffer, start, end, 'S')) {
      int space = start + VERB_BYTES;
      while (space < end && buffer[space] != ' ') {
        space++;
      }
      if (space == end) {
        throw new InvalidRequestException("SET needs a key, one space and a value");
      }
      byte[] key = LineParser.key(buffer, start + VERB_BYTES, space);
      return LoadOperation.set(
          key, LineParser.checkedValue(Arrays.copyOfRange(buffer, space + 1, end)), 0);
    }
    if (begins(buffer, start, end, 'G')) {
      for (int i = start + VERB_BYTES; i < end; i++) {
        if (buffer[i] == ' ') {
          throw new InvalidRequestException("GET takes one key and nothing after it");
        }
      }
      return LoadOperation.get(LineParser.key(buffer, start + VERB_BYTES, end));
    }
    throw new InvalidRequestException("neither 'SET key value' nor 'GET key'");
  }

  /** Whether the line begins with {@code SET } or {@code GET }, of which the first letter tells. */
  private static boolean begins(byte[] buffer, int start, int end, char first) {
    return end - start >= VERB_BYTES
        && buffer[start] == first
        && buffer[start + 1] == 'E'
        && buffer[start + 2] == 'T'
        && buffer[start + 3] == ' ';
  }
}
