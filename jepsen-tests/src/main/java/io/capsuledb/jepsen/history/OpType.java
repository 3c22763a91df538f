package io.capsuledb.jepsen.history;

import java.util.Locale;

/** What an event says of its operation. */
public enum OpType {
  /** It is about to be asked for. */
  INVOKE,
  /** It took effect, and this is the answer. */
  OK,
  /** It certainly took no effect, and never will. */
  FAIL,
  /** It may take effect, now, later or never. Its process acts no more. */
  INFO;

  private final String word = name().toLowerCase(Locale.ROOT);

  /** Its name in files. */
  public String word() {
    return word;
  }

  /**
   * The type with that name in files.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static OpType ofWord(String word) {
    for (OpType type : values()) {
      if (type.word.equals(word)) {
        return type;
      }
    }
    throw new IllegalArgumentException("no type of event: '" + word + "'");
  }
}
