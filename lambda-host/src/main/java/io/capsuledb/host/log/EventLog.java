package io.capsuledb.host.log;

import java.io.PrintStream;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.StreamHandler;
import org.jspecify.annotations.Nullable;

/**
 * Reports what happened, one line an event: {@code ts=… level=info event=node.ready
 * address=127.0.0.1:6380}. Event names are stable, dotted and lower case; fields are pairs of a
 * name and a value. Fields never hold keys, values or secrets of users.
 *
 * <p>Thread-safe. Behind it is java.util.logging, so what libraries log arrives in the same form.
 */
public final class EventLog {

  private static final String ROOT = "io.capsuledb";
  private static final Logger LOGGER = Logger.getLogger(ROOT + ".events");

  private EventLog() {}

  /** How much is logged. */
  public enum Detail {
    ERROR,
    WARN,
    INFO,
    DEBUG;

    private Level level() {
      return switch (this) {
        case ERROR -> Level.SEVERE;
        case WARN -> Level.WARNING;
        case INFO -> Level.INFO;
        case DEBUG -> Level.FINE;
      };
    }
  }

  /**
   * Sends everything that is logged in this process to {@code out} as logfmt. Libraries are heard
   * from warnings on; at {@link Detail#DEBUG} from information on.
   */
  public static void install(PrintStream out, Detail detail) {
    LogManager.getLogManager().reset();
    Handler handler =
        new StreamHandler(out, new LogfmtFormatter()) {
          @Override
          public synchronized void publish(LogRecord record) {
            super.publish(record);
            flush();
          }
        };
    handler.setLevel(Level.ALL);
    Logger everything = Logger.getLogger("");
    everything.addHandler(handler);
    everything.setLevel(detail == Detail.DEBUG ? Level.INFO : Level.WARNING);
    LOGGER.setLevel(detail.level());
  }

  public static void info(String event, Object... fields) {
    log(Level.INFO, event, null, fields);
  }

  public static void warn(String event, Object... fields) {
    log(Level.WARNING, event, null, fields);
  }

  public static void error(String event, @Nullable Throwable cause, Object... fields) {
    log(Level.SEVERE, event, cause, fields);
  }

  private static void log(Level level, String event, @Nullable Throwable cause, Object... fields) {
    if (fields.length % 2 != 0) {
      throw new IllegalArgumentException("fields are pairs of a name and a value");
    }
    if (!LOGGER.isLoggable(level)) {
      return;
    }
    LogRecord record = new LogRecord(level, event);
    record.setLoggerName(LOGGER.getName());
    record.setParameters(fields);
    record.setThrown(cause);
    LOGGER.log(record);
  }

  /** Whether a record is one of ours, with fields, rather than a library's sentence. */
  static boolean isEvent(LogRecord record) {
    return LOGGER.getName().equals(record.getLoggerName());
  }
}
