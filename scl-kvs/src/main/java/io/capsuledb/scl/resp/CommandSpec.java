package io.capsuledb.scl.resp;

import java.util.Set;

/**
 * What the dispatcher must know of a command before it runs it.
 *
 * @param name upper case
 * @param arity number of arguments, the name included; negative: at least that many
 * @param flags how it may be run
 * @param firstKey position of the first key, 0 if there is none
 * @param lastKey position of the last key; negative counts from the end
 * @param keyStep distance between keys
 * @param body what it does
 */
record CommandSpec(
    String name, int arity, Set<Flag> flags, int firstKey, int lastKey, int keyStep, Body body) {

  enum Flag {
    /** Changes keys: runs inside a transaction. */
    WRITE,
    /** Reads keys only: runs without a lock. */
    READ,
    /** Needs the admin permission. */
    ADMIN,
    /** Allowed before authentication. */
    NO_AUTH,
    /** Acts on the connection; not allowed in MULTI. */
    NO_MULTI,
    /** Runs at once even after MULTI, where others are queued. */
    IMMEDIATE,
    /** Runs a procedure on a pool: no transaction is begun for it, even if it writes. */
    PROCEDURE
  }

  /**
   * What a command does: reads and stages through the context, then writes exactly one reply.
   * Everything that can be refused is refused, by {@link CommandException}, before the first staged
   * write and before the first byte of the reply.
   */
  @FunctionalInterface
  interface Body {
    void run(CommandContext context);
  }

  boolean has(Flag flag) {
    return flags.contains(flag);
  }

  boolean accepts(int arguments) {
    return arity >= 0 ? arguments == arity : arguments >= -arity;
  }

  /** A command that changes keys. */
  static CommandSpec write(
      String name, int arity, int firstKey, int lastKey, int keyStep, Body body) {
    return new CommandSpec(name, arity, Set.of(Flag.WRITE), firstKey, lastKey, keyStep, body);
  }

  /** A command that reads keys. */
  static CommandSpec read(
      String name, int arity, int firstKey, int lastKey, int keyStep, Body body) {
    return new CommandSpec(name, arity, Set.of(Flag.READ), firstKey, lastKey, keyStep, body);
  }

  /** A command that touches no keys. */
  static CommandSpec keyless(String name, int arity, Set<Flag> flags, Body body) {
    return new CommandSpec(name, arity, flags, 0, 0, 0, body);
  }
}
