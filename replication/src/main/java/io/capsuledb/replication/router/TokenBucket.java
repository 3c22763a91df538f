package io.capsuledb.replication.router;

import java.util.concurrent.TimeUnit;

/** So much in a second, and at once at most as much as in one second. One thread. */
public final class TokenBucket {

  private static final double NANOS = 1.0 / TimeUnit.SECONDS.toNanos(1);

  private final double perSecond;
  private final double most;
  private double level;
  private long filledAt;

  /**
   * A full bucket.
   *
   * @param perSecond what flows in
   * @param least what it holds at any rate, though less than that flows in
   */
  public TokenBucket(long perSecond, long least, long now) {
    this.perSecond = perSecond;
    this.most = Math.max(perSecond, least);
    this.level = most;
    this.filledAt = now;
  }

  /** Whether there is so much. */
  public boolean has(long now, long amount) {
    level = Math.min(most, level + (now - filledAt) * NANOS * perSecond);
    filledAt = now;
    return level >= amount;
  }

  /** Takes what {@link #has} saw. */
  public void take(long amount) {
    level -= amount;
  }
}
