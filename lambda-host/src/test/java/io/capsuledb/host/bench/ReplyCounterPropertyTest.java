package io.capsuledb.host.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.UnavailableException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

class ReplyCounterPropertyTest {

  @Provide
  Arbitrary<List<String>> replies() {
    return Arbitraries.oneOf(
            Arbitraries.of("+OK\r\n", "$-1\r\n", ":12\r\n", "$0\r\n\r\n", "-ERR no\r\n"),
            Arbitraries.strings()
                .withChars("+$-:\r\n 0a")
                .ofMaxLength(40)
                .map(text -> "$" + text.length() + "\r\n" + text + "\r\n"))
        .list()
        .ofMaxSize(40);
  }

  @Property
  void countsAreRightHoweverTheBytesArrive(
      @ForAll("replies") List<String> replies, @ForAll @IntRange(min = 1, max = 50) int chunk) {
    byte[] bytes = String.join("", replies).getBytes(StandardCharsets.US_ASCII);
    ReplyCounter counter = new ReplyCounter();
    int counted = 0;
    for (int at = 0; at < bytes.length; at += chunk) {
      ByteBuffer part = ByteBuffer.wrap(bytes, at, Math.min(chunk, bytes.length - at));
      counted += counter.count(part);
      assertThat(part.hasRemaining()).isFalse();
    }
    assertThat(counted).isEqualTo(replies.size());
    assertThat(counter.misses()).isEqualTo(replies.stream().filter("$-1\r\n"::equals).count());
    long errors = replies.stream().filter(reply -> reply.startsWith("-")).count();
    assertThat(counter.errors()).isEqualTo(errors);
    assertThat(counter.firstError()).isEqualTo(errors == 0 ? "" : "ERR no");
  }

  @Example
  void nonsenseIsRefused() {
    for (String nonsense : List.of("HTTP/1.1", "*1\r\n", "$x\r\n", "$99999999999\r\n")) {
      ByteBuffer bytes = ByteBuffer.wrap(nonsense.getBytes(StandardCharsets.US_ASCII));
      assertThatThrownBy(() -> new ReplyCounter().count(bytes))
          .as(nonsense)
          .isInstanceOf(UnavailableException.class);
    }
  }

  @Property(tries = 50)
  void batchesAreWholeCommandsOnKeysOfTheRange(
      @ForAll @IntRange(min = 1, max = 20) int pipeline,
      @ForAll @IntRange(min = 1, max = 200) int valueBytes,
      @ForAll @IntRange(min = 1, max = 1_000_000) int keys) {
    SplittableRandom random = new SplittableRandom(valueBytes);
    Workload set = new Workload(Workload.Operation.SET, pipeline, valueBytes, keys);
    ByteBuffer bytes = set.batch(random).next(pipeline, keys, random);
    String text = StandardCharsets.US_ASCII.decode(bytes).toString();
    String command =
        "\\*3\\r\\n\\$3\\r\\nSET\\r\\n\\$16\\r\\nbench:([0-9]{10})\\r\\n\\$"
            + valueBytes
            + "\\r\\n[a-z]{"
            + valueBytes
            + "}\\r\\n";
    assertThat(text).matches("(" + command + "){" + pipeline + "}");
    java.util.regex.Matcher each = java.util.regex.Pattern.compile(command).matcher(text);
    while (each.find()) {
      assertThat(Integer.parseInt(each.group(1))).isBetween(0, keys - 1);
    }
  }
}
