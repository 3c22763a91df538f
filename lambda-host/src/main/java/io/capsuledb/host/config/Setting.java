package io.capsuledb.host.config;

/** Something that can be set: on the command line by a flag, in a file by its name. */
public interface Setting {

  /** The name in files; with two dashes before it, the flag. */
  String key();

  /** What the value is, for help texts; empty for a flag that takes none. */
  String valueLabel();

  /** One sentence or two for help texts. */
  String description();

  /** Whether it can be given more than once. */
  default boolean repeats() {
    return false;
  }
}
