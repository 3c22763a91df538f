package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * A hundred thousand random and mutated inputs for each decoder: a value or a typed rejection, and
 * nothing else. What is accepted must be what its encoder writes.
 */
class KeyDecodersFuzzTest {

  private static final int INPUTS_PER_TRY = 1000;

  private static final SecretBytes SEED = SecretBytes.own(new byte[32]);
  private static final byte[] EXTENDED = HdKey.fromSeed(SEED).serialize().expose();
  private static final byte[] KEY_FILE =
      KeyFile.sealForDevelopment(SEED, target -> Arrays.fill(target, (byte) 5));
  private static final byte[] WORDS =
      Mnemonic.fromEntropy(SEED).revealWords().getBytes(StandardCharsets.US_ASCII);

  @Property(tries = 100)
  void publicKeys(@ForAll long seed) {
    byte[] valid = HdKey.fromSeed(SEED).publicKey().bytes();
    run(
        seed,
        valid,
        bytes -> PublicKey.decode(bytes, 0),
        (bytes, key) -> assertThat(key.bytes()).isEqualTo(Arrays.copyOf(bytes, 33)));
  }

  @Property(tries = 100)
  void extendedKeysAsBytes(@ForAll long seed) {
    run(
        seed,
        EXTENDED,
        HdKey::deserialize,
        (bytes, key) -> assertThat(key.serialize().expose()).isEqualTo(bytes));
  }

  @Property(tries = 100)
  void extendedKeysAsText(@ForAll long seed) {
    run(
        seed,
        HdKey.fromSeed(SEED).revealBase58().getBytes(StandardCharsets.US_ASCII),
        bytes -> HdKey.parse(latin1(bytes)),
        (bytes, key) -> assertThat(key.revealBase58()).isEqualTo(latin1(bytes)));
  }

  @Property(tries = 100)
  void extendedKeysAsTextWithTheRightChecksum(@ForAll long seed) {
    run(
        seed,
        EXTENDED,
        bytes -> HdKey.parse(Base58Check.encode(bytes)),
        (bytes, key) -> assertThat(key.serialize().expose()).isEqualTo(bytes));
  }

  @Property(tries = 100)
  void keyFiles(@ForAll long seed) {
    run(seed, KEY_FILE, KeyFile::decode, (bytes, file) -> assertThat(bytes).isEqualTo(KEY_FILE));
  }

  @Property(tries = 100)
  void keyFilesWithTheRightChecksum(@ForAll long seed) {
    run(
        seed,
        KEY_FILE,
        bytes -> {
          if (bytes.length >= KeyFileLayout.CHECKSUM_BYTES) {
            KeyFileCodec.putChecksum(bytes);
          }
          return KeyFile.decode(bytes);
        },
        (bytes, file) -> assertThat(bytes.length).isBetween(145, KeyFile.MAX_BYTES));
  }

  @Property(tries = 100)
  void mnemonics(@ForAll long seed) {
    run(
        seed,
        WORDS,
        bytes -> Mnemonic.parse(latin1(bytes)),
        (bytes, mnemonic) ->
            assertThat(Mnemonic.parse(mnemonic.revealWords()).orThrow().entropy())
                .isEqualTo(mnemonic.entropy()));
  }

  @Property(tries = 100)
  void mnemonicsOfKnownWords(@ForAll long seed) {
    Random random = new Random(seed);
    int accepted = 0;
    for (int i = 0; i < INPUTS_PER_TRY; i++) {
      StringBuilder text = new StringBuilder();
      int words = random.nextBoolean() ? 12 : 9 + random.nextInt(18);
      for (int word = 0; word < words; word++) {
        text.append(EnglishWords.word(random.nextInt(EnglishWords.COUNT))).append(' ');
      }
      if (Mnemonic.parse(text.toString()) instanceof Decoded.Accepted) {
        accepted++;
      }
    }
    // Four-bit checksums come right by chance once in sixteen times: the path is really taken.
    assertThat(accepted).isBetween(1, INPUTS_PER_TRY / 4);
  }

  @Property(tries = 100)
  void paths(@ForAll long seed) {
    run(
        seed,
        "m/44'/0h/1/2147483647'/0".getBytes(StandardCharsets.US_ASCII),
        bytes -> HdPath.parse(latin1(bytes)),
        (bytes, path) ->
            assertThat(path.toString())
                .isEqualTo(latin1(bytes).replace('h', '\'').replace('H', '\'')));
  }

  /** What an accepted input must satisfy. */
  private interface Check<T> {
    void accepted(byte[] bytes, T value);
  }

  private static <T> void run(
      long seed, byte[] valid, Function<byte[], Decoded<T>> decoder, Check<T> check) {
    Random random = new Random(seed);
    for (int i = 0; i < INPUTS_PER_TRY; i++) {
      byte[] input = mutate(random, valid);
      if (decoder.apply(input) instanceof Decoded.Accepted<T>(T value)) {
        check.accepted(input, value);
      }
    }
    assertThat(decoder.apply(valid.clone())).isInstanceOf(Decoded.Accepted.class);
  }

  private static byte[] mutate(Random random, byte[] valid) {
    if (random.nextInt(8) == 0) {
      byte[] noise = new byte[random.nextInt(2 * valid.length + 2)];
      random.nextBytes(noise);
      return noise;
    }
    byte[] mutated = valid.clone();
    for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
      if (mutated.length == 0) {
        break;
      }
      int at = random.nextInt(mutated.length);
      switch (random.nextInt(6)) {
        case 0 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> mutated[at] = (byte) random.nextInt();
        case 2 -> mutated = Arrays.copyOf(mutated, at);
        case 3 -> mutated = Arrays.copyOf(mutated, mutated.length + random.nextInt(40));
        case 4 -> {
          int from = random.nextInt(valid.length);
          int room = Math.min(mutated.length - at, valid.length - from);
          System.arraycopy(valid, from, mutated, at, Math.min(room, 1 + random.nextInt(8)));
        }
        default -> Arrays.fill(mutated, at, Math.min(mutated.length, at + 4), (byte) -1);
      }
    }
    return mutated;
  }

  private static String latin1(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }
}
