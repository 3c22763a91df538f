package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.SecretBytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * What reads everything of one key generation in one capsule, and nothing else: all data keys
 * follow from it, but no signing key, and nothing of another capsule. It is the <i>pseudorandom
 * key</i> of HKDF (RFC 5869) whose input is the application's private key and whose salt is the
 * capsule's name, and what an attested worker is given in place of that key.
 *
 * <p>Thread-safe; {@link #close} clears it.
 */
public final class DataRoot implements AutoCloseable {

  /** Length of a root. */
  public static final int BYTES = Hash32.BYTES;

  private static final byte[] DATA_KEY_TAG =
      "capsuledb/v1/data-key".getBytes(StandardCharsets.US_ASCII);

  private final byte[] capsule;
  private final int generation;
  private final SecretBytes key;

  private DataRoot(byte[] capsule, int generation, SecretBytes key) {
    this.capsule = capsule;
    this.generation = generation;
    this.key = key;
  }

  static DataRoot of(byte[] capsuleName, int generation, SecretBytes applicationKey) {
    if (capsuleName.length != Hash32.BYTES) {
      throw new IllegalArgumentException(
          "a capsule's name has 32 bytes, not " + capsuleName.length);
    }
    return new DataRoot(capsuleName.clone(), generation, Hkdf.extract(applicationKey, capsuleName));
  }

  /**
   * A root that somebody who has the application key gave.
   *
   * @param capsuleName 32 bytes
   * @param generation from 0
   * @param root {@link #BYTES} long; owned by the result
   * @throws IllegalArgumentException if one of them is anything else
   */
  public static DataRoot given(byte[] capsuleName, int generation, SecretBytes root) {
    if (capsuleName.length != Hash32.BYTES || generation < 0 || root.length() != BYTES) {
      throw new IllegalArgumentException(
          "a root of " + root.length() + " bytes for generation " + generation);
    }
    return new DataRoot(capsuleName.clone(), generation, root);
  }

  /** The root itself, to be given to an attested worker; to be closed by the caller. */
  public SecretBytes reveal() {
    return SecretBytes.copyOf(key.expose());
  }

  /** The key generation. */
  public int generation() {
    return generation;
  }

  /**
   * The AES-256 key of a writer's payloads; to be closed by the caller.
   *
   * @param writer from 1 to {@link ApplicationKey#MAX_WRITER}
   * @throws IllegalArgumentException if it is anything else
   * @throws IllegalStateException if closed
   */
  public SecretBytes dataKey(long writer) {
    ApplicationKey.checkWriter(writer);
    byte[] info =
        ByteBuffer.allocate(DATA_KEY_TAG.length + Integer.BYTES + Long.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put(DATA_KEY_TAG)
            .putInt(generation)
            .putLong(writer)
            .array();
    return Hkdf.expand(key, info, Aead.KEY_BYTES);
  }

  /** The same root, cleared on its own. */
  public DataRoot copy() {
    return new DataRoot(capsule, generation, reveal());
  }

  /** Clears it. Idempotent. */
  @Override
  public void close() {
    key.close();
  }

  @Override
  public String toString() {
    return "DataRoot[generation " + generation + "]";
  }
}
