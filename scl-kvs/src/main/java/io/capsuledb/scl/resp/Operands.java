package io.capsuledb.scl.resp;

import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.ValueType;
import java.util.Arrays;

/**
 * What commands on keys take from their arguments and from stored values, each with the refusal a
 * client expects when it is not what it should be. Stateless; nothing here stages or replies.
 */
final class Operands {

  /** Digits and sign of {@link Long#MIN_VALUE}, the longest integer. */
  private static final int MAX_INTEGER_BYTES = 20;

  private Operands() {}

  /** The key at a position, not longer than the engine takes, and not the server's own. */
  static byte[] key(CommandContext context, int index) {
    byte[] key = context.argument(index);
    if (key.length > CapsuleDb.MAX_KEY_BYTES) {
      throw Refusals.keyTooLong();
    }
    if (ReservedKeys.isReserved(key)) {
      throw Refusals.reservedKey();
    }
    return key;
  }

  /**
   * Refuses the command if one of the keys at {@code first}, {@code first + step}... is too long.
   */
  static void checkKeys(CommandContext context, int first, int step) {
    for (int i = first; i < context.count(); i += step) {
      key(context, i);
    }
  }

  /** The value at a position, not longer than the engine takes. */
  static byte[] value(CommandContext context, int index) {
    byte[] value = context.argument(index);
    if (value.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw Refusals.valueTooLong();
    }
    return value;
  }

  /** The integer at a position. */
  static long integer(CommandContext context, int index) {
    byte[] argument = context.argument(index);
    return integer(argument, 0, argument.length);
  }

  /**
   * A signed 64-bit integer in its one decimal form: no plus sign, no leading zero, no space, no
   * negative zero.
   */
  static long integer(byte[] text, int offset, int length) {
    if (!isInteger(text, offset, length)) {
      throw Refusals.notAnInteger();
    }
    // Built up as a negative number, because its range is the larger one.
    int end = offset + length;
    boolean negative = text[offset] == '-';
    long value = 0;
    for (int i = negative ? offset + 1 : offset; i < end; i++) {
      value = 10 * value - (text[i] - '0');
    }
    return negative ? value : -value;
  }

  /** Whether {@link #integer(byte[], int, int)} would take this text. */
  static boolean isInteger(byte[] text, int offset, int length) {
    if (length == 0 || length > MAX_INTEGER_BYTES) {
      return false;
    }
    int end = offset + length;
    boolean negative = text[offset] == '-';
    int at = negative ? offset + 1 : offset;
    if (at == end) {
      return false;
    }
    if (text[at] == '0') {
      return length == 1;
    }
    long value = 0;
    for (; at < end; at++) {
      int digit = text[at] - '0';
      if (digit < 0 || digit > 9 || value < Long.MIN_VALUE / 10) {
        return false;
      }
      value *= 10;
      if (value < Long.MIN_VALUE + digit) {
        return false;
      }
      value -= digit;
    }
    return negative || value != Long.MIN_VALUE;
  }

  /** Decimal digits of a number, as they are stored. */
  static byte[] decimal(long value) {
    if (value >= 0 && value < 10) {
      return new byte[] {(byte) ('0' + value)};
    }
    byte[] digits = new byte[MAX_INTEGER_BYTES];
    int at = digits.length;
    // Counted down as a negative number, because its range is the larger one.
    long rest = value < 0 ? value : -value;
    do {
      digits[--at] = (byte) ('0' - rest % 10);
      rest /= 10;
    } while (rest != 0);
    if (value < 0) {
      digits[--at] = '-';
    }
    return Arrays.copyOfRange(digits, at, digits.length);
  }

  /** Whether an argument is a word, in any case; {@code word} is upper-case ASCII. */
  static boolean is(byte[] argument, String word) {
    if (argument.length != word.length()) {
      return false;
    }
    for (int i = 0; i < argument.length; i++) {
      int c = argument[i];
      if (c >= 'a' && c <= 'z') {
        c -= 'a' - 'A';
      }
      if (c != word.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** Looks a key up that holds a string, or nothing. */
  static Lookup string(CommandContext context, byte[] key) {
    return typed(context, key, ValueType.STRING);
  }

  /** Looks a key up that holds a value of one type, or nothing. */
  static Lookup typed(CommandContext context, byte[] key, ValueType type) {
    Lookup lookup = context.get(key);
    if (lookup.found() && lookup.type() != type) {
      throw Refusals.wrongType();
    }
    return lookup;
  }

  /** The value of a lookup, to be stored again under another expiry or key. */
  static byte[] unchanged(Lookup lookup) {
    // A lookup is a private copy that nobody modifies, so its array may be staged as it is.
    return lookup.offset() == 0 && lookup.length() == lookup.buffer().length
        ? lookup.buffer()
        : lookup.value();
  }
}
