package io.capsuledb.host.load;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.PrintStream;
import java.util.Arrays;

/**
 * Fields of tab-separated lines. {@code \t}, {@code \n}, {@code \r} and {@code \\} stand for a tab,
 * a line feed, a carriage return and a backslash; all other bytes for themselves.
 */
public final class TsvFields {

  private TsvFields() {}

  /** Prints a field, escaped. */
  public static void write(byte[] field, PrintStream out) {
    for (byte b : field) {
      switch (b) {
        case '\t' -> escape('t', out);
        case '\n' -> escape('n', out);
        case '\r' -> escape('r', out);
        case '\\' -> escape('\\', out);
        default -> out.write(b);
      }
    }
  }

  private static void escape(char letter, PrintStream out) {
    out.write('\\');
    out.write(letter);
  }

  /**
   * The bytes a field stands for.
   *
   * @throws InvalidRequestException if a backslash is not followed by one of its four letters
   */
  static byte[] read(byte[] buffer, int start, int end) {
    byte[] bytes = new byte[end - start];
    int length = 0;
    for (int i = start; i < end; i++) {
      byte b = buffer[i];
      if (b == '\\') {
        i++;
        b = i < end ? meaning(buffer[i]) : meaning((byte) 0);
      }
      bytes[length++] = b;
    }
    return length == bytes.length ? bytes : Arrays.copyOf(bytes, length);
  }

  private static byte meaning(byte letter) {
    return switch (letter) {
      case 't' -> '\t';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case '\\' -> '\\';
      default ->
          throw new InvalidRequestException(
              "after a backslash there is none of t, n, r and a second backslash");
    };
  }
}
