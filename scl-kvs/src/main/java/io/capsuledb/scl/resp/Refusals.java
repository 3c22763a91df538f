package io.capsuledb.scl.resp;

import io.capsuledb.engine.CapsuleDb;
import java.nio.charset.StandardCharsets;

/**
 * The error replies of commands on keys, word for word as Redis 7.0 clients know them. Where
 * CapsuleDB has a bound that Redis lacks, the text names it.
 */
final class Refusals {

  /** Longest piece of a request an error repeats, in bytes: enough for any real option's name. */
  private static final int MAX_ECHO_BYTES = 128;

  /** In the words of Redis. */
  static final String WRONG_TYPE =
      "WRONGTYPE Operation against a key holding the wrong kind of value";

  private Refusals() {}

  static CommandException syntax() {
    return new CommandException("ERR syntax error");
  }

  static CommandException wrongType() {
    return new CommandException(WRONG_TYPE);
  }

  static CommandException notAnInteger() {
    return new CommandException("ERR value is not an integer or out of range");
  }

  static CommandException notAFloat() {
    return new CommandException("ERR value is not a valid float");
  }

  static CommandException noSuchKey() {
    return new CommandException("ERR no such key");
  }

  static CommandException keyTooLong() {
    return new CommandException(
        "ERR key is too long (maximum is " + CapsuleDb.MAX_KEY_BYTES + " bytes)");
  }

  static CommandException reservedKey() {
    return new CommandException("NOPERM " + ReservedKeys.REFUSAL);
  }

  /** A value was sent that no key can hold. */
  static CommandException valueTooLong() {
    return new CommandException("ERR string exceeds maximum allowed size");
  }

  /** A value would grow beyond what a key can hold. */
  static CommandException stringWouldBeTooLong() {
    return new CommandException("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  }

  static CommandException collectionTooLarge() {
    return new CommandException("ERR collection exceeds maximum allowed size");
  }

  static CommandException replyTooLarge(String instead) {
    return new CommandException("ERR reply would be too large, " + instead);
  }

  /** {@code command} is lower case. */
  static CommandException invalidExpireTime(String command) {
    return new CommandException("ERR invalid expire time in '" + command + "' command");
  }

  /** {@code command} is lower case, with a bar before a subcommand. */
  static CommandException wrongArity(String command) {
    return new CommandException("ERR wrong number of arguments for '" + command + "' command");
  }

  static CommandException unknownSubcommand(String command, byte[] subcommand) {
    return new CommandException(
        "ERR unknown subcommand '" + echo(subcommand) + "'. Try " + command + " HELP.");
  }

  static CommandException unsupportedOption(byte[] option) {
    return new CommandException("ERR Unsupported option " + echo(option));
  }

  /** The beginning of a word of the request, printable and in one line. */
  private static String echo(byte[] word) {
    int length = Math.min(word.length, MAX_ECHO_BYTES);
    byte[] clean = new byte[length];
    for (int i = 0; i < length; i++) {
      clean[i] = word[i] < ' ' || word[i] == 0x7f ? (byte) '?' : word[i];
    }
    return new String(clean, StandardCharsets.US_ASCII);
  }
}
