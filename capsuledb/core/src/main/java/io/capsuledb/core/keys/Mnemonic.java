package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Entropy;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.Locale;
import org.bouncycastle.crypto.digests.SHA512Digest;
import org.bouncycastle.crypto.generators.PKCS5S2ParametersGenerator;
import org.bouncycastle.crypto.params.KeyParameter;

/**
 * 12 to 24 English words that stand for 128 to 256 bits of entropy and a checksum of them (BIP 39).
 *
 * <p>Holds the entropy, from which the words follow. Immutable but for {@link #close}, which clears
 * it; never prints it.
 */
public final class Mnemonic implements AutoCloseable {

  /** Fewest bytes of entropy. */
  public static final int MIN_ENTROPY_BYTES = 16;

  /** Most bytes of entropy. */
  public static final int MAX_ENTROPY_BYTES = 32;

  /** Length in bytes of a seed. */
  public static final int SEED_BYTES = 64;

  private static final int WORD_BITS = 11;
  private static final int ENTROPY_BYTES_STEP = 4;

  /** Three words for every four bytes of entropy; the checksum has a bit for each four bytes. */
  private static final int WORDS_PER_STEP = 3;

  private static final int MIN_WORDS = 12;
  private static final int MAX_WORDS = 24;
  private static final int MAX_WORD_LENGTH = 8;

  /** Generous to blanks and to compatibility characters, but bounded. */
  private static final int MAX_TEXT = 1024;

  private static final int PBKDF2_ROUNDS = 2048;

  private final SecretBytes entropy;

  private Mnemonic(SecretBytes entropy) {
    this.entropy = entropy;
  }

  /**
   * The words that stand for {@code entropy}.
   *
   * @param entropy 16, 20, 24, 28 or 32 bytes; copied
   * @throws IllegalArgumentException if it has another length
   */
  public static Mnemonic fromEntropy(SecretBytes entropy) {
    if (!isEntropyLength(entropy.length())) {
      throw new IllegalArgumentException(
          "a mnemonic stands for 16, 20, 24, 28 or 32 bytes, not " + entropy.length());
    }
    return new Mnemonic(SecretBytes.copyOf(entropy.expose()));
  }

  /** Whether a mnemonic can stand for so many bytes. */
  public static boolean isEntropyLength(int bytes) {
    return bytes >= MIN_ENTROPY_BYTES
        && bytes <= MAX_ENTROPY_BYTES
        && bytes % ENTROPY_BYTES_STEP == 0;
  }

  /** A new mnemonic of 24 words. */
  public static Mnemonic generate(Entropy source) {
    byte[] bytes = new byte[MAX_ENTROPY_BYTES];
    source.fill(bytes);
    return new Mnemonic(SecretBytes.own(bytes));
  }

