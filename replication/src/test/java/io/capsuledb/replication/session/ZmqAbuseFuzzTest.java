package io.capsuledb.replication.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.transport.Await;
import io.capsuledb.replication.transport.ZmqOptions;
import io.capsuledb.replication.transport.ZmqTransport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Raw sockets that abuse a ZMTP server: it stays up, honest peers notice nothing. */
@Timeout(300)
class ZmqAbuseFuzzTest {

  private static final int MAX_LINKS = 64;
  private static final MessengerOptions OPTIONS =
      new MessengerOptions(new SessionOptions(1_000, 500, 5_000), 64, 16, 50, 1_000);

  private static Network network(Transport.Events events) {
    return ZmqTransport.start(
        new ZmqOptions(MAX_LINKS, 64 << 20, 1024, 1_000), Telemetry.NONE, events);
  }

  private HonestPair pair;
  private final List<Socket> sockets = new ArrayList<>();

  @BeforeEach
  void start() {
    pair = new HonestPair(OPTIONS, ZmqAbuseFuzzTest::network);
  }

  @AfterEach
  void stop() throws IOException {
    for (Socket socket : sockets) {
      socket.close();
    }
    pair.close();
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), pair.port());
    socket.setSoTimeout(20_000);
    sockets.add(socket);
    return socket;
  }

  /** Writes as far as the server lets it. */
  private static void write(Socket socket, byte[]... parts) {
    try {
      OutputStream out = socket.getOutputStream();
      for (byte[] part : parts) {
        out.write(part);
      }
      out.flush();
    } catch (IOException e) {
      // Cut off by the server: as it should be.
      assertThat(e).hasMessageMatching("(?i).*(reset|broken|closed|abort).*");
    }
  }

  private static void assertCutOff(Socket socket) {
    Await.until(
        "the end of the connection",
        () -> {
          try {
            return socket.getInputStream().read() < 0;
          } catch (IOException e) {
            return true;
          }
        });
  }

  private static byte[] greeting() {
    ByteBuffer greeting = ByteBuffer.allocate(64);
    greeting.put((byte) 0xff).putLong(0).put((byte) 0x7f).put((byte) 3).put((byte) 0);
    greeting.put("NULL".getBytes(StandardCharsets.US_ASCII));
    return greeting.array();
  }

  private static byte[] ready(String... properties) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.writeBytes("\5READY".getBytes(StandardCharsets.US_ASCII));
    for (int i = 0; i < properties.length; i += 2) {
      body.write(properties[i].length());
      body.writeBytes(properties[i].getBytes(StandardCharsets.US_ASCII));
      body.writeBytes(ByteBuffer.allocate(4).putInt(properties[i + 1].length()).array());
      body.writeBytes(properties[i + 1].getBytes(StandardCharsets.US_ASCII));
    }
    ByteBuffer frame = ByteBuffer.allocate(2 + body.size());
    return frame.put((byte) 4).put((byte) body.size()).put(body.toByteArray()).array();
  }

  private static byte[] dealer() {
    return ready("Socket-Type", "DEALER", "Identity", "");
  }

  /** A frame with a length of eight bytes that need not be true. */
  private static byte[] longFrame(int flags, long length, byte[] body) {
    return ByteBuffer.allocate(9 + body.length)
        .put((byte) (flags | 2))
        .putLong(length)
        .put(body)
        .array();
  }

  private static byte[] shortFrame(int flags, byte[] body) {
    return ByteBuffer.allocate(2 + body.length)
        .put((byte) flags)
        .put((byte) body.length)
        .put(body)
        .array();
  }

  private static long usedBytes() {
    System.gc();
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  @Test
  void lengthsBeyondAllMeasureAllocateNothingAndEndTheConnection() throws IOException {
    for (long length :
        new long[] {
          Long.MIN_VALUE,
          -1,
          0x8000_0000_7fff_fff0L,
          0x8000_0000_4000_0000L,
          0x8000_0000_8000_0000L,
          Long.MAX_VALUE,
          Integer.MAX_VALUE,
          1L << 32,
          1L << 30,
          300_000
        }) {
      Socket socket = connect();
      long before = usedBytes();
      write(socket, greeting(), dealer(), longFrame(0, length, new byte[100]));
      assertCutOff(socket);
      assertThat(usedBytes() - before).isLessThan(64L << 20);
      pair.work();
      Socket early = connect();
      write(early, greeting(), longFrame(4, length, new byte[100]));
      assertCutOff(early);
      pair.work();
    }
  }

  @Test
  void aMessageThatNeverEndsIsNotCollected() throws IOException {
    long before = usedBytes();
    Socket socket = connect();
    write(socket, greeting(), dealer());
    byte[] part = longFrame(1, 200_000, new byte[200_000]);
    for (int i = 1; i <= 2_000; i++) {
      write(socket, part);
      if (i % 250 == 0) {
        assertThat(usedBytes() - before).isLessThan(40L << 20);
      }
    }
    assertCutOff(socket);
    pair.work();
  }

  @Test
  void whoeverSaysNothingIsCutOffAndDoesNotKeepOthersOut() throws IOException {
    List<Socket> silent = new ArrayList<>();
    for (int i = 0; i < 3 * MAX_LINKS; i++) {
      Socket socket = connect();
      switch (i % 4) {
        case 0 -> {}
        case 1 -> write(socket, new byte[] {(byte) 0xff});
        case 2 -> write(socket, greeting());
        default -> write(socket, greeting(), dealer());
      }
      silent.add(socket);
    }
    assertThat(pair.server.counters().get("zmq.connections")).isLessThanOrEqualTo(MAX_LINKS);
    for (Socket socket : silent) {
      assertCutOff(socket);
    }
    pair.work();
    pair.welcomesAnother(ZmqAbuseFuzzTest::network);
    Await.until("only the honest link", () -> pair.server.counters().get("zmq.connections") == 1L);
  }

  @Test
  void aByteAtATimeIsNoReasonToWait() throws IOException {
    Socket socket = connect();
    byte[] bytes = greeting();
    long began = System.nanoTime();
    Await.until(
        "cut off in the midst of a greeting",
        () -> {
          int sent = (int) ((System.nanoTime() - began) / 100_000_000L);
          if (sent < bytes.length) {
            try {
              socket.getOutputStream().write(bytes, sent, 1);
              java.util.concurrent.locks.LockSupport.parkNanos(50_000_000);
            } catch (IOException e) {
              return true;
            }
          }
          return System.nanoTime() - began > 25_000_000_000L;
        });
    assertThat(System.nanoTime() - began).isLessThan(10_000_000_000L);
    pair.work();
  }

  /** ZMTP lets a peer name its own address: that must not move anybody else's link. */
  @Test
  void claimingAnothersAddressMovesNothing() throws IOException {
    for (String name : new String[] {"Peer-Address", "peer-address", "Identity"}) {
      for (int port = 1; port < 65_536; port += 9_973) {
        Socket socket = connect();
        write(
            socket,
            greeting(),
            ready("Socket-Type", "DEALER", name, "127.0.0.1:" + port),
            shortFrame(0, new byte[] {0, 1, 2, 3}));
        assertCutOff(socket);
      }
    }
    pair.work();
  }

  @Test
  void manyWithOneNameEachGetNothingOfTheOthers() throws IOException {
    List<Socket> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      Socket socket = connect();
      write(
          socket,
          greeting(),
          ready("Socket-Type", "DEALER", "Identity", "same"),
          shortFrame(0, new byte[] {0, 9, 9, 9}));
      all.add(socket);
    }
    for (Socket socket : all) {
      assertCutOff(socket);
    }
    pair.work();
  }

  @Test
  void rubbishOfAllKinds() throws IOException {
    abuse(new Random(1), 150);
  }

  @Test
  @Tag("long")
  void rubbishOfAllKindsForLong() throws IOException {
    long seed = ThreadLocalRandom.current().nextLong();
    System.getLogger(ZmqAbuseFuzzTest.class.getName())
        .log(System.Logger.Level.INFO, "seed " + seed);
    abuse(new Random(seed), 10_000);
  }

  private void abuse(Random random, int rounds) throws IOException {
    long before = usedBytes();
    for (int round = 0; round < rounds; round++) {
      Socket socket = connect();
      byte[] noise = new byte[random.nextInt(2_000)];
      random.nextBytes(noise);
      byte[] greeting = greeting();
      byte[] dealer = dealer();
      if (random.nextInt(3) == 0) {
        greeting[random.nextInt(greeting.length)] ^= (byte) (1 << random.nextInt(8));
      }
      if (random.nextInt(3) == 0) {
        dealer[random.nextInt(dealer.length)] ^= (byte) (1 << random.nextInt(8));
      }
      byte[] session = new byte[2 + random.nextInt(200)];
      random.nextBytes(session);
      session[0] = 0;
      session[1] = (byte) random.nextInt(8);
      if (session.length > 9) {
        java.util.Arrays.fill(session, 2, 9, (byte) 0);
        session[2] = 1;
      }
      switch (random.nextInt(6)) {
        case 0 -> write(socket, noise);
        case 1 -> write(socket, greeting, noise);
        case 2 -> write(socket, greeting, dealer, noise);
        case 3 -> write(socket, greeting, dealer, shortFrame(random.nextInt(8), session));
        case 4 ->
            write(socket, greeting, dealer, longFrame(random.nextInt(8), random.nextLong(), noise));
        default ->
            write(
                socket,
                greeting,
                dealer,
                shortFrame(0, session),
                shortFrame(4, noise.length > 255 ? new byte[3] : noise),
                shortFrame(0, session));
      }
      if (random.nextBoolean()) {
        socket.close();
      }
      if (round % 10 == 0) {
        pair.work();
        while (sockets.size() > 100) {
          sockets.removeFirst().close();
        }
      }
    }
    pair.work();
    pair.welcomesAnother(ZmqAbuseFuzzTest::network);
    assertThat(pair.server.counters().get("zmq.restarts")).isZero();
    assertThat(usedBytes() - before).isLessThan(128L << 20);
  }
}
