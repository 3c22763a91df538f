package io.capsuledb.host.bench.replication;

import java.util.function.LongPredicate;

/**
 * What is written at a target: by so many writers, each of which waits until its write is durable
 * before it makes the next.
 *
 * @param outstanding writers
 * @param valueBytes length of every value
 * @param warmUpNanos how long nothing is counted
 * @param nanos how long is counted after that, at most
 * @param enough whether so many writes, warming up included, are enough
 */
record Load(int outstanding, int valueBytes, long warmUpNanos, long nanos, LongPredicate enough) {

  /** Different keys. */
  static final int KEYS = 100_000;

  /** Length of every key. */
  static final int KEY_BYTES = 16;

  /** For a time. */
  static Load timed(int outstanding, int valueBytes, long warmUpNanos, long nanos) {
    return new Load(outstanding, valueBytes, warmUpNanos, nanos, done -> false);
  }

  /** A key: decimal digits. */
  static byte[] key(long number) {
    byte[] key = new byte[KEY_BYTES];
    long left = number;
    for (int i = KEY_BYTES - 1; i >= 0; i--) {
      key[i] = (byte) ('0' + left % 10);
      left /= 10;
    }
    return key;
  }
}
