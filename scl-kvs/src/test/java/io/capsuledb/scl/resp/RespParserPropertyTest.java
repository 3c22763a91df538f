package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RespParserPropertyTest {

  /** What came out of a stream: commands as printable text, then the rejection if there is one. */
  private static List<String> outcome(byte[] stream, int... cuts) {
    RespParser parser = new RespParser();
    List<String> out = new ArrayList<>();
    int from = 0;
    for (int i = 0; i <= cuts.length; i++) {
      int to = i < cuts.length ? cuts[i] : stream.length;
      // A fresh array for each window, wiped afterwards: the parser must not lean on old ones.
      byte[] window = Arrays.copyOfRange(stream, from, to);
      parser.feed(window, 0, window.length);
      RespParser.Status status;
      while ((status = parser.next()) == RespParser.Status.COMMAND) {
        out.add(text(parser.command()));
      }
      Arrays.fill(window, (byte) '#');
      if (status == RespParser.Status.REJECTED) {
        out.add("rejected: " + parser.rejection());
        return out;
      }
      from = to;
    }
    return out;
  }

  private static String text(byte[][] command) {
    StringBuilder text = new StringBuilder();
    for (byte[] argument : command) {
      text.append('[').append(new String(argument, StandardCharsets.ISO_8859_1)).append(']');
    }
    return text.toString();
  }

  private static byte[] latin1(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  static byte[] encode(List<? extends List<byte[]>> commands) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (List<byte[]> command : commands) {
      out.writeBytes(latin1("*" + command.size() + "\r\n"));
      for (byte[] argument : command) {
        out.writeBytes(latin1("$" + argument.length + "\r\n"));
        out.writeBytes(argument);
        out.writeBytes(latin1("\r\n"));
      }
    }
    return out.toByteArray();
  }

  @Property
  void readsBackWhatWasWrittenHoweverItIsCut(
      @ForAll @Size(max = 6) List<@Size(min = 1, max = 70) List<@Size(max = 90) byte[]>> commands,
      @ForAll("cuts") int[] cutSeeds) {
    byte[] stream = encode(commands);

    List<String> expected =
        commands.stream().map(command -> text(command.toArray(byte[][]::new))).toList();

    assertThat(outcome(stream)).isEqualTo(expected);
    assertThat(outcome(stream, cuts(cutSeeds, stream.length))).isEqualTo(expected);
    assertThat(outcome(stream, everywhere(stream.length))).isEqualTo(expected);
  }

  @Property(tries = 3000)
  void cutsNeverMatterForAnyBytes(
      @ForAll("almostResp") String stream, @ForAll("cuts") int[] cutSeeds) {
    byte[] bytes = latin1(stream);

    List<String> whole = outcome(bytes);

    assertThat(outcome(bytes, cuts(cutSeeds, bytes.length))).isEqualTo(whole);
    assertThat(outcome(bytes, everywhere(bytes.length))).isEqualTo(whole);
  }

  @Provide
  Arbitrary<int[]> cuts() {
    return Arbitraries.integers().between(0, 1 << 20).array(int[].class).ofMaxSize(12);
  }

  /** Pieces that steer into every branch of the grammar, glued together at random. */
  @Provide
  Arbitrary<String> almostResp() {
    return Arbitraries.of(
            "*1\r\n",
            "*2\r\n",
            "*3\r\n",
            "*0\r\n",
            "*-1\r\n",
            "*10\r\n",
            "*01\r\n",
            "*\r\n",
            "*1048577\r\n",
            "*99999999999999999999\r\n",
            "*1x\r\n",
            "*1\r",
            "*",
            "$",
            "$-1\r\n",
            "$0\r\n\r\n",
            "$1\r\na\r\n",
            "$3\r\nSET\r\n",
            "$4\r\nPING\r\n",
            "$12\r\nhello",
            "\r\n",
            "\n",
            "\r",
            "PING\r\n",
            "set a 'b c'\n",
            "set \"a\\x41\\n\" b\r\n",
            "\"",
            "'",
            "\\",
            "get \"a\"b\r\n",
            " ",
            "\t",
            "\0",
            "$16777217\r\n",
            "$100\r\n",
            "x",
            "\u00ff",
            "$2\r\n")
        .list()
        .ofMaxSize(14)
        .map(pieces -> String.join("", pieces));
  }

  private static int[] cuts(int[] seeds, int length) {
    return Arrays.stream(seeds).map(seed -> seed % (length + 1)).sorted().toArray();
  }

  private static int[] everywhere(int length) {
    int[] cuts = new int[length];
    Arrays.setAll(cuts, i -> i);
    return cuts;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        // What Redis 7.0.15 answers to the same bytes.
        "*3000000000\\r\\n|invalid multibulk length",
        "*1048577\\r\\n|invalid multibulk length",
        "*blabla\\r\\n|invalid multibulk length",
        "*01\\r\\n|invalid multibulk length",
        "*+1\\r\\n|invalid multibulk length",
        "*-0\\r\\n|invalid multibulk length",
        "*\\r\\n|invalid multibulk length",
        "*1\\r\\nfoo\\r\\n|expected '$', got 'f'",
        "*3\\r\\n$3\\r\\nSET\\r\\n$1\\r\\nx\\r\\nfooz\\r\\n|expected '$', got 'f'",
        "*1\\r\\n$-10\\r\\n|invalid bulk length",
        "*1\\r\\n$2000000000\\r\\n|invalid bulk length",
        "*1\\r\\n$16777217\\r\\n|invalid bulk length",
        "*1\\r\\n$blabla\\r\\n|invalid bulk length",
        "*1\\r\\n$\\r\\n|invalid bulk length",
        "set \"\"\"test-key\"\"\" test-value\\r\\n|unbalanced quotes in request",
        "set 'a\\r\\n|unbalanced quotes in request",
        "set \"a\\r\\n|unbalanced quotes in request",
      })
  void rejectsInTheWordsOfRedis(String escaped, String detail) {
    byte[] stream = latin1(escaped.replace("\\r", "\r").replace("\\n", "\n"));

    assertThat(outcome(stream)).last().asString().endsWith(": " + detail);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "*", "*1\r\n$"})
  void rejectsLinesWithoutEnd(String start) {
    String detail =
        switch (start) {
          case "" -> "too big inline request";
          case "*" -> "too big mbulk count string";
          default -> "too big bulk count string";
        };
    byte[] stream = latin1(start + "A".repeat(RespParser.MAX_LINE_BYTES + 1));
    byte[] fits = latin1(start + "A".repeat(RespParser.MAX_LINE_BYTES - 1));

    assertThat(outcome(stream)).containsExactly("rejected: TOO_LARGE: " + detail);
    assertThat(outcome(stream, everywhere(stream.length)))
        .containsExactly("rejected: TOO_LARGE: " + detail);
    assertThat(outcome(fits, everywhere(fits.length))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "PING|[PING]",
        "  set \t a   b |[set][a][b]",
        "set \"a b\" 'c d'|[set][a b][c d]",
        "set \"\\x41\\x4g\\q\\\\\" ''|[set][Ax4gq\\][]",
        "set 'it\\'s' \"q\\\"q\"|[set][it's][q\"q]",
        "set a\"b c\" d|[set][ab c][d]",
      })
  void splitsInlineCommandsAsRedisDoes(String line, String expected) {
    assertThat(outcome(latin1(line + "\r\n"))).containsExactly(expected);
    assertThat(outcome(latin1(line + "\n"))).containsExactly(expected);
  }

  @Test
  void ignoresEmptyCommands() {
    assertThat(outcome(latin1("\r\n\n*0\r\n*-10\r\n   \r\n\0hidden\r\nPING\r\n")))
        .containsExactly("[PING]");
  }

  @Test
  void holdsUnauthenticatedClientsToLittle() {
    for (String stream :
        List.of(
            "*11\r\n", "*1\r\n$16385\r\n", "*2\r\n$1\r\na\r\n$16385\r\n" + "b".repeat(20_000))) {
      RespParser parser = new RespParser();
      parser.restricted(true);
      parser.feed(latin1(stream), 0, stream.length());
      assertThat(parser.next()).isEqualTo(RespParser.Status.REJECTED);
      assertThat(parser.rejection().detail()).startsWith("unauthenticated ");
    }
  }

  @Test
  void boundsTheCommandAsAWhole() {
    String argument = "$16000000\r\n" + "v".repeat(16_000_000) + "\r\n";
    byte[] stream = latin1("*4\r\n" + argument + argument + argument);

    assertThat(outcome(stream)).containsExactly("rejected: TOO_LARGE: too big multibulk request");
  }

  @Test
  void believesNoAnnouncement() {
    RespParser parser = new RespParser();
    byte[] start = latin1("*1048576\r\n$16777216\r\nabc");
    parser.feed(start, 0, start.length);

    assertThat(parser.next()).isEqualTo(RespParser.Status.NEED_MORE);

    assertThat(parser.heldBytes()).isLessThan(1024);
  }

  @Test
  void takesTheLargestArgumentAndManyOfThem() {
    byte[] large = latin1("*1\r\n$16777216\r\n" + "v".repeat(16 << 20) + "\r\n");
    RespParser parser = new RespParser();
    assertThat(outcome(large, 20, 70, 5_000_000)).hasSize(1);

    byte[] many = latin1("*1048576\r\n" + "$1\r\na\r\n".repeat(1 << 20));
    parser.feed(many, 0, many.length);
    assertThat(parser.next()).isEqualTo(RespParser.Status.COMMAND);
    assertThat(parser.command()).hasNumberOfRows(1 << 20);
    assertThat(parser.heldBytes()).isZero();
  }

  /** With rescanning or recopying at each byte this would be 10^12 steps. */
  @Test
  void tricklingBytesCostNoMoreThanTheyAre() {
    byte[] stream = latin1("*2\r\n$3\r\nGET\r\n$2000000\r\n" + "k".repeat(2_000_000) + "\r\n");
    byte[] inline = latin1("e".repeat(60_000) + "\n");

    Assertions.assertTimeoutPreemptively(
        Duration.ofSeconds(30),
        () -> {
          RespParser parser = new RespParser();
          int commands = 0;
          for (byte[] bytes : List.of(stream, inline)) {
            for (int i = 0; i < bytes.length; i++) {
              parser.feed(bytes, i, i + 1);
              while (parser.next() == RespParser.Status.COMMAND) {
                commands += parser.command().length;
              }
            }
          }
          assertThat(commands).isEqualTo(3);
        });
  }

  @Test
  void survivesRandomAndMutatedInput() {
    survive(200_000, 20_240_501L);
  }

  @Test
  @Tag("long")
  void survivesAMillionInputs() {
    survive(1_000_000, System.nanoTime());
  }

  /** Feeds random streams in random pieces; what is kept stays a small multiple of what came. */
  private static void survive(int inputs, long seed) {
    Random random = new Random(seed);
    byte[][] seeds = {
      latin1("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*1\r\n$4\r\nPING\r\n"),
      latin1("SET \"a\\x00b\" 'c d'\r\nGET a\r\n"),
      latin1("*2\r\n$4\r\nMGET\r\n$1000\r\n" + "x".repeat(1000) + "\r\n"),
      latin1("*-1\r\n*0\r\n\r\n*1\r\n$0\r\n\r\n"),
      latin1("*1048576\r\n$16777216\r\nabcdef"),
    };
    int accepted = 0;
    int rejected = 0;
    for (int i = 0; i < inputs; i++) {
      byte[] stream;
      if (random.nextInt(4) == 0) {
        stream = new byte[random.nextInt(200)];
        random.nextBytes(stream);
      } else {
        stream = seeds[random.nextInt(seeds.length)].clone();
        for (int flips = random.nextInt(5); flips > 0; flips--) {
          int at = random.nextInt(stream.length);
          switch (random.nextInt(3)) {
            case 0 -> stream[at] = (byte) random.nextInt(256);
            case 1 -> stream[at] = (byte) "*$\r\n0123456789-\"'\\ ".charAt(random.nextInt(19));
            default -> stream = Arrays.copyOf(stream, at + 1);
          }
        }
      }
      RespParser parser = new RespParser();
      parser.restricted(random.nextInt(8) == 0);
      int from = 0;
      RespParser.Status status = RespParser.Status.NEED_MORE;
      while (from < stream.length && status != RespParser.Status.REJECTED) {
        int to = Math.min(stream.length, from + 1 + random.nextInt(64));
        parser.feed(stream, from, to);
        while ((status = parser.next()) == RespParser.Status.COMMAND) {
          for (byte[] argument : parser.command()) {
            if (argument == null) {
              throw new AssertionError("a missing argument, seed " + seed + ", input " + i);
            }
          }
          accepted++;
        }
        from = to;
        if (parser.heldBytes() > 2048 + 40L * from) {
          throw new AssertionError(
              "held " + parser.heldBytes() + " after " + from + ", seed " + seed + ", input " + i);
        }
      }
      if (status == RespParser.Status.REJECTED) {
        rejected++;
        assertThat(parser.next()).isEqualTo(RespParser.Status.REJECTED);
        assertThat(parser.heldBytes()).isZero();
      }
    }
    assertThat(accepted).as("commands, seed %d", seed).isGreaterThan(inputs / 10);
    assertThat(rejected).as("rejections, seed %d", seed).isGreaterThan(inputs / 10);
  }
}
