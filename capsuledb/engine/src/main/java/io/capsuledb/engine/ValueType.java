package io.capsuledb.engine;

/**
 * What kind of value a key holds. The number is persisted in every operation and never changes
 * meaning; the engine itself stores the bytes of every type alike.
 */
public enum ValueType {
  STRING(0),
  LIST(1),
  SET(2);

  private static final ValueType[] BY_NUMBER = {STRING, LIST, SET};

  private final int number;

  ValueType(int number) {
    this.number = number;
  }

  /** The persisted number, 0 to 15. */
  public int number() {
    return number;
  }

  /** How many types there are: numbers at or above this are unknown. */
  static int count() {
    return BY_NUMBER.length;
  }

  /** The type with a number below {@link #count}. */
  static ValueType ofNumber(int number) {
    return BY_NUMBER[number];
  }
}
