package io.capsuledb.scl.resp;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

/**
 * A floating-point number of x87 extended precision: sign, 64 bits of mantissa, 15 bits of
 * exponent. It is what C calls {@code long double} on the machines Redis mostly runs on, so
 * INCRBYFLOAT gives the digits there that clients know. Reading, adding and writing round once,
 * half to even, as the C library and the processor do.
 *
 * <p>Invariants: a finite number is {@code ±mantissa · 2^exponent} with a mantissa below 2^64 and
 * an exponent of at least {@value #MIN_EXPONENT}; not-a-number does not exist. Immutable.
 */
final class ExtendedDouble {

  /** A text that long or longer is not a number to Redis. Bounds all arithmetic here. */
  private static final int MAX_TEXT_BYTES = 5 * 1024;

  private static final int MANTISSA_BITS = 64;

  /** The largest number is below 2 to this power. */
  private static final int MAX_MAGNITUDE = 16384;

  /** Weight of the last bit of a denormal number. */
  private static final int MIN_EXPONENT = -16445;

  /** Decimal magnitudes beyond these certainly overflow, or certainly round to zero. */
  private static final int MAX_DECIMAL_MAGNITUDE = 4940;

  private static final int MIN_DECIMAL_MAGNITUDE = -4970;

  private static final int FRACTION_DIGITS = 17;
  private static final BigInteger FRACTION_SCALE = BigInteger.TEN.pow(FRACTION_DIGITS);

  /** Where a written exponent stops growing: far beyond every range check, far from overflow. */
  private static final long EXPONENT_CEILING = 1L << 40;

  static final ExtendedDouble ZERO = new ExtendedDouble(false, false, BigInteger.ZERO, 0);

  private final boolean infinite;
  private final boolean negative;
  private final BigInteger mantissa;
  private final int exponent;

  private ExtendedDouble(boolean infinite, boolean negative, BigInteger mantissa, int exponent) {
    this.infinite = infinite;
    this.negative = negative;
    this.mantissa = mantissa;
    this.exponent = exponent;
  }

  boolean isInfinite() {
    return infinite;
  }

  /**
   * Reads a number as C's {@code strtold} does: decimal or hexadecimal, with or without exponent,
   * or an infinity.
   *
   * @throws CommandException if the text is not entirely a number, or one beyond the range
   */
  static ExtendedDouble parse(byte[] text, int offset, int length) {
    if (length == 0 || length >= MAX_TEXT_BYTES) {
      throw Refusals.notAFloat();
    }
    return new Parser(new String(text, offset, length, StandardCharsets.ISO_8859_1)).parse();
  }

  /** The sum; infinite if it is too large, or if a summand is infinite. */
  ExtendedDouble plus(ExtendedDouble other) {
    if (infinite) {
      return this;
    }
    if (other.infinite) {
      return other;
    }
    int common = Math.min(exponent, other.exponent);
    BigInteger sum = signed(common).add(other.signed(common));
    return rounded(sum.signum() < 0, sum.abs(), common);
  }

  private ExtendedDouble finite() {
    if (infinite) {
      throw Refusals.notAFloat();
    }
    return this;
  }

  private BigInteger signed(int withExponent) {
    BigInteger shifted = mantissa.shiftLeft(exponent - withExponent);
    return negative ? shifted.negate() : shifted;
  }

  /** The number nearest to {@code ±magnitude · 2^exponent}. */
  private static ExtendedDouble rounded(boolean negative, BigInteger magnitude, int exponent) {
    int drop = Math.max(magnitude.bitLength() - MANTISSA_BITS, MIN_EXPONENT - exponent);
    BigInteger mantissa = magnitude;
    int at = exponent;
    if (drop > 0) {
      mantissa = shiftedHalfEven(magnitude, drop);
      at += drop;
    }
    if (mantissa.bitLength() + at > MAX_MAGNITUDE) {
      return new ExtendedDouble(true, negative, BigInteger.ZERO, 0);
    }
    return mantissa.signum() == 0 ? ZERO : new ExtendedDouble(false, negative, mantissa, at);
  }

  private static BigInteger shiftedHalfEven(BigInteger magnitude, int bits) {
    BigInteger quotient = magnitude.shiftRight(bits);
    boolean half = magnitude.testBit(bits - 1);
    boolean beyondHalf = half && magnitude.getLowestSetBit() < bits - 1;
    return beyondHalf || (half && quotient.testBit(0)) ? quotient.add(BigInteger.ONE) : quotient;
  }

  /**
   * The number in plain decimal with up to 17 digits after the point, trailing zeros removed; a
   * negative zero loses its sign.
   *
   * @throws IllegalStateException if the number is infinite
   */
  byte[] toText() {
    if (infinite) {
      throw new IllegalStateException("infinity is never stored");
    }
    if (exponent >= 0) {
      return signedText(mantissa.shiftLeft(exponent).toString());
    }
    BigInteger scaled = shiftedHalfEven(mantissa.multiply(FRACTION_SCALE), -exponent);
    BigInteger[] parts = scaled.divideAndRemainder(FRACTION_SCALE);
    String whole = parts[0].toString();
    if (parts[1].signum() == 0) {
      return signedText(whole);
    }
    String fraction = parts[1].toString();
    StringBuilder text = new StringBuilder(whole).append('.');
    text.repeat('0', FRACTION_DIGITS - fraction.length()).append(fraction);
    int end = text.length();
    while (text.charAt(end - 1) == '0') {
      end--;
    }
    text.setLength(end);
    return signedText(text.toString());
  }

