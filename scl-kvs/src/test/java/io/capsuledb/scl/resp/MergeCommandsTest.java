package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.AlphaChars;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MergeCommandsTest {

  private CommandRunner runner;

  @BeforeTry
  @BeforeEach
  void open() {
    runner = new CommandRunner();
  }

  @AfterTry
  @AfterEach
  void close() {
    runner.close();
  }

  private String run(String... words) {
    return runner.run(Arrays.stream(words).map(CommandRunner::bytes).toArray(byte[][]::new));
  }

  @Property(tries = 100)
  void numbersAndMembersAreMerged(
      @ForAll @Size(min = 1, max = 12) List<Integer> numbers,
      @ForAll @Size(min = 1, max = 12) List<@AlphaChars @StringLength(max = 3) String> members) {
    long sum = 0;
    TreeSet<String> all = new TreeSet<>();
    for (int number : numbers) {
      String text = Integer.toString(number);
      sum += number;
      run("CAPSULE.MERGE", "least", "min", text);
      run("CAPSULE.MERGE", "most", "MAX", text);
      assertThat(run("CAPSULE.MERGE", "sum", "counter", text)).isEqualTo(":" + sum);
    }
    for (String member : members) {
      all.add(member);
      assertThat(run("CAPSULE.MERGE", "set", "set", member, member)).isEqualTo(":" + all.size());
    }
    int least = numbers.stream().mapToInt(Integer::intValue).min().orElseThrow();
    int most = numbers.stream().mapToInt(Integer::intValue).max().orElseThrow();
    assertThat(run("GET", "least")).isEqualTo("\"" + least + "\"");
    assertThat(run("GET", "most")).isEqualTo("\"" + most + "\"");
    assertThat(run("GET", "sum")).isEqualTo("\"" + sum + "\"");
    assertThat(run("SCARD", "set")).isEqualTo(":" + all.size());
    assertThat(run("CAPSULE.MERGE", "least", "min", "1e300")).isEqualTo("\"" + least + "\"");
  }

  /** Whatever a key holds, what does not apply to it is refused as every command refuses it. */
  @Test
  void aValueOfAnotherKindIsRefusedByEveryOperator() {
    Map<String, List<String>> held =
        Map.of(
            "text", List.of("SET", "text", "abc"),
            "none", List.of("SET", "none", ""),
            "half", List.of("SET", "half", "1.5"),
            "list", List.of("RPUSH", "list", "1"),
            "members", List.of("SADD", "members", "1"),
            "merged", List.of("CAPSULE.MERGE", "merged", "set", "1"),
            "number", List.of("CAPSULE.MERGE", "number", "counter", "1"));
    held.values().forEach(words -> run(words.toArray(String[]::new)));
    Map<String, Set<String>> fits =
        Map.of(
            "half", Set.of("min", "max"),
            "members", Set.of("set"),
            "merged", Set.of("set"),
            "number", Set.of("min", "max", "counter"));
    held.keySet()
        .forEach(
            key -> {
              for (String operator : List.of("counter", "set", "min", "max")) {
                String before = run("TYPE", key);
                String reply = run("CAPSULE.MERGE", key, operator, "1");
                if (fits.getOrDefault(key, Set.of()).contains(operator)) {
                  assertThat(reply).as("%s %s", key, operator).doesNotStartWith("-");
                } else {
                  assertThat(reply).as("%s %s", key, operator).isEqualTo(KeyspaceModel.WRONG_TYPE);
                }
                assertThat(run("TYPE", key)).isEqualTo(before);
              }
            });
  }

  @Test
  void whatCannotBeMergedIsRefusedAndChangesNothing() {
    run("SET", "text", "abc");
    run("RPUSH", "list", "a");
    for (String key : List.of("text", "list")) {
      assertThat(run("CAPSULE.MERGE", key, "min", "1")).startsWith("-WRONGTYPE");
    }
    assertThat(run("CAPSULE.MERGE", "text", "set", "1")).startsWith("-WRONGTYPE");
    assertThat(run("CAPSULE.MERGE", "new", "min", "abc")).startsWith("-ERR value is not a number");
    assertThat(run("CAPSULE.MERGE", "new", "counter", "1.5"))
        .startsWith("-ERR value is not an integer");
    assertThat(run("CAPSULE.MERGE", "new", "middle", "1")).startsWith("-ERR nothing is merged so");
    assertThat(run("CAPSULE.MERGE", "new", "min", "1", "2")).startsWith("-ERR syntax error");
    assertThat(run("CAPSULE.MERGE", "new", "set", "x".repeat(70_000)))
        .startsWith("-ERR the members take");
    assertThat(run("EXISTS", "new")).isEqualTo(":0");
    assertThat(run("GET", "text")).isEqualTo("\"abc\"");
  }
}
