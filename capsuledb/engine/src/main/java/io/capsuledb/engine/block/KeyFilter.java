package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Arrays;

/**
 * A set of keys that may say yes to a key it does not hold, about once in 256, and never no to one
 * it holds: a binary fuse filter with fingerprints of 8 bits (Graf, Lemire: Binary Fuse Filters,
 * 2022), 9 bits a key when there are many. Read in place.
 *
 * <p>Invariant: for every key added, the fingerprints at its three places xor to its own. The three
 * places are in three neighbouring segments, so they differ.
 *
 * <p>Keys are hashed by {@link SipHash} under a seed that is as secret as the block, so whoever
 * chooses keys can neither make them pass filters nor make building one fail.
 *
 * <p>Immutable and thread-safe.
 */
final class KeyFilter {

  /** Most keys of one table. Far more than its index block has room for. */
  static final int MAX_KEYS = 1 << 26;

  private static final int MAX_SEGMENT_BITS = 18;
  private static final int ARITY = 3;

  /** An attempt fails with a probability of about one per cent; fails this often: never. */
  private static final int MAX_ATTEMPTS = 100;

  private static final long GOLDEN_RATIO = 0x9e3779b97f4a7c15L;

  private final byte[] bytes;
  private final int start;
  private final long key0;
  private final long key1;
  private final long attempt;
  private final int segmentLength;

  /** Bytes in all segments where a key's first place can be. */
  private final long firstPlaces;

  private KeyFilter(byte[] bytes, int offset) {
    this.bytes = bytes;
    this.start = offset + BlockLayout.FILTER_FINGERPRINTS_OFFSET;
    this.key0 = LittleEndian.getLong(bytes, offset + BlockLayout.FILTER_SEED_OFFSET);
    this.key1 = LittleEndian.getLong(bytes, offset + BlockLayout.FILTER_SEED_OFFSET + Long.BYTES);
    this.attempt = bytes[offset + BlockLayout.FILTER_ATTEMPT_OFFSET];
    this.segmentLength = 1 << bytes[offset + BlockLayout.FILTER_SEGMENT_BITS_OFFSET];
    this.firstPlaces =
        (long) LittleEndian.getInt(bytes, offset + BlockLayout.FILTER_SEGMENTS_OFFSET)
            * segmentLength;
  }

