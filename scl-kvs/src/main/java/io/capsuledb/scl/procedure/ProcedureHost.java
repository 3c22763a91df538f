package io.capsuledb.scl.procedure;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a procedure may ask of the store. One object serves one run, on the thread of that run.
 *
 * <p>Methods throw {@link io.capsuledb.core.error.CapsuleException}, which reaches the script as an
 * error it can catch. Keys and values are the caller's own arrays: kept freely.
 */
public interface ProcedureHost {

  /** The value of a key, or null. */
  byte @Nullable [] get(byte[] key);

  /**
   * Sets a key.
   *
   * @param ttlMs milliseconds after which it is gone, 0 for never
   */
  void put(byte[] key, byte[] value, long ttlMs);

  /** Removes a key; says whether it was there. */
  boolean del(byte[] key);

  /** Whether the key is there. */
  boolean exists(byte[] key);

  /**
   * Strings whose keys begin with a prefix, in order of the keys' bytes.
   *
   * @param prefix may be empty
   * @param after only keys greater than this, or null for all
   * @param limit how many at most, at least 1
   */
  List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit);

  /** Adds to a decimal number, which is 0 where the key is not there; answers the sum. */
  long incr(byte[] key, long by);

  /**
   * Replaces a value if it is what is expected.
   *
   * @param expected null for no value
   * @param replacement null to remove the key
   * @return whether it was
   */
  boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement);

  /** Merges an operand into a key by an operator that the store knows; the new value or null. */
  byte @Nullable [] merge(byte[] key, String operator, byte[] operand);

  /** Waits for the lock on a key, which is held to the end of the call. */
  void lock(byte[] key);

  /** Begins what {@link #commit} or {@link #rollback} ends; never inside one another. */
  void begin();

  /** Makes the changes since {@link #begin} part of the call's. */
  void commit();

  /** Forgets the changes since {@link #begin}. */
  void rollback();

  /** Takes a line that the procedure prints. */
  void log(String line);

  /** A key and its value. */
  final class Entry {
    private final byte[] key;
    private final byte[] value;

    /** Keeps both arrays. */
    public Entry(byte[] key, byte[] value) {
      this.key = key;
      this.value = value;
    }

    /** The key, not a copy. */
    public byte[] key() {
      return key;
    }

    /** The value, not a copy. */
    public byte[] value() {
      return value;
    }
  }
}
