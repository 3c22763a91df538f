package io.capsuledb.host.bench.replication;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Redis with two replicas, all three with {@code appendfsync always}: each writer is a connection
 * that sends SET and {@code WAIT 1 0} in one piece and waits for both replies. WAIT says that one
 * replica has the write in memory: weaker than what the capsule promises.
 */
final class RedisTarget implements Target {

  private static final int REPLICAS = 2;
  private static final long STALL_MS = 60_000;

  /** {@code +OK\r\n} and then {@code :1\r\n} or {@code :2\r\n}. */
  private static final int REPLY_BYTES = 9;

  private static final Pattern REPLY = Pattern.compile("\\+OK\r\n:[1-9]\r\n");
  private static final Pattern ONLINE = Pattern.compile("slave\\d+:[^\r]*state=online");

  private final List<Workplace.Program> programs = new ArrayList<>();
  private final Clock clock;
  private final InetSocketAddress address;

  RedisTarget(String program, Workplace workplace, Clock clock) {
    this.clock = clock;
    List<Integer> ports = Workplace.freePorts(1 + REPLICAS);
    address = new InetSocketAddress(InetAddress.getLoopbackAddress(), ports.getFirst());
    boolean ready = false;
    try {
      for (int i = 0; i <= REPLICAS; i++) {
        Path directory = workplace.directory("redis-" + i);
        List<String> command =
            new ArrayList<>(
                List.of(
                    program,
                    "--port",
                    ports.get(i).toString(),
                    "--bind",
                    Workplace.LOOPBACK,
                    "--dir",
                    directory.toString(),
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always",
                    "--auto-aof-rewrite-percentage",
                    "0",
                    "--repl-diskless-sync-delay",
                    "0",
                    "--save",
                    ""));
        if (i > 0) {
          command.addAll(List.of("--replicaof", Workplace.LOOPBACK, ports.getFirst().toString()));
        }
        programs.add(workplace.start("redis-" + i, directory, command));
      }
      programs.getFirst().awaitReady(this::hasReplicas);
      ready = true;
    } finally {
      if (!ready) {
        close();
      }
    }
  }

  private boolean hasReplicas() {
    try (Socket socket = new Socket()) {
      socket.connect(address, (int) STALL_MS);
      socket.setSoTimeout((int) STALL_MS);
      socket
          .getOutputStream()
          .write("INFO replication\r\nQUIT\r\n".getBytes(StandardCharsets.US_ASCII));
      String info = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      return ONLINE.matcher(info).results().count() == REPLICAS;
    } catch (IOException e) {
      // Nobody listens yet; the caller asks again, up to its deadline.
      return false;
    }
  }

  @Override
  public String name() {
    return "redis";
  }

  /** One connection. */
  private static final class Writer {
    final SocketChannel channel;
    final ByteBuffer in = ByteBuffer.allocate(REPLY_BYTES);
    ByteBuffer out = ByteBuffer.allocate(0);
    long began;

    Writer(SocketChannel channel) {
      this.channel = channel;
    }
  }

  @Override
  public Sample run(Load load) {
    List<SocketChannel> channels = new ArrayList<>();
    try (Selector selector = Selector.open()) {
      Measurement measurement = new Measurement(load, clock);
      byte[] value = measurement.value();
      for (int i = 0; i < load.outstanding(); i++) {
        SocketChannel channel = SocketChannel.open(address);
        channels.add(channel);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
        Writer writer = new Writer(channel);
        SelectionKey key = channel.register(selector, SelectionKey.OP_READ, writer);
        begin(key, writer, measurement, value);
      }
      int busy = channels.size();
      Set<SelectionKey> ready = selector.selectedKeys();
      while (busy > 0) {
        if (selector.select(STALL_MS) == 0) {
          throw new UnavailableException("redis has not answered for " + STALL_MS / 1000 + " s");
        }
        for (SelectionKey key : ready) {
          Writer writer = (Writer) key.attachment();
          if (key.isWritable()) {
            write(key, writer);
          }
          if (key.isReadable() && answered(writer)) {
            long now = measurement.now();
            measurement.record(writer.began, now);
            if (measurement.isOver(now)) {
              busy--;
            } else {
              begin(key, writer, measurement, value);
            }
          }
        }
        ready.clear();
      }
      return measurement.sample();
    } catch (IOException e) {
      throw new UnavailableException("the connection to redis failed (" + e + ")", e);
    } finally {
      channels.forEach(RedisTarget::close);
    }
  }

  private static void begin(SelectionKey key, Writer writer, Measurement measurement, byte[] value)
      throws IOException {
    ByteArrayOutputStream command = new ByteArrayOutputStream(value.length + 96);
    command.writeBytes(ascii("*3\r\n$3\r\nSET\r\n$" + Load.KEY_BYTES + "\r\n"));
    command.writeBytes(measurement.nextKey());
    command.writeBytes(ascii("\r\n$" + value.length + "\r\n"));
    command.writeBytes(value);
    command.writeBytes(ascii("\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n"));
    writer.out = ByteBuffer.wrap(command.toByteArray());
    writer.in.clear();
    writer.began = measurement.now();
    write(key, writer);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static void write(SelectionKey key, Writer writer) throws IOException {
    writer.channel.write(writer.out);
    int wanted =
        writer.out.hasRemaining()
            ? SelectionKey.OP_READ | SelectionKey.OP_WRITE
            : SelectionKey.OP_READ;
    if (key.interestOps() != wanted) {
      key.interestOps(wanted);
    }
  }

  private static boolean answered(Writer writer) throws IOException {
    int length = writer.channel.read(writer.in);
    if (length < 0) {
      throw new UnavailableException("redis closed a connection");
    }
    if (writer.in.hasRemaining()) {
      return false;
    }
    String reply = new String(writer.in.array(), StandardCharsets.US_ASCII);
    if (!REPLY.matcher(reply).matches()) {
      throw new UnavailableException("redis answered: " + reply.strip());
    }
    return true;
  }

  private static void close(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UnavailableException("the connection to redis does not close", e);
    }
  }

  @Override
  public void close() {
    programs.reversed().forEach(Workplace.Program::close);
  }
}
