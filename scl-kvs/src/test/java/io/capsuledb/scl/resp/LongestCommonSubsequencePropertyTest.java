package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.StringLength;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;

class LongestCommonSubsequencePropertyTest {

  private static final Pattern MATCH =
      Pattern.compile("\\[\\[:(\\d+), :(\\d+)], \\[:(\\d+), :(\\d+)], :(\\d+)]");

  private CommandRunner runner;

  @BeforeTry
  void open() {
    runner = new CommandRunner();
  }

  @AfterTry
  void close() {
    runner.close();
  }

  private static int longest(String a, String b) {
    int[][] table = new int[a.length() + 1][b.length() + 1];
    for (int i = 1; i <= a.length(); i++) {
      for (int j = 1; j <= b.length(); j++) {
        table[i][j] =
            a.charAt(i - 1) == b.charAt(j - 1)
                ? table[i - 1][j - 1] + 1
                : Math.max(table[i - 1][j], table[i][j - 1]);
      }
    }
    return table[a.length()][b.length()];
  }

  private static boolean isWithin(String part, String whole) {
    int at = 0;
    for (int i = 0; i < part.length(); i++) {
      at = whole.indexOf(part.charAt(i), at) + 1;
      if (at == 0) {
        return false;
      }
    }
    return true;
  }

  @Property(tries = 300)
  void isCommonAndAsLongAsPossible(
      @ForAll @CharRange(from = 'a', to = 'd') @StringLength(max = 60) String a,
      @ForAll @CharRange(from = 'a', to = 'd') @StringLength(max = 60) String b,
      @ForAll @CharRange(from = '0', to = '4') char minLength) {
    runner.run("MSET", "a", a, "b", b);
    int length = longest(a, b);
    assertThat(runner.run("LCS", "a", "b", "LEN")).isEqualTo(":" + length);

    String quoted = runner.run("LCS", "a", "b");
    String common = quoted.substring(1, quoted.length() - 1);
    assertThat(common).hasSize(length).matches(c -> isWithin(c, a)).matches(c -> isWithin(c, b));

    String indexes = runner.run("LCS", "a", "b", "IDX", "WITHMATCHLEN");
    assertThat(indexes).endsWith("\"len\", :" + length + "]");
    List<String> pieces = new ArrayList<>();
    List<String> longPieces = new ArrayList<>();
    Matcher matcher = MATCH.matcher(indexes);
    while (matcher.find()) {
      String piece = a.substring(number(matcher, 1), number(matcher, 2) + 1);
      assertThat(b.substring(number(matcher, 3), number(matcher, 4) + 1)).isEqualTo(piece);
      assertThat(piece).hasSize(number(matcher, 5));
      pieces.addFirst(piece);
      if (piece.length() >= minLength - '0') {
        longPieces.add(matcher.group());
      }
    }
    assertThat(String.join("", pieces)).isEqualTo(common);
    assertThat(runner.run("LCS", "a", "b", "MINMATCHLEN", "" + minLength, "IDX", "WITHMATCHLEN"))
        .isEqualTo(
            "[\"matches\", [" + String.join(", ", longPieces) + "], \"len\", :" + length + "]");
  }

  private static int number(Matcher matcher, int group) {
    return Integer.parseInt(matcher.group(group));
  }
}
