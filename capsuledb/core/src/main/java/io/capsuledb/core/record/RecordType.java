package io.capsuledb.core.record;

import org.jspecify.annotations.Nullable;

/**
 * What a record is for. The numbers are persisted and never change meaning; zero is never a type.
 */
public enum RecordType {
  /** A batch of key-value operations; encrypted. */
  DATA(1, false),
  /** "Report at the end of the epoch": the coordinator's call; encrypted. */
  RTS(2, false),
  /** End of epoch: a worker's head; encrypted. */
  EOE(3, false),
  /** The join of all chains at the end of an epoch; encrypted. */
  SYNC(4, false),
  /** A sorted block of the log-structured merge-tree; encrypted. */
  BLOCK(5, false),
  /** All live blocks and the frontier they cover; encrypted. */
  MANIFEST(6, false),
  /** Writers the application vouches for; in clear, signed by the application key. */
  ROSTER(7, true),
  /** The next key generation begins; in clear, signed by the owner key. */
  ROTATE(8, true),
  /** Nothing more is accepted from a writer; in clear. */
  SEAL(9, true),
  /** Proof that a writer or replica lied; in clear. */
  EVIDENCE(10, true),
  /** What the untrusted may know of a manifest, and which payloads are released; in clear. */
  CHECKPOINT(11, true);

  private static final RecordType[] BY_NUMBER = new RecordType[12];

  static {
    for (RecordType type : values()) {
      BY_NUMBER[type.number] = type;
    }
  }

  private final int number;
  private final boolean clear;

  RecordType(int number, boolean clear) {
    this.number = number;
    this.clear = clear;
  }

  /** The persisted number. */
  public int number() {
    return number;
  }

  /** Whether the payload is in clear, because those who hold no key must read it. */
  public boolean isClear() {
    return clear;
  }

  /**
   * Whether records of this type may name parents beside their predecessor: the heads of other
   * chains that their writer had merged, so that causality can be read off the capsule.
   */
  public boolean mayJoin() {
    return switch (this) {
      case DATA, RTS, EOE, SYNC, MANIFEST, ROSTER -> true;
      case BLOCK, ROTATE, SEAL, EVIDENCE, CHECKPOINT -> false;
    };
  }

  /**
   * Whether a record of this type may be stored as a stub, its payload released. What everybody
   * must read to verify or to serve the capsule may not.
   */
  public boolean mayBeReleased() {
    return switch (this) {
      case DATA, RTS, EOE, SYNC, BLOCK, MANIFEST -> true;
      case ROSTER, ROTATE, SEAL, EVIDENCE, CHECKPOINT -> false;
    };
  }

  static @Nullable RecordType ofNumber(int number) {
    return number > 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
  }
}
