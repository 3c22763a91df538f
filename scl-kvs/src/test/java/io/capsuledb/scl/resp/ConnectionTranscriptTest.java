package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Replays conversations with Redis 7.0.15 byte by byte: connection commands, transactions, errors,
 * protocol errors. See the head of the resource for its form.
 */
class ConnectionTranscriptTest {

  /** Longer than any timer the conversations start. */
  private static final long ALL_TIMERS_MS = 1_000;

  private record Conversation(String sent, String received) {}

  @Test
  void repliesAreThoseOfRedis() throws IOException {
    int replayed = 0;
    try (Wire wire = new Wire()) {
      for (Conversation conversation : conversations()) {
        assertThat(replay(wire, conversation.sent, conversation.sent.length()))
            .as(conversation.sent)
            .isEqualTo(conversation.received);
        replayed++;
      }
    }
    assertThat(replayed).isGreaterThan(150);
  }

  @Test
  void repliesAreTheSameWhenBytesTrickleIn() throws IOException {
    try (Wire wire = new Wire()) {
      for (Conversation conversation : conversations()) {
        if (conversation.sent.length() < 2_000) {
          assertThat(replay(wire, conversation.sent, 1))
              .as(conversation.sent)
              .isEqualTo(conversation.received);
        }
      }
    }
  }

  private static String replay(Wire wire, String sent, int pieceLength) {
    Wire.Client cleaner = wire.connect();
    cleaner.ask("FLUSHALL");
    cleaner.disconnect();
    Wire.Client client = wire.connect();
    for (int at = 0; at < sent.length() && client.open(); at += pieceLength) {
      client.send(sent.substring(at, Math.min(sent.length(), at + pieceLength)));
    }
    wire.settle();
    wire.pass(ALL_TIMERS_MS);
    String received = client.received() + (client.open() ? "" : "<EOF>");
    client.disconnect();
    return received;
  }

  private static List<Conversation> conversations() throws IOException {
    List<Conversation> conversations = new ArrayList<>();
    try (InputStream in =
        ConnectionTranscriptTest.class.getResourceAsStream("/transcripts/connection.txt")) {
      String sent = "";
      for (String line :
          new String(in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList()) {
        if (line.startsWith("> ")) {
          sent = unescaped(line.substring(2));
        } else if (line.startsWith("< ")) {
          conversations.add(new Conversation(sent, unescaped(line.substring(2))));
        }
      }
    }
    return conversations;
  }

  private static String unescaped(String text) {
    StringBuilder bytes = new StringBuilder();
    int at = 0;
    while (at < text.length()) {
      char c = text.charAt(at);
      at++;
      if (c != '\\') {
        bytes.append(c);
        continue;
      }
      char escape = text.charAt(at);
      at++;
      switch (escape) {
        case 'r' -> bytes.append('\r');
        case 'n' -> bytes.append('\n');
        case 'x' -> {
          bytes.append((char) Integer.parseInt(text.substring(at, at + 2), 16));
          at += 2;
        }
        case '{' -> {
          int end = text.indexOf('}', at);
          String count = text.substring(at + 2, end);
          bytes.append(text.substring(at, at + 1).repeat(Integer.parseInt(count)));
          at = end + 1;
        }
        default -> bytes.append(escape);
      }
    }
    return bytes.toString();
  }
}
