package io.capsuledb.scl.resp;

import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Replies as text: type byte and content of simple strings, errors and integers, bulk strings in
 * quotes, arrays in brackets.
 */
final class Replies {

  private Replies() {}

  /** Renders the one reply in a buffer. */
  static String render(ByteBuf reply) {
    String text = next(reply, false);
    if (reply.isReadable()) {
      throw new AssertionError("bytes after the reply " + text);
    }
    return text;
  }

  /** Like {@link #render}, the elements of the outermost array sorted as text. */
  static String renderSorted(ByteBuf reply) {
    return next(reply, true);
  }

  private static String next(ByteBuf in, boolean sorted) {
    String line = line(in);
    char type = line.charAt(0);
    String rest = line.substring(1);
    return switch (type) {
      case '+', '-', ':' -> line;
      case '_' -> "nil";
      case '$' -> rest.equals("-1") ? "nil" : quoted(content(in, Integer.parseInt(rest)));
      case '*' -> rest.equals("-1") ? "nil-array" : elements(in, Integer.parseInt(rest), sorted);
      case '~' -> "~" + elements(in, Integer.parseInt(rest), sorted);
      case '%' -> "%" + elements(in, 2 * Integer.parseInt(rest), sorted);
      default -> throw new AssertionError("reply of type " + type);
    };
  }

  private static String line(ByteBuf in) {
    int end = in.indexOf(in.readerIndex(), in.writerIndex(), (byte) '\r');
    String line = in.readString(end - in.readerIndex(), StandardCharsets.ISO_8859_1);
    expectLineEnd(in);
    return line;
  }

  private static byte[] content(ByteBuf in, int length) {
    byte[] content = new byte[length];
    in.readBytes(content);
    expectLineEnd(in);
    return content;
  }

  private static void expectLineEnd(ByteBuf in) {
    if (in.readByte() != '\r' || in.readByte() != '\n') {
      throw new AssertionError("a line of a reply does not end with CR LF");
    }
  }

  private static String elements(ByteBuf in, int count, boolean sorted) {
    List<String> elements = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      elements.add(next(in, false));
    }
    if (sorted) {
      Collections.sort(elements);
    }
    return "[" + String.join(", ", elements) + "]";
  }

  /** A bulk string in quotes; what is not printable ASCII as {@code \xhh}. */
  static String quoted(byte[] content) {
    StringBuilder text = new StringBuilder("\"");
    for (byte b : content) {
      if (b == '"' || b == '\\') {
        text.append('\\').append((char) b);
      } else if (b >= ' ' && b < 0x7f) {
        text.append((char) b);
      } else {
        text.append(String.format("\\x%02x", b));
      }
    }
    return text.append('"').toString();
  }
}
