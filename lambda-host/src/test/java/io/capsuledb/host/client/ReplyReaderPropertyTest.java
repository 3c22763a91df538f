package io.capsuledb.host.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;

class ReplyReaderPropertyTest {

  private static Reply read(byte[] bytes, int step) throws IOException {
    return new ReplyReader(
            new ByteArrayInputStream(bytes) {
              @Override
              public int read(byte[] target, int offset, int length) {
                return super.read(target, offset, Math.min(step, length));
              }
            })
        .read();
  }

  private static Reply read(String text) throws IOException {
    return read(text.getBytes(StandardCharsets.UTF_8), 3);
  }

  @Property
  void bulksOfAnyBytesSurviveAnyChunking(@ForAll byte[] bytes, @ForAll byte step)
      throws IOException {
    byte[] head = ("$" + bytes.length + "\r\n").getBytes(StandardCharsets.US_ASCII);
    byte[] reply = new byte[head.length + bytes.length + 2];
    System.arraycopy(head, 0, reply, 0, head.length);
    System.arraycopy(bytes, 0, reply, head.length, bytes.length);
    reply[reply.length - 2] = '\r';
    reply[reply.length - 1] = '\n';
    assertThat(((Reply.Bulk) read(reply, 1 + (step & 0xff))).bytes()).isEqualTo(bytes);
  }

  @Property(tries = 5_000)
  void anyBytesAreAReplyOrRefused(@ForAll @Size(max = 60) byte[] bytes) {
    String alphabet = "+-:$*\r\n0123459A";
    byte[] likely = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      likely[i] = (byte) alphabet.charAt((bytes[i] & 0xff) % alphabet.length());
    }
    for (byte[] input : List.of(bytes, likely)) {
      try {
        assertThat(read(input, 7)).isNotNull();
      } catch (IOException e) {
        assertThat(e).hasMessageNotContaining("\n");
      }
    }
  }

  @Example
  void everyTypeOfReply() throws IOException {
    assertThat(read("+OK\r\n")).isEqualTo(new Reply.Text("OK"));
    assertThat(read("-ERR x\r\n")).isEqualTo(new Reply.Failure("ERR x"));
    assertThat(read(":-7\r\n")).isEqualTo(new Reply.Count(-7));
    assertThat(read("$-1\r\n")).isInstanceOf(Reply.Absent.class);
    assertThat(read("*-1\r\n")).isInstanceOf(Reply.Absent.class);
    assertThat(read("*2\r\n:1\r\n*1\r\n+a\r\n"))
        .isEqualTo(
            new Reply.Sequence(
                List.of(new Reply.Count(1), new Reply.Sequence(List.of(new Reply.Text("a"))))));
  }

  @Example
  void boundsHoldBeforeAnythingIsAllocated() {
    for (String hostile :
        List.of(
            "$2147483647\r\n",
            "*99999999\r\n",
            "$-2\r\n",
            "*1\r\n".repeat(50),
            "*1048576\r\n*1048576\r\n",
            "+" + "x".repeat(70_000))) {
      assertThatThrownBy(() -> read(hostile))
          .as(hostile.substring(0, Math.min(30, hostile.length())))
          .isInstanceOf(ReplyReader.MalformedReplyException.class);
    }
  }

  @Example
  void errorsBecomeTheFailuresTheyStandFor() {
    Map<String, Class<? extends CapsuleException>> expected =
        Map.of(
            "ERR syntax error", InvalidRequestException.class,
            "WRONGTYPE x", InvalidRequestException.class,
            "NOAUTH x", DeniedException.class,
            "WRONGPASS x", DeniedException.class,
            "NOPERM x", DeniedException.class,
            "OOM x", UnavailableException.class,
            "ERR UNAVAILABLE x", UnavailableException.class,
            "STORAGE x", StorageException.class,
            "INTEGRITY SIGNATURE: record 3/1", IntegrityException.class,
            "UNKNOWN x", OutcomeUnknownException.class);
    expected.forEach(
        (message, type) -> assertThat(ReplyErrors.failure(message)).as(message).isInstanceOf(type));
    assertThat(((IntegrityException) ReplyErrors.failure("INTEGRITY SIGNATURE: x")).rejection())
        .extracting(Rejection::reason)
        .isEqualTo(Rejection.Reason.SIGNATURE);
  }
}
