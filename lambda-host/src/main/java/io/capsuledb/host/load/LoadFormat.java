package io.capsuledb.host.load;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The forms a file of operations may have; each is one operation a line, empty lines skipped. */
public enum LoadFormat {
  /** {@code SET key value} or {@code GET key}; the value is the rest of the line. */
  YCSB_TRACE,
  /** {@code {"op":"set","key":"k","value":"v","ttl":60}}; op is set, get or del. */
  JSONL,
  /** A key, a tab and a value, with {@code \t \n \r \\} for what cannot stand for itself. */
  TSV;

  /** The name on the command line. */
  public String key() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The format with that name on the command line, or null if there is none. */
  public static @Nullable LoadFormat ofKey(String key) {
    for (LoadFormat format : values()) {
      if (format.key().equals(key)) {
        return format;
      }
    }
    return null;
  }

  LineParser parser() {
    return switch (this) {
      case YCSB_TRACE -> new TraceParser();
      case JSONL -> new JsonLineParser();
      case TSV -> new TsvParser();
    };
  }
}
