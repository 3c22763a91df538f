package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class ScanPropertyTest {

  /** Calls after which a walk of a few hundred keys has surely lost its way. */
  private static final int MAX_CALLS = 10_000;

  private static final Pattern REPLY = Pattern.compile("\\[\"(\\d+)\", \\[(.*)]]");

  private static final Pattern KEY = Pattern.compile("\"([^\"]*)\"");

  private static String step(
      CommandRunner runner, String cursor, Set<String> seen, String... options) {
    List<String> words = new ArrayList<>(List.of("SCAN", cursor));
    words.addAll(List.of(options));
    String reply = runner.run(words.toArray(String[]::new));
    Matcher matcher = REPLY.matcher(reply);
    assertThat(matcher.matches()).as(reply).isTrue();
    Matcher keys = KEY.matcher(matcher.group(2));
    while (keys.find()) {
      seen.add(keys.group(1));
    }
    return matcher.group(1);
  }

  /** The promise of SCAN, while keys come and go and the table grows and shrinks. */
  @Property(tries = 60)
  void keysThatStayAreFoundAndKeysThatNeverWereAreNot(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 300) int staying,
      @ForAll @IntRange(min = 1, max = 50) int count,
      @ForAll @IntRange(max = 40) int changes) {
    Random random = new Random(seed);
    try (CommandRunner runner = new CommandRunner()) {
      Set<String> stay = new HashSet<>();
      for (int i = 0; i < staying; i++) {
        runner.run("SET", "stay" + i, "");
        stay.add("stay" + i);
      }
      Set<String> seen = new HashSet<>();
      String cursor = "0";
      int calls = 0;
      do {
        cursor = step(runner, cursor, seen, "COUNT", Integer.toString(count));
        for (int i = 0; i < changes; i++) {
          String passing = "pass" + random.nextInt(1000);
          runner.run(random.nextInt(3) == 0 ? "DEL" : "INCR", passing);
        }
        calls++;
      } while (!cursor.equals("0") && calls < MAX_CALLS);
      assertThat(calls).isLessThan(MAX_CALLS);
      assertThat(seen).containsAll(stay);
      assertThat(seen).allMatch(key -> stay.contains(key) || key.startsWith("pass"));
    }
  }

  /** MATCH and TYPE choose among what is visited; they do not change what is. */
  @Property(tries = 60)
  void filtersLetThroughWhatTheySay(
      @ForAll @IntRange(max = 200) int keys, @ForAll @IntRange(min = 1, max = 50) int count) {
    try (CommandRunner runner = new CommandRunner()) {
      Set<String> expected = new HashSet<>();
      Set<String> expectedLists = new HashSet<>();
      for (int i = 0; i < keys; i++) {
        boolean list = i % 3 == 0;
        String key = "key:" + i;
        runner.run(list ? "RPUSH" : "SET", key, "x");
        if (key.endsWith("7")) {
          expected.add(key);
          if (list) {
            expectedLists.add(key);
          }
        }
      }
      assertThat(walk(runner, count, "MATCH", "k?y:*7")).isEqualTo(expected);
      assertThat(walk(runner, count, "TYPE", "list", "MATCH", "k?y:*7")).isEqualTo(expectedLists);
      assertThat(walk(runner, count, "TYPE", "stream")).isEmpty();
      assertThat(walk(runner, count)).hasSize(keys);
    }
  }

  private static Set<String> walk(CommandRunner runner, int count, String... options) {
    Set<String> seen = new HashSet<>();
    List<String> all = new ArrayList<>(List.of(options));
    all.addAll(List.of("COUNT", Integer.toString(count)));
    String cursor = "0";
    int calls = 0;
    do {
      cursor = step(runner, cursor, seen, all.toArray(String[]::new));
      calls++;
    } while (!cursor.equals("0") && calls < MAX_CALLS);
    assertThat(calls).isLessThan(MAX_CALLS);
    return seen;
  }

  /** A call whose reply was lost is repeated: it goes on from the same key. */
  @Property(tries = 40)
  void aCursorMayBeUsedAgain(@ForAll @IntRange(min = 2, max = 60) int keys) {
    try (CommandRunner runner = new CommandRunner()) {
      for (int i = 0; i < keys; i++) {
        runner.run("SET", "key" + i, "");
      }
      Set<String> first = new HashSet<>();
      String cursor = step(runner, "0", first, "COUNT", "1");
      Set<String> once = new HashSet<>();
      Set<String> again = new HashSet<>();
      step(runner, cursor, once, "COUNT", "7");
      step(runner, cursor, again, "COUNT", "7");
      assertThat(again).isEqualTo(once).doesNotContainAnyElementsOf(first);
      assertThat(Long.parseLong(cursor)).isBetween(1L, ScanCursors.NUMBERS - 1);
    }
  }

  /** A cursor comes from the client: one that was not given out leads nowhere. */
  @Property(tries = 200)
  void anyCursorIsAnswered(@ForAll long cursor) {
    try (CommandRunner runner = new CommandRunner()) {
      runner.run("MSET", "a", "1", "b", "2");
      if (cursor == 0) {
        assertThat(step(runner, "0", new HashSet<>())).isEqualTo("0");
      } else {
        assertThat(runner.run("SCAN", Long.toUnsignedString(cursor)))
            .isEqualTo("-ERR unknown or forgotten cursor, start again at 0");
      }
    }
  }
}
