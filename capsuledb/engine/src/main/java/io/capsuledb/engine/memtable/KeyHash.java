package io.capsuledb.engine.memtable;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A seeded 64-bit hash of keys for tables in memory: without the seed nobody can make keys that
 * collide. Folded 128-bit products; not for anything that is persisted.
 */
final class KeyHash {

  private static final VarHandle NATIVE_LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private static final long MULTIPLIER_A = 0xA0761D6478BD642FL;
  private static final long MULTIPLIER_B = 0xE7037ED1A0B428DBL;

  private KeyHash() {}

  static long nativeLong(byte[] bytes, int offset) {
    return (long) NATIVE_LONGS.get(bytes, offset);
  }

  static long of(byte[] key, long seed) {
    long hash = seed ^ MULTIPLIER_A;
    int i = 0;
    for (; i + Long.BYTES <= key.length; i += Long.BYTES) {
      hash = fold(hash ^ nativeLong(key, i), MULTIPLIER_B ^ seed);
    }
    long tail = 0;
    for (; i < key.length; i++) {
      tail = (tail << Byte.SIZE) | (key[i] & 0xFF);
    }
    hash = fold(hash ^ tail, MULTIPLIER_A ^ seed);
    return fold(hash ^ key.length, MULTIPLIER_B);
  }

  private static long fold(long a, long b) {
    return (a * b) ^ Math.unsignedMultiplyHigh(a, b);
  }
}
