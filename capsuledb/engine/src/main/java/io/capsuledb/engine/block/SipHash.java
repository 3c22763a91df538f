package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;

/**
 * SipHash-2-4 (Aumasson, Bernstein 2012): 64 bits under a key of 16 bytes. Whoever does not know
 * the key cannot choose inputs that collide, nor tell which do.
 */
final class SipHash {

  /** Length in bytes of a key. */
  static final int KEY_BYTES = 16;

  private static final long INITIAL_0 = 0x736f6d6570736575L;
  private static final long INITIAL_1 = 0x646f72616e646f6dL;
  private static final long INITIAL_2 = 0x6c7967656e657261L;
  private static final long INITIAL_3 = 0x7465646279746573L;

  private SipHash() {}

  /** The hash of {@code input} under the two little-endian halves of the key. */
  static long hash(long key0, long key1, byte[] input) {
    long v0 = INITIAL_0 ^ key0;
    long v1 = INITIAL_1 ^ key1;
    long v2 = INITIAL_2 ^ key0;
    long v3 = INITIAL_3 ^ key1;
    int whole = input.length & -Long.BYTES;
    long last = (long) input.length << 56;
    for (int i = input.length - 1; i >= whole; i--) {
      last |= (input[i] & 0xFFL) << (Byte.SIZE * (i - whole));
    }
    // Each word takes two rounds, the end four with another constant: one loop over all of them.
    for (int at = 0; at <= whole + Long.BYTES; at += Long.BYTES) {
      boolean finishing = at > whole;
      long word = finishing ? 0 : at < whole ? LittleEndian.getLong(input, at) : last;
      if (finishing) {
        v2 ^= 0xFF;
      }
      v3 ^= word;
      int rounds = finishing ? 4 : 2;
      for (int round = 0; round < rounds; round++) {
        v0 += v1;
        v2 += v3;
        v1 = Long.rotateLeft(v1, 13) ^ v0;
        v3 = Long.rotateLeft(v3, 16) ^ v2;
        v0 = Long.rotateLeft(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = Long.rotateLeft(v1, 17) ^ v2;
        v3 = Long.rotateLeft(v3, 21) ^ v0;
        v2 = Long.rotateLeft(v2, 32);
      }
      v0 ^= word;
    }
    return v0 ^ v1 ^ v2 ^ v3;
  }
}
