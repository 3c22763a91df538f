package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.SecretBytes;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.params.Argon2Parameters;

/**
 * What guessing one passphrase costs with Argon2id version 1.3 (RFC 9106).
 *
 * @param memoryKiB working memory: 8 × lanes to 1048576 (1 GiB)
 * @param passes over the memory: 1 to 16
 * @param lanes that could be computed in parallel: 1 to 8
 */
record Argon2Cost(int memoryKiB, int passes, int lanes) {

  static final int MAX_MEMORY_KIB = 1 << 20;
  static final int MAX_PASSES = 16;
  static final int MAX_LANES = 8;

  /** Argon2 itself needs eight blocks of 1 KiB for each lane. */
  private static final int MIN_KIB_PER_LANE = 8;

  /** 64 MiB, three passes, one lane: some tenths of a second. */
  static final Argon2Cost DEFAULT = new Argon2Cost(64 * 1024, 3, 1);

  /** For a passphrase that is no secret anyway. */
  static final Argon2Cost MINIMAL = new Argon2Cost(MIN_KIB_PER_LANE, 1, 1);

  /** A cost inside its bounds; the codec checks untrusted ones with {@link #isValid} first. */
  Argon2Cost {
    if (!isValid(memoryKiB, passes, lanes)) {
      throw new IllegalArgumentException("an Argon2 cost outside its bounds");
    }
  }

  /** Whether the three are inside their bounds. */
  static boolean isValid(int memoryKiB, int passes, int lanes) {
    return lanes >= 1
        && lanes <= MAX_LANES
        && passes >= 1
        && passes <= MAX_PASSES
        && memoryKiB >= MIN_KIB_PER_LANE * lanes
        && memoryKiB <= MAX_MEMORY_KIB;
  }

  /** The bytes of heap that deriving takes, approximately. */
  long memoryBytes() {
    return memoryKiB * 1024L;
  }

  /** Derives {@code length} bytes. */
  SecretBytes derive(SecretBytes passphrase, byte[] salt, int length) {
    Argon2BytesGenerator generator = new Argon2BytesGenerator();
    generator.init(
        new Argon2Parameters.Builder(Argon2Parameters.ARGON2_id)
            .withVersion(Argon2Parameters.ARGON2_VERSION_13)
            .withMemoryAsKB(memoryKiB)
            .withIterations(passes)
            .withParallelism(lanes)
            .withSalt(salt)
            .build());
    byte[] derived = new byte[length];
    generator.generateBytes(passphrase.expose(), derived);
    return SecretBytes.own(derived);
  }
}
