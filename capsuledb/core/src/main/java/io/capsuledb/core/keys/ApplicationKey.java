package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import org.jspecify.annotations.Nullable;

/**
 * The key of one generation of an application, and what is derived from it:
 *
 * <ul>
 *   <li>the signing key of writer w: two hardened children, {@code (w >>> 31)'} and then {@code (w
 *       & 0x7fffffff)'}; in a capsule whose key directory is <i>derived</i> ({@link
 *       #withDerivedWriters}) the same without hardening;
 *   <li>the data key of writer w in a capsule: 32 bytes of HKDF-SHA-256 over this private key, with
 *       the capsule's name as salt and {@code "capsuledb/v1/data-key"}, the generation (4 bytes)
 *       and the writer index (8 bytes), both little endian, as info.
 * </ul>
 *
 * <p>Writer indices are 62-bit: 1 to 2⁶² - 1. Invariant: the key is private and lies at {@code
 * m/4407632'/1'/application'/generation'}, as far as its depth and child number tell. Thread-safe;
 * {@link #close} clears it.
 */
public final class ApplicationKey implements AutoCloseable {

  /** Largest writer index. */
  public static final long MAX_WRITER = (1L << 62) - 1;

  private static final int DEPTH = 4;
  private static final int LOW_BITS = 31;

  private final int application;
  private final HdKey key;
  private final @Nullable GenerationCertificate certificate;
  private final boolean hardened;

  ApplicationKey(
      int application, HdKey key, @Nullable GenerationCertificate certificate, boolean hardened) {
    this.application = application;
    this.key = key;
    this.certificate = certificate;
    this.hardened = hardened;
  }

  /**
   * The application key that an extended private key is, as a leader receives it.
   *
   * @param application which application it is for, which the extended key does not tell
   * @param key owned by the result; closed if it is rejected
   * @return the application key, or FIELD_OUT_OF_RANGE if the extended key is public or cannot lie
   *     where application keys do
   */
  public static Decoded<ApplicationKey> of(int application, HdKey key) {
    return of(application, key, null);
  }

  /**
   * The same with the owner's certificate, which writing in a generation after 0 takes.
   *
   * @param certificate of this key; whether the owner signed it is not looked at
   */
  public static Decoded<ApplicationKey> of(
      int application, HdKey key, @Nullable GenerationCertificate certificate) {
    String problem = null;
    if (application < 0) {
      problem = "an application is 0 to 2147483647, not " + application;
    } else if (!key.isPrivate()) {
      problem = "an application key is private";
    } else if (key.depth() != DEPTH) {
      problem = "an application key has depth 4, not " + key.depth();
    } else if (key.childNumber() >= 0) {
      problem = "an application key is hardened";
    } else if (certificate != null && !certificate.key().equals(key.publicKey())) {
      problem = "the certificate is another key's";
    }
    if (problem != null) {
      key.close();
      return Decoded.reject(Rejection.Reason.FIELD_OUT_OF_RANGE, problem);
    }
    return Decoded.accept(new ApplicationKey(application, key, certificate, true));
  }

  /**
   * This key for a capsule whose key directory is {@code derived}: writers' keys are children that
   * are not hardened, so that whoever has {@link #extendedPublicKey} derives everyone's public key.
   * Whoever has that <i>and one writer's private key</i> derives this private key: docs/keys.md.
   *
   * @return to be closed by the caller; this one stays as it is
   */
  public ApplicationKey withDerivedWriters() {
    return new ApplicationKey(application, key.derive(HdPath.MASTER), certificate, false);
  }

  /** Whether writers' keys are not hardened. */
  public boolean derivesWriters() {
    return !hardened;
  }

  /** The owner's word that this is the key of its generation; null if it was not given. */
  public @Nullable GenerationCertificate certificate() {
    return certificate;
  }

  /** This key without its private half, for workers of a capsule with derived keys. */
  public HdKey extendedPublicKey() {
    return key.toPublic();
  }

