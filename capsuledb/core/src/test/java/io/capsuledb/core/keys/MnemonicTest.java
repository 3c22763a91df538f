package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MnemonicTest {

  private static final HexFormat HEX = HexFormat.of();
  private static final String ABOUT = "abandon ".repeat(11) + "about";

  static List<String> vectors() throws IOException {
    List<String> lines = TestResources.lines("bip39-english-vectors.txt");
    assertThat(lines).hasSize(24);
    return lines;
  }

  @ParameterizedTest
  @MethodSource("vectors")
  void answersLikeThePublishedVectors(String line) {
    String[] fields = line.split("\\|", -1);
    SecretBytes entropy = SecretBytes.own(HEX.parseHex(fields[0]));
    try (Mnemonic fromEntropy = Mnemonic.fromEntropy(entropy);
        Mnemonic fromWords = Mnemonic.parse(fields[1]).orThrow();
        SecretBytes seed = fromWords.toSeed("TREZOR");
        HdKey master = HdKey.fromSeed(seed)) {
      assertThat(fromEntropy.revealWords()).isEqualTo(fields[1]);
      assertThat(fromWords.entropy()).isEqualTo(entropy);
      assertThat(fromWords.wordCount()).isEqualTo(fields[1].split(" ", -1).length);
      assertThat(seed).isEqualTo(SecretBytes.own(HEX.parseHex(fields[2])));
      assertThat(master.revealBase58()).isEqualTo(fields[3]);
    }
  }

  @Test
  void theWordListIsTheOfficialOne() throws IOException {
    try (InputStream list = EnglishWords.class.getResourceAsStream(EnglishWords.RESOURCE)) {
      assertThat(Hashes.sha256(list.readAllBytes()))
          .hasToString("2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
    }
    for (int i = 0; i < EnglishWords.COUNT; i++) {
      assertThat(EnglishWords.indexOf(EnglishWords.word(i))).isEqualTo(i);
    }
  }

  @Property(tries = 300)
  void wordsReadAsTheyWereWritten(
      @ForAll @IntRange(min = 4, max = 8) int quarters, @ForAll @Size(32) byte[] bytes) {
    SecretBytes entropy = SecretBytes.own(Arrays.copyOf(bytes, quarters * 4));
    String words = Mnemonic.fromEntropy(entropy).revealWords();
    assertThat(Mnemonic.parse(words).orThrow().entropy()).isEqualTo(entropy);
    String sloppy = "  " + words.toUpperCase(Locale.ROOT).replace(" ", " \t\n") + "\n";
    assertThat(Mnemonic.parse(sloppy).orThrow().entropy()).isEqualTo(entropy);
  }

  @Property(tries = 300)
  void anotherLastWordIsRefusedUnlessItsChecksumIsRight(
      @ForAll @Size(32) byte[] bytes, @ForAll @IntRange(max = 2047) int last) {
    String words = Mnemonic.fromEntropy(SecretBytes.copyOf(bytes)).revealWords();
    String other = words.substring(0, words.lastIndexOf(' ') + 1) + EnglishWords.word(last);
    // 24 words: the last one's upper three bits are entropy, its lower eight the checksum.
    byte[] changed = bytes.clone();
    changed[31] = (byte) ((changed[31] & 0xf8) | last >>> 8);
    boolean right = (byte) last == Hashes.sha256(changed).toBytes()[0];
    assertThat(Mnemonic.parse(other) instanceof Decoded.Accepted).isEqualTo(right);
  }

  @Test
  void aPassphraseIsNormalizedSoThatItDoesNotMatterHowItWasTyped() {
    Mnemonic mnemonic = Mnemonic.parse(ABOUT).orThrow();
    assertThat(mnemonic.toSeed("caf\u00e9 \ufb01")).isEqualTo(mnemonic.toSeed("cafe\u0301 fi"));
    assertThat(mnemonic.toSeed("a")).isNotEqualTo(mnemonic.toSeed("b"));
  }

  @Test
  void rejectionsSayWhatIsWrongAndRepeatNoWord() {
    assertThat(reason("")).isEqualTo(Rejection.Reason.TRUNCATED);
    assertThat(reason("abandon ".repeat(11))).isEqualTo(Rejection.Reason.TRUNCATED);
    assertThat(reason("abandon ".repeat(13))).isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE);
    assertThat(reason("abandon ".repeat(25))).isEqualTo(Rejection.Reason.TRAILING_BYTES);
    assertThat(reason("abandon ".repeat(12))).isEqualTo(Rejection.Reason.CHECKSUM);
    assertThat(reason("x".repeat(2000))).isEqualTo(Rejection.Reason.TOO_LARGE);
    Decoded<Mnemonic> misspelt = Mnemonic.parse(ABOUT.replace("about", "abuot"));
    assertThat(((Decoded.Rejected<Mnemonic>) misspelt).rejection().toString())
        .isEqualTo("FIELD_OUT_OF_RANGE: word 12 is not in the English word list");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 12, 15, 17, 33, 36})
  void entropyHasSixteenToThirtyTwoBytesInFours(int length) {
    assertThatThrownBy(() -> Mnemonic.fromEntropy(SecretBytes.own(new byte[length])))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aGeneratedOneHasTwentyFourWordsAndItsSourcesEntropy() {
    Mnemonic mnemonic = Mnemonic.generate(target -> Arrays.fill(target, (byte) 9));
    byte[] nines = new byte[32];
    Arrays.fill(nines, (byte) 9);
    assertThat(mnemonic.entropy()).isEqualTo(SecretBytes.own(nines));
    assertThat(mnemonic.wordCount()).isEqualTo(24);
  }

  @Test
  void printingRevealsNothingAndClosingClears() {
    Mnemonic mnemonic = Mnemonic.parse(ABOUT).orThrow();
    assertThat(mnemonic).hasToString("Mnemonic[12 words]");
    mnemonic.close();
    assertThat(mnemonic).hasToString("Mnemonic[12 words]");
    assertThatThrownBy(mnemonic::revealWords).isInstanceOf(IllegalStateException.class);
  }

  private static Rejection.Reason reason(String text) {
    return ((Decoded.Rejected<Mnemonic>) Mnemonic.parse(text)).rejection().reason();
  }
}
