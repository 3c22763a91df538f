package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.client.Reply;
import io.capsuledb.host.client.RespClient;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random and mutated requests against the socket of a server with little memory: it neither ends
 * nor hangs nor grows, and serves others meanwhile.
 */
class SocketFuzzTest {

  private static final String[] WORDS = {
    "SET",
    "GET",
    "DEL",
    "INCR",
    "APPEND",
    "SETRANGE",
    "GETRANGE",
    "MSET",
    "MGET",
    "EXPIRE",
    "SCAN",
    "KEYS",
    "MULTI",
    "EXEC",
    "WATCH",
    "DISCARD",
    "HELLO",
    "CLIENT",
    "COMMAND",
    "CONFIG",
    "INFO",
    "CAPSULE.HEAD",
    "CAPSULE.RECORD",
    "SETBIT",
    "LCS",
    "RESTORE",
    "DUMP",
    "RESET",
    "SELECT",
    "AUTH",
    "WAIT",
    "LPUSH",
    "SADD",
    "COPY",
    "RENAME",
    "OBJECT",
    "DEBUG",
    "FUNCTION",
    "k",
    "k2",
    "0",
    "-1",
    "9223372036854775807",
    "1e300",
    "nan",
    "EX",
    "PX",
    "NX",
    "MATCH",
    "*",
    "[",
    "\\",
    "3"
  };

  /** A client that sent so much unread output is not read any further. */
  private static final int INPUTS_PER_CONNECTION = 200;

  /** Resident memory the server may take: its heap, its memtable, code, buffers. */
  private static final long RSS_LIMIT_KIB = 1_200_000;

  @TempDir Path directory;

  @Test
  void aHundredThousandInputs() throws Exception {
    fuzz(100_000);
  }

  @Test
  @Tag("long")
  void aMillionInputs() throws Exception {
    fuzz(1_000_000);
  }

  private void fuzz(int inputs) throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    try (ServerProcess server =
        ServerProcess.start(
            directory.resolve("data"),
            directory.resolve("log"),
            List.of("-Xmx256m"),
            "--memtable-mb",
            "64")) {
      try (RespClient bystander = server.connect()) {
        bystander.query(ascii("SET"), ascii("bystander"), ascii("here"));
        for (int sent = 0; sent < inputs; sent += INPUTS_PER_CONNECTION) {
          connection(server, random);
          if (sent % 10_000 == 0) {
            assertThat(server.process().isAlive()).as("seed %d", seed).isTrue();
            Reply reply = bystander.query(ascii("PING"));
            assertThat(reply).as("seed %d", seed).isInstanceOf(Reply.Text.class);
          }
        }
      }
      assertThat(residentKib(server)).as("seed %d", seed).isLessThan(RSS_LIMIT_KIB);
      assertThat(server.stop()).isZero();
    }
    ServerProcess.Outcome verify =
        ServerProcess.run("verify", directory.resolve("data").toString());
    assertThat(verify.exitCode()).as(verify.output()).isZero();
  }

  private static long residentKib(ServerProcess server) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + server.pid() + "/status"))) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    throw new AssertionError("no resident size for the server");
  }

  /** Sends inputs until the server has had enough of them, reading what it answers. */
  private static void connection(ServerProcess server, Random random) throws IOException {
    try (Socket socket = new Socket()) {
      // A reset instead of a wait: the test opens more connections than there are ports.
      socket.setOption(java.net.StandardSocketOptions.SO_LINGER, 0);
      socket.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()), 10_000);
      socket.setSoTimeout(10_000);
      InputStream in = socket.getInputStream();
      byte[] answers = new byte[64 << 10];
      for (int i = 0; i < INPUTS_PER_CONNECTION; i++) {
        socket.getOutputStream().write(input(random));
        while (in.available() > 0) {
          if (in.read(answers) < 0) {
            return;
          }
        }
      }
    } catch (IOException dropped) {
      // Dropping a client that talks nonsense is the server's right; being gone is not, and the
      // next connection would show it.
      assertThat(server.process().isAlive()).isTrue();
    }
  }

  private static byte[] input(Random random) {
    if (random.nextInt(50) == 0) {
      byte[] noise = new byte[random.nextInt(300)];
      random.nextBytes(noise);
      return noise;
    }
    List<byte[]> words = new ArrayList<>();
    int count = 1 + random.nextInt(5);
    for (int w = 0; w < count; w++) {
      byte[] word = ascii(WORDS[random.nextInt(WORDS.length)]);
      if (random.nextInt(6) == 0) {
        word = new byte[random.nextInt(60)];
        random.nextBytes(word);
      }
      words.add(word);
    }
    StringBuilder request = new StringBuilder("*" + words.size() + "\r\n");
    for (byte[] word : words) {
      request.append('$').append(word.length).append("\r\n");
      request.append(new String(word, StandardCharsets.ISO_8859_1)).append("\r\n");
    }
    byte[] bytes = request.toString().getBytes(StandardCharsets.ISO_8859_1);
    if (random.nextInt(20) == 0) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    }
    return bytes;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
