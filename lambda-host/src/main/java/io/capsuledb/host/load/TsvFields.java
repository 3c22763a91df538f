package io.capsuledb.host.load;

import java.io.PrintStream;

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
}
