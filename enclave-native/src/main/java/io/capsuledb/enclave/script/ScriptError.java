package io.capsuledb.enclave.script;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a script threw and did not catch. All text is the script's own, and cut at 8 KiB.
 *
 * @param name the error's name, such as {@code TypeError}; empty if it was not an Error
 * @param message its message, or the thrown value as a string
 * @param fileName name of the source, as it was loaded
 * @param line line in that source, from 1 on; 0 if not known
 * @param stack calls of the script's functions, a line each, innermost first; may be empty
 * @param cause what a host function failed with, if that is what was not caught
 */
public record ScriptError(
    String name,
    String message,
    String fileName,
    int line,
    String stack,
    @Nullable Throwable cause) {

  private static final Pattern FRAME =
      Pattern.compile("^\\s*at (?<function>.*) \\((?<place>.*:(?<line>\\d+))\\).*$");

  /** Reads the place from the engine's own text of calls, leaving out what is inside the engine. */
  static ScriptError of(
      String name, String message, String fileName, String engineStack, @Nullable Throwable cause) {
    StringBuilder stack = new StringBuilder();
    int line = 0;
    for (String text : engineStack.lines().toList()) {
      Matcher frame = FRAME.matcher(text);
      if (!frame.matches() || !frame.group("place").startsWith(fileName + ":")) {
        continue;
      }
      int at = lineOf(frame.group("line"));
      if (line == 0) {
        line = at;
      }
      if (!text.endsWith(" internal")) {
        stack
            .append(stack.isEmpty() ? "" : "\n")
            .append("at ")
            .append(frame.group("function"))
            .append(" (")
            .append(frame.group("place"))
            .append(')');
      }
    }
    return new ScriptError(name, message, fileName, line, stack.toString(), cause);
  }

  private static int lineOf(String digits) {
    return digits.length() > 9 ? 0 : Integer.parseInt(digits);
  }

  /** One line: {@code FILE:LINE: NAME: MESSAGE}. */
  @Override
  public String toString() {
    return fileName
        + (line > 0 ? ":" + line : "")
        + ": "
        + (name.isEmpty() ? "" : name + ": ")
        + message;
  }
}
