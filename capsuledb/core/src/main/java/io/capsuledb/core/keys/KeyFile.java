package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Entropy;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Arrays;

/**
 * The owner's key at rest: the entropy of a {@link Mnemonic}, encrypted with AES-256-GCM under a
 * key that Argon2id (RFC 9106) makes of a passphrase. docs/format/keyfile.md specifies the bytes.
 *
 * <p>Invariants: the bytes passed every check that needs no passphrase; the whole clear part is
 * authenticated, so what a successfully opened file said about itself is true. What an unopened one
 * says, its owner's public key included, is only a claim.
 *
 * <p>Immutable and thread-safe.
 */
public final class KeyFile {

  /** Longest passphrase, in characters. */
  public static final int MAX_PASSPHRASE_CHARS = 1024;

  /** Most bytes a key file has: readers need not take in more. */
  public static final int MAX_BYTES = KeyFileLayout.length(Mnemonic.MAX_ENTROPY_BYTES);

  private static final int MAX_UTF8_BYTES_PER_CHAR = 3;

  private static final String DEVELOPMENT_PASSPHRASE = "capsuledb development key: not a secret";

  private final byte[] file;
  private final KeyFileCodec.Header header;

  private KeyFile(byte[] file, KeyFileCodec.Header header) {
    this.file = file;
    this.header = header;
  }

  /**
   * Encrypts the entropy of a mnemonic under a passphrase; takes some tenths of a second and 64 MiB
   * on purpose.
   *
   * @param entropy 16, 20, 24, 28 or 32 bytes; stays the caller's
   * @param passphrase 1 to {@link #MAX_PASSPHRASE_CHARS} characters; stays the caller's
   * @param source of salt and nonce
   * @return the bytes of the file
   * @throws IllegalArgumentException if the entropy has another length
   * @throws InvalidRequestException if the passphrase is empty, too long or not Unicode
   */
  public static byte[] seal(SecretBytes entropy, char[] passphrase, Entropy source) {
    return seal(entropy, passphrase, Protection.PASSPHRASE, Argon2Cost.DEFAULT, source);
  }

  /**
   * Writes the entropy of a mnemonic into a file that anybody can open, and that says so.
   *
   * @param entropy 16, 20, 24, 28 or 32 bytes; stays the caller's
   * @param source of salt and nonce
   * @return the bytes of the file
   * @throws IllegalArgumentException if the entropy has another length
   */
  public static byte[] sealForDevelopment(SecretBytes entropy, Entropy source) {
    return seal(
        entropy,
        DEVELOPMENT_PASSPHRASE.toCharArray(),
        Protection.DEVELOPMENT,
        Argon2Cost.MINIMAL,
        source);
  }

  /**
   * Checks the bytes of a key file as far as that goes without the passphrase.
   *
   * @return the file, or why it is none: UNKNOWN_FORMAT, UNKNOWN_TYPE, TRUNCATED, TRAILING_BYTES,
   *     STORAGE_CHECKSUM, RESERVED_BITS, FIELD_OUT_OF_RANGE
   */
  public static Decoded<KeyFile> decode(byte[] bytes) {
    return KeyFileCodec.decodeHeader(bytes)
        .then(header -> Decoded.accept(new KeyFile(bytes.clone(), header)));
  }

  /** What protects it: to be said aloud if that is {@link Protection#DEVELOPMENT}. */
  public Protection protection() {
    return header.protection();
  }

  /** The public key that {@link KeyTree#ownerPublicKey} gives for the entropy; see the class. */
  public PublicKey ownerPublicKey() {
    return header.owner();
  }

  /**
   * Decrypts the entropy.
   *
   * @param passphrase stays the caller's
   * @return the entropy, to be closed by the caller; or DECRYPTION if the passphrase is wrong or
   *     somebody altered the file and its checksum with it, which cannot be told apart; or
   *     TOO_LARGE if the file asks for more memory than half of what this process may have
   * @throws InvalidRequestException if the passphrase is empty, too long or not Unicode
   */
  public Decoded<SecretBytes> open(char[] passphrase) {
    return open(passphrase, Runtime.getRuntime().maxMemory() / 2);
  }

  /**
   * Decrypts the entropy of a development file.
   *
   * @return as {@link #open}; DECRYPTION if the file is protected by a real passphrase
   */
  public Decoded<SecretBytes> openDevelopment() {
    return protection() == Protection.DEVELOPMENT
        ? open(DEVELOPMENT_PASSPHRASE.toCharArray())
        : Decoded.reject(Rejection.Reason.DECRYPTION, "this key file needs its passphrase");
  }

