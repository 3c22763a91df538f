package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.security.Security;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class AeadTest {

  private static final HexFormat HEX = HexFormat.of();

  /** Test case 16 of the GCM specification (McGrew and Viega). */
  @Test
  void bothProvidersAnswerAsPublished() {
    SecretBytes key =
        SecretBytes.own(
            HEX.parseHex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
    byte[] nonce = HEX.parseHex("cafebabefacedbaddecaf888");
    byte[] aad = HEX.parseHex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    byte[] plaintext =
        HEX.parseHex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    String expected =
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            + "76fc6ece0f4e1768cddf8853bb2d551b";
    for (Aead aead : new Aead[] {Aead.aes256Gcm(key), Aead.aes256GcmByJdk(key)}) {
      byte[] sealed = new byte[plaintext.length + Aead.TAG_BYTES];
      assertThat(aead.seal(nonce, aad, 0, aad.length, plaintext, 0, plaintext.length, sealed, 0))
          .isEqualTo(sealed.length);
      assertThat(sealed).asHexString().isEqualToIgnoringCase(expected);
    }
  }

  @Test
  void theFastProviderIsUsedAndNotInstalled() {
    assertThat(Aead.provider()).startsWith("AmazonCorrettoCryptoProvider");
    assertThat(Security.getProvider("AmazonCorrettoCryptoProvider")).isNull();
  }

  @Property(tries = 300)
  void whatOneProviderSealsTheOtherOpensAnywhereInAnArray(
      @ForAll long seed,
      @ForAll @IntRange(max = 300) int length,
      @ForAll @IntRange(max = 100) int aadLength,
      @ForAll @IntRange(max = 9) int shift) {
    Random random = new Random(seed);
    byte[] nonce = bytes(random, Aead.NONCE_BYTES);
    byte[] aad = bytes(random, aadLength + 2 * shift);
    byte[] plaintext = bytes(random, length + 2 * shift);
    byte[] sealed = new byte[length + Aead.TAG_BYTES + shift];
    byte[] other = new byte[length + Aead.TAG_BYTES];
    try (SecretBytes key = SecretBytes.own(bytes(random, Aead.KEY_BYTES));
        Aead fast = Aead.aes256Gcm(key);
        Aead jdk = Aead.aes256GcmByJdk(key)) {
      int written =
          fast.seal(nonce, aad, shift, aadLength, plaintext, shift, length, sealed, shift);
      jdk.seal(nonce, aad, shift, aadLength, plaintext, shift, length, other, 0);
      assertThat(Arrays.copyOfRange(sealed, shift, sealed.length)).isEqualTo(other);
      for (Aead aead : new Aead[] {fast, jdk}) {
        byte[] opened = new byte[length + shift];
        assertThat(aead.open(nonce, aad, shift, aadLength, sealed, shift, written, opened, shift))
            .isEqualTo(length);
        assertThat(Arrays.copyOfRange(opened, shift, opened.length))
            .isEqualTo(Arrays.copyOfRange(plaintext, shift, shift + length));
      }
    }
  }

  @Property(tries = 300)
  void anyChangedBitIsRefusedAndLeavesNoPlaintext(
      @ForAll long seed, @ForAll @IntRange(max = 200) int length) {
    Random random = new Random(seed);
    byte[] nonce = bytes(random, Aead.NONCE_BYTES);
    byte[] aad = bytes(random, 20);
    byte[] sealed = new byte[length + Aead.TAG_BYTES];
    try (SecretBytes key = SecretBytes.own(bytes(random, Aead.KEY_BYTES));
        Aead fast = Aead.aes256Gcm(key);
        Aead jdk = Aead.aes256GcmByJdk(key)) {
      fast.seal(nonce, aad, 0, aad.length, bytes(random, length), 0, length, sealed, 0);
      byte[][] inputs = {nonce, aad, sealed};
      byte[] changed = inputs[random.nextInt(inputs.length)];
      changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
      for (Aead aead : new Aead[] {fast, jdk}) {
        byte[] target = bytes(random, length);
        assertThat(aead.open(nonce, aad, 0, aad.length, sealed, 0, sealed.length, target, 0))
            .isEqualTo(-1);
        assertThat(target).containsOnly(zeros(length));
      }
    }
  }

  @Test
  void fewerBytesThanATagAreRefused() {
    try (Aead aead = Aead.aes256Gcm(SecretBytes.own(new byte[32]))) {
      for (int length = 0; length < Aead.TAG_BYTES; length++) {
        byte[] ciphertext = new byte[length];
        assertThat(
                aead.open(new byte[12], new byte[0], 0, 0, ciphertext, 0, length, new byte[0], 0))
            .isEqualTo(-1);
      }
    }
  }

  @Test
  void theCallersMistakesAreNamed() {
    assertThatThrownBy(() -> Aead.aes256Gcm(SecretBytes.own(new byte[16])))
        .isInstanceOf(IllegalArgumentException.class);
    Aead aead = Aead.aes256Gcm(SecretBytes.own(new byte[32]));
    byte[] none = new byte[0];
    assertThatThrownBy(() -> aead.seal(new byte[11], none, 0, 0, none, 0, 0, new byte[16], 0))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> aead.seal(new byte[12], none, 0, 0, none, 0, 0, new byte[15], 0))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> aead.seal(new byte[12], none, 0, 1, none, 0, 0, new byte[16], 0))
        .isInstanceOf(IndexOutOfBoundsException.class);
    aead.seal(new byte[12], none, 0, 0, none, 0, 0, new byte[16], 0);
    assertThatThrownBy(() -> aead.seal(new byte[12], none, 0, 0, none, 0, 0, new byte[16], 0))
        .isInstanceOf(IllegalStateException.class);
    aead.close();
    assertThatThrownBy(() -> aead.seal(new byte[12], none, 0, 0, none, 0, 0, new byte[16], 0))
        .isInstanceOf(IllegalStateException.class);
  }

  private static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  /** What only a cleared array of this length contains. */
  private static byte[] zeros(int length) {
    return length == 0 ? new byte[0] : new byte[1];
  }
}
