package io.capsuledb.host.load;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * Splits a stream of bytes into lines. A line ends with LF or CRLF; the last one may lack it. Not
 * thread-safe.
 */
final class LineReader {

  /** Longest line accepted, in bytes: the longest value with every byte escaped, and then some. */
  static final int MAX_LINE_BYTES = 128 << 20;

  private static final int BUFFER_BYTES = 256 << 10;

  private final InputStream in;
  private byte[] buffer = new byte[BUFFER_BYTES];
  private int position;
  private int limit;
  private int start;
  private int end;
  private long number;
  private long bytesBefore;

  LineReader(InputStream in) {
    this.in = in;
  }

  /**
   * Moves to the next line, which then lies in {@link #buffer} from {@link #start} to {@link #end}
   * until the next call.
   *
   * @return false at the end of the stream
   * @throws InvalidRequestException if a line is too long
   */
  boolean next() throws IOException {
    start = position;
    int scan = position;
    while (true) {
      for (; scan < limit; scan++) {
        if (buffer[scan] == '\n') {
          end = scan > start && buffer[scan - 1] == '\r' ? scan - 1 : scan;
          position = scan + 1;
          number++;
          return true;
        }
      }
      int scanned = scan - start;
      if (!fill()) {
        if (scanned == 0) {
          return false;
        }
        end = buffer[limit - 1] == '\r' ? limit - 1 : limit;
        position = limit;
        number++;
        return true;
      }
      scan = start + scanned;
    }
  }

  /** Reads more behind the unfinished line, which moves to the front of the buffer. */
  private boolean fill() throws IOException {
    int pending = limit - start;
    if (start > 0) {
      System.arraycopy(buffer, start, buffer, 0, pending);
      bytesBefore += start;
      start = 0;
      limit = pending;
    } else if (pending == buffer.length) {
      if (pending >= MAX_LINE_BYTES) {
        throw new InvalidRequestException(
            "line " + (number + 1) + " is longer than " + MAX_LINE_BYTES + " bytes");
      }
      buffer = Arrays.copyOf(buffer, Math.min(2 * pending, MAX_LINE_BYTES));
    }
    position = limit;
    int read = in.read(buffer, limit, buffer.length - limit);
    if (read <= 0) {
      return false;
    }
    limit += read;
    return true;
  }

  /** Whether the next line can be had without waiting for the stream. */
  boolean ready() throws IOException {
    for (int i = position; i < limit; i++) {
      if (buffer[i] == '\n') {
        return true;
      }
    }
    return in.available() > 0;
  }

  /** The array that holds the current line; not to be modified or kept. */
  byte[] buffer() {
    return buffer;
  }

  /** Where the current line begins. */
  int start() {
    return start;
  }

  /** Where the current line ends, its line end excluded. */
  int end() {
    return end;
  }

  /** The number of the current line, from 1. */
  long number() {
    return number;
  }

  /** Bytes of the stream up to and including the current line. */
  long bytesRead() {
    return bytesBefore + position;
  }
}
