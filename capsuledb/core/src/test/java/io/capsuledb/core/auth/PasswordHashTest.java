package io.capsuledb.core.auth;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Entropy;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PasswordHashTest {

  private static final Entropy SEEDED = seeded(7);

  private static Entropy seeded(long seed) {
    Random random = new Random(seed);
    return random::nextBytes;
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static Rejection rejectionOf(String encoded) {
    Decoded<PasswordHash> decoded = PasswordHash.parse(encoded);
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<PasswordHash>) decoded).rejection();
  }

  @Property(tries = 40)
  void verifiesItsPasswordAndNoOther(
      @ForAll @Size(min = 1, max = 40) byte[] password, @ForAll @Size(max = 40) byte[] other) {
    PasswordHash hash = PasswordHash.create(password, SEEDED, 10, 1, 1);

    PasswordHash read = PasswordHash.parse(hash.encoded()).orThrow();

    assertThat(read.encoded()).isEqualTo(hash.encoded());
    assertThat(read.verify(password)).isTrue();
    // HMAC pads its key with zero bytes, so scrypt cannot tell trailing zero bytes apart.
    if (!new String(password, StandardCharsets.ISO_8859_1)
        .replaceAll("\0+$", "")
        .equals(new String(other, StandardCharsets.ISO_8859_1).replaceAll("\0+$", ""))) {
      assertThat(read.verify(other)).isFalse();
    }
  }

  /** RFC 7914, section 12: N = 16384, r = 8, p = 1. */
  @Test
  void agreesWithTheRfc() {
    byte[] expected =
        HexFormat.of()
            .parseHex(
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                    + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
    Base64.Encoder base64 = Base64.getEncoder().withoutPadding();
    String encoded =
        "$scrypt$ln=14,r=8,p=1$"
            + base64.encodeToString(utf8("SodiumChloride"))
            + "$"
            + base64.encodeToString(expected);

    assertThat(PasswordHash.parse(encoded).orThrow().verify(utf8("pleaseletmein"))).isTrue();
    assertThat(PasswordHash.parse(encoded).orThrow().verify(utf8("pleaseletmeim"))).isFalse();
  }

  @Test
  void saltsDiffer() {
    PasswordHash first = PasswordHash.create(utf8("same"), SEEDED, 10, 1, 1);
    PasswordHash second = PasswordHash.create(utf8("same"), SEEDED, 10, 1, 1);

    assertThat(first.encoded()).isNotEqualTo(second.encoded());
  }

  @Test
  void printsNothingThatHelpsToGuess() {
    PasswordHash hash = PasswordHash.create(utf8("pw"), SEEDED, 10, 1, 1);

    assertThat(hash.toString()).isEqualTo("PasswordHash[scrypt]");
  }

  @Test
  void refusesEmptyAndOverlongPasswords() {
    assertThatThrownBy(() -> PasswordHash.create(new byte[0], SEEDED))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> PasswordHash.create(new byte[1025], SEEDED))
        .isInstanceOf(IllegalArgumentException.class);
    PasswordHash hash = PasswordHash.create(utf8("x"), SEEDED, 10, 1, 1);
    assertThat(hash.verify(new byte[1025])).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ' ',
      value = {
        "FIELD_OUT_OF_RANGE plain",
        "UNKNOWN_TYPE $argon2id$ln=14,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=8$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$r=8,ln=14,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=21,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=9,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=-1,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=0,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=8,p=99$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "TOO_LARGE $scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=8,p=1$c2Fs$c2FsdHNhbHRzYWx0c2FsdA",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$c2Fs",
        "FIELD_OUT_OF_RANGE $scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$!!!!",
      })
  void rejectsWithAReason(Rejection.Reason reason, String encoded) {
    assertThat(rejectionOf(encoded).reason()).isEqualTo(reason);
  }

  @Property
  void parsesAnyTextToAHashOrARejection(@ForAll("texts") String text) {
    switch (PasswordHash.parse(text)) {
      case Decoded.Accepted<PasswordHash>(PasswordHash hash) ->
          assertThat(PasswordHash.parse(hash.encoded()).orThrow().encoded())
              .isEqualTo(hash.encoded());
      case Decoded.Rejected<PasswordHash>(Rejection rejection) ->
          assertThat(rejection.detail()).isNotEmpty();
    }
  }

  @Provide
  Arbitrary<String> texts() {
    String valid = PasswordHash.create(utf8("pw"), seeded(3), 10, 1, 1).encoded();
    Arbitrary<String> mutated =
        Combinators.combine(
                Arbitraries.integers().between(0, valid.length() - 1),
                Arbitraries.chars().ascii(),
                Arbitraries.integers().between(0, valid.length()))
            .as(
                (at, character, cut) ->
                    (valid.substring(0, at) + character + valid.substring(at + 1))
                        .substring(0, cut));
    return Arbitraries.oneOf(Arbitraries.strings().ofMaxLength(300), mutated);
  }
}
