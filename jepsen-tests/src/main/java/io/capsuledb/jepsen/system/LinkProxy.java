package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * A TCP proxy from a loopback port to another, whose two directions can be held, delayed and
 * slowed. Held bytes stay in bounded queues and then in the senders' buffers, and go on when they
 * are let go. Thread-safe.
 */
final class LinkProxy implements AutoCloseable {

  private static final int CHUNK_BYTES = 16 << 10;
  private static final int QUEUED_CHUNKS = 64;
  private static final int CONNECT_MS = 5_000;
  private static final int BACKLOG = 64;
  private static final long POLL_MS = 5;

  private final String name;
  private final ServerSocket listener;
  private final int targetPort;
  private final Direction forward = new Direction();
  private final Direction backward = new Direction();
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  private LinkProxy(String name, ServerSocket listener, int targetPort) {
    this.name = name;
    this.listener = listener;
    this.targetPort = targetPort;
  }

  /** Starts one that leads to a loopback port. */
  @SuppressWarnings("resource") // The proxy closes its listener.
  static LinkProxy open(String name, int targetPort) throws IOException {
    LinkProxy proxy =
        new LinkProxy(
            name, new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress()), targetPort);
    Thread.ofVirtual().name("proxy " + name).start(proxy::accept);
    return proxy;
  }

  int port() {
    return listener.getLocalPort();
  }

  /** What the side that dialled sends. */
  Direction forward() {
    return forward;
  }

  /** What it is answered. */
  Direction backward() {
    return backward;
  }

  void heal() {
    forward.heal();
    backward.heal();
  }

  /** What is done to the bytes of one direction. */
  static final class Direction {

    private volatile boolean held;
    private volatile int delayMs;
    private volatile int jitterMs;
    private volatile int bytesPerSecond;

    void hold(boolean hold) {
      held = hold;
    }

    void delay(int ms, int jitter) {
      delayMs = ms;
      jitterMs = jitter;
    }

    void limit(int most) {
      bytesPerSecond = most;
    }

    private void heal() {
      held = false;
      delay(0, 0);
      limit(0);
    }

    /** When bytes that came now may leave, in nanoseconds of the system's clock. */
    private long due() {
      int jitter = jitterMs;
      int ms = delayMs + (jitter == 0 ? 0 : ThreadLocalRandom.current().nextInt(jitter + 1));
      return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
    }

    /** How long it takes to send bytes at the rate allowed. */
    private long sendingNs(int bytes) {
      int rate = bytesPerSecond;
      return rate == 0 ? 0 : TimeUnit.SECONDS.toNanos(bytes) / rate;
    }
  }

  @SuppressWarnings("resource") // Sockets are closed by the pumps, or when the proxy is.
  private void accept() {
    while (!closed) {
      try {
        Socket client = listener.accept();
        sockets.add(client);
        Thread.ofVirtual().name("proxy " + name).start(() -> serve(client));
      } catch (IOException e) {
        // The listener was closed, or the process is out of files: either way nobody gets through.
        return;
      }
    }
  }

  @SuppressWarnings("resource") // Closed by the pumps, or when the proxy is.
  private void serve(Socket client) {
    Socket server = new Socket();
    sockets.add(server);
    try {
      server.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), targetPort), CONNECT_MS);
      client.setTcpNoDelay(true);
      server.setTcpNoDelay(true);
      pump(client, server, forward);
      pump(server, client, backward);
    } catch (IOException e) {
      end(client, server);
    }
  }

  /** Bytes on their way; none: the end. */
  private record Chunk(ByteBuffer bytes, long due) {

    private void writeTo(OutputStream out) throws IOException {
      byte[] copy = new byte[bytes.remaining()];
      bytes.get(copy);
      out.write(copy);
    }
  }

  private static final Chunk END = new Chunk(ByteBuffer.allocate(0), 0);

  @SuppressWarnings("resource") // Of sockets that are closed elsewhere.
  private void pump(Socket from, Socket to, Direction direction) throws IOException {
    BlockingQueue<Chunk> queue = new ArrayBlockingQueue<>(QUEUED_CHUNKS);
    InputStream in = from.getInputStream();
    OutputStream out = to.getOutputStream();
    Thread.ofVirtual().name("proxy-in " + name).start(() -> read(in, queue, direction, from, to));
    Thread.ofVirtual()
        .name("proxy-out " + name)
        .start(() -> write(out, queue, direction, from, to));
  }

  private void read(
      InputStream in, BlockingQueue<Chunk> queue, Direction direction, Socket from, Socket to) {
    byte[] buffer = new byte[CHUNK_BYTES];
    try {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        queue.put(new Chunk(ByteBuffer.wrap(Arrays.copyOf(buffer, read)), direction.due()));
      }
      queue.put(END);
    } catch (IOException e) {
      end(from, to);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void write(
      OutputStream out, BlockingQueue<Chunk> queue, Direction direction, Socket from, Socket to) {
    try {
      while (!closed) {
        Chunk chunk = queue.poll(1, TimeUnit.SECONDS);
        if (chunk == null) {
          if (to.isClosed()) {
            return;
          }
          continue;
        }
        while (direction.held && !closed) {
          Thread.sleep(POLL_MS);
        }
        long wait = chunk.due - System.nanoTime();
        if (wait > 0) {
          TimeUnit.NANOSECONDS.sleep(wait);
        }
        if (!chunk.bytes.hasRemaining()) {
          break;
        }
        TimeUnit.NANOSECONDS.sleep(direction.sendingNs(chunk.bytes.remaining()));
        chunk.writeTo(out);
      }
    } catch (IOException e) {
      end(from, to);
      return;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    end(from, to);
  }

  /** One end of a connection is gone: so is the other. */
  private void end(Socket one, Socket other) {
    close(one);
    close(other);
  }

  private void close(Socket socket) {
    sockets.remove(socket);
    try {
      socket.close();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    closed = true;
    listener.close();
    Set.copyOf(sockets).forEach(this::close);
  }
}
