package io.capsuledb.replication.protocol;

import org.jspecify.annotations.Nullable;

/** Why a replica did not do what it was asked. The numbers are part of the wire format. */
public enum Refusal {
  /** A record does not verify; the detail says why. Nothing from it on was taken. */
  INVALID(1),
  /** A record does not follow what is held: the reply names the sequence number that would. */
  GAP(2),
  /** The writer is sealed before this record. */
  SEALED(3),
  /** The capsule is not known here. */
  UNKNOWN_CAPSULE(4),
  /** The capsule's membership does not name this replica. */
  NOT_A_MEMBER(5),
  /** The membership is older than, or contradicts, the one that is known here. */
  STALE_MEMBERSHIP(6),
  /** Too much is waiting here; ask again later. */
  BUSY(7),
  /** No space: writes are refused, reads are answered. */
  FULL(8),
  /** The asker may not ask this. */
  DENIED(9),
  /** The disk failed or what was asked for is damaged here. */
  DAMAGED(10),
  /** Another record is held at this position: the writer equivocated. */
  EQUIVOCATION(11),
  /**
   * The replica is new to the capsule, or lost its disk: it says nothing of what it holds before it
   * holds what the others do. What was sent is stored all the same.
   */
  JOINING(12);

  private static final Refusal[] ALL = values();

  private final int number;

  Refusal(int number) {
    this.number = number;
  }

  /** The number on the wire. */
  public int number() {
    return number;
  }

  /** The refusal with a number, or null. */
  public static @Nullable Refusal ofNumber(int number) {
    return number >= 1 && number <= ALL.length ? ALL[number - 1] : null;
  }
}
