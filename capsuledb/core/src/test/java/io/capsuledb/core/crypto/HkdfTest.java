package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.params.HKDFParameters;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HkdfTest {

  private static final HexFormat HEX = HexFormat.of();

  /** RFC 5869, appendix A, test cases 1 to 3. */
  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b,"
            + "000102030405060708090a0b0c,"
            + "f0f1f2f3f4f5f6f7f8f9,"
            + "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
            + "34007208d5b887185865",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b"
            + "2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f,"
            + "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b"
            + "8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf,"
            + "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadb"
            + "dcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff,"
            + "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            + "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            + "cc30c58179ec3e87c14c01d5c1f3434f1d87",
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b,-,-,"
            + "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
            + "9d201395faa4b61a96c8"
      })
  void answersLikeRfc5869(String key, String salt, String info, String output) {
    byte[] expected = HEX.parseHex(output);
    SecretBytes derived =
        Hkdf.sha256(SecretBytes.own(HEX.parseHex(key)), parse(salt), parse(info), expected.length);
    assertThat(derived).isEqualTo(SecretBytes.own(expected));
  }

  @Property(tries = 200)
  void agreesWithBouncyCastle(
      @ForAll byte[] key,
      @ForAll byte[] salt,
      @ForAll byte[] info,
      @ForAll @IntRange(min = 1, max = 200) int length) {
    HKDFBytesGenerator generator = new HKDFBytesGenerator(new SHA256Digest());
    generator.init(new HKDFParameters(key, salt, info));
    byte[] expected = new byte[length];
    generator.generateBytes(expected, 0, length);
    assertThat(Hkdf.sha256(SecretBytes.copyOf(key), salt, info, length))
        .isEqualTo(SecretBytes.own(expected));
  }

  @ParameterizedTest
  @ValueSource(ints = {Integer.MIN_VALUE, -1, 0, Hkdf.MAX_LENGTH + 1})
  void aLengthOutOfRangeIsTheCallersMistake(int length) {
    SecretBytes key = SecretBytes.own(new byte[1]);
    assertThatThrownBy(() -> Hkdf.sha256(key, new byte[0], new byte[0], length))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 32, 33, Hkdf.MAX_LENGTH})
  void aShorterOutputIsTheStartOfALongerOne(int length) {
    SecretBytes key = SecretBytes.own(new byte[] {1});
    byte[] longest = Hkdf.sha256(key, new byte[0], new byte[0], Hkdf.MAX_LENGTH).expose();
    assertThat(Hkdf.sha256(key, new byte[0], new byte[0], length).expose())
        .isEqualTo(Arrays.copyOf(longest, length));
  }

  @Property(tries = 200)
  void hmacAgreesWithTheJdk(
      @ForAll @Size(min = 1, max = 200) byte[] key, @ForAll byte[] first, @ForAll byte[] second)
      throws GeneralSecurityException {
    assertThat(Hmac.sha256(key, first, second)).isEqualTo(jdk("HmacSHA256", key, first, second));
    assertThat(Hmac.sha512(key, first, second)).isEqualTo(jdk("HmacSHA512", key, first, second));
  }

  private static byte[] jdk(String algorithm, byte[] key, byte[]... parts)
      throws GeneralSecurityException {
    Mac mac = Mac.getInstance(algorithm);
    mac.init(new SecretKeySpec(key, algorithm));
    for (byte[] part : parts) {
      mac.update(part);
    }
    return mac.doFinal();
  }

  private static byte[] parse(String hex) {
    return hex == null ? new byte[0] : HEX.parseHex(hex);
  }
}
