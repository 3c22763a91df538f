package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import net.jqwik.api.constraints.StringLength;

/** The table was made by a C program: strtold, +, and printf with "%.17Lf" on x86-64. */
class ExtendedDoubleTest {

  /** Value, increment, sum. */
  private static final String[][] SUMS = {
    {"0", "1", "1"},
    {"1", "0.25", "1.25"},
    {"1.5", "1.5", "3"},
    {"17179869184", "1.5", "17179869185.5"},
    {"17179869184", "17179869184", "34359738368"},
    {"1", "-1.1", "-0.1"},
    {"0.1", "0.2", "0.3"},
    {"3", "-2.99", "0.01"},
    {"5.0e3", "200", "5200"},
    {"10.5", "0.1", "10.6"},
    {"-0", "0", "0"},
    {"0.024390243902439025", "-0.024390243902439025", "0"},
    {"-1e-18", "0", "0"},
    {"4e-18", "0", "0"},
    {"5e-18", "0", "0"},
    {"6e-18", "0", "0.00000000000000001"},
    {"1e20", "1", "100000000000000000000"},
    {"9223372036854775807", "1", "9223372036854775808"},
    {"18446744073709551615", "1", "18446744073709551616"},
    {"18446744073709551616", "1", "18446744073709551616"},
    {"1e30", "0", "1000000000000000000024696061952"},
    {"0.3", "0", "0.3"},
    {"1.1", "2.2", "3.3"},
    {"123456789.123456789", "0.000000001", "123456789.12345678999554366"},
    {"-5.5", "5.5", "0"},
    {"0x1p3", "0x.8", "8.5"},
    {"0x10", "-0X1P-1", "15.5"},
    {"1e-4950", "1e-4950", "0"},
    {"+7", ".5", "7.5"},
    {"7.", "00.50", "7.5"},
    {
      "1e400",
      "1",
      "10000000000000000000281880683947586514586453433629052038625910693539685534008629862039363994848324160522094053927317616200295822777259255734023828976593340661017797447434546173917862448116674971723778943824391593338047470675026246684401359237513603830343735485505244955964979021825038280091068414947402456898653040951017512658092615827588920183472511643316591362664138176309734806343732497430221946880"
    },
    {"3.14159265358979323846", "0", "3.14159265358979324"},
    {"2.71828182845904523536", "3.14159265358979323846", "5.85987448204883847"},
    {"1e17", "0.1", "100000000000000000.1015625"},
    {"99999999999999999.9", "0.05", "99999999999999999.9453125"},
    {"0.00000000000000001", "0", "0.00000000000000001"},
    {"-0.1", "0.3", "0.2"},
    {"1.17549435e-38", "1", "1"},
  };

  private static final String[] REFUSED = {
    "",
    " 1",
    "1 ",
    "1 1",
    "abc",
    "1a",
    "+",
    "-",
    ".",
    "+.",
    "e5",
    "1e",
    "1e+",
    "--1",
    "+-1",
    "0x",
    "0x.",
    "0x1p",
    "0xg",
    "nan",
    "-nan",
    "nan(1)",
    "infinit",
    "in",
    "1e5000",
    "-1e4933",
    "1e-5000",
    "1.7e-4951",
    "0x1p16384",
    "0x1p-16447",
    "1,5",
    "1_000",
    "1\0",
    "\u0661",
    "1d",
    "1f",
    "1L",
    "1e99999999999999999999",
    "0." + "0".repeat(5000) + "1",
    "1".repeat(5 * 1024)
  };

  private static ExtendedDouble parse(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ExtendedDouble.parse(bytes, 0, bytes.length);
  }

  private static String text(ExtendedDouble value) {
    return new String(value.toText(), StandardCharsets.US_ASCII);
  }

  @Example
  void sumsAreThoseOfC() {
    for (String[] row : SUMS) {
      assertThat(text(parse(row[0]).plus(parse(row[1]))))
          .as("%s + %s", row[0], row[1])
          .isEqualTo(row[2]);
    }
  }

  @Example
  void whatIsNotANumberIsRefused() {
    for (String refused : REFUSED) {
      assertThatThrownBy(() -> parse(refused))
          .as(refused)
          .isInstanceOf(CommandException.class)
          .hasMessage("ERR value is not a valid float");
    }
  }

  @Example
  void infinityMustBeNamed() {
    for (String named : new String[] {"inf", "+INF", "-Infinity", "iNfInItY"}) {
      assertThat(parse(named).isInfinite()).isTrue();
      assertThat(parse("1").plus(parse(named)).isInfinite()).isTrue();
      assertThat(parse(named).plus(parse("1")).isInfinite()).isTrue();
    }
    assertThat(parse("1.1e4932").plus(parse("1.1e4932")).isInfinite()).isTrue();
  }

  @Property
  void integersAddExactlyWhileTheyFit(@ForAll long a, @ForAll long b) {
    BigInteger sum = BigInteger.valueOf(a).add(BigInteger.valueOf(b));
    assertThat(text(parse(Long.toString(a)).plus(parse(Long.toString(b)))))
        .isEqualTo(sum.toString());
  }

  /** 17 digits after the point are fewer than the mantissa holds for small numbers. */
  @Property
  void whatIsWrittenIsReadBackAlike(@ForAll int whole, @ForAll int fraction) {
    String written = text(parse(whole + "." + Integer.toUnsignedString(fraction)));
    assertThat(text(parse(written))).isEqualTo(written);
    assertThat(text(parse(written).plus(ExtendedDouble.ZERO))).isEqualTo(written);
  }

  @Property(tries = 10_000)
  void anyTextIsANumberOrRefused(
      @ForAll
          @Chars({'+', '-', '.', 'e', 'E', 'x', 'p', 'i', 'n', 'f', ' ', 'a'})
          @CharRange(from = '0', to = '9')
          @StringLength(max = 12)
          String text) {
    ExtendedDouble value;
    try {
      value = parse(text);
    } catch (CommandException e) {
      assertThat(e).hasMessage("ERR value is not a valid float");
      return;
    }
    if (!value.isInfinite()) {
      String written = text(value);
      assertThat(written).matches("-?(0|[1-9][0-9]*)(\\.[0-9]{0,16}[1-9])?").isNotEqualTo("-0");
    }
  }
}
