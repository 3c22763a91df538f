package io.capsuledb.host.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.client.ClientOptions;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.terminal.Progress;
import io.capsuledb.host.terminal.Streams;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A load against servers that misbehave. */
class LoaderTest {

  /**
   * Read before the first answer: more operations than tests here answer that lose the connection.
   */
  private static final int UNDER_WAY_BYTES = 256;

  private final List<String> problems = new ArrayList<>();

  /** Loads {@code trace} into a server that answers {@code replies} and closes the connection. */
  private LoadSummary load(String trace, String replies) throws IOException {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread answering = Thread.ofPlatform().start(() -> answer(server, replies));
      RespClient client =
          RespClient.open(
              ClientOptions.builder()
                  .address(new HostPort("127.0.0.1", server.getLocalPort()))
                  .timeoutMs(20_000)
                  .build());
      PrintStream nowhere =
          new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
      Streams streams = new Streams(InputStream.nullInputStream(), nowhere, nowhere, false);
      SystemClock clock = new SystemClock();
      try (client;
          Progress progress =
              Progress.begin("load", "x", Progress.Position.BYTES, -1, streams, clock)) {
        return new Loader(client, clock, 16, false, problems::add)
            .run(
                new ByteArrayInputStream(trace.getBytes(StandardCharsets.UTF_8)),
                LoadFormat.YCSB_TRACE,
                progress);
      } finally {
        join(answering);
      }
    }
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  private static void answer(ServerSocket server, String replies) {
    try (Socket client = server.accept()) {
      // More operations are under way than are answered, else nothing is left open.
      client.getInputStream().readNBytes(UNDER_WAY_BYTES);
      client.getOutputStream().write(replies.getBytes(StandardCharsets.US_ASCII));
      client.shutdownOutput();
      // To the end, so that no reset takes back what was answered.
      client.getInputStream().transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aConnectionLostWithWritesUnderWayLeavesTheOutcomeOpen() {
    assertThatThrownBy(() -> load("SET k v\n".repeat(100_000), "+OK\r\n".repeat(7)))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("7 writes were answered");
  }

  @Test
  void aConnectionLostWithReadsUnderWayIsUnavailable() {
    assertThatThrownBy(() -> load("GET k\n".repeat(1000), "$-1\r\n".repeat(3)))
        .isInstanceOf(UnavailableException.class);
  }

  @Test
  void aServerWhoseStorageFailedIsNotAskedAgain() {
    assertThatThrownBy(() -> load("SET k v\n".repeat(1000), "+OK\r\n-STORAGE the disk is gone\r\n"))
        .isInstanceOf(StorageException.class);
    assertThat(problems).hasSize(1);
    assertThat(problems.getFirst()).startsWith("line 2: ");
  }

  @Test
  void errorsOfSingleOperationsAreCountedAndTheFirstAreReported() throws IOException {
    LoadSummary summary = load("SET k v\n".repeat(30), "-OOM full\r\n".repeat(29) + "+OK\r\n");
    assertThat(summary.errors()).isEqualTo(29);
    assertThat(summary.sets()).isEqualTo(1);
    assertThat(summary.operations()).isEqualTo(30);
    assertThat(problems).hasSize(Loader.MAX_REPORTED);
    assertThat(problems.get(2)).startsWith("line 3: ").contains("OOM full");
  }
}