  /**
   * Reads words separated by blanks. Upper and lower case are the same.
   *
   * @return the mnemonic, or TOO_LARGE; TRUNCATED or TRAILING_BYTES for too few or many words;
   *     FIELD_OUT_OF_RANGE for a word that is not in the list; CHECKSUM. No rejection repeats a
   *     word.
   */
  public static Decoded<Mnemonic> parse(String text) {
    if (text.length() > MAX_TEXT) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE, "a mnemonic has at most " + MAX_TEXT + " characters");
    }
    String normal =
        Normalizer.normalize(text, Normalizer.Form.NFKD).strip().toLowerCase(Locale.ROOT);
    String[] words = normal.isEmpty() ? new String[0] : normal.split("\\s+", -1);
    if (words.length < MIN_WORDS || words.length > MAX_WORDS) {
      return Decoded.reject(
          words.length < MIN_WORDS ? Rejection.Reason.TRUNCATED : Rejection.Reason.TRAILING_BYTES,
          "a mnemonic has 12 to 24 words, not " + words.length);
    }
    if (words.length % WORDS_PER_STEP != 0) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE,
          "a mnemonic has 12, 15, 18, 21 or 24 words, not " + words.length);
    }
    // The words' numbers, 11 bits each, most significant bit first.
    byte[] bits = new byte[(words.length * WORD_BITS + 7) / 8];
    for (int i = 0; i < words.length; i++) {
      int index = EnglishWords.indexOf(words[i]);
      if (index < 0) {
        Arrays.fill(bits, (byte) 0);
        return Decoded.reject(
            Rejection.Reason.FIELD_OUT_OF_RANGE,
            "word " + (i + 1) + " is not in the English word list");
      }
      for (int bit = 0; bit < WORD_BITS; bit++) {
        if ((index >>> (WORD_BITS - 1 - bit) & 1) == 1) {
          int at = i * WORD_BITS + bit;
          bits[at / 8] |= (byte) (0x80 >>> at % 8);
        }
      }
    }
    int entropyBytes = words.length / WORDS_PER_STEP * ENTROPY_BYTES_STEP;
    SecretBytes entropy = SecretBytes.own(Arrays.copyOf(bits, entropyBytes));
    // What is left after the checksum's bits is padding, and zero in both.
    boolean intact = bits[entropyBytes] == checksum(entropy);
    Arrays.fill(bits, (byte) 0);
    if (!intact) {
      entropy.close();
      return Decoded.reject(
          Rejection.Reason.CHECKSUM, "the words are known, but do not belong together");
    }
    return Decoded.accept(new Mnemonic(entropy));
  }

  /** The entropy, which is cleared when this mnemonic is closed. */
  public SecretBytes entropy() {
    return entropy;
  }

  /** How many words there are. */
  public int wordCount() {
    return entropy.length() / ENTROPY_BYTES_STEP * WORDS_PER_STEP;
  }

  /**
   * The words, separated by single blanks: a secret that cannot be cleared, for showing to its
   * owner and nothing else.
   */
  public String revealWords() {
    try (SecretBytes sentence = sentence()) {
      return new String(sentence.expose(), StandardCharsets.US_ASCII);
    }
  }

  /**
   * The seed of these words: 64 bytes, by PBKDF2 with HMAC-SHA-512 in 2048 rounds.
   *
   * @param passphrase the optional "25th word"; empty for none. Every passphrase gives a seed.
   */
  public SecretBytes toSeed(String passphrase) {
    byte[] salt =
        Normalizer.normalize("mnemonic" + passphrase, Normalizer.Form.NFKD)
            .getBytes(StandardCharsets.UTF_8);
    try (SecretBytes sentence = sentence()) {
      PKCS5S2ParametersGenerator generator = new PKCS5S2ParametersGenerator(new SHA512Digest());
      generator.init(sentence.expose(), salt, PBKDF2_ROUNDS);
      KeyParameter seed =
          (KeyParameter) generator.generateDerivedParameters(SEED_BYTES * Byte.SIZE);
      return SecretBytes.own(seed.getKey());
    } finally {
      Arrays.fill(salt, (byte) 0);
    }
  }

  /** Clears the entropy. Idempotent. */
  @Override
  public void close() {
    entropy.close();
  }

  @Override
  public String toString() {
    return "Mnemonic[" + wordCount() + " words]";
  }

  /** The words as ASCII, separated by single blanks. */
  private SecretBytes sentence() {
    byte[] bits = Arrays.copyOf(entropy.expose(), entropy.length() + 1);
    bits[entropy.length()] = checksum(entropy);
    int count = wordCount();
    byte[] text = new byte[count * (MAX_WORD_LENGTH + 1)];
    int length = 0;
    for (int i = 0; i < count; i++) {
      int index = 0;
      for (int bit = 0; bit < WORD_BITS; bit++) {
        int at = i * WORD_BITS + bit;
        index = index << 1 | (bits[at / 8] >>> (7 - at % 8) & 1);
      }
      String word = EnglishWords.word(index);
      if (i > 0) {
        text[length] = ' ';
        length++;
      }
      for (int c = 0; c < word.length(); c++) {
        text[length] = (byte) word.charAt(c);
        length++;
      }
    }
    byte[] sentence = Arrays.copyOf(text, length);
    Arrays.fill(text, (byte) 0);
    Arrays.fill(bits, (byte) 0);
    return SecretBytes.own(sentence);
  }

  /** The first bits of the entropy's SHA-256, one for every four bytes, then zeros. */
  private static byte checksum(SecretBytes entropy) {
    int bits = entropy.length() / ENTROPY_BYTES_STEP;
    return (byte) (Hashes.sha256(entropy.expose()).toBytes()[0] & (0xff00 >>> bits));
  }
}
