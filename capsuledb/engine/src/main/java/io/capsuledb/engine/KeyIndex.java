package io.capsuledb.engine;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A set of keys that can be walked in steps while it changes.
 *
 * <p>Keys are spread over a power of two of buckets by the <i>top</i> bits of a 64-bit hash. When
 * the table doubles, bucket i becomes buckets 2i and 2i + 1, so the order of keys by hash is the
 * order of buckets at every table size. A cursor is a position in hash space, not a bucket number:
 * it stays valid across doubling and halving, needs no state here, and a walk visits every key that
 * is there throughout. Buckets are visited whole, so a step may exceed its count by one bucket.
 *
 * <p>The hash is seeded, so keys that pile up in one bucket cannot be computed without the seed.
 * One thread at a time.
 */
final class KeyIndex {

  private static final int MIN_BITS = 4;
  private static final int MAX_BITS = 27;

  /** Doubles above, halves below an eighth of, this many keys per bucket on average. */
  private static final int KEYS_PER_BUCKET = 8;

  /** Cursors hold the top 48 bits of the hash space, so that clients may treat them as doubles. */
  private static final int CURSOR_BITS = 48;

  private final long seed;
  private int bits = MIN_BITS;
  private byte[] @Nullable [][] buckets = newTable(MIN_BITS);
  private long size;

  KeyIndex(long seed) {
    this.seed = seed;
  }

  @SuppressWarnings("unchecked")
  private static byte[] @Nullable [][] newTable(int bits) {
    return new byte[1 << bits][][];
  }

  long size() {
    return size;
  }

  /** Adds a key; returns false if it was there. Keeps the array. */
  boolean add(byte[] key) {
    int bucket = bucketOf(key);
    byte[][] keys = buckets[bucket];
    if (keys == null) {
      buckets[bucket] = new byte[][] {key};
    } else {
      if (position(keys, key) >= 0) {
        return false;
      }
      byte[][] grown = Arrays.copyOf(keys, keys.length + 1);
      grown[keys.length] = key;
      buckets[bucket] = grown;
    }
    size++;
    if (size > (long) KEYS_PER_BUCKET << bits && bits < MAX_BITS) {
      resize(bits + 1);
    }
    return true;
  }

  /** Removes a key; returns false if it was not there. */
  boolean remove(byte[] key) {
    int bucket = bucketOf(key);
    byte[][] keys = buckets[bucket];
    int at = keys == null ? -1 : position(keys, key);
    if (keys == null || at < 0) {
      return false;
    }
    if (keys.length == 1) {
      buckets[bucket] = null;
    } else {
      byte[][] shrunk = Arrays.copyOf(keys, keys.length - 1);
      if (at < shrunk.length) {
        shrunk[at] = keys[keys.length - 1];
      }
      buckets[bucket] = shrunk;
    }
    size--;
    if (size < (long) KEYS_PER_BUCKET << bits >>> 3 && bits > MIN_BITS) {
      resize(bits - 1);
    }
    return true;
  }

  void clear() {
    bits = MIN_BITS;
    buckets = newTable(MIN_BITS);
    size = 0;
  }

  /** See {@link Memtable#scan}. Any cursor value is valid. */
  long scan(long cursor, int count, Memtable.Visitor visitor) {
    long position = cursor & ((1L << CURSOR_BITS) - 1);
    int bucket = (int) (position >>> (CURSOR_BITS - bits));
    int visited = 0;
    while (bucket < 1 << bits && visited < count) {
      byte[][] keys = buckets[bucket];
      if (keys != null) {
        for (byte[] key : keys) {
          visitor.visit(key);
        }
        visited += keys.length;
      }
      bucket++;
    }
    return bucket == 1 << bits ? 0 : (long) bucket << (CURSOR_BITS - bits);
  }

  /** See {@link Memtable#anyKey}. */
  byte @Nullable [] any(long random) {
    if (size == 0) {
      return null;
    }
    int mask = (1 << bits) - 1;
    int bucket = (int) (random >>> 32) & mask;
    byte[][] keys = buckets[bucket];
    while (keys == null) {
      bucket = (bucket + 1) & mask;
      keys = buckets[bucket];
    }
    return keys[Integer.remainderUnsigned((int) random, keys.length)];
  }

  private void resize(int newBits) {
    byte[] @Nullable [][] old = buckets;
    buckets = newTable(newBits);
    bits = newBits;
    int[] fill = new int[1 << Math.max(0, newBits)];
    for (byte[][] keys : old) {
      if (keys != null) {
        for (byte[] key : keys) {
          fill[bucketOf(key)]++;
        }
      }
    }
    for (byte[][] keys : old) {
      if (keys == null) {
        continue;
      }
      for (byte[] key : keys) {
        int bucket = bucketOf(key);
        byte[][] target = buckets[bucket];
        if (target == null) {
          target = new byte[fill[bucket]][];
          buckets[bucket] = target;
        }
        target[--fill[bucket]] = key;
      }
    }
  }

  private int bucketOf(byte[] key) {
    return (int) (hash(key) >>> (64 - bits));
  }

  private static int position(byte[][] keys, byte[] key) {
    for (int i = 0; i < keys.length; i++) {
      if (Arrays.equals(keys[i], key)) {
        return i;
      }
    }
    return -1;
  }

  private long hash(byte[] key) {
    long hash = seed;
    for (byte b : key) {
      hash = (hash ^ (b & 0xFF)) * 0x9E3779B97F4A7C15L;
      hash ^= hash >>> 29;
    }
    hash ^= hash >>> 32;
    hash *= 0xD6E8FEB86659FD93L;
    hash ^= hash >>> 32;
    hash *= 0xD6E8FEB86659FD93L;
    return hash ^ hash >>> 32;
  }
}
