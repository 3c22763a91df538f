package io.capsuledb.jepsen.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class RespConnectionTest {

  /** A connection to a server that has answered already. */
  private static RespConnection answered(String answer) throws IOException {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      RespConnection connection =
          RespConnection.open(new Endpoint("n", "127.0.0.1", server.getLocalPort()), 2_000);
      Socket accepted = server.accept();
      accepted.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
      accepted.shutdownOutput();
      return connection;
    }
  }

  @Test
  void repliesOfAllTypes() throws IOException, ServerFaultException {
    try (RespConnection connection =
        answered("+OK\r\n:-7\r\n$-1\r\n$5\r\nä\r\nb\r\n*2\r\n:1\r\n*-1\r\n-ERR no\r\n")) {
      List<Reply> replies =
          connection.pipeline(
              List.of(
                  List.of("a"),
                  List.of("b"),
                  List.of("c"),
                  List.of("d"),
                  List.of("e"),
                  List.of("f")));

      assertThat(replies.get(0).text()).isEqualTo("OK");
      assertThat(replies.get(1).number()).isEqualTo(-7);
      assertThat(replies.get(2).text()).isNull();
      assertThat(replies.get(3).text()).isEqualTo("ä\r\nb");
      assertThat(replies.get(4).array()).containsExactly(new Reply.Int(1), new Reply.Many(null));
      assertThatThrownBy(() -> replies.get(5).check())
          .isInstanceOf(ServerFaultException.class)
          .hasMessage("ERR no");
    }
  }

  @Test
  void anErrorWithinAnArrayIsNotOverlooked() throws IOException {
    try (RespConnection connection = answered("*2\r\n:1\r\n-UNKNOWN what\r\n")) {
      Reply reply = connection.call("EXEC");

      assertThatThrownBy(reply::array)
          .isInstanceOfSatisfying(
              ServerFaultException.class, fault -> assertThat(fault.certain()).isFalse());
    }
  }

  @Test
  void aTransactionThatWasDiscardedTellsWhy() throws IOException {
    try (RespConnection connection =
        answered("+OK\r\n-ERR UNAVAILABLE no quorum\r\n-EXECABORT discarded\r\n")) {
      assertThatThrownBy(() -> connection.transaction(List.of(List.of("SET", "a", "b"))))
          .isInstanceOfSatisfying(
              ServerFaultException.class, fault -> assertThat(fault.certain()).isTrue())
          .hasMessageContaining("no quorum");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "\r\n", "?x\r\n", ":x\r\n", "$99999999999\r\n", "$3\r\nab", "$1\r\nabc", "*9"})
  void rubbishAndHalfRepliesEndTheConnection(String answer) throws IOException {
    try (RespConnection connection = answered(answer)) {
      assertThatThrownBy(() -> connection.call("GET", "x")).isInstanceOf(IOException.class);
    }
  }

  @Test
  void onlyErrorsThatPromiseItMeanThatNothingHappened() {
    assertThat(new ServerFaultException("ERR UNAVAILABLE no quorum").certain()).isTrue();
    assertThat(new ServerFaultException("READONLY You can't write").certain()).isTrue();
    assertThat(new ServerFaultException("UNKNOWN not durable in time").certain()).isFalse();
    assertThat(new ServerFaultException("ERR internal error").certain()).isFalse();
  }
}
