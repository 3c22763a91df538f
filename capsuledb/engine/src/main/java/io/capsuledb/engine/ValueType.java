package io.capsuledb.engine;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.merge.MergeOperator;

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

  /**
   * The type of an entry of a block, in which any number may be.
   *
   * @throws IntegrityException if it is not known
   */
  static ValueType of(Entry entry) {
    int number = entry.typeNumber();
    if (entry.kind() == EntryKind.OPERAND) {
      MergeOperator operator = MergeOperator.ofNumber(number);
      number = operator == null ? count() : operator.typeNumber();
    }
    if (number >= count()) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.UNKNOWN_TYPE,
              "the entry "
                  + entry
                  + " is of value type "
                  + number
                  + ", of which this version knows nothing"));
    }
    return BY_NUMBER[number];
  }
}
