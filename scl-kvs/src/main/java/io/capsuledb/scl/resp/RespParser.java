package io.capsuledb.scl.resp;

import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Makes commands of the bytes a client sends: RESP arrays of bulk strings, and inline commands with
 * Redis' quoting rules. The bytes come in windows of any size; where they were cut never changes
 * what comes out.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Every byte of a window is looked at a bounded number of times: an unfinished line is
 *       carried over and only its new part is searched; an unfinished argument is filled in place.
 *   <li>No allocation is larger than a small constant plus a small multiple of the bytes that have
 *       arrived: announced lengths and counts are promises, not facts.
 *   <li>Between windows nothing of a window is referenced; {@link #heldBytes} says what is kept.
 *   <li>After a rejection the parser only repeats it.
 * </ul>
 *
 * <p>Like Redis, it does not look at the byte after the CR of a header nor at the two bytes after
 * an argument: they are skipped. Source: RESP specification; error texts and quoting from Redis 7.
 *
 * <p>Not thread-safe.
 */
final class RespParser {

  /** What {@link #next} found. */
  enum Status {
    /** {@link #command()} holds the next command. */
    COMMAND,
    /** The window is used up. */
    NEED_MORE,
    /** The bytes are not RESP, or exceed a bound: {@link #rejection()} says why. */
    REJECTED
  }

  /** Longest line: an inline command, or a header. */
  static final int MAX_LINE_BYTES = 64 << 10;

  /** Most arguments of a command, its name included. */
  static final int MAX_ARGUMENTS = 1 << 20;

  /** Longest argument. */
  static final int MAX_ARGUMENT_BYTES = 16 << 20;

  /** Longest command: its arguments together. */
  static final int MAX_COMMAND_BYTES = 32 << 20;

  /** Most arguments before authentication. */
  static final int MAX_UNAUTHENTICATED_ARGUMENTS = 10;

  /** Longest argument before authentication. */
  static final int MAX_UNAUTHENTICATED_ARGUMENT_BYTES = 16 << 10;

  /** What an array costs beyond its content: for accounting. */
  static final int ARRAY_OVERHEAD_BYTES = 24;

  /** Allocated for an argument, and slots for arguments, before any of it arrived. */
  private static final int ADVANCE = 64;

  /** Arguments up to here, when they have arrived whole, take the short way. */
  private static final int MAX_SHORT_ARGUMENT_BYTES = 1 << 20;

  private static final byte[] NOTHING = {};
  private static final byte[][] NO_ARGUMENTS = {};

  /** The text of a header is not a number that fits into 64 bits. */
  private static final long NOT_A_NUMBER = Long.MIN_VALUE;

  private enum State {
    /** Before a command. */
    START,
    /** In the line after {@code *}. */
    COUNT,
    /** In the line that begins with {@code $}. */
    LENGTH,
    /** In an argument's bytes. */
    BODY,
    /** After an argument's bytes. */
    BODY_END,
    /** In a line that did not begin with {@code *}. */
    INLINE,
    REJECTED
  }

  private byte[] window = NOTHING;
  private int position;
  private int limit;

  private State state = State.START;
  private boolean restricted;

  /** Bytes still to be passed over before {@link #state} applies. */
  private int skip;

  /** The unfinished line's bytes from earlier windows. */
  private byte[] carry = NOTHING;

  private int carried;

  /** The line {@link #takeLine} found. */
  private byte[] line = NOTHING;

  private int lineFrom;
  private int lineTo;

  private byte[][] arguments = NO_ARGUMENTS;
  private int announced;
  private int gathered;
  private long gatheredBytes;

  private byte[] body = NOTHING;
  private int bodyLength;
  private int bodyFilled;

  private @Nullable Rejection rejection;

  /**
   * Holds clients that have not authenticated to {@link #MAX_UNAUTHENTICATED_ARGUMENTS} and {@link
   * #MAX_UNAUTHENTICATED_ARGUMENT_BYTES}.
   */
  void restricted(boolean unauthenticated) {
    this.restricted = unauthenticated;
  }

  /** Gives the bytes {@code from} to {@code to} of {@code bytes}; the last window is used up. */
  void feed(byte[] bytes, int from, int to) {
    window = bytes;
    position = from;
    limit = to;
  }

  /** After a command: where in the window it ended. Bytes before need not be fed again. */
  int position() {
    return position;
  }

  /** The command found last; the caller's to keep. Never empty. */
  byte[][] command() {
    byte[][] found = arguments;
    arguments = NO_ARGUMENTS;
    return found;
  }

  /** Why the bytes were rejected. Its detail is what follows "Protocol error: " in the reply. */
  Rejection rejection() {
    if (rejection == null) {
      throw new IllegalStateException("nothing was rejected");
    }
    return rejection;
  }

  /** Memory kept for what is unfinished, in bytes. */
  long heldBytes() {
    return (long) carry.length
        + body.length
        + gatheredBytes
        + (long) gathered * ARRAY_OVERHEAD_BYTES
        + 4L * arguments.length;
  }

  /** Goes on in the window until a command is complete or the window used up. */
  Status next() {
    while (true) {
      if (skip > 0) {
        int passed = Math.min(skip, limit - position);
        position += passed;
        skip -= passed;
        if (skip > 0) {
          return exhausted();
        }
      }
      switch (state) {
        case START -> {
          if (position == limit) {
            return exhausted();
          }
          if (window[position] == '*') {
            position++;
            state = State.COUNT;
          } else {
            state = State.INLINE;
          }
        }
        case COUNT -> {
          long count = shortCount();
          if (count < 0) {
            if (!takeLine((byte) '\r')) {
              return unfinished("too big mbulk count string");
            }
            count = number(line, lineFrom, lineTo);
            dropLine();
            skip = 1;
          }
          if (count == NOT_A_NUMBER || count > MAX_ARGUMENTS) {
            return reject(Reason.FIELD_OUT_OF_RANGE, "invalid multibulk length");
          }
          if (restricted && count > MAX_UNAUTHENTICATED_ARGUMENTS) {
            return reject(Reason.TOO_LARGE, "unauthenticated multibulk length");
          }
          if (count <= 0) {
            // As in Redis an empty command is none, and gets no reply.
            state = State.START;
          } else {
            announced = (int) count;
            arguments = new byte[Math.min(announced, ADVANCE)][];
            state = State.LENGTH;
          }
        }
        case LENGTH -> {
          while (shortArgument()) {
            if (gathered == announced) {
              return complete();
            }
          }
          if (!takeLine((byte) '\r')) {
            return unfinished("too big bulk count string");
          }
          if (lineFrom == lineTo || line[lineFrom] != '$') {
            char got = lineFrom == lineTo ? '\r' : (char) (line[lineFrom] & 0xff);
            return reject(Reason.UNKNOWN_TYPE, "expected '$', got '" + got + "'");
          }
          long length = number(line, lineFrom + 1, lineTo);
          dropLine();
          skip = 1;
          if (length < 0 || length > MAX_ARGUMENT_BYTES) {
            return reject(Reason.FIELD_OUT_OF_RANGE, "invalid bulk length");
          }
          if (restricted && length > MAX_UNAUTHENTICATED_ARGUMENT_BYTES) {
            return reject(Reason.TOO_LARGE, "unauthenticated bulk length");
          }
          if (gatheredBytes + length > MAX_COMMAND_BYTES) {
            return reject(Reason.TOO_LARGE, "too big multibulk request");
          }
          bodyLength = (int) length;
          bodyFilled = 0;
          state = State.BODY;
        }
        case BODY -> {
          if (!fillBody()) {
            return exhausted();
          }
          skip = 2;
          state = State.BODY_END;
        }
        case BODY_END -> {
          gather(body);
          body = NOTHING;
          if (gathered == announced) {
            return complete();
          }
          state = State.LENGTH;
        }
        case INLINE -> {
          if (!takeLine((byte) '\n')) {
            return unfinished("too big inline request");
          }
          int to = lineTo > lineFrom && line[lineTo - 1] == '\r' ? lineTo - 1 : lineTo;
          byte @Nullable [][] split = InlineSplitter.split(line, lineFrom, to);
          dropLine();
          if (split == null) {
            return reject(Reason.FIELD_OUT_OF_RANGE, "unbalanced quotes in request");
          }
          state = State.START;
          if (split.length > 0) {
            arguments = split;
            return Status.COMMAND;
          }
        }
        case REJECTED -> {
          return Status.REJECTED;
        }
      }
    }
  }

  private Status complete() {
    state = State.START;
    gathered = 0;
    gatheredBytes = 0;
    return Status.COMMAND;
  }

  private Status exhausted() {
    feed(NOTHING, 0, 0);
    return Status.NEED_MORE;
  }

  private Status reject(Reason reason, String detail) {
    state = State.REJECTED;
    skip = 0;
    rejection = Rejection.of(reason, detail);
    dropLine();
    body = NOTHING;
    arguments = NO_ARGUMENTS;
    gathered = 0;
    gatheredBytes = 0;
    return Status.REJECTED;
  }

  /** A line that {@link #takeLine} did not give: the rest is to come, or it is too long. */
  private Status unfinished(String tooLong) {
    return lineTo > lineFrom ? reject(Reason.TOO_LARGE, tooLong) : exhausted();
  }

  /**
   * The count's digits, when the whole line is in the window and in canonical form; else -1 and
   * nothing is consumed.
   */
  private int shortCount() {
    if (carried != 0 || limit - position < 3) {
      return -1;
    }
    byte[] bytes = window;
    int at = position;
    int value = bytes[at] - '0';
    if (value < 1 || value > 9) {
      return -1;
    }
    at++;
    int digit = bytes[at] - '0';
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      at++;
      if (value > MAX_ARGUMENTS || at == limit) {
        return -1;
      }
      digit = bytes[at] - '0';
    }
    if (bytes[at] != '\r' || at + 2 > limit) {
      return -1;
    }
    position = at + 2;
    return value;
  }

  /** Gathers an argument that is in the window whole, within bounds and in canonical form. */
  private boolean shortArgument() {
    byte[] bytes = window;
    int at = position;
    if (carried != 0 || limit - at < 6 || bytes[at] != '$') {
      return false;
    }
    int length = bytes[at + 1] - '0';
    if (length < 0 || length > 9) {
      return false;
    }
    at += 2;
    if (length > 0) {
      int digit = bytes[at] - '0';
      while (digit >= 0 && digit <= 9) {
        length = length * 10 + digit;
        at++;
        if (length > MAX_SHORT_ARGUMENT_BYTES || at == limit) {
          return false;
        }
        digit = bytes[at] - '0';
      }
    }
    if (bytes[at] != '\r'
        || limit - at < length + 4
        || gatheredBytes + length > MAX_COMMAND_BYTES
        || (restricted && length > MAX_UNAUTHENTICATED_ARGUMENT_BYTES)) {
      return false;
    }
    at += 2;
    gather(Arrays.copyOfRange(bytes, at, at + length));
    position = at + length + 2;
    return true;
  }

  private void gather(byte[] argument) {
    if (gathered == arguments.length) {
      arguments = Arrays.copyOf(arguments, Math.min(announced, 2 * gathered));
    }
    arguments[gathered++] = argument;
    gatheredBytes += argument.length;
  }

  /** Moves what there is of an argument into {@link #body}; true when it is complete. */
  private boolean fillBody() {
    int filled = bodyFilled + Math.min(bodyLength - bodyFilled, limit - position);
    if (filled > body.length) {
      int room = Math.max(filled, Math.max(2 * body.length, ADVANCE));
      body = Arrays.copyOf(body, Math.min(bodyLength, room));
    }
    System.arraycopy(window, position, body, bodyFilled, filled - bodyFilled);
    position += filled - bodyFilled;
    bodyFilled = filled;
    return filled == bodyLength;
  }

  /**
   * Finds the rest of a line up to {@code terminator}, and consumes both. Then the line, without
   * its terminator, is in {@link #line}. Otherwise the bytes are consumed and kept, and {@code
   * lineFrom == lineTo} unless the line is too long.
   */
  private boolean takeLine(byte terminator) {
    byte[] bytes = window;
    int end = position;
    while (end < limit && bytes[end] != terminator) {
      end++;
    }
    int length = end - position;
    if (carried + length > MAX_LINE_BYTES) {
      lineFrom = 0;
      lineTo = carried + length;
      return false;
    }
    boolean found = end < limit;
    if (found && carried == 0) {
      line = bytes;
      lineFrom = position;
      lineTo = end;
    } else {
      if (carried + length > carry.length) {
        int room = Math.max(carried + length, Math.max(2 * carry.length, ADVANCE));
        carry = Arrays.copyOf(carry, Math.min(MAX_LINE_BYTES, room));
      }
      System.arraycopy(bytes, position, carry, carried, length);
      carried += length;
      line = carry;
      lineFrom = 0;
      lineTo = found ? carried : 0;
    }
    position = found ? end + 1 : end;
    return found;
  }

  /** Lets go of the line and of what was carried over for it. */
  private void dropLine() {
    line = NOTHING;
    carry = NOTHING;
    carried = 0;
  }

  /** A decimal number in the one form Redis takes: no plus, no leading zeros, no minus zero. */
  private static long number(byte[] bytes, int from, int to) {
    boolean negative = from < to && bytes[from] == '-';
    int at = negative ? from + 1 : from;
    int digits = to - at;
    if (digits == 1 && bytes[at] == '0' && !negative) {
      return 0;
    }
    if (digits < 1 || digits > 18 || bytes[at] == '0') {
      return NOT_A_NUMBER;
    }
    long value = 0;
    for (; at < to; at++) {
      int digit = bytes[at] - '0';
      if (digit < 0 || digit > 9) {
        return NOT_A_NUMBER;
      }
      value = value * 10 + digit;
    }
    return negative ? -value : value;
  }
}
