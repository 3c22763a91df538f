package io.capsuledb.host.bench;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.HdrHistogram.Histogram;

/**
 * One measurement. Each client sends a batch of commands, waits for all their replies and sends the
 * next. A reply's latency runs from just before its batch was written to just before the bytes that
 * complete it were read.
 *
 * <p>While it runs nothing is allocated but what the selector allocates. Not thread-safe.
 */
final class LoadRun implements AutoCloseable {

  private static final int IN_BYTES = 64 << 10;
  private static final long STALL_MS = 30_000;
  private static final long MAX_LATENCY_NANOS = 60_000_000_000L;
  private static final int SIGNIFICANT_DIGITS = 3;
  private static final long SEED = 20_260_101L;

  private final Workload workload;
  private final int operations;
  private final boolean successive;
  private final Clock clock;
  private final Selector selector;
  private final List<Client> clients = new ArrayList<>();
  private final ByteBuffer in = ByteBuffer.allocateDirect(IN_BYTES);
  private final SplittableRandom random = new SplittableRandom(SEED);
  private final Histogram latencies = new Histogram(MAX_LATENCY_NANOS, SIGNIFICANT_DIGITS);
  private int issued;
  private long answered;

  LoadRun(Workload workload, int operations, boolean successive, Clock clock) throws IOException {
    this.workload = workload;
    this.operations = operations;
    this.successive = successive;
    this.clock = clock;
    this.selector = Selector.open();
  }

  void connect(InetSocketAddress server, int count) throws IOException {
    for (int i = 0; i < count; i++) {
      SocketChannel channel = SocketChannel.open();
      clients.add(new Client(channel, workload.batch(random)));
      channel.connect(server);
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.configureBlocking(false);
    }
    for (Client client : clients) {
      client.channel.register(selector, SelectionKey.OP_READ, client);
    }
  }

  Sample toEnd() throws IOException {
    long begin = clock.monotonicNanos();
    for (SelectionKey key : selector.keys()) {
      ((Client) key.attachment()).send(key);
    }
    Set<SelectionKey> ready = selector.selectedKeys();
    while (answered < operations) {
      if (selector.select(STALL_MS) == 0) {
        throw new UnavailableException(
            "the server has not answered for " + STALL_MS / 1000 + " seconds");
      }
      for (SelectionKey key : ready) {
        Client client = (Client) key.attachment();
        if (key.isWritable()) {
          client.write(key);
        }
        if (key.isReadable()) {
          client.read(key);
        }
      }
      ready.clear();
    }
    double seconds = (clock.monotonicNanos() - begin) / 1e9;
    long misses = 0;
    for (Client client : clients) {
      misses += client.replies.misses();
    }
    return new Sample(
        answered,
        seconds,
        latencies.getValueAtPercentile(50) / 1e3,
        latencies.getValueAtPercentile(99) / 1e3,
        misses);
  }

  @Override
  public void close() throws IOException {
    for (Client client : clients) {
      client.channel.close();
    }
    selector.close();
  }

  /** One connection. */
  private final class Client {

    private final SocketChannel channel;
    private final Workload.Batch batch;
    private final ReplyCounter replies = new ReplyCounter();
    private ByteBuffer out = ByteBuffer.allocate(0);
    private int waitingFor;
    private long sentNanos;

    Client(SocketChannel channel, Workload.Batch batch) {
      this.channel = channel;
      this.batch = batch;
    }

    /** Sends the next batch, if there is anything left to do. */
    void send(SelectionKey key) throws IOException {
      int count = Math.min(workload.pipeline(), operations - issued);
      if (count == 0) {
        return;
      }
      out = successive ? batch.next(count, issued) : batch.next(count, workload.keys(), random);
      issued += count;
      waitingFor = count;
      sentNanos = clock.monotonicNanos();
      write(key);
    }

    void write(SelectionKey key) throws IOException {
      channel.write(out);
      int wanted =
          out.hasRemaining() ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ;
      if (key.interestOps() != wanted) {
        key.interestOps(wanted);
      }
    }

    void read(SelectionKey key) throws IOException {
      long now = clock.monotonicNanos();
      int length;
      do {
        in.clear();
        length = channel.read(in);
        in.flip();
        int count = replies.count(in);
        if (count > 0) {
          latencies.recordValueWithCount(Math.min(now - sentNanos, MAX_LATENCY_NANOS), count);
          answered += count;
          waitingFor -= count;
        }
      } while (length == IN_BYTES);
      if (length < 0) {
        throw new UnavailableException("the server closed a connection");
      }
      if (replies.errors() > 0) {
        throw new UnavailableException("the server answered: " + replies.firstError());
      }
      if (waitingFor < 0) {
        throw new UnavailableException("the server sent more replies than there were commands");
      }
      if (waitingFor == 0) {
        send(key);
      }
    }
  }
}
