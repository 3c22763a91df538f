package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Entropy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KeyFileTest {

  private static final HexFormat HEX = HexFormat.of();
  private static final char[] PASSPHRASE = "correct horse battery staple".toCharArray();

  /** 00, 01, 02, ... each time. */
  private static final Entropy COUNTING =
      target -> {
        for (int i = 0; i < target.length; i++) {
          target[i] = (byte) i;
        }
      };

  private static SecretBytes entropy(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (0x40 + i);
    }
    return SecretBytes.own(bytes);
  }

  private static byte[] golden(String name) throws IOException {
    return HEX.parseHex(String.join("", TestResources.lines("/golden/v1/" + name)));
  }

  @Test
  void theBytesOfAPassphraseFileAreTheGoldenOnes() throws IOException {
    byte[] golden = golden("keyfile-passphrase.hex");
    assertThat(KeyFile.seal(entropy(32), PASSPHRASE, COUNTING)).isEqualTo(golden);
    KeyFile file = KeyFile.decode(golden).orThrow();
    assertThat(file.protection()).isEqualTo(Protection.PASSPHRASE);
    assertThat(file.open(PASSPHRASE)).isEqualTo(Decoded.accept(entropy(32)));
    assertThat(reason(file.open("correct horse battery stable".toCharArray())))
        .isEqualTo(Rejection.Reason.DECRYPTION);
    assertThat(reason(file.openDevelopment())).isEqualTo(Rejection.Reason.DECRYPTION);
    assertThat(reason(file.open(PASSPHRASE, (64L << 20) - 1)))
        .isEqualTo(Rejection.Reason.TOO_LARGE);
  }

  @Test
  void theBytesOfADevelopmentFileAreTheGoldenOnes() throws IOException {
    byte[] golden = golden("keyfile-development.hex");
    assertThat(KeyFile.sealForDevelopment(entropy(16), COUNTING)).isEqualTo(golden);
    KeyFile file = KeyFile.decode(golden).orThrow();
    assertThat(file.protection()).isEqualTo(Protection.DEVELOPMENT);
    assertThat(file.openDevelopment()).isEqualTo(Decoded.accept(entropy(16)));
    assertThat(file.toString()).startsWith("KeyFile[DEVELOPMENT, owner ");
  }

  @Property(tries = 50)
  void aFileOpensWithItsPassphraseAndTellsItsOwner(
      @ForAll @IntRange(min = 4, max = 8) int quarters,
      @ForAll @Size(32) byte[] bytes,
      @ForAll @IntRange(min = 1, max = 0xd7ff) int character,
      @ForAll @IntRange(min = 1, max = KeyFile.MAX_PASSPHRASE_CHARS) int length) {
    SecretBytes entropy = SecretBytes.own(Arrays.copyOf(bytes, quarters * 4));
    char[] passphrase = new char[length];
    Arrays.fill(passphrase, (char) character);
    byte[] sealed = seal(entropy, passphrase);
    assertThat(sealed.length).isLessThanOrEqualTo(KeyFile.MAX_BYTES);
    KeyFile file = KeyFile.decode(sealed).orThrow();
    assertThat(file.open(passphrase)).isEqualTo(Decoded.accept(entropy));
    try (Mnemonic mnemonic = Mnemonic.fromEntropy(entropy);
        KeyTree tree = KeyTree.fromMnemonic(mnemonic, "")) {
      assertThat(file.ownerPublicKey()).isEqualTo(tree.ownerPublicKey());
    }
    passphrase[length - 1] = character == 'x' ? 'y' : 'x';
    assertThat(reason(file.open(passphrase))).isEqualTo(Rejection.Reason.DECRYPTION);
  }

  @Test
  void everySingleBitFlipIsRejected() {
    byte[] file = seal(entropy(32), PASSPHRASE);
    for (int bit = 0; bit < file.length * 8; bit++) {
      byte[] flipped = file.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      assertThat(KeyFile.decode(flipped)).as("bit %d", bit).isInstanceOf(Decoded.Rejected.class);
    }
  }

  @Test
  void everySingleBitFlipUnderANewChecksumIsRejectedToo() {
    byte[] file = seal(entropy(32), PASSPHRASE);
    int opened = 0;
    for (int bit = 0; bit < (file.length - KeyFileLayout.CHECKSUM_BYTES) * 8; bit++) {
      byte[] flipped = file.clone();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      KeyFileCodec.putChecksum(flipped);
      switch (KeyFile.decode(flipped)) {
        case Decoded.Accepted<KeyFile>(KeyFile altered) -> {
          // A bound, so that flips of the memory's upper bits do not cost gigabytes.
          Rejection.Reason reason = reason(altered.open(PASSPHRASE, 16L << 20));
          assertThat(reason)
              .as("bit %d", bit)
              .isIn(Rejection.Reason.DECRYPTION, Rejection.Reason.TOO_LARGE);
          opened++;
        }
        case Decoded.Rejected<KeyFile>(Rejection rejection) ->
            assertThat(bit / 8).as(rejection.toString()).isLessThan(KeyFileLayout.HEADER_BYTES);
      }
    }
    assertThat(opened).isGreaterThan((KeyFileLayout.SALT_BYTES + 12 + 32 + 16) * 8);
  }

  @Test
  void truncationAtEveryLengthAndTrailingBytesAreRejected() {
    byte[] file = seal(entropy(32), PASSPHRASE);
    for (int length = 0; length < file.length; length++) {
      assertThat(reason(KeyFile.decode(Arrays.copyOf(file, length))))
          .isEqualTo(Rejection.Reason.TRUNCATED);
    }
    assertThat(reason(KeyFile.decode(Arrays.copyOf(file, file.length + 1))))
        .isEqualTo(Rejection.Reason.TRAILING_BYTES);
    assertThat(reason(KeyFile.decode("not a key file".getBytes(StandardCharsets.US_ASCII))))
        .isEqualTo(Rejection.Reason.UNKNOWN_FORMAT);
  }

  /** What a hostile header may say, and why it is not believed; fields at their offsets. */
  @ParameterizedTest
  @CsvSource({
    "8, 1, 2, UNKNOWN_FORMAT",
    "9, 1, 0, UNKNOWN_TYPE",
    "9, 1, 3, UNKNOWN_TYPE",
    "10, 1, 2, UNKNOWN_TYPE",
    "11, 1, 0, UNKNOWN_TYPE",
    "12, 4, 0, FIELD_OUT_OF_RANGE",
    "12, 4, 7, FIELD_OUT_OF_RANGE",
    "12, 4, 1048577, FIELD_OUT_OF_RANGE",
    "12, 4, 2147483647, FIELD_OUT_OF_RANGE",
    "12, 4, 4294967295, FIELD_OUT_OF_RANGE",
    "16, 1, 0, FIELD_OUT_OF_RANGE",
    "16, 1, 17, FIELD_OUT_OF_RANGE",
    "16, 1, 255, FIELD_OUT_OF_RANGE",
    "17, 1, 0, FIELD_OUT_OF_RANGE",
    "17, 1, 2, FIELD_OUT_OF_RANGE",
    "17, 1, 9, FIELD_OUT_OF_RANGE",
    "18, 1, 12, FIELD_OUT_OF_RANGE",
    "18, 1, 28, TRAILING_BYTES",
    "18, 1, 255, FIELD_OUT_OF_RANGE",
    "19, 1, 1, RESERVED_BITS",
    "48, 1, 4, FIELD_OUT_OF_RANGE"
  })
  void aHostileHeaderIsNotBelieved(int at, int width, long value, Rejection.Reason reason) {
    byte[] file = seal(entropy(32), PASSPHRASE);
    ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    if (width == 4) {
      buffer.putInt(at, (int) value);
    } else {
      buffer.put(at, (byte) value);
    }
    KeyFileCodec.putChecksum(file);
    assertThat(reason(KeyFile.decode(file))).isEqualTo(reason);
  }

  @Test
  void theCallersArrayCanChangeAfterDecoding() {
    byte[] bytes = seal(entropy(16), PASSPHRASE);
    KeyFile file = KeyFile.decode(bytes).orThrow();
    Arrays.fill(bytes, (byte) 0);
    assertThat(file.open(PASSPHRASE)).isEqualTo(Decoded.accept(entropy(16)));
  }

  @Test
  void aPassphraseIsNormalizedAndMustBeOne() {
    KeyFile file = KeyFile.decode(seal(entropy(16), "caf\u00e9".toCharArray())).orThrow();
    assertThat(file.open("cafe\u0301".toCharArray())).isEqualTo(Decoded.accept(entropy(16)));
    for (char[] wrong :
        new char[][] {{}, new char[KeyFile.MAX_PASSPHRASE_CHARS + 1], {'a', '\ud800'}}) {
      assertThatThrownBy(() -> file.open(wrong))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("passphrase");
    }
  }

  /** From the test suite of Argon2's reference implementation. */
  @ParameterizedTest
  @CsvSource({
    "65536, 2, 1, 09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
    "256, 2, 1, 9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
    "256, 2, 2, 6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"
  })
  void derivesLikeTheReferenceImplementation(int memoryKiB, int passes, int lanes, String tag) {
    SecretBytes password = SecretBytes.own("password".getBytes(StandardCharsets.US_ASCII));
    byte[] salt = "somesalt".getBytes(StandardCharsets.US_ASCII);
    assertThat(new Argon2Cost(memoryKiB, passes, lanes).derive(password, salt, 32))
        .isEqualTo(SecretBytes.own(HEX.parseHex(tag)));
  }

  private static byte[] seal(SecretBytes entropy, char[] passphrase) {
    return KeyFile.seal(entropy, passphrase, Protection.PASSPHRASE, Argon2Cost.MINIMAL, COUNTING);
  }

  private static Rejection.Reason reason(Decoded<?> decoded) {
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<?>) decoded).rejection().reason();
  }
}