  /**
   * The public key of a writer of a capsule with derived keys.
   *
   * @param application {@link #extendedPublicKey}
   * @param writer from 1 to {@link #MAX_WRITER}
   * @throws IllegalArgumentException if it is anything else
   */
  public static PublicKey derivedWriterKey(HdKey application, long writer) {
    try (HdKey child = application.derive(writerPath(writer, false))) {
      return child.publicKey();
    }
  }

  /**
   * What reads everything of this generation in one capsule; to be closed by the caller.
   *
   * @param capsuleName 32 bytes
   * @throws IllegalStateException if closed
   */
  public DataRoot dataRoot(byte[] capsuleName) {
    return DataRoot.of(capsuleName, generation(), key.privateKey());
  }

  /** The application's number. */
  public int application() {
    return application;
  }

  /** The key generation. */
  public int generation() {
    return key.childNumber() & ~HdPath.HARDENED;
  }

  /** Where this key lies below the owner's master key. */
  public HdPath path() {
    return KeyTree.APPLICATIONS.hardened(application).hardened(generation());
  }

  public PublicKey publicKey() {
    return key.publicKey();
  }

  /**
   * Signs as the application: 64 bytes, see {@link Secp256k1#sign}.
   *
   * @throws IllegalStateException if closed
   */
  public byte[] sign(Hash32 digest) {
    return Secp256k1.best().sign(digest, key.privateKey());
  }

  /**
   * This key in the 78 bytes of BIP 32, for an attested leader: {@link HdKey#deserialize} and
   * {@link #of} make this key of them again.
   *
   * @throws IllegalStateException if closed
   */
  public SecretBytes extendedPrivateKey() {
    return key.serialize();
  }

  /**
   * The private key a writer signs with; to be closed by the caller.
   *
   * @param writer from 1 to {@link #MAX_WRITER}
   * @throws IllegalArgumentException if it is anything else
   * @throws IllegalStateException if closed
   */
  public SecretBytes writerPrivateKey(long writer) {
    try (HdKey child = writerKey(writer)) {
      return SecretBytes.copyOf(child.privateKey().expose());
    }
  }

  /**
   * The public key a writer's signatures verify with.
   *
   * @param writer from 1 to {@link #MAX_WRITER}
   * @throws IllegalArgumentException if it is anything else
   * @throws IllegalStateException if closed
   */
  public PublicKey writerPublicKey(long writer) {
    try (HdKey child = writerKey(writer)) {
      return child.publicKey();
    }
  }

  /**
   * The AES-256 key of a writer's payloads; to be closed by the caller.
   *
   * @param capsuleName 32 bytes
   * @param writer from 1 to {@link #MAX_WRITER}
   * @throws IllegalArgumentException if one of them is anything else
   * @throws IllegalStateException if closed
   */
  public SecretBytes dataKey(byte[] capsuleName, long writer) {
    try (DataRoot root = dataRoot(capsuleName)) {
      return root.dataKey(writer);
    }
  }

  /** Clears this key, not what was derived from it. Idempotent. */
  @Override
  public void close() {
    key.close();
  }

  @Override
  public String toString() {
    return "ApplicationKey[" + path() + "]";
  }

  private HdKey writerKey(long writer) {
    return key.derive(writerPath(writer, hardened));
  }

  private static HdPath writerPath(long writer, boolean hardened) {
    checkWriter(writer);
    int high = (int) (writer >>> LOW_BITS);
    int low = (int) writer & Integer.MAX_VALUE;
    return hardened
        ? HdPath.MASTER.hardened(high).hardened(low)
        : HdPath.MASTER.child(high).child(low);
  }

  static void checkWriter(long writer) {
    if (writer < 1 || writer > MAX_WRITER) {
      throw new IllegalArgumentException("a writer index is 1 to 2^62 - 1, not " + writer);
    }
  }
}