  private byte[] signedText(String magnitude) {
    boolean minus = negative && !magnitude.equals("0");
    return (minus ? "-" + magnitude : magnitude).getBytes(StandardCharsets.US_ASCII);
  }

  /** One pass over one text. */
  private static final class Parser {
    private final String text;
    private int at;

    Parser(String text) {
      this.text = text;
    }

    ExtendedDouble parse() {
      boolean negative = peek() == '-';
      if (negative || peek() == '+') {
        at++;
      }
      String rest = text.substring(at);
      if (rest.equalsIgnoreCase("inf") || rest.equalsIgnoreCase("infinity")) {
        return new ExtendedDouble(true, negative, BigInteger.ZERO, 0);
      }
      ExtendedDouble value;
      if (peek() == '0' && at + 1 < text.length() && (text.charAt(at + 1) | 0x20) == 'x') {
        at += 2;
        value = number(negative, 16, 'p');
      } else {
        value = number(negative, 10, 'e');
      }
      // A number too large for the type is refused; infinity has to be asked for by name.
      return value.finite();
    }

    private int peek() {
      return at < text.length() ? text.charAt(at) : -1;
    }

    private ExtendedDouble number(boolean negative, int radix, char exponentMark) {
      String whole = digits(radix);
      String fraction = "";
      if (peek() == '.') {
        at++;
        fraction = digits(radix);
      }
      String all = whole + fraction;
      if (all.isEmpty()) {
        throw Refusals.notAFloat();
      }
      long exponent = 0;
      if ((peek() | 0x20) == exponentMark) {
        at++;
        exponent = exponent();
      }
      if (at != text.length()) {
        throw Refusals.notAFloat();
      }
      BigInteger mantissa = new BigInteger(all, radix);
      if (mantissa.signum() == 0) {
        return ZERO;
      }
      return radix == 10
          ? decimal(negative, mantissa, exponent - fraction.length())
          : binary(negative, mantissa, exponent - 4L * fraction.length());
    }

    private String digits(int radix) {
      int from = at;
      while (at < text.length()
          && text.charAt(at) < 0x80
          && Character.digit(text.charAt(at), radix) >= 0) {
        at++;
      }
      return text.substring(from, at);
    }

    private long exponent() {
      boolean negative = peek() == '-';
      if (negative || peek() == '+') {
        at++;
      }
      String digits = digits(10);
      if (digits.isEmpty()) {
        throw Refusals.notAFloat();
      }
      long value = 0;
      for (int i = 0; i < digits.length(); i++) {
        value = Math.min(10 * value + (digits.charAt(i) - '0'), EXPONENT_CEILING);
      }
      return negative ? -value : value;
    }

    /** {@code ±mantissa · 10^exponent}; the mantissa is not zero. */
    private static ExtendedDouble decimal(boolean negative, BigInteger mantissa, long exponent) {
      // Within one of the number of digits before the point.
      long magnitude = (long) (mantissa.bitLength() * Math.log10(2)) + exponent;
      if (magnitude > MAX_DECIMAL_MAGNITUDE || magnitude < MIN_DECIMAL_MAGNITUDE) {
        throw Refusals.notAFloat();
      }
      if (exponent >= 0) {
        return nonZero(rounded(negative, mantissa.multiply(BigInteger.TEN.pow((int) exponent)), 0));
      }
      BigInteger divisor = BigInteger.TEN.pow((int) -exponent);
      // Enough quotient bits for the mantissa and one to round by; a last one says "and more".
      int shift = Math.max(0, MANTISSA_BITS + 2 - (mantissa.bitLength() - divisor.bitLength()));
      BigInteger[] parts = mantissa.shiftLeft(shift).divideAndRemainder(divisor);
      BigInteger quotient = parts[0].shiftLeft(1);
      if (parts[1].signum() != 0) {
        quotient = quotient.setBit(0);
      }
      return nonZero(rounded(negative, quotient, -shift - 1));
    }

    /** {@code ±mantissa · 2^exponent}; the mantissa is not zero. */
    private static ExtendedDouble binary(boolean negative, BigInteger mantissa, long exponent) {
      long magnitude = mantissa.bitLength() + exponent;
      if (magnitude > MAX_MAGNITUDE || magnitude < MIN_EXPONENT - 1) {
        throw Refusals.notAFloat();
      }
      return nonZero(rounded(negative, mantissa, (int) exponent));
    }

    /** What is not zero but rounds to it is out of range, as in C. */
    private static ExtendedDouble nonZero(ExtendedDouble value) {
      if (value == ZERO) {
        throw Refusals.notAFloat();
      }
      return value;
    }
  }
}
