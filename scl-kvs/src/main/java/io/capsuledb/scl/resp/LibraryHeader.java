package io.capsuledb.scl.resp;

import java.util.Locale;

/**
 * The first line of a library, {@code #!js name=LIB engine=duktape}, and what follows it. Errors
 * are worded as in Redis 7.
 *
 * @param name of the library
 * @param source the code with its first line emptied, so that lines keep their numbers
 */
record LibraryHeader(String name, String source) {

  private static final String MARK = "#!";
  private static final String LANGUAGE = "js";
  private static final String ENGINE = "duktape";

  /**
   * Reads the first line.
   *
   * @throws CommandException if it is not one
   */
  static LibraryHeader of(String code) {
    if (!code.startsWith(MARK)) {
      throw new CommandException("ERR Missing library metadata");
    }
    int end = code.indexOf('\n');
    if (end < 0) {
      throw new CommandException("ERR Invalid library metadata");
    }
    String[] words = code.substring(MARK.length(), end).strip().split("\\s+", -1);
    if (!words[0].toLowerCase(Locale.ROOT).equals(LANGUAGE)) {
      throw noEngine(words[0]);
    }
    String name = null;
    for (int i = 1; i < words.length; i++) {
      int equals = words[i].indexOf('=');
      String field = words[i].substring(0, Math.max(0, equals)).toLowerCase(Locale.ROOT);
      String value = words[i].substring(equals + 1);
      switch (field) {
        case "name" -> {
          if (name != null) {
            throw new CommandException(
                "ERR Invalid metadata value, name argument was given multiple times");
          }
          name = value;
        }
        case "engine" -> {
          if (!value.toLowerCase(Locale.ROOT).equals(ENGINE)) {
            throw noEngine(value);
          }
        }
        default ->
            throw new CommandException("ERR Invalid metadata value given: " + printable(words[i]));
      }
    }
    if (name == null) {
      throw new CommandException("ERR Library name was not given");
    }
    if (!StoredLibrary.isName(name)) {
      throw new CommandException(
          "ERR Library names can only contain letters, numbers, or underscores(_) and must be at"
              + " least one character long and at most "
              + LibraryLayout.MAX_NAME_BYTES);
    }
    return new LibraryHeader(name, code.substring(end));
  }

  private static CommandException noEngine(String word) {
    return new CommandException("ERR Engine '" + printable(word) + "' not found");
  }

  private static String printable(String word) {
    String cut =
        word.length() > LibraryLayout.MAX_NAME_BYTES
            ? word.substring(0, LibraryLayout.MAX_NAME_BYTES)
            : word;
    return cut.replaceAll("\\p{Cntrl}", "?");
  }
}
