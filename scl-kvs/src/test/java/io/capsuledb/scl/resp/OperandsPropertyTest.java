package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.AlphaChars;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.StringLength;

class OperandsPropertyTest {

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Property
  void decimalIsReadBack(@ForAll long value) {
    byte[] text = Operands.decimal(value);
    assertThat(text).isEqualTo(bytes(Long.toString(value)));
    assertThat(Operands.integer(text, 0, text.length)).isEqualTo(value);
  }

  /** A text is an integer exactly if it is what its own number prints as, and that is 64 bits. */
  @Property(tries = 5000)
  void integersHaveOneForm(
      @ForAll @Chars({'-', '+', ' ', '.'}) @CharRange(from = '0', to = '9') @StringLength(max = 22)
          String text) {
    checkOneForm(text);
  }

  @Example
  void integersAtTheEdgeOfTheRange() {
    for (String text :
        new String[] {
          "9223372036854775807",
          "9223372036854775808",
          "-9223372036854775808",
          "-9223372036854775809",
          "18446744073709551615",
          "99999999999999999999",
          "-0",
          "0",
          "00",
          "-",
          "",
          "1\0"
        }) {
      checkOneForm(text);
    }
  }

  private static void checkOneForm(String text) {
    boolean canonical;
    try {
      BigInteger value = new BigInteger(text);
      canonical = value.toString().equals(text) && value.bitLength() < Long.SIZE;
    } catch (NumberFormatException e) {
      canonical = false;
    }
    byte[] padded = bytes("7" + text + "7");
    assertThat(Operands.isInteger(padded, 1, text.length())).isEqualTo(canonical);
    if (canonical) {
      assertThat(Operands.integer(padded, 1, text.length())).isEqualTo(Long.parseLong(text));
    } else {
      assertThatThrownBy(() -> Operands.integer(padded, 1, text.length()))
          .isInstanceOf(CommandException.class)
          .hasMessage("ERR value is not an integer or out of range");
    }
  }

  @Property
  void wordsAreRecognisedInAnyCase(
      @ForAll @AlphaChars @StringLength(max = 8) String word, @ForAll byte[] other) {
    String upper = word.toUpperCase(Locale.ROOT);
    assertThat(Operands.is(bytes(word), upper)).isTrue();
    assertThat(Operands.is(bytes(word.toLowerCase(Locale.ROOT)), upper)).isTrue();
    boolean same =
        new String(other, StandardCharsets.ISO_8859_1).toUpperCase(Locale.ROOT).equals(upper);
    assertThat(Operands.is(other, upper)).isEqualTo(same);
  }

  @Example
  void bytesThatLookLikeOtherLettersAreNotLetters() {
    assertThat(Operands.is(new byte[] {'@'}, "`")).isFalse();
    assertThat(Operands.is(new byte[] {'[', '{'}, "[[")).isFalse();
  }
}
