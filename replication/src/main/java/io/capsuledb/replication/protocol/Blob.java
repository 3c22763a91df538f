package io.capsuledb.replication.protocol;

import java.util.Arrays;

/**
 * Immutable bytes with value semantics. Keeps the array it is given, which must not be modified
 * afterwards.
 */
public final class Blob {

  private final byte[] bytes;

  private Blob(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Wraps {@code bytes} without a copy. */
  public static Blob of(byte[] bytes) {
    return new Blob(bytes);
  }

  /** The bytes themselves, not a copy; not to be modified. */
  public byte[] bytes() {
    return bytes;
  }

  public int length() {
    return bytes.length;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Blob blob && Arrays.equals(bytes, blob.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return bytes.length + " bytes";
  }
}
