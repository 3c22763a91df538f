package io.capsuledb.engine;

import java.util.Arrays;

/**
 * What a read found. A lookup is a private copy: later writes do not show in it.
 *
 * <p>Every lookup carries a {@linkplain #fence() fence}, also when nothing was found: the Lamport
 * time that must be {@linkplain CapsuleDb#durableTime() durable} before the result may be shown to
 * anybody, because a value (or an absence) that a crash could take back must not have been seen.
 */
public final class Lookup {

  private static final byte[] NOTHING = {};

  private final boolean found;
  private final byte[] buffer;
  private final int offset;
  private final int length;
  private final ValueType type;
  private final long expiryAtMs;
  private final long fence;

  private Lookup(
      boolean found,
      byte[] buffer,
      int offset,
      int length,
      ValueType type,
      long expiryAtMs,
      long fence) {
    this.found = found;
    this.buffer = buffer;
    this.offset = offset;
    this.length = length;
    this.type = type;
    this.expiryAtMs = expiryAtMs;
    this.fence = fence;
  }

  static Lookup absent(long fence) {
    return new Lookup(false, NOTHING, 0, 0, ValueType.STRING, 0, fence);
  }

  static Lookup found(
      byte[] buffer, int offset, int length, ValueType type, long expiryAtMs, long fence) {
    return new Lookup(true, buffer, offset, length, type, expiryAtMs, fence);
  }

  static Lookup described(int length, ValueType type, long expiryAtMs, long fence) {
    return new Lookup(true, NOTHING, 0, length, type, expiryAtMs, fence);
  }

  /** Whether the key exists: it was written, and neither deleted nor expired since. */
  public boolean found() {
    return found;
  }

  /** The array that holds the value at {@link #offset()}; not to be modified. */
  public byte[] buffer() {
    return buffer;
  }

  /** Where the value begins in {@link #buffer()}. */
  public int offset() {
    return offset;
  }

  /** Length of the value in bytes; 0 if nothing was found. */
  public int length() {
    return length;
  }

  /** A copy of the value; empty if nothing was found. */
  public byte[] value() {
    return Arrays.copyOfRange(buffer, offset, offset + length);
  }

  /** The type of the value. */
  public ValueType type() {
    return type;
  }

  /** When the key expires, in wall-clock milliseconds since 1970; 0 means never. */
  public long expiryAtMs() {
    return expiryAtMs;
  }

  /** The Lamport time that must be durable before this result may be shown. */
  public long fence() {
    return fence;
  }
}