  @Override
  public String toString() {
    return "KeyFile[" + protection() + ", owner " + ownerPublicKey() + "]";
  }

  /** Opens with at most so much memory for deriving the key. */
  Decoded<SecretBytes> open(char[] passphrase, long allowedBytes) {
    if (header.cost().memoryBytes() > allowedBytes) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE,
          "opening this key file takes "
              + header.cost().memoryKiB() / 1024
              + " MiB of memory, and half of the heap is "
              + allowedBytes / (1 << 20)
              + " MiB: start with a larger -Xmx");
    }
    byte[] entropy = new byte[header.entropyBytes()];
    try (SecretBytes secret = encode(passphrase);
        SecretBytes key = header.cost().derive(secret, KeyFileCodec.salt(file), Aead.KEY_BYTES);
        Aead aead = Aead.aes256GcmByJdk(key)) {
      int opened =
          aead.open(
              KeyFileCodec.nonce(file),
              file,
              0,
              KeyFileLayout.HEADER_BYTES,
              file,
              KeyFileLayout.CIPHERTEXT_AT,
              entropy.length + Aead.TAG_BYTES,
              entropy,
              0);
      return opened < 0
          ? Decoded.reject(
              Rejection.Reason.DECRYPTION,
              "the passphrase is wrong, or the key file was altered on purpose")
          : Decoded.accept(SecretBytes.own(entropy));
    }
  }

  /** Seals at a given cost. */
  static byte[] seal(
      SecretBytes entropy,
      char[] passphrase,
      Protection protection,
      Argon2Cost cost,
      Entropy source) {
    byte[] salt = new byte[KeyFileLayout.SALT_BYTES];
    byte[] nonce = new byte[Aead.NONCE_BYTES];
    source.fill(salt);
    source.fill(nonce);
    byte[] file =
        KeyFileCodec.encodeHeader(
            new KeyFileCodec.Header(protection, cost, entropy.length(), ownerOf(entropy)),
            salt,
            nonce);
    try (SecretBytes secret = encode(passphrase);
        SecretBytes key = cost.derive(secret, salt, Aead.KEY_BYTES);
        Aead aead = Aead.aes256GcmByJdk(key)) {
      aead.seal(
          nonce,
          file,
          0,
          KeyFileLayout.HEADER_BYTES,
          entropy.expose(),
          0,
          entropy.length(),
          file,
          KeyFileLayout.CIPHERTEXT_AT);
    }
    KeyFileCodec.putChecksum(file);
    return file;
  }

  private static PublicKey ownerOf(SecretBytes entropy) {
    try (Mnemonic mnemonic = Mnemonic.fromEntropy(entropy);
        KeyTree tree = KeyTree.fromMnemonic(mnemonic, "")) {
      return tree.ownerPublicKey();
    }
  }

  /** The passphrase in Unicode normal form C and UTF-8: typed alike, it is alike. */
  private static SecretBytes encode(char[] passphrase) {
    if (passphrase.length == 0 || passphrase.length > MAX_PASSPHRASE_CHARS) {
      throw new InvalidRequestException(
          "a passphrase has 1 to "
              + MAX_PASSPHRASE_CHARS
              + " characters, not "
              + passphrase.length);
    }
    CharSequence text = CharBuffer.wrap(passphrase);
    // Only what needs normalizing passes through a string, which cannot be cleared.
    CharBuffer normal =
        Normalizer.isNormalized(text, Normalizer.Form.NFC)
            ? CharBuffer.wrap(passphrase)
            : CharBuffer.wrap(Normalizer.normalize(text, Normalizer.Form.NFC));
    byte[] encoded = new byte[normal.remaining() * MAX_UTF8_BYTES_PER_CHAR];
    ByteBuffer target = ByteBuffer.wrap(encoded);
    CoderResult result =
        StandardCharsets.UTF_8
            .newEncoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .encode(normal, target, true);
    byte[] bytes = Arrays.copyOf(encoded, target.position());
    Arrays.fill(encoded, (byte) 0);
    if (result.isError()) {
      throw new InvalidRequestException("the passphrase is not valid Unicode");
    }
    return SecretBytes.own(bytes);
  }
}
