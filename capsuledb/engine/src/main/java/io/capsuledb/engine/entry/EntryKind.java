package io.capsuledb.engine.entry;

/** What an entry says about its key. The number is persisted and never changes meaning. */
public enum EntryKind {
  /** The key has the value that the entry holds. */
  VALUE(0),
  /** The key was deleted. */
  TOMBSTONE(1),
  /** The key has a value that is kept apart; the entry says where. */
  POINTER(2);

  private final int number;

  EntryKind(int number) {
    this.number = number;
  }

  /** The persisted number. */
  public int number() {
    return number;
  }
}
