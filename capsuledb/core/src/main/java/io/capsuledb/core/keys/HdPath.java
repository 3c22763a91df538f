package io.capsuledb.core.keys;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import java.util.Arrays;

/**
 * A path from a master key to one of its descendants, such as {@code m/44'/0'/1} (BIP 32).
 * Immutable; compares by value.
 */
public final class HdPath {

  /** Most steps of a path: the depth of a serialized key is one byte. */
  public static final int MAX_STEPS = 255;

  /** Added to an index to make a child hardened. */
  public static final int HARDENED = 0x8000_0000;

  /** The path of the master key itself: {@code m}. */
  public static final HdPath MASTER = new HdPath(new int[0]);

  /** Digits of 2³¹ - 1. */
  private static final int MAX_DIGITS = 10;

  private static final int MAX_TEXT = 1 + MAX_STEPS * (1 + MAX_DIGITS + 1);

  private final int[] indices;

  private HdPath(int[] indices) {
    this.indices = indices;
  }

  /**
   * Parses a path. Hardened steps are marked by {@code '}, {@code h} or {@code H}; numbers are
   * decimal without leading zeros.
   *
   * @return the path, or TOO_LARGE, or FIELD_OUT_OF_RANGE naming the step that is wrong
   */
  public static Decoded<HdPath> parse(String text) {
    if (text.length() > MAX_TEXT) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE, "a path has at most " + MAX_TEXT + " characters");
    }
    String[] parts = text.split("/", -1);
    if (!parts[0].equals("m")) {
      return outOfRange("a path starts with m");
    }
    if (parts.length - 1 > MAX_STEPS) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE, "a path has at most " + MAX_STEPS + " steps");
    }
    int[] indices = new int[parts.length - 1];
    for (int i = 0; i < indices.length; i++) {
      String part = parts[i + 1];
      boolean hardened = part.endsWith("'") || part.endsWith("h") || part.endsWith("H");
      long number = number(hardened ? part.substring(0, part.length() - 1) : part);
      if (number < 0) {
        return outOfRange("step " + (i + 1) + " is not a number from 0 to 2147483647");
      }
      indices[i] = (int) number | (hardened ? HARDENED : 0);
    }
    return Decoded.accept(new HdPath(indices));
  }

  /**
   * This path with one more step.
   *
   * @param index the child number, with {@link #HARDENED} added for a hardened child
   * @throws InvalidRequestException if this path has {@link #MAX_STEPS} steps already
   */
  public HdPath child(int index) {
    if (indices.length == MAX_STEPS) {
      throw new InvalidRequestException("a path has at most " + MAX_STEPS + " steps");
    }
    int[] longer = Arrays.copyOf(indices, indices.length + 1);
    longer[indices.length] = index;
    return new HdPath(longer);
  }

  /**
   * This path with one more, hardened, step.
   *
   * @param number from 0 to 2³¹ - 1
   * @throws IllegalArgumentException if {@code number} is negative
   * @throws InvalidRequestException if this path has {@link #MAX_STEPS} steps already
   */
  public HdPath hardened(int number) {
    if (number < 0) {
      throw new IllegalArgumentException("a step is 0 to 2147483647, not " + number);
    }
    return child(number | HARDENED);
  }

  /** How many steps there are. */
  public int length() {
    return indices.length;
  }

  /**
   * The child number of a step, counted from 0, with {@link #HARDENED} added if it is hardened.
   *
   * @throws IndexOutOfBoundsException if there is no such step
   */
  public int index(int step) {
    return indices[step];
  }

  /** The canonical text, with {@code '} for hardened steps. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("m");
    for (int index : indices) {
      text.append('/').append(index & ~HARDENED);
      if (index < 0) {
        text.append('\'');
      }
    }
    return text.toString();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof HdPath path && Arrays.equals(indices, path.indices);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(indices);
  }

  /** The value of one to ten decimal digits without leading zeros, or -1. */
  private static long number(String digits) {
    if (digits.isEmpty()
        || digits.length() > MAX_DIGITS
        || (digits.length() > 1 && digits.charAt(0) == '0')) {
      return -1;
    }
    long value = 0;
    for (int i = 0; i < digits.length(); i++) {
      char digit = digits.charAt(i);
      if (digit < '0' || digit > '9') {
        return -1;
      }
      value = value * 10 + (digit - '0');
    }
    return value <= Integer.MAX_VALUE ? value : -1;
  }

  private static Decoded<HdPath> outOfRange(String detail) {
    return Decoded.reject(Rejection.Reason.FIELD_OUT_OF_RANGE, detail);
  }
}
