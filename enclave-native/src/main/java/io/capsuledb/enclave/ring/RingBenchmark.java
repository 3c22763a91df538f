package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Measures round trips between two threads of this process: through two rings, a Unix socket, a TCP
 * connection and two pipes. Threads, not processes: to the memory and to the kernel it is the same.
 */
public final class RingBenchmark {

  private static final long WAIT_MS = 10_000;

  /**
   * Every kind is measured so often, in turn: where the kernel puts two threads, on one processor
   * or on two, one of them perhaps asleep, makes a socket several times slower or faster, and stays
   * so for a while.
   */
  private static final int ROUNDS = 4;

  /** Round trips of a round that are kept, the last ones. */
  private static final int KEPT = 1 << 18;

  private final int messageBytes;
  private final long forNs;

  /**
   * Measures with messages of one size.
   *
   * @param messageBytes 1 to 16384
   * @param eachMs milliseconds that each is measured for, after as long to warm up: 40 to 60,000
   */
  public RingBenchmark(int messageBytes, long eachMs) {
    if (messageBytes < 1 || messageBytes > 16_384) {
      throw new InvalidRequestException(
          "messageBytes is " + messageBytes + "; allowed is 1 to 16384");
    }
    if (eachMs < 40 || eachMs > 60_000) {
      throw new InvalidRequestException("eachMs is " + eachMs + "; allowed is 40 to 60000");
    }
    this.messageBytes = messageBytes;
    this.forNs = eachMs * 1_000_000;
  }

  /**
   * Round trips of one kind.
   *
   * @param kind ring, unix-socket, tcp or pipe
   * @param p50Micros half took no longer
   * @param p99Micros 99 of 100 took no longer
   * @param perSecond how many there were, one after another
   */
  public record Row(String kind, double p50Micros, double p99Micros, double perSecond) {}

  /** Both ends of what is measured. */
  private interface Link {
    void send(byte[] message) throws IOException;

    /** Receives a message of the same length. */
    void receive(byte[] into) throws IOException;
  }

  /** What the rounds of one kind have shown. */
  private final class Samples {
    private final String kind;
    private final long[] took = new long[ROUNDS * KEPT];
    private int kept;
    private long count;
    private long nanos;

    Samples(String kind) {
      this.kind = kind;
    }

    void add(long[] round, int trips, long roundNanos) {
      int added = Math.min(trips, KEPT);
      System.arraycopy(round, 0, took, kept, added);
      kept += added;
      count += trips;
      nanos += roundNanos;
    }

    /** The compilers have done their work in the first round. */
    long warmUpNanos() {
      return kept == 0 ? forNs : forNs / 16;
    }

    Row row() {
      long[] sorted = Arrays.copyOf(took, kept);
      Arrays.sort(sorted);
      return new Row(
          kind,
          sorted[kept / 2] / 1e3,
          sorted[(int) (kept * 0.99)] / 1e3,
          (double) count * 1e9 / nanos);
    }
  }

  /** Measures each kind. */
  public List<Row> run() {
    Samples rings = new Samples("ring");
    Samples unixSockets = new Samples("unix-socket");
    Samples connections = new Samples("tcp");
    Samples pipes = new Samples("pipe");
    try {
      for (int round = 0; round < ROUNDS; round++) {
        ring(rings);
        unixSocket(unixSockets);
        tcp(connections);
        pipe(pipes);
      }
    } catch (IOException e) {
      throw new StorageException("a connection of this process to itself failed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while measuring", e);
    }
    return List.of(rings.row(), unixSockets.row(), connections.row(), pipes.row());
  }

  private void ring(Samples samples) throws IOException, InterruptedException {
    RingOptions options = new RingOptions(1 << 17, 1 << 14);
    try (Ring there = Ring.create(options);
        Ring back = Ring.create(options)) {
      byte[] toEcho = new byte[1 << 14];
      byte[] toUs = new byte[1 << 14];
      measure(
          samples,
          link(there.writer(() -> true), back.reader(() -> true), toUs),
          link(back.writer(() -> true), there.reader(() -> true), toEcho));
    }
  }

