package io.capsuledb.host.log;

import java.io.PrintStream;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.StreamHandler;
import org.jspecify.annotations.Nullable;

/**
 * Reports what happened, one line an event: {@code ts=… level=info event=node.ready
 * address=127.0.0.1:6380}. Event names are stable, dotted and lower case; fields are pairs of a
 * name and a value. Fields never hold keys, values or secrets of users.
 *
 * <p>Modules below this one log by {@link System.Logger} with messages that begin with {@code
 * event=}; libraries log what they like. All of it comes out in one form, through
 * java.util.logging. Thread-safe.
 */
public final class EventLog {

  /** Its level is that of every logger of ours; kept here, for loggers are held weakly. */
  private static final Logger OURS;

  private static final Logger EVENTS;

  static {
    System.setProperty("java.util.logging.manager", PersistentLogManager.class.getName());
    OURS = Logger.getLogger("io.capsuledb");
    EVENTS = Logger.getLogger("io.capsuledb.host");
  }

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
   * Sends everything that is logged in this process to {@code out}, and nowhere else. Libraries are
   * heard from warnings on; at {@link Detail#DEBUG} from information on.
   */
  public static void install(PrintStream out, Detail detail) {
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
    for (Handler before : everything.getHandlers()) {
      everything.removeHandler(before);
    }
    everything.addHandler(handler);
    everything.setLevel(detail == Detail.DEBUG ? Level.INFO : Level.WARNING);
    OURS.setLevel(detail.level());
  }

  /** Logs something normal. */
  public static void info(String event, Object... fields) {
    log(Level.INFO, event, null, fields);
  }

  /** Logs something that somebody should look at. */
  public static void warn(String event, Object... fields) {
    log(Level.WARNING, event, null, fields);
  }

  /** Logs something that stops the node, or part of it. */
  public static void error(String event, @Nullable Throwable cause, Object... fields) {
    log(Level.SEVERE, event, cause, fields);
  }

  private static void log(Level level, String event, @Nullable Throwable cause, Object... fields) {
    if (fields.length % 2 != 0) {
      throw new IllegalArgumentException("fields are pairs of a name and a value");
    }
    if (!EVENTS.isLoggable(level)) {
      return;
    }
    LogRecord record = new EventRecord(level, event, fields);
    record.setLoggerName(EVENTS.getName());
    record.setThrown(cause);
    EVENTS.log(record);
  }

  /** A record with fields instead of a sentence. */
  static final class EventRecord extends LogRecord {
    private static final long serialVersionUID = 1L;

    private final transient Object[] fields;

    EventRecord(Level level, String event, Object... fields) {
      super(level, event);
      this.fields = fields.clone();
    }

    int fieldCount() {
      return fields.length / 2;
    }

    String fieldName(int index) {
      return String.valueOf(fields[2 * index]);
    }

    Object fieldValue(int index) {
      return fields[2 * index + 1];
    }
  }
}
