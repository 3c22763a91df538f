package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;

class GlobPropertyTest {

  private static final long UNBOUNDED = Long.MAX_VALUE;

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static boolean matches(String pattern, String text) {
    return new Glob(bytes(pattern), UNBOUNDED).matches(bytes(text));
  }

  /** The definition, tried in every possible way. */
  private static boolean defined(byte[] pattern, int p, byte[] text, int t) {
    if (p == pattern.length) {
      return t == text.length;
    }
    if (pattern[p] == '*') {
      return defined(pattern, p + 1, text, t)
          || (t < text.length && defined(pattern, p, text, t + 1));
    }
    if (t == text.length) {
      return false;
    }
    BitSet taken = new BitSet();
    int next = p + 1;
    if (pattern[p] == '?') {
      taken.set(0, 256);
    } else if (pattern[p] == '[') {
      next = readClass(pattern, p + 1, taken);
    } else {
      if (pattern[p] == '\\' && next < pattern.length) {
        next++;
      }
      taken.set(pattern[next - 1] & 0xff);
    }
    return taken.get(text[t] & 0xff) && defined(pattern, next, text, t + 1);
  }

  private static int readClass(byte[] pattern, int from, BitSet taken) {
    int p = from;
    boolean negated = p < pattern.length && pattern[p] == '^';
    p += negated ? 1 : 0;
    for (; p < pattern.length && pattern[p] != ']'; p++) {
      if (pattern[p] == '\\' && p + 1 < pattern.length) {
        p++;
        taken.set(pattern[p] & 0xff);
      } else if (p + 2 < pattern.length && pattern[p + 1] == '-') {
        for (int b = Math.min(pattern[p], pattern[p + 2]);
            b <= Math.max(pattern[p], pattern[p + 2]);
            b++) {
          taken.set(b & 0xff);
        }
        p += 2;
      } else {
        taken.set(pattern[p] & 0xff);
      }
    }
    if (negated) {
      taken.flip(0, 256);
    }
    return Math.min(p + 1, pattern.length);
  }

  @Provide
  Arbitrary<byte[]> patterns() {
    return stringsOf("aabbc**??[]^-\\\u00e9");
  }

  @Provide
  Arbitrary<byte[]> texts() {
    return stringsOf("aabbc]-\\*\u00e9");
  }

  private static Arbitrary<byte[]> stringsOf(String alphabet) {
    return Arbitraries.strings()
        .withChars(alphabet.toCharArray())
        .ofMaxLength(12)
        .map(GlobPropertyTest::bytes);
  }

  @Property(tries = 50_000)
  void agreesWithTheDefinition(@ForAll("patterns") byte[] pattern, @ForAll("texts") byte[] text) {
    boolean expected = text.length == 0 ? pattern.length == 0 : defined(pattern, 0, text, 0);
    assertThat(new Glob(pattern, UNBOUNDED).matches(text))
        .as("%s against %s", Arrays.toString(pattern), Arrays.toString(text))
        .isEqualTo(expected);
  }

  @Property
  void takesAnyBytes(@ForAll @Size(max = 40) byte[] pattern, @ForAll @Size(max = 40) byte[] text) {
    Glob glob = new Glob(pattern, UNBOUNDED);
    glob.matches(text);
    assertThat(glob.work()).isLessThanOrEqualTo((pattern.length + 1L) * (text.length + 1L));
  }

  @Property
  void everyTextMatchesItselfEscaped(@ForAll @Size(min = 1, max = 40) byte[] text) {
    byte[] pattern = new byte[2 * text.length];
    for (int i = 0; i < text.length; i++) {
      pattern[2 * i] = '\\';
      pattern[2 * i + 1] = text[i];
    }
    assertThat(new Glob(pattern, UNBOUNDED).matches(text)).isTrue();
  }

  @Example
  void theExamplesOfTheDocumentation() {
    assertThat(matches("h?llo", "hello")).isTrue();
    assertThat(matches("h?llo", "hllo")).isFalse();
    assertThat(matches("h*llo", "heeeello")).isTrue();
    assertThat(matches("h[ae]llo", "hallo")).isTrue();
    assertThat(matches("h[ae]llo", "hillo")).isFalse();
    assertThat(matches("h[^e]llo", "hallo")).isTrue();
    assertThat(matches("h[^e]llo", "hello")).isFalse();
    assertThat(matches("h[a-b]llo", "hbllo")).isTrue();
    assertThat(matches("h\\*llo", "h*llo")).isTrue();
    assertThat(matches("h\\*llo", "hello")).isFalse();
  }

  /** Takes a recursive matcher years. */
  @Example
  void patternsMadeToBlowUpCostPatternTimesText() {
    byte[] pattern = bytes("a*".repeat(50) + "b");
    byte[] text = bytes("a".repeat(10_000));
    Glob glob = new Glob(pattern, UNBOUNDED);
    assertThat(glob.matches(text)).isFalse();
    assertThat(glob.work()).isLessThan((pattern.length + 1L) * (text.length + 1L));
  }

  @Example
  void nothingMatchesBehindAThousandStars() {
    String text = "a".repeat(2000);
    assertThat(matches("*?".repeat(1000), text)).isTrue();
    assertThat(matches("*?".repeat(1000) + "*", text)).isTrue();
    assertThat(matches("*?".repeat(1001), text)).isFalse();
    assertThat(matches("*?".repeat(1000) + "***", text)).isTrue();
    assertThat(matches("**?".repeat(1000), text)).isTrue();
  }

  @Example
  void workIsBoundedOverAllTexts() {
    Glob glob = new Glob(bytes("*aaaaaaaab"), 1000);
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 1000; i++) {
                assertThat(glob.matches(bytes("aaaaaaaaaaaaaaaa"))).isFalse();
              }
            })
        .isInstanceOf(CommandException.class)
        .hasMessage("ERR pattern needs too much work, use a shorter or simpler one");
  }
}