  private static Link link(RingWriter writer, RingReader reader, byte[] buffer) {
    return new Link() {
      @Override
      public void send(byte[] message) throws IOException {
        if (!writer.send(message, WAIT_MS)) {
          throw new IOException("nobody takes messages from the ring");
        }
      }

      @Override
      public void receive(byte[] into) throws IOException {
        if (reader.take(buffer, WAIT_MS) != into.length) {
          throw new EOFException("nothing came through the ring");
        }
        System.arraycopy(buffer, 0, into, 0, into.length);
      }
    };
  }

  private void unixSocket(Samples samples) throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("capsuledb-");
    Path path = directory.resolve("s");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(path));
      try (SocketChannel near = SocketChannel.open(UnixDomainSocketAddress.of(path));
          SocketChannel far = server.accept()) {
        measure(samples, link(near, near), link(far, far));
      }
    } finally {
      Files.deleteIfExists(path);
      Files.deleteIfExists(directory);
    }
  }

  private void tcp(Samples samples) throws IOException, InterruptedException {
    try (ServerSocketChannel server = ServerSocketChannel.open()) {
      server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
      try (SocketChannel near = SocketChannel.open(server.getLocalAddress());
          SocketChannel far = server.accept()) {
        near.setOption(StandardSocketOptions.TCP_NODELAY, true);
        far.setOption(StandardSocketOptions.TCP_NODELAY, true);
        measure(samples, link(near, near), link(far, far));
      }
    }
  }

  private void pipe(Samples samples) throws IOException, InterruptedException {
    Pipe there = Pipe.open();
    Pipe back = Pipe.open();
    try (ByteChannel near = new Both(back.source(), there.sink());
        ByteChannel far = new Both(there.source(), back.sink())) {
      measure(samples, link(near, near), link(far, far));
    }
  }

  /** Two pipes as one channel. */
  private record Both(ReadableByteChannel source, WritableByteChannel sink) implements ByteChannel {
    @Override
    public int read(ByteBuffer to) throws IOException {
      return source.read(to);
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
      return sink.write(from);
    }

    @Override
    public boolean isOpen() {
      return source.isOpen() && sink.isOpen();
    }

    @Override
    public void close() throws IOException {
      source.close();
      sink.close();
    }
  }

  private static Link link(ReadableByteChannel from, WritableByteChannel to) {
    ByteBuffer out = ByteBuffer.allocateDirect(1 << 14);
    ByteBuffer in = ByteBuffer.allocateDirect(1 << 14);
    return new Link() {
      @Override
      public void send(byte[] message) throws IOException {
        out.clear().put(message).flip();
        while (out.hasRemaining()) {
          to.write(out);
        }
      }

      @Override
      public void receive(byte[] into) throws IOException {
        in.clear().limit(into.length);
        while (in.hasRemaining()) {
          if (from.read(in) < 0) {
            throw new EOFException("the other end has closed");
          }
        }
        in.flip().get(into);
      }
    };
  }

  /** Sends messages to a thread that sends them back, until a message begins with 1. */
  private void measure(Samples samples, Link near, Link far)
      throws IOException, InterruptedException {
    Thread echo =
        Thread.ofPlatform()
            .daemon()
            .name("ring-benchmark-echo")
            .start(
                () -> {
                  byte[] message = new byte[messageBytes];
                  try {
                    do {
                      far.receive(message);
                      far.send(message);
                    } while (message[0] == 0);
                  } catch (IOException e) {
                    throw new StorageException("the echo failed", e);
                  }
                });
    byte[] message = new byte[messageBytes];
    byte[] into = new byte[messageBytes];
    for (long until = System.nanoTime() + samples.warmUpNanos(); System.nanoTime() < until; ) {
      near.send(message);
      near.receive(into);
    }
    long[] took = new long[KEPT];
    int count = 0;
    long began = System.nanoTime();
    long before = began;
    while (before - began < forNs / ROUNDS) {
      near.send(message);
      near.receive(into);
      long now = System.nanoTime();
      took[count & (took.length - 1)] = now - before;
      count++;
      before = now;
    }
    message[0] = 1;
    near.send(message);
    near.receive(into);
    echo.join();
    samples.add(took, count, before - began);
  }
}
