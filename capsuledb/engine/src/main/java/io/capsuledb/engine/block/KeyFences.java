package io.capsuledb.engine.block;

import java.util.Arrays;

/**
 * Finds a place among ascending keys by eight bytes of each, which are next to each other in
 * memory: a search among thousands of keys that are where they are costs a cache miss or two for
 * each that is looked at.
 *
 * <p>Invariant: the eight bytes of a key are those after the bytes that all keys have in common,
 * zeros where it ends; so keys are in the order of their eight bytes as unsigned numbers, and only
 * where these are equal the keys themselves have to be compared.
 *
 * <p>Immutable and thread-safe.
 */
public final class KeyFences {

  /** The keys themselves. */
  @FunctionalInterface
  public interface Keys {
    /** Compares the fence number {@code fence} with a key. */
    int compare(int fence, byte[] key);
  }

  private final byte[] common;
  private final long[] eights;
  private final Keys keys;

  private KeyFences(byte[] common, long[] eights, Keys keys) {
    this.common = common;
    this.eights = eights;
    this.keys = keys;
  }

  /**
   * Fences to be filled by {@link #set}.
   *
   * @param least a key at or before every fence
   * @param greatest the last fence
   * @param keys to decide where eight bytes do not; asked after every fence was set
   */
  public static KeyFences between(byte[] least, byte[] greatest, int count, Keys keys) {
    int differ = Arrays.mismatch(least, greatest);
    byte[] common = Arrays.copyOf(greatest, differ < 0 ? greatest.length : differ);
    return new KeyFences(common, new long[count], keys);
  }

  /** Sets a fence to the key in a range of an array. */
  public void set(int fence, byte[] bytes, int from, int to) {
    eights[fence] = eight(bytes, from + common.length, to);
  }

  private static long eight(byte[] bytes, int from, int to) {
    long eight = 0;
    for (int i = 0; i < Long.BYTES; i++) {
      eight = eight << Byte.SIZE | (from + i < to ? bytes[from + i] & 0xFF : 0);
    }
    return eight;
  }

  /** Number of the first fence that is {@code key} or greater; as many as there are if none is. */
  public int firstAtOrAfter(byte[] key) {
    int side =
        Arrays.compareUnsigned(
            key, 0, Math.min(key.length, common.length), common, 0, common.length);
    if (side != 0) {
      return side < 0 ? 0 : eights.length;
    }
    long sought = eight(key, common.length, key.length);
    int low = 0;
    int high = eights.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      int order = Long.compareUnsigned(eights[middle], sought);
      if (order == 0) {
        order = keys.compare(middle, key);
      }
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** About how much memory it takes. */
  public int sizeBytes() {
    return common.length + Long.BYTES * eights.length;
  }
}
