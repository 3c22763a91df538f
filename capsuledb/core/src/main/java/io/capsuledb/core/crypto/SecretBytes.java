package io.capsuledb.core.crypto;

import java.security.MessageDigest;
import java.util.Arrays;

/**
 * Secret bytes that can be cleared, never print and compare in constant time.
 *
 * <p>Invariants: after {@link #close} the array is all zero and nothing hands it out any more.
 * Clearing is what a garbage-collected runtime allows: copies the collector made while it moved the
 * array, or that a library made of it, are not reached.
 *
 * <p>Thread-safe for reading; closing while another thread still uses the exposed array is the
 * owner's mistake.
 */
public final class SecretBytes implements AutoCloseable {

  private final byte[] bytes;
  private volatile boolean closed;

  private SecretBytes(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Takes ownership of {@code bytes}: the caller keeps no other use of the array. */
  public static SecretBytes own(byte[] bytes) {
    return new SecretBytes(bytes);
  }

  /** Copies {@code source}, which stays the caller's to clear. */
  public static SecretBytes copyOf(byte[] source) {
    return new SecretBytes(source.clone());
  }

  /**
   * The secret itself, not a copy: to be read at once, neither modified nor kept.
   *
   * @throws IllegalStateException if closed
   */
  public byte[] expose() {
    if (closed) {
      throw new IllegalStateException("this secret was cleared");
    }
    return bytes;
  }

  /** Length in bytes; also known after closing. */
  public int length() {
    return bytes.length;
  }

  /** Whether the secret was cleared. */
  public boolean isClosed() {
    return closed;
  }

  /** Overwrites the secret with zeros. Idempotent. */
  @Override
  public void close() {
    closed = true;
    Arrays.fill(bytes, (byte) 0);
  }

  /** Compares by value, in time that depends on the lengths only. A closed secret equals itself. */
  @Override
  public boolean equals(Object other) {
    return this == other
        || (other instanceof SecretBytes secret
            && !closed
            && !secret.closed
            && MessageDigest.isEqual(bytes, secret.bytes));
  }

  /** Depends on the length only, so that it tells nothing about the content. */
  @Override
  public int hashCode() {
    return bytes.length;
  }

  @Override
  public String toString() {
    return "SecretBytes[" + bytes.length + "]";
  }
}