  /** The filter in a range. Takes any bytes, and keeps them. */
  static Decoded<KeyFilter> decode(byte[] bytes, int offset, int length) {
    if (length < BlockLayout.FILTER_FINGERPRINTS_OFFSET) {
      return Decoded.reject(Reason.TRUNCATED, "filter has " + length + " bytes");
    }
    int keys = LittleEndian.getInt(bytes, offset + BlockLayout.FILTER_KEYS_OFFSET);
    int segments = LittleEndian.getInt(bytes, offset + BlockLayout.FILTER_SEGMENTS_OFFSET);
    int segmentBits = bytes[offset + BlockLayout.FILTER_SEGMENT_BITS_OFFSET];
    int attempt = bytes[offset + BlockLayout.FILTER_ATTEMPT_OFFSET];
    if (keys < 1
        || keys > MAX_KEYS
        || segments < 1
        || segmentBits < 0
        || segmentBits > MAX_SEGMENT_BITS
        || attempt < 0
        || attempt >= MAX_ATTEMPTS) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "filter of "
              + keys
              + " keys in "
              + segments
              + " segments of 2^"
              + segmentBits
              + " bytes, attempt "
              + attempt);
    }
    if (bytes[offset + BlockLayout.FILTER_RESERVED_OFFSET] != 0
        || bytes[offset + BlockLayout.FILTER_RESERVED_OFFSET + 1] != 0) {
      return Decoded.reject(Reason.RESERVED_BITS, "filter bytes 26 and 27 are not zero");
    }
    long expected =
        BlockLayout.FILTER_FINGERPRINTS_OFFSET + fingerprintBytes(segments, segmentBits);
    if (length != expected) {
      return Decoded.reject(
          length < expected ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "filter has " + length + " bytes where its segments say " + expected);
    }
    return Decoded.accept(new KeyFilter(bytes, offset));
  }

  /**
   * Binary logarithm of a segment's length: about log(keys) / log(3.33) + 2.25, by which peeling
   * nearly always succeeds. Without logarithms, so that every machine agrees.
   */
  private static int segmentBits(int keys) {
    // The greatest k where 3.33^(k - 2) <= keys * 3.33^0.25.
    double reach = keys * 1.350_857;
    double power = 3.33;
    int bits = 2;
    while (power <= reach && bits < MAX_SEGMENT_BITS) {
      power *= 3.33;
      bits++;
    }
    return bits;
  }

  /** How many segments can hold a key's first place; two more follow them. */
  private static int segments(int keys) {
    int bits = segmentBits(keys);
    long places = places(keys);
    return (int) Math.max(1, ((places + (1L << bits) - 1) >>> bits) - (ARITY - 1));
  }

  /**
   * How many places peeling wants: 1.125 for each key when there are millions, more when there are
   * few. By the number of binary digits rather than the logarithm, so that every machine agrees.
   */
  private static long places(int keys) {
    int digits = Integer.SIZE - Integer.numberOfLeadingZeros(keys);
    // The paper has 0.875 + 0.25 log(10^6) / log(keys), where 0.25 log2(10^6) = 4.982892.
    int logarithm = Math.max(1, digits - 1);
    long perMillion = Math.max(1_125_000, 875_000 + 4_982_892L / logarithm);
    return (keys * perMillion + 999_999) / 1_000_000;
  }

  private static long fingerprintBytes(int segments, int segmentBits) {
    return ((long) segments + ARITY - 1) << segmentBits;
  }

  private static long fingerprintBytes(int keys) {
    return fingerprintBytes(segments(keys), segmentBits(keys));
  }

  /** Whether the key may have been added: true for every key that was. */
  boolean mayContain(byte[] key) {
    long hash = mix(SipHash.hash(key0, key1, key), attempt);
    return (byte)
            (fingerprint(hash)
                ^ bytes[start + place(hash, 0, firstPlaces, segmentLength)]
                ^ bytes[start + place(hash, 1, firstPlaces, segmentLength)]
                ^ bytes[start + place(hash, 2, firstPlaces, segmentLength)])
        == 0;
  }

  /** A bijection of 64 bits, another one for every attempt: MurmurHash3's last step. */
  private static long mix(long hash, long attempt) {
    long h = hash + attempt * GOLDEN_RATIO;
    h = (h ^ (h >>> 33)) * 0xff51afd7ed558ccdL;
    h = (h ^ (h >>> 33)) * 0xc4ceb9fe1a85ec53L;
    return h ^ (h >>> 33);
  }

  /** Where the fingerprints are that a key's own is the xor of; {@code way} is 0, 1 or 2. */
  private static int place(long hash, int way, long firstPlaces, int segmentLength) {
    int first = (int) Math.unsignedMultiplyHigh(hash, firstPlaces);
    int mask = segmentLength - 1;
    return switch (way) {
      case 0 -> first;
      case 1 -> (first + segmentLength) ^ ((int) (hash >>> 18) & mask);
      default -> (first + 2 * segmentLength) ^ ((int) hash & mask);
    };
  }

  private static byte fingerprint(long hash) {
    return (byte) (hash ^ (hash >>> 32));
  }

  /** Collects the keys of a table and makes their filter. One thread at a time. */
  static final class Builder {

    private static final int INITIAL_KEYS = 1 << 10;

    private final byte[] seed;
    private final long key0;
    private final long key1;
    private long[] hashes = new long[INITIAL_KEYS];
    private int count;

    /** For a filter under {@code seed}, 16 random bytes. */
    Builder(byte[] seed) {
      if (seed.length != SipHash.KEY_BYTES) {
        throw new IllegalArgumentException("a filter's seed has 16 bytes, not " + seed.length);
      }
      this.seed = seed.clone();
      this.key0 = LittleEndian.getLong(seed, 0);
      this.key1 = LittleEndian.getLong(seed, Long.BYTES);
    }

    /** Adds a key; a key added again is the same key. */
    void add(byte[] key) {
      long hash = SipHash.hash(key0, key1, key);
      if (count > 0 && hashes[count - 1] == hash) {
        return;
      }
      if (count == MAX_KEYS) {
        throw new IllegalStateException("more than " + MAX_KEYS + " keys in one table");
      }
      if (count == hashes.length) {
        hashes = Arrays.copyOf(hashes, 2 * count);
      }
      hashes[count++] = hash;
    }

    /** About how many bytes the filter takes. */
    long sizeBytes() {
      return BlockLayout.FILTER_FINGERPRINTS_OFFSET + (count == 0 ? 0 : fingerprintBytes(count));
    }

    /**
     * The encoded filter.
     *
     * @throws IllegalStateException if no key was added
     */
    byte[] finish() {
      if (count == 0) {
        throw new IllegalStateException("a filter without keys");
      }
      Arrays.sort(hashes, 0, count);
      int keys = 1;
      for (int i = 1; i < count; i++) {
        if (hashes[i] != hashes[i - 1]) {
          hashes[keys++] = hashes[i];
        }
      }
      count = keys;
      byte[] bytes =
          new byte
              [Math.toIntExact(BlockLayout.FILTER_FINGERPRINTS_OFFSET + fingerprintBytes(keys))];
      System.arraycopy(seed, 0, bytes, BlockLayout.FILTER_SEED_OFFSET, seed.length);
      LittleEndian.putInt(bytes, BlockLayout.FILTER_KEYS_OFFSET, keys);
      LittleEndian.putInt(bytes, BlockLayout.FILTER_SEGMENTS_OFFSET, segments(keys));
      bytes[BlockLayout.FILTER_SEGMENT_BITS_OFFSET] = (byte) segmentBits(keys);
      for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (peel(bytes, attempt)) {
          bytes[BlockLayout.FILTER_ATTEMPT_OFFSET] = (byte) attempt;
          return bytes;
        }
      }
      throw new IllegalStateException("no filter for " + keys + " keys");
    }

    /**
     * Finds, again and again, a place that only one remaining key has, and takes that key away; if
     * none remains, going back sets at each such place what its key needs. Writes fingerprints only
     * if it succeeds.
     */
    private boolean peel(byte[] bytes, long attempt) {
      int segmentLength = 1 << segmentBits(count);
      long firstPlaces = (long) segments(count) * segmentLength;
      int places = (int) firstPlaces + (ARITY - 1) * segmentLength;
      int[] users = new int[places];
      long[] xors = new long[places];
      for (int i = 0; i < count; i++) {
        long hash = mix(hashes[i], attempt);
        for (int way = 0; way < ARITY; way++) {
          int place = place(hash, way, firstPlaces, segmentLength);
          users[place]++;
          xors[place] ^= hash;
        }
      }
      int[] alone = new int[places];
      int waiting = 0;
      for (int place = 0; place < places; place++) {
        if (users[place] == 1) {
          alone[waiting++] = place;
        }
      }
      long[] peeledHashes = new long[count];
      int[] peeledPlaces = new int[count];
      int peeled = 0;
      while (waiting > 0) {
        int place = alone[--waiting];
        if (users[place] != 1) {
          continue;
        }
        long hash = xors[place];
        peeledHashes[peeled] = hash;
        peeledPlaces[peeled++] = place;
        for (int way = 0; way < ARITY; way++) {
          int other = place(hash, way, firstPlaces, segmentLength);
          xors[other] ^= hash;
          if (--users[other] == 1) {
            alone[waiting++] = other;
          }
        }
      }
      if (peeled < count) {
        return false;
      }
      int start = BlockLayout.FILTER_FINGERPRINTS_OFFSET;
      while (peeled > 0) {
        peeled--;
        long hash = peeledHashes[peeled];
        byte print = fingerprint(hash);
        for (int way = 0; way < ARITY; way++) {
          print ^= bytes[start + place(hash, way, firstPlaces, segmentLength)];
        }
        bytes[start + peeledPlaces[peeled]] = print;
      }
      return true;
    }
  }
}
