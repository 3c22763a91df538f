package io.capsuledb.engine.merge;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.NavigableSet;
import org.jspecify.annotations.Nullable;

/**
 * How a value changes by an operand, so that writers who know nothing of each other lose nothing:
 * what several of them merge into a key counts, whoever comes later.
 *
 * <p>Operands are applied in the order of their versions to the newest value written before them,
 * or to none. A value of another kind than the operator's is passed over, as if there were none.
 * The numbers are persisted and never change meaning.
 */
public enum MergeOperator {
  /**
   * The smaller of two numbers, as decimal text. Integers of up to 310 digits are exact; of others
   * the nearest IEEE 754 double counts.
   */
  MIN(1, 0),
  /** The larger of two numbers, as {@link #MIN} has them. */
  MAX(2, 0),
  /** The sum of two 64-bit integers, as decimal text; it wraps around. */
  COUNTER(3, 0),
  /** The union of two sets of byte strings: docs/format/collections.md. */
  UNION(4, 2);

  /** Longest operand, in bytes. */
  public static final int MAX_OPERAND_BYTES = 64 << 10;

  /** The digits of the largest double, and one more. */
  private static final int MAX_DIGITS = 310;

  private static final int MAX_NUMBER_CHARS = 400;

  private static final MergeOperator[] BY_NUMBER = values();

  private final int number;
  private final int typeNumber;

  MergeOperator(int number, int typeNumber) {
    this.number = number;
    this.typeNumber = typeNumber;
  }

  /** The persisted number, 1 to 15. */
  public int number() {
    return number;
  }

  /** Number of the type of value that this makes: 0 a string, 2 a set. */
  public int typeNumber() {
    return typeNumber;
  }

  /** The operator with a number, or null if there is none. */
  public static @Nullable MergeOperator ofNumber(int number) {
    return number >= 1 && number <= BY_NUMBER.length ? BY_NUMBER[number - 1] : null;
  }

  /**
   * An operand, or a value, in the one form that it is stored in.
   *
   * @return null if it is none of this operator
   */
  public byte @Nullable [] canonical(byte[] operand) {
    return switch (this) {
      case MIN, MAX -> {
        BigDecimal decimal = decimal(operand);
        yield decimal == null ? null : text(decimal);
      }
      case COUNTER -> {
        Long counter = counter(operand);
        yield counter == null ? null : bytes(Long.toString(counter));
      }
      case UNION -> ByteSets.decode(operand) == null ? null : operand;
    };
  }

  /**
   * Applies an operand.
   *
   * @param typeNumber of the value before
   * @param before the value before, or null if there is none
   * @param operand as {@link #canonical} made it
   */
  public byte[] apply(int typeNumber, byte @Nullable [] before, byte[] operand) {
    byte[] base = before == null || typeNumber != this.typeNumber ? null : canonical(before);
    if (base == null) {
      return operand;
    }
    return switch (this) {
      case MIN -> number(base).compareTo(number(operand)) <= 0 ? base : operand;
      case MAX -> number(base).compareTo(number(operand)) >= 0 ? base : operand;
      case COUNTER -> bytes(Long.toString(integer(base) + integer(operand)));
      case UNION -> {
        NavigableSet<byte[]> all = set(base);
        all.addAll(set(operand));
        yield ByteSets.encode(all);
      }
    };
  }

  private static BigDecimal number(byte[] canonical) {
    return new BigDecimal(text(canonical));
  }

  private static long integer(byte[] canonical) {
    return Long.parseLong(text(canonical));
  }

  private static NavigableSet<byte[]> set(byte[] canonical) {
    NavigableSet<byte[]> elements = ByteSets.decode(canonical);
    if (elements == null) {
      throw new IllegalStateException("an operand that was checked is no set");
    }
    return elements;
  }

  /** A number that is within the range of doubles, or null. */
  private static @Nullable BigDecimal decimal(byte[] text) {
    if (text.length == 0 || text.length > MAX_NUMBER_CHARS) {
      return null;
    }
    BigDecimal decimal;
    try {
      decimal = new BigDecimal(text(text));
    } catch (NumberFormatException none) {
      return null;
    }
    if (decimal.signum() == 0) {
      return BigDecimal.ZERO;
    }
    // The place of the first digit, before anything is written out.
    long digits = (long) decimal.precision() - decimal.scale();
    if (digits > MAX_DIGITS) {
      return null;
    }
    if (digits < -MAX_NUMBER_CHARS) {
      return BigDecimal.ZERO;
    }
    BigDecimal stripped = decimal.stripTrailingZeros();
    if (stripped.scale() <= 0) {
      return stripped;
    }
    double nearest = stripped.doubleValue();
    if (Double.isInfinite(nearest)) {
      return null;
    }
    return nearest == 0
        ? BigDecimal.ZERO
        : new BigDecimal(Double.toString(nearest)).stripTrailingZeros();
  }

  /** One text for one number. */
  private static byte[] text(BigDecimal decimal) {
    return decimal.scale() <= 0
        ? bytes(decimal.toPlainString())
        : bytes(Double.toString(decimal.doubleValue()));
  }

  private static @Nullable Long counter(byte[] text) {
    try {
      return text.length > Long.toString(Long.MIN_VALUE).length() ? null : Long.valueOf(text(text));
    } catch (NumberFormatException none) {
      return null;
    }
  }

  private static String text(byte[] ascii) {
    return new String(ascii, StandardCharsets.US_ASCII);
  }

  private static byte[] bytes(String ascii) {
    return ascii.getBytes(StandardCharsets.US_ASCII);
  }
}
