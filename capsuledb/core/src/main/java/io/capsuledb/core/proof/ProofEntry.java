package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;

/**
 * One version of one key as a proof shows it. Immutable; its arrays are shared and never modified.
 */
public final class ProofEntry {

  private final byte[] salt;
  private final int kind;
  private final int type;
  private final long time;
  private final long writer;
  private final int index;
  private final long expiryAtMs;
  private final byte[] key;
  private final int valueLength;
  private final byte[] shown;

  /**
   * An entry. Keeps the arrays.
   *
   * @param salt 16 bytes
   * @param kind {@link StateCommitment#VALUE}, {@link StateCommitment#TOMBSTONE} or {@link
   *     StateCommitment#POINTER}
   * @param type number of the value's type
   * @param time Lamport time of the version
   * @param writer writer of the version
   * @param index place of the version in its record
   * @param expiryAtMs wall clock in milliseconds since 1970, 0 for never
   * @param valueLength bytes of the value; 0 for a TOMBSTONE
   * @param shown the value; for a POINTER the SHA-256 of it; nothing for a TOMBSTONE
   */
  public ProofEntry(
      byte[] salt,
      int kind,
      int type,
      long time,
      long writer,
      int index,
      long expiryAtMs,
      byte[] key,
      int valueLength,
      byte[] shown) {
    this.salt = salt;
    this.kind = kind;
    this.type = type;
    this.time = time;
    this.writer = writer;
    this.index = index;
    this.expiryAtMs = expiryAtMs;
    this.key = key;
    this.valueLength = valueLength;
    this.shown = shown;
  }

  byte[] salt() {
    return salt;
  }

  int kind() {
    return kind;
  }

  int type() {
    return type;
  }

  long time() {
    return time;
  }

  long writer() {
    return writer;
  }

  int index() {
    return index;
  }

  long expiryAtMs() {
    return expiryAtMs;
  }

  byte[] key() {
    return key;
  }

  int valueLength() {
    return valueLength;
  }

  byte[] shown() {
    return shown;
  }

  /** What commits to the entry in the tree of its block. */
  Hash32 leaf() {
    return StateCommitment.entryLeaf(
        salt,
        0,
        kind,
        type,
        time,
        writer,
        index,
        expiryAtMs,
        key,
        valueLength,
        shown,
        0,
        shown.length);
  }

  /** Compares the version with another: by time, then writer, then index. */
  int compareVersion(long otherTime, long otherWriter, int otherIndex) {
    int order = Long.compare(time, otherTime);
    if (order == 0) {
      order = Long.compareUnsigned(writer, otherWriter);
    }
    return order == 0 ? Integer.compare(index, otherIndex) : order;
  }
}
