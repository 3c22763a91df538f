package io.capsuledb.host.bench;

import io.capsuledb.core.error.UnavailableException;
import java.nio.ByteBuffer;

/**
 * Counts complete replies in a stream, looking at no more bytes than it must: payloads are skipped
 * by their length. Knows simple strings, errors, integers and bulk strings, which is what SET and
 * GET answer. One for each connection; not thread-safe.
 */
final class ReplyCounter {

  private static final int MAX_BULK_BYTES = 64 << 20;
  private static final int MAX_ERROR_CHARS = 200;

  private boolean inLine;
  private byte type;
  private boolean negative;
  private int length;
  private int skip;
  private long misses;
  private long errors;
  private final StringBuilder firstError = new StringBuilder();

  /**
   * Consumes everything between position and limit of {@code in}.
   *
   * @return how many replies ended in it
   * @throws UnavailableException if these are no such replies
   */
  int count(ByteBuffer in) {
    int replies = 0;
    int position = in.position();
    int limit = in.limit();
    while (position < limit) {
      if (skip > 0) {
        int step = Math.min(skip, limit - position);
        position += step;
        skip -= step;
        if (skip == 0) {
          replies++;
        }
        continue;
      }
      byte next = in.get(position++);
      if (!inLine) {
        begin(next);
      } else if (next == '\n') {
        inLine = false;
        if (type != '$') {
          replies++;
        } else if (negative) {
          misses++;
          replies++;
        } else {
          skip = length + 2;
        }
      } else {
        inLine(next);
      }
    }
    in.position(limit);
    return replies;
  }

  private void begin(byte first) {
    if (first != '+' && first != '$' && first != ':' && first != '-') {
      throw new UnavailableException("the server sends something that is no reply to SET or GET");
    }
    type = first;
    inLine = true;
    negative = false;
    length = 0;
    if (first == '-') {
      errors++;
    }
  }

  private void inLine(byte next) {
    if (type == '$') {
      if (next == '-') {
        negative = true;
      } else if (next >= '0' && next <= '9' && length < MAX_BULK_BYTES / 10) {
        length = length * 10 + (next - '0');
      } else if (next != '\r') {
        throw new UnavailableException("the server announces a length that is none");
      }
    } else if (type == '-' && errors == 1 && firstError.length() < MAX_ERROR_CHARS) {
      firstError.append(next >= ' ' && next < 0x7f ? (char) next : ' ');
    }
  }

  /** Replies that said that there is no such key. */
  long misses() {
    return misses;
  }

  /** Replies that were errors. */
  long errors() {
    return errors;
  }

  /** What the first error said; empty if there was none. */
  String firstError() {
    return firstError.toString().strip();
  }
}
