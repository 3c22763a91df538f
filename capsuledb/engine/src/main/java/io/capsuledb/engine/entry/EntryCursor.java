package io.capsuledb.engine.entry;

/**
 * Walks entries in {@link Entry#ENTRY_ORDER}, in both directions. Not positioned at first. One
 * thread at a time.
 *
 * <p>Each method that moves returns whether there is an entry where it went; beyond either end the
 * cursor is not positioned, and only a seek brings it back.
 */
public interface EntryCursor {

  /** Goes to the first entry. */
  boolean seekToFirst();

  /** Goes to the last entry. */
  boolean seekToLast();

  /** Goes to the first entry, that is the newest version, of the first key at or after a key. */
  boolean seek(byte[] key);

  /** Goes to the next entry; only where {@link #valid}. */
  boolean next();

  /** Goes to the entry before; only where {@link #valid}. */
  boolean previous();

  /** Whether there is an entry here. */
  boolean valid();

  /** The entry here; only where {@link #valid}. */
  Entry entry();
}
