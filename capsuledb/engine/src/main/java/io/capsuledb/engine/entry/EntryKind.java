package io.capsuledb.engine.entry;

import io.capsuledb.core.proof.StateCommitment;
import org.jspecify.annotations.Nullable;

/** What an entry says about its key. The numbers are persisted and never change meaning. */
public enum EntryKind {
  /** The key has a value, which the entry holds. */
  VALUE(StateCommitment.VALUE),
  /** The key was deleted. */
  TOMBSTONE(StateCommitment.TOMBSTONE),
  /** The key has a value, which a record of its own holds; the entry says which. */
  POINTER(StateCommitment.POINTER);

  private static final EntryKind[] BY_NUMBER = {VALUE, TOMBSTONE, POINTER};

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
