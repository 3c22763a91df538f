package io.capsuledb.core.auth;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.Entropy;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import org.bouncycastle.crypto.generators.SCrypt;

/**
 * A password as it may be stored: a salted scrypt hash (RFC 7914) with the parameters it was made
 * with, written in the PHC string format {@code $scrypt$ln=14,r=8,p=5$salt$hash}.
 *
 * <p>Immutable and thread-safe. {@link #verify} costs as much time and memory as the parameters
 * say, about 0.2 s and 16 MiB by default, whatever the password: it belongs on a bounded pool.
 * Parameters that came from outside are bounded, so that a configuration cannot exhaust memory.
 * Prints without salt and hash.
 */
public final class PasswordHash {

  /** Longest password in bytes; longer ones are refused, or do not verify. */
  public static final int MAX_PASSWORD_BYTES = 1024;

  /** Longest string {@link #parse} looks at. */
  static final int MAX_ENCODED_CHARS = 256;

  /** Most memory one verification may take, in bytes. */
  static final long MAX_MEMORY_BYTES = 128L << 20;

  private static final int DEFAULT_LOG_COST = 14;
  private static final int DEFAULT_BLOCK_SIZE = 8;
  private static final int DEFAULT_PARALLELISM = 5;
  private static final int SALT_BYTES = 16;
  private static final int HASH_BYTES = 32;

  private static final int MIN_LOG_COST = 10;
  private static final int MAX_LOG_COST = 20;
  private static final int MAX_BLOCK_SIZE = 32;
  private static final int MAX_PARALLELISM = 16;
  private static final int MIN_SALT_BYTES = 8;
  private static final int MAX_SALT_BYTES = 64;
  private static final int MIN_HASH_BYTES = 16;
  private static final int MAX_HASH_BYTES = 64;

  private final int logCost;
  private final int blockSize;
  private final int parallelism;
  private final byte[] salt;
  private final byte[] hash;

  private PasswordHash(int logCost, int blockSize, int parallelism, byte[] salt, byte[] hash) {
    this.logCost = logCost;
    this.blockSize = blockSize;
    this.parallelism = parallelism;
    this.salt = salt;
    this.hash = hash;
  }

  /**
   * Hashes a password under a fresh salt with the default parameters.
   *
   * @param password UTF-8, 1 to {@link #MAX_PASSWORD_BYTES} bytes; the caller clears it
   * @throws IllegalArgumentException if its length is out of range
   */
  public static PasswordHash create(byte[] password, Entropy entropy) {
    return create(password, entropy, DEFAULT_LOG_COST, DEFAULT_BLOCK_SIZE, DEFAULT_PARALLELISM);
  }

  /** As {@link #create(byte[], Entropy)} with other costs: {@code 2^logCost} is scrypt's N. */
  static PasswordHash create(
      byte[] password, Entropy entropy, int logCost, int blockSize, int parallelism) {
    if (password.length == 0 || password.length > MAX_PASSWORD_BYTES) {
      throw new IllegalArgumentException(
          "a password has 1 to " + MAX_PASSWORD_BYTES + " bytes, not " + password.length);
    }
    byte[] salt = new byte[SALT_BYTES];
    entropy.fill(salt);
    byte[] hash = SCrypt.generate(password, salt, 1 << logCost, blockSize, parallelism, HASH_BYTES);
    return new PasswordHash(logCost, blockSize, parallelism, salt, hash);
  }

