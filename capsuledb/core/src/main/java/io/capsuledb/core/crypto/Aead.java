package io.capsuledb.core.crypto;

import com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider;
import java.io.NotSerializableException;
import java.io.ObjectOutputStream;
import java.security.GeneralSecurityException;
import java.security.Provider;
import java.util.Arrays;
import java.util.Objects;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * AES-256 in Galois/counter mode (NIST SP 800-38D) with 12-byte nonces and 16-byte tags.
 *
 * <p>Invariants: a nonce is sealed with at most once per key, which is the caller's promise (two
 * messages under one nonce give away the authentication key); after a failed {@link #open} the
 * target holds zeros where plaintext would have been.
 *
 * <p>Not thread-safe: an instance reuses one cipher object. The Amazon Corretto provider is called
 * directly and never installed, so nobody else's choice of providers changes.
 */
public final class Aead implements AutoCloseable {

  /** Length in bytes of a key. */
  public static final int KEY_BYTES = 32;

  /** Length in bytes of a nonce. */
  public static final int NONCE_BYTES = 12;

  /** Bytes that a sealed message is longer than its plaintext. */
  public static final int TAG_BYTES = 16;

  private static final String TRANSFORMATION = "AES/GCM/NoPadding";

  private final Cipher cipher;
  private final ClearableKey key;

  private Aead(Cipher cipher, SecretBytes key) {
    if (key.length() != KEY_BYTES) {
      throw new IllegalArgumentException("an AES-256 key has 32 bytes, not " + key.length());
    }
    this.cipher = cipher;
    this.key = new ClearableKey(key.expose().clone());
  }

  /**
   * A cipher by the fastest provider that works here, with its own copy of {@code key}.
   *
   * @throws IllegalArgumentException if {@code key} has not 32 bytes
   */
  public static Aead aes256Gcm(SecretBytes key) {
    return new Aead(newCipher(Providers.FASTEST), key);
  }

  /**
   * A cipher by the JDK: for a single small message, where loading the fast provider (some tenths
   * of a second, once per process) would cost more than it saves. The bytes are the same.
   *
   * @throws IllegalArgumentException if {@code key} has not 32 bytes
   */
  public static Aead aes256GcmByJdk(SecretBytes key) {
    return new Aead(newCipher(null), key);
  }

  /** Which provider {@link #aes256Gcm} uses and, if it is not the fastest, why not. */
  public static String provider() {
    return Providers.DESCRIPTION;
  }

  /**
   * Encrypts and authenticates.
   *
   * @param nonce 12 bytes, never used before with this key
   * @param target room for {@code length} + 16 bytes from {@code targetOffset} on; not overlapping
   *     the plaintext
   * @return the bytes written: {@code length} + 16
   * @throws IndexOutOfBoundsException if a range is not inside its array
   * @throws IllegalArgumentException if the nonce has not 12 bytes
   * @throws IllegalStateException if closed, or if the nonce is the previous one once more
   */
  public int seal(
      byte[] nonce,
      byte[] aad,
      int aadOffset,
      int aadLength,
      byte[] plaintext,
      int offset,
      int length,
      byte[] target,
      int targetOffset) {
    Objects.checkFromIndexSize(aadOffset, aadLength, aad.length);
    Objects.checkFromIndexSize(offset, length, plaintext.length);
    Objects.checkFromIndexSize(targetOffset, Math.addExact(length, TAG_BYTES), target.length);
    try {
      cipher.init(Cipher.ENCRYPT_MODE, key(), parameters(nonce));
      cipher.updateAAD(aad, aadOffset, aadLength);
      int written = cipher.doFinal(plaintext, offset, length, target, targetOffset);
      assertWritten(written, length + TAG_BYTES);
      return written;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("AES-GCM refused to encrypt", e);
    }
  }

  /**
   * Authenticates and decrypts.
   *
   * @param nonce the 12 bytes sealed with
   * @param length bytes of {@code ciphertext} including the tag
   * @param target room for {@code length} - 16 bytes from {@code targetOffset} on; not overlapping
   *     the ciphertext
   * @return the bytes written: {@code length} - 16; or -1 if the tag does not verify, then zeros
   * @throws IndexOutOfBoundsException if a range is not inside its array
   * @throws IllegalArgumentException if the nonce has not 12 bytes
   * @throws IllegalStateException if closed
   */
  public int open(
      byte[] nonce,
      byte[] aad,
      int aadOffset,
      int aadLength,
      byte[] ciphertext,
      int offset,
      int length,
      byte[] target,
      int targetOffset) {
    Objects.checkFromIndexSize(aadOffset, aadLength, aad.length);
    Objects.checkFromIndexSize(offset, length, ciphertext.length);
    if (length < TAG_BYTES) {
      return -1;
    }
    int plaintextLength = length - TAG_BYTES;
    Objects.checkFromIndexSize(targetOffset, plaintextLength, target.length);
    try {
      cipher.init(Cipher.DECRYPT_MODE, key(), parameters(nonce));
      cipher.updateAAD(aad, aadOffset, aadLength);
      int written = cipher.doFinal(ciphertext, offset, length, target, targetOffset);
      assertWritten(written, plaintextLength);
      return written;
    } catch (AEADBadTagException e) {
      Arrays.fill(target, targetOffset, targetOffset + plaintextLength, (byte) 0);
      return -1;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("AES-GCM refused to decrypt", e);
    }
  }

  /**
   * Clears this cipher's copy of the key, and makes it unusable. What the provider derived from the
   * key stays until it is collected. Idempotent.
   */
  @Override
  public void close() {
    key.destroy();
  }

  private ClearableKey key() {
    if (key.isDestroyed()) {
      throw new IllegalStateException("this cipher was closed");
    }
    return key;
  }

  private static GCMParameterSpec parameters(byte[] nonce) {
    if (nonce.length != NONCE_BYTES) {
      throw new IllegalArgumentException("a nonce has 12 bytes, not " + nonce.length);
    }
    return new GCMParameterSpec(TAG_BYTES * Byte.SIZE, nonce);
  }

  private static void assertWritten(int written, int expected) {
    if (written != expected) {
      throw new IllegalStateException("AES-GCM wrote " + written + " bytes instead of " + expected);
    }
  }

  private static Cipher newCipher(@Nullable Provider provider) {
    try {
      return provider == null
          ? Cipher.getInstance(TRANSFORMATION, "SunJCE")
          : Cipher.getInstance(TRANSFORMATION, provider);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java platform has no " + TRANSFORMATION, e);
    }
  }

  /** Loaded, with the native library behind it, when first asked for. */
  private static final class Providers {

    /** The Corretto provider, or null for the JDK's own. */
    static final @Nullable Provider FASTEST;

    static final String DESCRIPTION;

    static {
      AmazonCorrettoCryptoProvider corretto = AmazonCorrettoCryptoProvider.INSTANCE;
      Throwable failure = corretto.getLoadingError();
      if (failure == null) {
        FASTEST = corretto;
        DESCRIPTION = corretto.getName() + " " + corretto.getVersionStr();
      } else {
        FASTEST = null;
        DESCRIPTION =
            "SunJCE: "
                + corretto.getName()
                + " does not load ("
                + failure.getMessage()
                + "); if java.io.tmpdir="
                + System.getProperty("java.io.tmpdir", "")
                + " is mounted noexec, start with -Djava.io.tmpdir=DIRECTORY naming one that allows"
                + " execution";
      }
    }

    private Providers() {}
  }

  /** An AES key whose bytes can be cleared, which those of the JDK's own class cannot. */
  private static final class ClearableKey implements SecretKey {

    private static final long serialVersionUID = 1L;

    private final transient byte[] bytes;
    private transient volatile boolean destroyed;

    ClearableKey(byte[] bytes) {
      this.bytes = bytes;
    }

    @Override
    public String getAlgorithm() {
      return "AES";
    }

    @Override
    public String getFormat() {
      return "RAW";
    }

    @Override
    public byte[] getEncoded() {
      return bytes.clone();
    }

    @Override
    public void destroy() {
      destroyed = true;
      Arrays.fill(bytes, (byte) 0);
    }

    @Override
    public boolean isDestroyed() {
      return destroyed;
    }

    private void writeObject(ObjectOutputStream out) throws NotSerializableException {
      throw new NotSerializableException("keys are not serializable");
    }
  }
}
