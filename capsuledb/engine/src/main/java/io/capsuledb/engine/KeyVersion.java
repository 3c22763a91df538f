package io.capsuledb.engine;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Rejection;
import org.jspecify.annotations.Nullable;

/**
 * What one operation said about a key, and what vouches for it. Immutable; see {@link
 * CapsuleDb#history}.
 */
public final class KeyVersion {

  private final long time;
  private final long writer;
  private final int index;
  private final boolean deleted;
  private final ValueType type;
  private final long expiryAtMs;
  private final byte[] value;
  private final @Nullable Hash32 record;
  private final @Nullable Rejection rejection;

  KeyVersion(
      long time,
      long writer,
      int index,
      boolean deleted,
      ValueType type,
      long expiryAtMs,
      byte[] value,
      @Nullable Hash32 record,
      @Nullable Rejection rejection) {
    this.time = time;
    this.writer = writer;
    this.index = index;
    this.deleted = deleted;
    this.type = type;
    this.expiryAtMs = expiryAtMs;
    this.value = value;
    this.record = record;
    this.rejection = rejection;
  }

  /** Lamport time of the operation. */
  public long time() {
    return time;
  }

  /** Index of the writer that made it. */
  public long writer() {
    return writer;
  }

  /** Its place in its record, from 0. */
  public int index() {
    return index;
  }

  /** Whether it removed the key, alone or with all others. */
  public boolean deleted() {
    return deleted;
  }

  /** The type of the value. */
  public ValueType type() {
    return type;
  }

  /** When the value expires, in wall-clock milliseconds since 1970; 0: never. */
  public long expiryAtMs() {
    return expiryAtMs;
  }

  /** The value, a copy; empty if the key was removed. */
  public byte[] value() {
    return value.clone();
  }

  /** Hash of the DATA record the operation is in; null if it is not durable yet, or missing. */
  public @Nullable Hash32 record() {
    return record;
  }

  /**
   * Why that record does not vouch for the operation, or null if it does: it is stored, hashes to
   * its name, and is signed by its writer, whom the application key vouches for.
   */
  public @Nullable Rejection rejection() {
    return rejection;
  }
}
