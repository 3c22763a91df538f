package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Replays conversations with Redis 7.0.15, recorded from an empty database each: {@code > command},
 * then its reply as {@link Replies} renders it. {@code ~} before a command: the order of the
 * elements does not count.
 */
class TranscriptTest {

  @ParameterizedTest
  @ValueSource(
      strings = {"strings", "numbers", "bits", "lcs", "keys", "expiry", "keyspace", "collections"})
  void repliesAreThoseOfRedis(String name) throws IOException {
    Iterator<String> lines = lines(name).iterator();
    int commands = 0;
    try (CommandRunner runner = new CommandRunner()) {
      while (lines.hasNext()) {
        String line = lines.next();
        if (line.startsWith("@protocol ")) {
          runner.protocol(Integer.parseInt(line.substring("@protocol ".length())));
        } else if (line.startsWith("> ")) {
          boolean anyOrder = line.startsWith("> ~");
          byte[][] command = words(line.substring(anyOrder ? 3 : 2));
          var reply = runner.reply(command);
          assertThat(anyOrder ? Replies.renderSorted(reply) : Replies.render(reply))
              .as("%s: %s", name, line)
              .isEqualTo(lines.next());
          commands++;
        }
      }
    }
    assertThat(commands).isGreaterThan(30);
  }

  private static List<String> lines(String name) throws IOException {
    String path = "/transcripts/" + name + ".txt";
    try (InputStream in = TranscriptTest.class.getResourceAsStream(path)) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
    }
  }

  /** Words between spaces; a word may be in quotes, with the escapes of {@link Replies#quoted}. */
  private static byte[][] words(String line) {
    List<byte[]> words = new ArrayList<>();
    int at = 0;
    while (at < line.length()) {
      StringBuilder word = new StringBuilder();
      if (line.charAt(at) == '"') {
        at++;
        while (line.charAt(at) != '"') {
          if (line.charAt(at) != '\\') {
            word.append(line.charAt(at));
            at++;
          } else if (line.charAt(at + 1) == 'x') {
            word.append((char) Integer.parseInt(line.substring(at + 2, at + 4), 16));
            at += 4;
          } else {
            int escape = "nrt".indexOf(line.charAt(at + 1));
            word.append(escape >= 0 ? "\n\r\t".charAt(escape) : line.charAt(at + 1));
            at += 2;
          }
        }
        at++;
      } else {
        while (at < line.length() && line.charAt(at) != ' ') {
          word.append(line.charAt(at));
          at++;
        }
      }
      words.add(CommandRunner.bytes(word.toString()));
      at++;
    }
    return words.toArray(byte[][]::new);
  }
}
