package io.capsuledb.scl.resp;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Splits an inline command into arguments as Redis does: white space separates; {@code "..."} takes
 * the escapes {@code \n \r \t \b \a \\ \" \xHH}, {@code '...'} takes {@code \'} only; a closing
 * quote must end its argument; a zero byte ends the line. Source: sdssplitargs of Redis 7.
 */
final class InlineSplitter {

  private final byte[] line;
  private final int to;
  private int at;

  private InlineSplitter(byte[] line, int from, int to) {
    this.line = line;
    this.at = from;
    this.to = to;
  }

  /**
   * Splits the bytes {@code from} to {@code to} of {@code line}.
   *
   * @return the arguments, possibly none, or null if a quote is not closed where it must be
   */
  static byte @Nullable [][] split(byte[] line, int from, int to) {
    return new InlineSplitter(line, from, to).split();
  }

  private byte @Nullable [][] split() {
    List<byte[]> arguments = new ArrayList<>();
    ByteArrayOutputStream argument = new ByteArrayOutputStream();
    while (true) {
      while (isSpace(peek(0))) {
        at++;
      }
      if (peek(0) == 0) {
        return arguments.toArray(byte[][]::new);
      }
      if (!argument(argument)) {
        return null;
      }
      arguments.add(argument.toByteArray());
      argument.reset();
    }
  }

  /** Reads one argument; false if its quotes are not balanced. */
  private boolean argument(ByteArrayOutputStream into) {
    while (true) {
      int c = peek(0);
      switch (c) {
        case 0, ' ', '\n', '\r', '\t' -> {
          return true;
        }
        case '"' -> {
          at++;
          return doubleQuoted(into) && closed();
        }
        case '\'' -> {
          at++;
          return singleQuoted(into) && closed();
        }
        default -> {
          into.write(c);
          at++;
        }
      }
    }
  }

  private boolean doubleQuoted(ByteArrayOutputStream into) {
    while (true) {
      int c = peek(0);
      if (c == 0) {
        return false;
      }
      if (c == '\\' && peek(1) == 'x' && hex(peek(2)) >= 0 && hex(peek(3)) >= 0) {
        into.write(hex(peek(2)) << 4 | hex(peek(3)));
        at += 4;
      } else if (c == '\\' && peek(1) != 0) {
        into.write(unescaped(peek(1)));
        at += 2;
      } else if (c == '"') {
        at++;
        return true;
      } else {
        into.write(c);
        at++;
      }
    }
  }

  private boolean singleQuoted(ByteArrayOutputStream into) {
    while (true) {
      int c = peek(0);
      if (c == 0) {
        return false;
      }
      if (c == '\\' && peek(1) == '\'') {
        into.write('\'');
        at += 2;
      } else if (c == '\'') {
        at++;
        return true;
      } else {
        into.write(c);
        at++;
      }
    }
  }

  /** A closing quote is followed by white space or by the end. */
  private boolean closed() {
    int c = peek(0);
    return c == 0 || isSpace(c);
  }

  /** The byte {@code ahead} of here; 0 at the end. */
  private int peek(int ahead) {
    return at + ahead < to ? line[at + ahead] & 0xff : 0;
  }

  private static int unescaped(int c) {
    return switch (c) {
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'b' -> '\b';
      case 'a' -> 7;
      default -> c;
    };
  }

  private static boolean isSpace(int c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  }

  private static int hex(int c) {
    if (c >= '0' && c <= '9') {
      return c - '0';
    }
    int lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }
}