  /**
   * Reads what {@link #encoded()} wrote. Takes any text.
   *
   * @return the hash, or why the text is none: the detail never quotes it
   */
  public static Decoded<PasswordHash> parse(String encoded) {
    if (encoded.length() > MAX_ENCODED_CHARS) {
      return Decoded.reject(
          Reason.TOO_LARGE, "password hash longer than " + MAX_ENCODED_CHARS + " characters");
    }
    String[] parts = encoded.split("\\$", -1);
    if (parts.length != 5 || !parts[0].isEmpty()) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE, "password hash is not of the form $scrypt$...$salt$hash");
    }
    if (!parts[1].equals("scrypt")) {
      return Decoded.reject(Reason.UNKNOWN_TYPE, "password hash is not scrypt");
    }
    String[] parameters = parts[2].split(",", -1);
    if (parameters.length != 3) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE, "password hash needs the parameters ln=,r=,p= in this order");
    }
    int logCost = parameter(parameters[0], "ln=");
    int blockSize = parameter(parameters[1], "r=");
    int parallelism = parameter(parameters[2], "p=");
    if (logCost < MIN_LOG_COST || logCost > MAX_LOG_COST) {
      return outOfRange("ln", MIN_LOG_COST, MAX_LOG_COST);
    }
    if (blockSize < 1 || blockSize > MAX_BLOCK_SIZE) {
      return outOfRange("r", 1, MAX_BLOCK_SIZE);
    }
    if (parallelism < 1 || parallelism > MAX_PARALLELISM) {
      return outOfRange("p", 1, MAX_PARALLELISM);
    }
    if (memoryBytes(logCost, blockSize, parallelism) > MAX_MEMORY_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "password hash parameters need more than " + MAX_MEMORY_BYTES + " bytes of memory");
    }
    byte[] salt = base64(parts[3]);
    byte[] hash = base64(parts[4]);
    if (salt.length < MIN_SALT_BYTES || salt.length > MAX_SALT_BYTES) {
      return outOfRange("salt bytes", MIN_SALT_BYTES, MAX_SALT_BYTES);
    }
    if (hash.length < MIN_HASH_BYTES || hash.length > MAX_HASH_BYTES) {
      return outOfRange("hash bytes", MIN_HASH_BYTES, MAX_HASH_BYTES);
    }
    return Decoded.accept(new PasswordHash(logCost, blockSize, parallelism, salt, hash));
  }

  private static Decoded<PasswordHash> outOfRange(String what, int least, int most) {
    return Decoded.reject(
        Reason.FIELD_OUT_OF_RANGE,
        "password hash parameter " + what + " must be " + least + " to " + most);
  }

  /** The number after {@code prefix}, or -1. */
  private static int parameter(String text, String prefix) {
    if (!text.startsWith(prefix)) {
      return -1;
    }
    String digits = text.substring(prefix.length());
    if (digits.isEmpty() || digits.length() > 2 || !digits.chars().allMatch(PasswordHash::digit)) {
      return -1;
    }
    return Integer.parseInt(digits);
  }

  private static boolean digit(int character) {
    return character >= '0' && character <= '9';
  }

  /** What unpadded base64 decodes to, or nothing at all. */
  private static byte[] base64(String text) {
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      // Not base64: the empty array is out of range for salts and hashes alike.
      return new byte[0];
    }
  }

  private static long memoryBytes(int logCost, int blockSize, int parallelism) {
    return 128L * blockSize * ((1L << logCost) + parallelism);
  }

  /**
   * Whether {@code password} is the one this was made from. Compares in constant time.
   *
   * @param password UTF-8; the caller clears it
   */
  public boolean verify(byte[] password) {
    boolean fits = password.length <= MAX_PASSWORD_BYTES;
    byte[] subject = fits ? password : new byte[0];
    byte[] made = SCrypt.generate(subject, salt, 1 << logCost, blockSize, parallelism, hash.length);
    try {
      return fits && MessageDigest.isEqual(made, hash);
    } finally {
      Arrays.fill(made, (byte) 0);
    }
  }

  /** How much work {@link #verify} is, in arbitrary units: for choosing a decoy of equal cost. */
  public long cost() {
    return (1L << logCost) * blockSize * parallelism;
  }

  /** The PHC string; enough to try passwords against, so to be kept as a secret. */
  public String encoded() {
    Base64.Encoder base64 = Base64.getEncoder().withoutPadding();
    return "$scrypt$ln="
        + logCost
        + ",r="
        + blockSize
        + ",p="
        + parallelism
        + "$"
        + base64.encodeToString(salt)
        + "$"
        + base64.encodeToString(hash);
  }

  @Override
  public String toString() {
    return "PasswordHash[scrypt]";
  }
}
