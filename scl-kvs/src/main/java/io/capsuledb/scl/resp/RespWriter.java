package io.capsuledb.scl.resp;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.charset.StandardCharsets;

/**
 * Appends replies to a buffer in the protocol version the connection speaks. Where RESP2 lacks a
 * type, its customary stand-in is written, so commands need not know the version.
 *
 * <p>Source: the RESP specification, versions 2 and 3. Not thread-safe.
 */
final class RespWriter {

  private static final byte[] CRLF = {'\r', '\n'};
  private static final byte[] OK = "+OK\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] NULL_BULK = "$-1\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] NULL_ARRAY = "*-1\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] NULL_3 = "_\r\n".getBytes(StandardCharsets.US_ASCII);

  private ByteBuf out;
  private int protocol = 2;

  RespWriter(ByteBuf out) {
    this.out = out;
  }

  /** Redirects further replies to another buffer. */
  void target(ByteBuf buffer) {
    this.out = buffer;
  }

  /** 2 or 3. */
  int protocol() {
    return protocol;
  }

  void protocol(int version) {
    this.protocol = version;
  }

  void ok() {
    out.writeBytes(OK);
  }

  /** A simple string: no CR or LF. */
  void simple(String text) {
    out.writeByte('+');
    ByteBufUtil.writeAscii(out, text);
    out.writeBytes(CRLF);
  }

  /** An error: prefix and message in one line. Line breaks become spaces. */
  void error(String message) {
    out.writeByte('-');
    ByteBufUtil.writeUtf8(out, message.replace('\r', ' ').replace('\n', ' '));
    out.writeBytes(CRLF);
  }

  void integer(long value) {
    out.writeByte(':');
    decimal(value);
    out.writeBytes(CRLF);
  }

  void bulk(byte[] value) {
    bulk(value, 0, value.length);
  }

  void bulk(byte[] buffer, int offset, int length) {
    out.writeByte('$');
    decimal(length);
    out.writeBytes(CRLF);
    out.writeBytes(buffer, offset, length);
    out.writeBytes(CRLF);
  }

  void bulk(String text) {
    bulk(text.getBytes(StandardCharsets.UTF_8));
  }

  /** "No such value". */
  void nullBulk() {
    out.writeBytes(protocol >= 3 ? NULL_3 : NULL_BULK);
  }

  /** "No such array": what an aborted EXEC answers. */
  void nullArray() {
    out.writeBytes(protocol >= 3 ? NULL_3 : NULL_ARRAY);
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
      header('*', 2 * pairs);
    }
  }

  /** Text for people: a verbatim string in RESP3, a bulk string in RESP2. */
  void text(String value) {
    byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
    if (protocol >= 3) {
      header('=', bytes.length + 4);
      ByteBufUtil.writeAscii(out, "txt:");
      out.writeBytes(bytes);
      out.writeBytes(CRLF);
    } else {
      bulk(bytes);
    }
  }

  private void header(char type, int count) {
    out.writeByte(type);
    decimal(count);
    out.writeBytes(CRLF);
  }

  private void decimal(long value) {
    if (value >= 0 && value < 10) {
      out.writeByte((int) ('0' + value));
    } else {
      ByteBufUtil.writeAscii(out, Long.toString(value));
    }
  }
}
