package io.capsuledb.host.client;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads RESP2 replies from a stream. Every length and count is checked against a bound before
 * anything is allocated for it. Not thread-safe.
 *
 * <p>Source: the RESP specification, version 2.
 */
final class ReplyReader {

  /** Longest bulk string accepted, in bytes. */
  static final int MAX_BULK_BYTES = 64 << 20;

  /** Most elements of an array, and most of all arrays of one reply together. */
  static final int MAX_ELEMENTS = 1 << 20;

  private static final int MAX_DEPTH = 8;
  private static final int MAX_LINE_BYTES = 64 << 10;
  private static final int BUFFER_BYTES = 64 << 10;

  /** The server sent something that is not RESP2 within these bounds. */
  static final class MalformedReplyException extends IOException {
    private static final long serialVersionUID = 1L;

    MalformedReplyException(String message) {
      super(message);
    }
  }

  private final InputStream in;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private int position;
  private int limit;
  private int elementsLeft;

  ReplyReader(InputStream in) {
    this.in = in;
  }

  /** Whether a reply, or its beginning, has been received and not yet read. */
  boolean pending() {
    return position < limit;
  }

  /** Reads one reply; blocks until it is whole. */
  Reply read() throws IOException {
    elementsLeft = MAX_ELEMENTS;
    return read(0);
  }

  private Reply read(int depth) throws IOException {
    int type = nextByte();
    return switch (type) {
      case '+' -> new Reply.Text(line());
      case '-' -> new Reply.Failure(line());
      case ':' -> new Reply.Count(number(Long.MIN_VALUE, Long.MAX_VALUE));
      case '$' -> bulk();
      case '*' -> sequence(depth);
      default -> throw new MalformedReplyException("unknown reply type " + type);
    };
  }

  private Reply bulk() throws IOException {
    int length = (int) number(-1, MAX_BULK_BYTES);
    if (length < 0) {
      return Reply.Absent.INSTANCE;
    }
    byte[] bytes = bytes(length);
    if (nextByte() != '\r' || nextByte() != '\n') {
      throw new MalformedReplyException("a bulk string that does not end where it says");
    }
    return new Reply.Bulk(bytes);
  }

  private Reply sequence(int depth) throws IOException {
    int count = (int) number(-1, MAX_ELEMENTS);
    if (count < 0) {
      return Reply.Absent.INSTANCE;
    }
    elementsLeft -= count;
    if (depth == MAX_DEPTH || elementsLeft < 0) {
      throw new MalformedReplyException("arrays too deep or too large");
    }
    List<Reply> elements = new ArrayList<>(Math.min(count, 1024));
    for (int i = 0; i < count; i++) {
      elements.add(read(depth + 1));
    }
    return new Reply.Sequence(elements);
  }

  private long number(long least, long most) throws IOException {
    String digits = line();
    try {
      long value = Long.parseLong(digits);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw new MalformedReplyException("a length or number that is none");
    }
    throw new MalformedReplyException("a length or count out of bounds");
  }

  private String line() throws IOException {
    byte[] bytes = new byte[64];
    int length = 0;
    while (true) {
      int next = nextByte();
      if (next == '\r') {
        if (nextByte() != '\n') {
          throw new MalformedReplyException("a line that ends in CR alone");
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
      }
      if (length == MAX_LINE_BYTES) {
        throw new MalformedReplyException("a line over " + MAX_LINE_BYTES + " bytes");
      }
      if (length == bytes.length) {
        bytes = Arrays.copyOf(bytes, length * 2);
      }
      bytes[length++] = (byte) next;
    }
  }

  private byte[] bytes(int length) throws IOException {
    byte[] bytes = new byte[length];
    int done = Math.min(length, limit - position);
    System.arraycopy(buffer, position, bytes, 0, done);
    position += done;
    while (done < length) {
      int read = in.read(bytes, done, length - done);
      if (read < 0) {
        throw new EOFException("the server closed the connection");
      }
      done += read;
    }
    return bytes;
  }

  private int nextByte() throws IOException {
    if (position == limit) {
      int read = in.read(buffer, 0, buffer.length);
      if (read < 0) {
        throw new EOFException("the server closed the connection");
      }
      position = 0;
      limit = read;
    }
    return buffer[position++] & 0xff;
  }
}
