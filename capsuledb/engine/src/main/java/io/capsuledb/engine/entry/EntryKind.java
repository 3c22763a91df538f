package io.capsuledb.engine.entry;

import io.capsuledb.core.proof.StateCommitment;
import org.jspecify.annotations.Nullable;

/**
 * What an entry says about its key. The numbers are persisted and never change meaning; that of
 * {@link #OPERAND} is not, as operands are in memtables only.
 */
public enum EntryKind {
  /** The key has a value, which the entry holds. */
  VALUE(StateCommitment.VALUE),
  /** The key was deleted. */
  TOMBSTONE(StateCommitment.TOMBSTONE),
  /** The key has a value, which a record of its own holds; the entry says which. */
  POINTER(StateCommitment.POINTER),
  /** The key's value changed by what the entry holds; its type is the number of the operator. */
  OPERAND(3);

  private static final EntryKind[] BY_NUMBER = {VALUE, TOMBSTONE, POINTER, OPERAND};

  private final int number;

  EntryKind(int number) {
    this.number = number;
  }

  /** The persisted number. */
  public int number() {
    return number;
  }

  /** The kind with a number, or null if there is none. */
  public static @Nullable EntryKind ofNumber(int number) {
    return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
  }
}
