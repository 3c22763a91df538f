package io.capsuledb.host.log;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.jspecify.annotations.Nullable;

/**
 * One record, one line of {@code name=value} pairs. A value is quoted when it holds a space, a
 * quote, an equals sign or anything unprintable; inside quotes {@code \" \\ \n \r \t} and {@code
 * \}{@code uXXXX} stand for themselves, so whatever is logged cannot forge a line or a field.
 * Values are cut at {@value #MAX_VALUE_CHARS} characters.
 */
final class LogfmtFormatter extends Formatter {

  static final int MAX_VALUE_CHARS = 4096;

  private static final String OUR_LOGGERS = "io.capsuledb.";
  private static final int MAX_STACK_FRAMES = 12;
  private static final int MAX_CAUSES = 8;

  @Override
  public String format(LogRecord record) {
    StringBuilder line = new StringBuilder(160);
    Instant time = record.getInstant().truncatedTo(ChronoUnit.MILLIS);
    line.append("ts=").append(time);
    pair(line, "level", level(record.getLevel()));
    if (record instanceof EventLog.EventRecord event) {
      pair(line, "event", event.getMessage());
      for (int i = 0; i < event.fieldCount(); i++) {
        pair(line, event.fieldName(i), event.fieldValue(i));
      }
    } else {
      sentence(line, record);
    }
    Throwable thrown = record.getThrown();
    if (thrown != null) {
      pair(line, "exception", thrown);
      pair(line, "at", frames(thrown));
    }
    return line.append('\n').toString();
  }

  /**
   * Modules of ours write pairs into their messages; what is not pairs becomes the value of one.
   */
  private void sentence(StringBuilder line, LogRecord record) {
    String message = String.valueOf(formatMessage(record));
    String logger = String.valueOf(record.getLoggerName());
    if (logger.startsWith(OUR_LOGGERS) && message.startsWith("event=") && isOneLine(message)) {
      line.append(' ').append(message);
    } else {
      pair(line, "event", "library");
      pair(line, "logger", logger);
      pair(line, "message", message);
    }
  }

  private static boolean isOneLine(String message) {
    return message.chars().noneMatch(LogfmtFormatter::breaksLines);
  }

  private static boolean breaksLines(int c) {
    return Character.isISOControl(c) || c == '\u2028' || c == '\u2029';
  }

  private static String level(Level level) {
    int value = level.intValue();
    if (value >= Level.SEVERE.intValue()) {
      return "error";
    }
    if (value >= Level.WARNING.intValue()) {
      return "warn";
    }
    return value >= Level.INFO.intValue() ? "info" : "debug";
  }

  private static String frames(Throwable thrown) {
    StringBuilder text = new StringBuilder();
    Throwable deepest = thrown;
    for (int depth = 0; depth < MAX_CAUSES && deepest.getCause() != null; depth++) {
      deepest = deepest.getCause();
      text.append("caused by ").append(deepest).append(": ");
    }
    StackTraceElement[] trace = deepest.getStackTrace();
    for (int i = 0; i < Math.min(trace.length, MAX_STACK_FRAMES); i++) {
      text.append(i == 0 ? "" : " < ")
          .append(trace[i].getClassName())
          .append('.')
          .append(trace[i].getMethodName())
          .append(':')
          .append(trace[i].getLineNumber());
    }
    return text.toString();
  }

  private static void pair(StringBuilder line, String name, @Nullable Object value) {
    line.append(' ').append(name).append('=');
    String text = String.valueOf(value);
    int length = Math.min(text.length(), MAX_VALUE_CHARS);
    boolean plain = length > 0;
    for (int i = 0; i < length && plain; i++) {
      char c = text.charAt(i);
      plain = c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
    }
    if (plain) {
      line.append(text, 0, length);
      return;
    }
    line.append('"');
    for (int i = 0; i < length; i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> line.append('\\').append(c);
        case '\n' -> line.append("\\n");
        case '\r' -> line.append("\\r");
        case '\t' -> line.append("\\t");
        default -> {
          if (breaksLines(c)) {
            line.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            line.append(c);
          }
        }
      }
    }
    line.append('"');
  }
}
