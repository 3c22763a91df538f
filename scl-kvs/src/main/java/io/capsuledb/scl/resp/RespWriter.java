package io.capsuledb.scl.resp;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;

/**
 * Appends replies to a buffer in the protocol version the connection speaks. Where RESP2 lacks a
 * type, its customary stand-in is written, so commands need not know the version.
 *
 * <p>The buffer is on the heap: bytes are stored straight into its array, which is several times
 * cheaper than a call for each.
 *
 * <p>Source: the RESP specification, versions 2 and 3. Not thread-safe.
 */
final class RespWriter {

  /** A reply would exceed what may be buffered for one client; the connection must be closed. */
  static final class OverflowException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OverflowException() {
      super("reply exceeds the output bound", null, false, false);
    }
  }

  private static final byte[] OK = ascii("+OK\r\n");
  private static final byte[] NULL_BULK = ascii("$-1\r\n");
  private static final byte[] NULL_ARRAY = ascii("*-1\r\n");
  private static final byte[] NULL_3 = ascii("_\r\n");
  private static final byte[] TEXT_PREFIX = ascii("txt:");

  /** Type byte, sign, digits of a long, CR, LF. */
  private static final int MAX_HEADER_BYTES = 24;

  private ByteBuf out;
  private static final byte[] TRUE_3 = "#t\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FALSE_3 = "#f\r\n".getBytes(StandardCharsets.US_ASCII);

  private int protocol = 2;
  private long maxBufferedBytes = Long.MAX_VALUE;

  RespWriter(ByteBuf out) {
    this.out = checked(out);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static ByteBuf checked(ByteBuf buffer) {
    if (!buffer.hasArray()) {
      throw new IllegalArgumentException("replies are encoded into buffers on the heap");
    }
    return buffer;
  }

  /** Redirects further replies to another buffer. */
  void target(ByteBuf buffer) {
    this.out = checked(buffer);
  }

  /** 2 or 3. */
  int protocol() {
    return protocol;
  }

  void protocol(int version) {
    this.protocol = version;
  }

  /** Bounds what the buffer may hold; beyond it replies throw {@link OverflowException}. */
  void maxBufferedBytes(long bytes) {
    this.maxBufferedBytes = bytes;
  }

  long maxBufferedBytes() {
    return maxBufferedBytes;
  }

  /** Where the next reply begins: for {@link #rollback}. */
  int mark() {
    return out.writerIndex();
  }

  /** Takes back everything written since {@link #mark} gave {@code mark}. */
  void rollback(int mark) {
    out.writerIndex(mark);
  }

  void ok() {
    raw(OK);
  }

  /** A simple string: no CR or LF. */
  void simple(String text) {
    line('+', text.getBytes(StandardCharsets.UTF_8));
  }

  /** An error: prefix and message in one line. Line breaks become spaces. */
  void error(String message) {
    line('-', message.replace('\r', ' ').replace('\n', ' ').getBytes(StandardCharsets.UTF_8));
  }

  private void line(char type, byte[] content) {
    int at = reserve(content.length + 3);
    byte[] array = out.array();
    array[at++] = (byte) type;
    System.arraycopy(content, 0, array, at, content.length);
    at += content.length;
    finish(array, at);
  }

  void integer(long value) {
    header(':', value);
  }

  /** A truth value; RESP2 has the integers 1 and 0 for it. */
  void bool(boolean value) {
    if (protocol >= 3) {
      raw(value ? TRUE_3 : FALSE_3);
    } else {
      integer(value ? 1 : 0);
    }
  }

  /** A number that is no integer; RESP2 has its text for it. */
  void number(double value) {
    String text =
        Double.isNaN(value)
            ? "nan"
            : Double.isInfinite(value) ? value > 0 ? "inf" : "-inf" : Double.toString(value);
    if (protocol >= 3) {
      byte[] line = ("," + text + "\r\n").getBytes(StandardCharsets.US_ASCII);
      raw(line, 0, line.length);
    } else {
      bulk(Double.toString(value));
    }
  }

  void bulk(byte[] value) {
    bulk(value, 0, value.length);
  }

  void bulk(byte[] buffer, int offset, int length) {
    int at = reserve(length + MAX_HEADER_BYTES);
    byte[] array = out.array();
    array[at++] = '$';
    at = decimal(array, at, length);
    array[at++] = '\r';
    array[at++] = '\n';
    System.arraycopy(buffer, offset, array, at, length);
    finish(array, at + length);
  }

  void bulk(String text) {
    bulk(text.getBytes(StandardCharsets.UTF_8));
  }

  /** "No such value". */
  void nullBulk() {
    raw(protocol >= 3 ? NULL_3 : NULL_BULK);
  }

  /** "No such array": what an aborted EXEC answers. */
  void nullArray() {
    raw(protocol >= 3 ? NULL_3 : NULL_ARRAY);
  }

  void array(int elements) {
    header('*', elements);
  }

  /** A set in RESP3, an array in RESP2. */
  void set(int elements) {
    header(protocol >= 3 ? '~' : '*', elements);
  }

  /** A map of {@code pairs} keys and values in RESP3, a flat array in RESP2. */
  void map(int pairs) {
    if (protocol >= 3) {
      header('%', pairs);
    } else {
      header('*', 2L * pairs);
    }
  }

  /** Text for people: a verbatim string in RESP3, a bulk string in RESP2. */
  void text(String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    if (protocol >= 3) {
      header('=', bytes.length + TEXT_PREFIX.length);
      raw(TEXT_PREFIX);
      int at = reserve(bytes.length + 2);
      byte[] array = out.array();
      System.arraycopy(bytes, 0, array, at, bytes.length);
      finish(array, at + bytes.length);
    } else {
      bulk(bytes);
    }
  }

  private void raw(byte[] bytes) {
    raw(bytes, 0, bytes.length);
  }

  /** Replies that another writer encoded for the same protocol. */
  void raw(byte[] bytes, int offset, int length) {
    int at = reserve(length);
    System.arraycopy(bytes, offset, out.array(), at, length);
    out.writerIndex(out.writerIndex() + length);
  }

  private void header(char type, long count) {
    int at = reserve(MAX_HEADER_BYTES);
    byte[] array = out.array();
    array[at++] = (byte) type;
    finish(array, decimal(array, at, count));
  }

  /** Makes room; returns where in the array to go on. */
  private int reserve(int bytes) {
    if (out.readableBytes() + (long) bytes > maxBufferedBytes) {
      throw new OverflowException();
    }
    out.ensureWritable(bytes);
    return out.arrayOffset() + out.writerIndex();
  }

  /** Ends what was stored up to {@code at} with CR LF. */
  private void finish(byte[] array, int at) {
    array[at] = '\r';
    array[at + 1] = '\n';
    out.writerIndex(at + 2 - out.arrayOffset());
  }

  private static int decimal(byte[] array, int at, long value) {
    if (value >= 0 && value < 10) {
      array[at] = (byte) ('0' + value);
      return at + 1;
    }
    int from = at;
    // Worked on as a negative number, because its range is the larger one.
    long rest = value < 0 ? value : -value;
    if (value < 0) {
      array[from++] = '-';
    }
    int end = from;
    for (long r = rest; r != 0; r /= 10) {
      end++;
    }
    for (int i = end - 1; i >= from; i--) {
      array[i] = (byte) ('0' - rest % 10);
      rest /= 10;
    }
    return end;
  }
}
