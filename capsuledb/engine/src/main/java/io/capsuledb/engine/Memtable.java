package io.capsuledb.engine;

import org.jspecify.annotations.Nullable;

/**
 * The newest version of every key, in memory. One thread writes, under the engine's lock; any
 * thread reads at any time and sees each entry whole.
 */
interface Memtable extends AutoCloseable {

  /** Takes keys in an iteration. */
  @FunctionalInterface
  interface Visitor {
    /** One live key, perhaps expired. */
    void visit(byte[] key);
  }

  /**
   * An entry as stored: a value or a tombstone with its version.
   *
   * @param version of the operation that made it
   * @param tombstone whether the key was deleted
   * @param type of the value
   * @param expiryAtMs when the key ceases to exist; 0: never
   * @param value holds the value from {@code offset} on
   * @param offset where the value begins
   * @param length of the value
   */
  @SuppressWarnings("ArrayRecordComponent") // a private copy on the read path; never compared
  record Entry(
      Version version,
      boolean tombstone,
      ValueType type,
      long expiryAtMs,
      byte[] value,
      int offset,
      int length) {}

  /** The entry of a key, tombstones included, or null. */
  @Nullable Entry get(byte[] key);

  /** How many bytes an entry would take of the memtable's budget. */
  static long cost(int keyLength, int valueLength) {
    return ChronicleMemtable.costOf(keyLength, valueLength);
  }

  /** Replaces the entry of a key by a value. The caller has compared versions. */
  void put(byte[] key, Version version, ValueType type, byte[] value, long expiryAtMs);

  /** Replaces the entry of a key by a tombstone. The caller has compared versions. */
  void putTombstone(byte[] key, Version version);

  /** Drops the entry of a key, whatever it is. */
  void remove(byte[] key);

  /** Drops every entry. */
  void clear();

  /** Keys with a value, expired ones that were not collected included. */
  long size();

  /** Keys whose value has an expiry. */
  long expiring();

  /** Bytes accounted against the budget. */
  long usedBytes();

  /**
   * One step of an iteration over the keys that have a value. A key that is there from the first
   * step to the last is visited; the state of the iteration is in the cursor alone.
   *
   * @param cursor 0 to begin, else what the last step returned
   * @param count visit about this many
   * @return the next cursor; 0 at the end
   */
  long scan(long cursor, int count, Visitor visitor);

  /** Like {@link #scan} over the keys whose value has an expiry. */
  long scanExpiring(long cursor, int count, Visitor visitor);

  /**
   * A key with a value, or null if there is none.
   *
   * @param random any number; equal numbers and equal contents give the same key
   */
  byte @Nullable [] anyKey(long random);

  @Override
  void close();
}
