package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.keys.ApplicationKey;

/**
 * One writer, as the application vouches for it.
 *
 * @param writer its index, 1 to {@link #MAX_WRITER}
 * @param key verifies its records
 * @param role what it may do
 * @param generation the key generation it writes in, from 0
 */
public record RosterEntry(long writer, PublicKey key, Role role, int generation) {

  /** The largest writer index: 62 bits, so that it is two hardened BIP32 steps. */
  public static final long MAX_WRITER = ApplicationKey.MAX_WRITER;

  /** What a writer is for; the numbers are persisted. */
  public enum Role {
    WORKER(1),
    LEADER(2),
    COORDINATOR(3),
    COMPACTOR(4);

    private static final Role[] ALL = values();

    private final int number;

    Role(int number) {
      this.number = number;
    }

    /** The persisted number. */
    public int number() {
      return number;
    }

    /** Whether a role has this number. */
    public static boolean known(int number) {
      return number >= 1 && number <= ALL.length;
    }

    /** The role with a number that is {@link #known}. */
    public static Role ofNumber(int number) {
      return ALL[number - 1];
    }
  }

  /** Checks the ranges. */
  public RosterEntry {
    if (writer < 1 || writer > MAX_WRITER || generation < 0) {
      throw new IllegalArgumentException("writer " + writer + " in generation " + generation);
    }
  }
}
