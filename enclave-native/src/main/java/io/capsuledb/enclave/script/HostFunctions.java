package io.capsuledb.enclave.script;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a script may ask of the program that runs it: the store. Implemented by whoever embeds the
 * engine; one object serves one call at a time, on the thread of that call.
 *
 * <p>A {@link io.capsuledb.core.error.CapsuleException} reaches the script as an {@code Error} with
 * its {@code code} and, unless it tells of the host's insides, its message; any other exception as
 * an {@code Error} that says only that the host failed. What the script does not catch comes back
 * to the caller of the script as the cause of {@link ScriptOutcome.Threw}. A Java {@link Error}
 * ends the call at once and is thrown at its caller.
 *
 * <p>Keys and values are the caller's own arrays: kept or changed freely.
 */
public interface HostFunctions {

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
   * Keys that begin with a prefix, in order of their bytes.
   *
   * @param prefix may be empty
   * @param after only keys greater than this, or null for all
   * @param limit how many at most, 1 to {@link HostDispatch#MAX_SCAN}
   */
  List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit);

  /** Adds to a decimal number, which is 0 where the key is not there; answers the sum. */
  long incr(byte[] key, long by);

  /**
   * Replaces a value if it is what the script expects.
   *
   * @param expected null for no value
   * @param replacement null to remove the key
   * @return whether it was
   */
  boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement);

  /**
   * Merges an operand into a key by an operator that the store knows.
   *
   * @return the new value where the store tells it, else null
   */
  byte @Nullable [] merge(byte[] key, String operator, byte[] operand);

  /** Waits for the lock on a key, which is held to the end of the call. */
  void lock(byte[] key);

  /** Begins what {@link #commit} or {@link #rollback} ends; never called inside one another. */
  void begin();

  /** Makes the changes since {@link #begin} part of the call's. */
  void commit();

  /** Forgets the changes since {@link #begin}. */
  void rollback();

  /**
   * Takes a line that the script prints.
   *
   * @param line without an end of line of its own; may contain some
   */
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

    byte[] key() {
      return key;
    }

    byte[] value() {
      return value;
    }
  }
}
