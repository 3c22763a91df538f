package io.capsuledb.engine.entry;

/**
 * A place among sorted entries ({@link Entry#ENTRY_ORDER}). A fresh cursor is at no entry. Every
 * move returns {@link #valid()}; a move beyond either end leaves the cursor at no entry, and then
 * only seeking moves it. One thread at a time.
 */
public interface EntryCursor {

  /** Moves to the first entry. */
  boolean seekToFirst();

  /** Moves to the last entry. */
  boolean seekToLast();

  /** Moves to the first entry whose key is {@code key} or greater: its newest version. */
  boolean seek(byte[] key);

  /** Moves to the entry after this one. */
  boolean next();

  /** Moves to the entry before this one. */
  boolean previous();

  /** Whether the cursor is at an entry. */
  boolean valid();

  /**
   * The entry the cursor is at.
   *
   * @throws IllegalStateException if it is at none
   */
  Entry entry();
}
