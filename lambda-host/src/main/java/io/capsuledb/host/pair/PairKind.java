package io.capsuledb.host.pair;

import org.jspecify.annotations.Nullable;

/** What a message is. The numbers are part of the format. */
enum PairKind {
  OPENED(1),
  BYTES(2),
  TAKEN(3),
  ENDED(4),
  CLOSED(5),
  CALL(16),
  ANSWER(17),
  LINK_OPENED(32),
  LINK_RECEIVED(33),
  LINK_CLOSED(34),
  LINK_SEND(35),
  LINK_DROP(36),
  LINK_ROOM(37);

  private static final int NUMBERS = 64;
  private static final @Nullable PairKind[] BY_NUMBER = new PairKind[NUMBERS];

  static {
    for (PairKind kind : values()) {
      BY_NUMBER[kind.number] = kind;
    }
  }

  private final int number;

  PairKind(int number) {
    this.number = number;
  }

  int number() {
    return number;
  }

  /** The kind with a number, or null if there is none. */
  static @Nullable PairKind of(int number) {
    return number >= 0 && number < NUMBERS ? BY_NUMBER[number] : null;
  }
}
