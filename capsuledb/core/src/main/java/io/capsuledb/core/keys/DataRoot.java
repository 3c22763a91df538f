package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hkdf;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What reads everything of one key generation in one capsule, and nothing else: all data keys
 * follow from it, but no signing key, and nothing of another capsule. It is what is left of an
 * application key when its generation has been retired, and what an attested worker is given in
 * place of that key: the <i>pseudorandom key</i> of HKDF (RFC 5869) whose input is the
 * application's private key and whose salt is the capsule's name.
 *
 * <p>A root is kept in the capsule <i>wrapped</i>: AES-256-GCM under a key that follows from the
 * root of the next generation and is used for nothing but this one message, docs/format/rotate.md.
 * So a capsule needs one root, the newest, to be read from its beginning.
 *
 * <p>Thread-safe; {@link #close} clears it.
 */
public final class DataRoot implements AutoCloseable {

  /** Length of a root. */
  public static final int BYTES = Hash32.BYTES;

  /** Length of a wrapped root. */
  public static final int WRAPPED_BYTES = Hash32.BYTES + Aead.TAG_BYTES;

  private static final byte[] DATA_KEY_TAG =
      "capsuledb/v1/data-key".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] WRAP_TAG =
      "capsuledb/v1/key-wrap".getBytes(StandardCharsets.US_ASCII);

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

  /** The same root, cleared on its own. */
  public DataRoot copy() {
    return new DataRoot(capsule, generation, reveal());
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

  /**
   * Wraps the root of the generation before this one, for the ROTATE record that begins this one.
   *
   * @return {@link #WRAPPED_BYTES}; always the same
   */
  public byte[] wrap(DataRoot previous) {
    if (previous.generation != generation - 1 || !Arrays.equals(previous.capsule, capsule)) {
      throw new IllegalArgumentException(
          "generation " + generation + " does not wrap " + previous.generation);
    }
    byte[] wrapped = new byte[WRAPPED_BYTES];
    byte[] associated = associated();
    try (SecretBytes wrapping = wrappingKey();
        Aead aead = Aead.aes256Gcm(wrapping)) {
      byte[] clear = previous.key.expose();
      aead.seal(
          new byte[Aead.NONCE_BYTES],
          associated,
          0,
          associated.length,
          clear,
          0,
          clear.length,
          wrapped,
          0);
    }
    return wrapped;
  }

  /**
   * The root of the generation before this one.
   *
   * @param wrapped what {@link #wrap} made; any bytes
   * @return DECRYPTION if it was wrapped under another key
   */
  public Decoded<DataRoot> unwrap(byte[] wrapped) {
    if (wrapped.length != WRAPPED_BYTES || generation < 1) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "generation " + generation + " has " + wrapped.length + " bytes of wrapped key");
    }
    byte[] clear = new byte[Hash32.BYTES];
    byte[] associated = associated();
    try (SecretBytes wrapping = wrappingKey();
        Aead aead = Aead.aes256Gcm(wrapping)) {
      int length =
          aead.open(
              new byte[Aead.NONCE_BYTES],
              associated,
              0,
              associated.length,
              wrapped,
              0,
              wrapped.length,
              clear,
              0);
      if (length < 0) {
        return Decoded.reject(
            Reason.DECRYPTION,
            "the key of generation "
                + (generation - 1)
                + " is not wrapped under that of generation "
                + generation);
      }
    }
    return Decoded.accept(new DataRoot(capsule, generation - 1, SecretBytes.own(clear)));
  }

  /** One key for one message: the nonce needs no care. */
  private SecretBytes wrappingKey() {
    return Hkdf.expand(key, tagged(), Aead.KEY_BYTES);
  }

  private byte[] associated() {
    byte[] tagged = tagged();
    return ByteBuffer.allocate(tagged.length + capsule.length).put(tagged).put(capsule).array();
  }

  private byte[] tagged() {
    return ByteBuffer.allocate(WRAP_TAG.length + Integer.BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put(WRAP_TAG)
        .putInt(generation - 1)
        .array();
  }

  /** Clears it. Idempotent. */
  @Override
  public void close() {
    key.close();
  }

  /** Whether it was cleared. */
  public boolean isClosed() {
    return key.isClosed();
  }

  @Override
  public String toString() {
    return "DataRoot[generation " + generation + "]";
  }
}
