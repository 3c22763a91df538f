package io.capsuledb.scl.resp;

import org.jspecify.annotations.Nullable;

/**
 * When keys expire, as commands say it: a number of seconds or milliseconds, from now or since
 * 1970. Times are wall-clock milliseconds since 1970; a key ceases to exist when the clock reaches
 * its time, so a time that is not in the future deletes.
 */
enum Expiry {
  /** Seconds from now. */
  EX(true, true),
  /** Milliseconds from now. */
  PX(false, true),
  /** Seconds since 1970. */
  EXAT(true, false),
  /** Milliseconds since 1970. */
  PXAT(false, false);

  /** What the engine calls a key without expiry. */
  static final long NEVER = 0;

  private static final long MS_PER_SECOND = 1000;

  private final boolean seconds;
  private final boolean relative;

  Expiry(boolean seconds, boolean relative) {
    this.seconds = seconds;
    this.relative = relative;
  }

  boolean relative() {
    return relative;
  }

  /** The option that has this name, in any case, or null. */
  static @Nullable Expiry named(byte[] argument) {
    if (argument.length == 2) {
      return Operands.is(argument, "EX") ? EX : Operands.is(argument, "PX") ? PX : null;
    }
    if (argument.length == 4) {
      return Operands.is(argument, "EXAT") ? EXAT : Operands.is(argument, "PXAT") ? PXAT : null;
    }
    return null;
  }

  /**
   * The time an argument of SET and its kin means. Zero and negative numbers are refused; an
   * absolute time may still lie in the past.
   *
   * @param command for the refusal, lower case
   */
  long positiveAtMs(CommandContext context, int index, String command) {
    long amount = Operands.integer(context, index);
    if (amount <= 0) {
      throw Refusals.invalidExpireTime(command);
    }
    return atMs(amount, context.nowMs(), command);
  }

  /**
   * The time an amount means; negative amounts are times in the past.
   *
   * @param command for the refusal, lower case
   */
  long atMs(long amount, long nowMs, String command) {
    long ms = amount;
    if (seconds) {
      if (amount > Long.MAX_VALUE / MS_PER_SECOND || amount < Long.MIN_VALUE / MS_PER_SECOND) {
        throw Refusals.invalidExpireTime(command);
      }
      ms = amount * MS_PER_SECOND;
    }
    if (!relative) {
      return ms;
    }
    if (ms > Long.MAX_VALUE - nowMs) {
      throw Refusals.invalidExpireTime(command);
    }
    return ms + nowMs;
  }

  /** Milliseconds, not negative, as seconds: halves round up, as TTL has it. */
  static long roundedSeconds(long ms) {
    return ms / MS_PER_SECOND + (ms % MS_PER_SECOND >= MS_PER_SECOND / 2 ? 1 : 0);
  }

  /** Whether a key that expires at this time is gone now. */
  static boolean isPast(long expiryAtMs, long nowMs) {
    return expiryAtMs <= nowMs;
  }
}
