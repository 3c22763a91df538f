package io.capsuledb.host.client;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** What a server answered, in the types of RESP2. */
public sealed interface Reply {

  /** A simple string, such as {@code OK}. */
  record Text(String value) implements Reply {}

  /** An error: a prefix such as {@code ERR}, a space, and a sentence. */
  record Failure(String message) implements Reply {}

  /** An integer: most often a count. */
  record Count(long value) implements Reply {}

  /** "No such value". */
  record Absent() implements Reply {
    static final Absent INSTANCE = new Absent();
  }

  /** An array. */
  record Sequence(List<Reply> elements) implements Reply {
    public Sequence {
      elements = List.copyOf(elements);
    }
  }

  /** A string of any bytes. */
  final class Bulk implements Reply {
    private final byte[] bytes;

    Bulk(byte[] bytes) {
      this.bytes = bytes;
    }

    /** The bytes themselves, not a copy. */
    public byte[] bytes() {
      return bytes;
    }

    @Override
    public String toString() {
      return "Bulk[" + bytes.length + " bytes]";
    }
  }

  /** The text of a simple string or the bytes of a bulk string as UTF-8; empty for the rest. */
  default String text() {
    return switch (this) {
      case Text(String value) -> value;
      case Bulk bulk -> new String(bulk.bytes(), StandardCharsets.UTF_8);
      case Failure _, Count _, Absent _, Sequence _ -> "";
    };
  }
}
