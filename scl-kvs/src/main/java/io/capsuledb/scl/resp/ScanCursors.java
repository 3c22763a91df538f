package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.port.Entropy;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How far walks by SCAN have come: a client's cursor is a number that names the last key looked at.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a number is at least 1 and below 2^53, so that clients whose numbers are doubles keep it;
 *   <li>a number that is known leads to the same key each time, for a client may repeat a call;
 *   <li>numbers are drawn at random, so that one of an earlier run of the server is unknown to this
 *       one instead of leading somewhere else;
 *   <li>there are at most {@link #maxCursors} of them with keys of at most {@link #maxKeyBytes}
 *       together; those not used for longest are forgotten first.
 * </ul>
 *
 * <p>Thread-safe.
 */
final class ScanCursors {

  /** Numbers a double holds exactly end here. */
  static final long NUMBERS = 1L << 53;

  /** The number that begins a walk, and ends it. */
  static final long BEGIN = 0;

  private static final int MAX_CURSORS = 16_384;
  private static final long MAX_KEY_BYTES = 16 << 20;

  private final Entropy entropy;
  private final int maxCursors;
  private final long maxKeyBytes;

  // Guarded by this:
  private final Map<Long, byte[]> keys = new LinkedHashMap<>(16, 0.75f, true);
  private long keyBytes;

  ScanCursors(Entropy entropy) {
    this(entropy, MAX_CURSORS, MAX_KEY_BYTES);
  }

  /**
   * A table with other bounds.
   *
   * @param maxKeyBytes at least the length of the longest key
   */
  ScanCursors(Entropy entropy, int maxCursors, long maxKeyBytes) {
    this.entropy = entropy;
    this.maxCursors = maxCursors;
    this.maxKeyBytes = maxKeyBytes;
  }

  /**
   * A new number for a key.
   *
   * @param key not to be modified afterwards
   */
  synchronized long remember(byte[] key) {
    byte[] random = new byte[Long.BYTES];
    long number;
    do {
      entropy.fill(random);
      number = LittleEndian.getLong(random, 0) & (NUMBERS - 1);
    } while (number == BEGIN || keys.containsKey(number));
    keys.put(number, key);
    keyBytes += key.length;
    Iterator<byte[]> oldest = keys.values().iterator();
    while (keys.size() > maxCursors || keyBytes > maxKeyBytes) {
      keyBytes -= oldest.next().length;
      oldest.remove();
    }
    return number;
  }

  /**
   * The key that a number names; not to be modified.
   *
   * @throws CommandException if there is none, or no longer
   */
  synchronized byte[] key(long number) {
    byte[] key = keys.get(number);
    if (key == null) {
      throw new CommandException("ERR unknown or forgotten cursor, start again at 0");
    }
    return key;
  }

  synchronized int size() {
    return keys.size();
  }

  synchronized long keyBytes() {
    return keyBytes;
  }
}
