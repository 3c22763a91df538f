package io.capsuledb.host.pair;

import org.jspecify.annotations.Nullable;

/** What one process asks the other. The numbers are part of the format. */
enum PairOp {
  HELLO(1),
  READY(2),
  METRICS(3),
  HEALTH(4),
  CAPSULES(16),
  METADATA(17),
  INITIALIZE(18),
  APPEND(19),
  RELEASE(20),
  TRUNCATE(21),
  RECLAIM(22),
  READ(23),
  READ_HASH(24),
  WRITERS(25),
  NEWEST(26),
  SCAN(27),
  AUDIT(28),
  SIZE(29),
  NET_START(48),
  NET_LISTEN(49),
  NET_CONNECT(50),
  NET_COUNTERS(51),
  NET_CLOSE(52);

  private static final int NUMBERS = 64;
  private static final @Nullable PairOp[] BY_NUMBER = new PairOp[NUMBERS];

  static {
    for (PairOp op : values()) {
      BY_NUMBER[op.number] = op;
    }
  }

  private final int number;

  PairOp(int number) {
    this.number = number;
  }

  int number() {
    return number;
  }

  /** The operation with a number, or null if there is none. */
  static @Nullable PairOp of(int number) {
    return number >= 0 && number < NUMBERS ? BY_NUMBER[number] : null;
  }
}
