package io.capsuledb.host.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.Tuple.Tuple2;

/** Files of operations: what is written in any of the formats is read back exactly. */
class TraceParserPropertyTest {

  /** Printable characters and spaces, at both ends too; beyond ASCII too. */
  @Provide
  Arbitrary<String> values() {
    return Arbitraries.strings()
        .withCharRange(' ', '~')
        .withChars("äßéλ漢字€\t\u00a0")
        .ofMaxLength(60);
  }

  @Provide
  Arbitrary<String> keys() {
    return Arbitraries.strings().withCharRange('!', '~').ofMinLength(1).ofMaxLength(20);
  }

  @Provide
  Arbitrary<List<Tuple2<String, String>>> traces() {
    return Combinators.combine(keys(), values()).as(Tuple::of).list().ofMaxSize(30);
  }

  @Property
  void everyTraceIsReadBackExactly(
      @ForAll("traces") List<Tuple2<String, String>> trace,
      @ForAll boolean windows,
      @ForAll boolean endsWithoutLineEnd) {
    String lineEnd = windows ? "\r\n" : "\n";
    String text =
        trace.stream()
            .map(pair -> "SET " + pair.get1() + " " + pair.get2() + lineEnd + "GET " + pair.get1())
            .collect(Collectors.joining(lineEnd));
    List<String> read = read(LoadFormat.YCSB_TRACE, text + (endsWithoutLineEnd ? "" : lineEnd));
    List<String> expected = new ArrayList<>();
    trace.forEach(
        pair -> {
          expected.add("SET|" + pair.get1() + "|" + pair.get2());
          expected.add("GET|" + pair.get1() + "|");
        });
    assertThat(read).isEqualTo(expected);
  }

  @Property
  void everyTsvFieldIsReadBackExactly(@ForAll byte[] key, @ForAll byte[] value) {
    byte[] realKey = key.length == 0 ? new byte[] {0} : key;
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(line, false, StandardCharsets.UTF_8);
    TsvFields.write(realKey, out);
    out.write('\t');
    TsvFields.write(value, out);
    out.flush();
    byte[] bytes = line.toByteArray();
    assertThat(bytes).doesNotContain((byte) '\n', (byte) '\r');
    LoadOperation operation = new TsvParser().parse(bytes, 0, bytes.length);
    assertThat(operation.key()).isEqualTo(realKey);
    assertThat(operation.value()).isEqualTo(value);
  }

  @Property
  void noLineMakesAParserDoAnythingButParseOrRefuse(
      @ForAll byte[] line, @ForAll LoadFormat format) {
    byte[] padded = new byte[line.length + 6];
    System.arraycopy(line, 0, padded, 3, line.length);
    if (line.length == 0) {
      return;
    }
    try {
      LoadOperation operation = format.parser().parse(padded, 3, 3 + line.length);
      assertThat(operation.key()).isNotEmpty();
    } catch (InvalidRequestException e) {
      assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
    }
  }

  @Property
  void linesOfAnyLengthSurviveAnyChunking(
      @ForAll("values") String value, @ForAll byte chunk, @ForAll boolean large)
      throws IOException {
    String text = large ? value.repeat(5_000) : value;
    String file = "SET k " + text + "\nGET k\n";
    int step = 1 + (chunk & 0xff) * (large ? 97 : 1);
    LineReader lines =
        new LineReader(
            new ByteArrayInputStream(file.getBytes(StandardCharsets.UTF_8)) {
              @Override
              public int read(byte[] target, int offset, int length) {
                return super.read(target, offset, Math.min(step, length));
              }
            });
    assertThat(lines.next()).isTrue();
    assertThat(line(lines)).isEqualTo("SET k " + text);
    assertThat(lines.next()).isTrue();
    assertThat(line(lines)).isEqualTo("GET k");
    assertThat(lines.number()).isEqualTo(2);
    assertThat(lines.next()).isFalse();
    assertThat(lines.bytesRead()).isEqualTo(file.getBytes(StandardCharsets.UTF_8).length);
  }

  @Example
  void malformedLinesSayWhatIsWrong() {
    for (String line :
        List.of(
            "SET",
            "SET k",
            "SET  v",
            "GET",
            "GET ",
            "GET a b",
            "get a",
            " SET a b",
            "DEL a",
            "SET " + "k".repeat(65_537) + " v")) {
      byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
      assertThatThrownBy(() -> new TraceParser().parse(bytes, 0, bytes.length))
          .as(line)
          .isInstanceOf(InvalidRequestException.class);
    }
  }

  @Example
  void jsonLinesSayEverything() {
    assertThat(
            read(
                LoadFormat.JSONL,
                """
                {"op":"set","key":"a","value":"x y","ttl":9}

                {"op":"get","keyBase64":"AP8="}
                {"op":"del","key":"a"}
                """))
        .containsExactly("SET|a|x y", "GET|\u0000\ufffd|", "DEL|a|");
    for (String line :
        List.of(
            "{}",
            "{\"op\":\"set\",\"key\":\"a\"}",
            "{\"op\":\"set\",\"key\":1,\"value\":\"v\"}",
            "{\"op\":\"get\",\"key\":\"a\",\"value\":\"v\"}",
            "{\"op\":\"set\",\"key\":\"a\",\"key\":\"b\",\"value\":\"v\"}",
            "{\"op\":\"set\",\"key\":\"a\",\"value\":\"v\",\"ttl\":0}",
            "{\"op\":\"set\",\"key\":\"a\",\"value\":\"v\",\"more\":1}",
            "{\"op\":\"get\",\"key\":\"a\"} x",
            "{\"op\":\"incr\",\"key\":\"a\"}",
            "[1]",
            "SET a b")) {
      byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
      assertThatThrownBy(() -> new JsonLineParser().parse(bytes, 0, bytes.length))
          .as(line)
          .isInstanceOf(InvalidRequestException.class);
    }
  }

  private static String line(LineReader lines) {
    return new String(
        lines.buffer(), lines.start(), lines.end() - lines.start(), StandardCharsets.UTF_8);
  }

  private static List<String> read(LoadFormat format, String text) {
    List<String> operations = new ArrayList<>();
    LineReader lines =
        new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    LineParser parser = format.parser();
    try {
      while (lines.next()) {
        if (lines.start() < lines.end()) {
          LoadOperation operation = parser.parse(lines.buffer(), lines.start(), lines.end());
          operations.add(
              operation.kind()
                  + "|"
                  + new String(operation.key(), StandardCharsets.UTF_8)
                  + "|"
                  + new String(operation.value(), StandardCharsets.UTF_8));
        }
      }
    } catch (IOException e) {
      throw new AssertionError("memory does not fail", e);
    }
    return operations;
  }
}
