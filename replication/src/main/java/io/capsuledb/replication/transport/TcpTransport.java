package io.capsuledb.replication.transport;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.UnresolvedAddressException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Links over TCP as it is, with as few hand-overs between threads as there can be: who sends writes
 * to the socket itself, and who is told of a frame is told on the thread that read it. A frame is
 * its length, four bytes little endian, and its bytes. Addresses are {@code host:port} or {@code
 * tcp://host:port}.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>one thread, the owner, selects, reads, accepts, connects and tells events; any thread
 *       writes, under its link's lock, as far as the kernel takes it. What the kernel does not take
 *       is queued, within a bound, and written by the owner when it does;
 *   <li>bytes of a frame are kept as they come: a length alone allocates nothing to speak of;
 *   <li>a link is one connection, and is told closed exactly once.
 * </ul>
 */
public final class TcpTransport implements Network {

  private static final System.Logger LOG = System.getLogger(TcpTransport.class.getName());

  private static final Pattern ADDRESS =
      Pattern.compile("(?:tcp://)?(\\[[0-9A-Fa-f:.%]+]|[A-Za-z0-9._-]+):(\\d{1,5})");

  private static final int MAX_PORT = 65_535;
  private static final int LENGTH_BYTES = 4;
  private static final int BACKLOG = 256;
  private static final int SWEEP_MS = 100;
  private static final int TASK_SECONDS = 10;
  private static final int READ_BYTES = 256 << 10;
  private static final int READS_PER_PASS = 4;

  /** Frames up to this are copied behind their length, so that one call writes both. */
  private static final int SMALL_BYTES = 16 << 10;

  /** Written at once: the JDK copies so much outside the heap. */
  private static final int WRITE_BYTES = 256 << 10;

  /** What is allocated for a frame before more of it is there. */
  private static final int FIRST_BYTES = 64 << 10;

  /** One connection. */
  private static final class Link {
    final long id;
    final boolean accepted;

    /** Held while writing; guards what follows. */
    final Object out = new Object();

    final ArrayDeque<ByteBuffer> queue = new ArrayDeque<>();
    long queuedBytes;
    boolean wantsWrite;

    volatile @Nullable SocketChannel channel;
    volatile boolean open;
    volatile boolean admitted;
    volatile boolean dropped;

    // The owner's.
    @Nullable SelectionKey key;
    long deadline;
    boolean heard;
    boolean gone;
    final byte[] length = new byte[LENGTH_BYTES];
    int lengthHave;
    byte @Nullable [] body;
    int bodyLength;
    int bodyHave;

    Link(long id, boolean accepted) {
      this.id = id;
      this.accepted = accepted;
    }
  }

  private final TcpOptions options;
  private final Telemetry telemetry;
  private final Transport.Events events;
  private final Thread owner;
  private final Selector selector;
  private final AtomicBoolean woken = new AtomicBoolean();
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final AtomicLong lastLink = new AtomicLong();
  private final Map<Long, Link> links = new ConcurrentHashMap<>();
  private final LongAdder refusedLinks = new LongAdder();
  private final LongAdder malformed = new LongAdder();
  private final LongAdder silent = new LongAdder();
  private volatile boolean closing;

  // The owner's from here on.
  private final ByteBuffer input = ByteBuffer.allocateDirect(READ_BYTES);
  private final List<ServerSocketChannel> listening = new ArrayList<>();
  private final AtomicInteger acceptedNow = new AtomicInteger();
  private long nextSweep = System.nanoTime();

  private TcpTransport(TcpOptions options, Telemetry telemetry, Transport.Events events) {
    this.options = options;
    this.telemetry = telemetry;
    this.events = events;
    try {
      selector = Selector.open();
    } catch (IOException e) {
      throw new UnavailableException("no file descriptors for a transport", e);
    }
    owner = Thread.ofPlatform().daemon().name("tcp-links").unstarted(this::run);
  }

  /**
   * Starts a transport without links.
   *
   * @param events told on the transport's thread
   */
  public static TcpTransport start(
      TcpOptions options, Telemetry telemetry, Transport.Events events) {
    TcpTransport transport = new TcpTransport(options, telemetry, events);
    transport.owner.start();
    return transport;
  }

  // ------------------------------------------------------------------ any thread

  @Override
  public String listen(String address) {
    Matcher parsed = parse(address);
    CompletableFuture<Integer> done = new CompletableFuture<>();
    enqueue(
        () -> {
          try {
            done.complete(bind(host(parsed), port(parsed)));
          } catch (IOException | UnresolvedAddressException e) {
            done.completeExceptionally(e);
          }
        });
    try {
      return "tcp://" + parsed.group(1) + ":" + done.get(TASK_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while it began to listen", e);
    } catch (TimeoutException e) {
      throw new UnavailableException("the transport does not answer", e);
    } catch (ExecutionException e) {
      throw new InvalidRequestException(
          "cannot listen on " + address + ": in use, or not an address of this machine", e);
    }
  }

  @Override
  public long connect(String address) {
    Matcher parsed = parse(address);
    Link link = new Link(lastLink.incrementAndGet(), false);
    links.put(link.id, link);
    // Resolving a name may take seconds.
    Thread.ofVirtual()
        .name("tcp-resolve")
        .start(
            () -> {
              InetAddress resolved;
              try {
                resolved = InetAddress.getByName(host(parsed));
              } catch (UnknownHostException e) {
                enqueue(() -> close(link, "the name of " + address + " is not known"));
                return;
              }
              enqueue(() -> dial(link, new InetSocketAddress(resolved, port(parsed))));
            });
    return link.id;
  }

  @Override
  public boolean send(long number, byte[] frame) {
    if (frame.length == 0 || frame.length > MAX_FRAME_BYTES) {
      throw new IllegalArgumentException(
          "a frame has 1 to " + MAX_FRAME_BYTES + " bytes, not " + frame.length);
    }
    Link link = links.get(number);
    SocketChannel channel = link == null ? null : link.channel;
    if (link == null || channel == null || !link.open || link.dropped) {
      return false;
    }
    synchronized (link.out) {
      if (link.queuedBytes > 0
          && link.queuedBytes + frame.length > options.linkQueueBytes() - LENGTH_BYTES) {
        return false;
      }
      enqueueFrame(link, frame);
      if (!link.wantsWrite) {
        try {
          flush(link, channel);
        } catch (IOException e) {
          // The owner sees the end of the connection too; what was sent before may yet be read.
          enqueue(() -> close(link, "disconnected"));
          return false;
        }
        if (link.queuedBytes > 0) {
          link.wantsWrite = true;
          enqueue(() -> awaitRoom(link));
        }
      }
    }
    return true;
  }

  private static void enqueueFrame(Link link, byte[] frame) {
    if (frame.length <= SMALL_BYTES) {
      byte[] whole = new byte[LENGTH_BYTES + frame.length];
      LittleEndian.putInt(whole, 0, frame.length);
      System.arraycopy(frame, 0, whole, LENGTH_BYTES, frame.length);
      link.queue.add(ByteBuffer.wrap(whole));
    } else {
      byte[] length = new byte[LENGTH_BYTES];
      LittleEndian.putInt(length, 0, frame.length);
      link.queue.add(ByteBuffer.wrap(length));
      link.queue.add(ByteBuffer.wrap(frame));
    }
    link.queuedBytes += LENGTH_BYTES + frame.length;
  }

  /** Writes as much as the kernel takes. The caller holds the link's lock. */
  private static void flush(Link link, SocketChannel channel) throws IOException {
    for (ByteBuffer next = link.queue.peek(); next != null; next = link.queue.peek()) {
      while (next.hasRemaining()) {
        int end = next.limit();
        next.limit(Math.min(end, next.position() + WRITE_BYTES));
        int written;
        try {
          written = channel.write(next);
        } finally {
          next.limit(end);
        }
        if (written == 0) {
          return;
        }
        link.queuedBytes -= written;
      }
      link.queue.remove();
    }
  }

  @Override
  public void admit(long number) {
    Link link = links.get(number);
    if (link != null) {
      link.admitted = true;
    }
  }

  @Override
  public void drop(long number) {
    Link link = links.get(number);
    if (link != null && !link.dropped) {
      link.dropped = true;
      enqueue(() -> close(link, "dropped here"));
    }
  }

  @Override
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>();
    counters.put("tcp.links", (long) links.size());
    counters.put("tcp.connections", (long) acceptedNow.get());
    counters.put("tcp.refused.too_many_links", refusedLinks.sum());
    counters.put("tcp.dropped.malformed", malformed.sum());
    counters.put("tcp.dropped.silent", silent.sum());
    return counters;
  }

  @Override
  public void close() {
    closing = true;
    selector.wakeup();
    if (Thread.currentThread().equals(owner)) {
      return;
    }
    try {
      owner.join(TASK_SECONDS * 1000L);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Matcher parse(String address) {
    Matcher parsed = ADDRESS.matcher(address);
    if (!parsed.matches() || port(parsed) > MAX_PORT) {
      throw new InvalidRequestException(
          "the address is '" + address + "'; allowed is host:port or tcp://host:port");
    }
    return parsed;
  }

  private static String host(Matcher parsed) {
    return parsed.group(1);
  }

  private static int port(Matcher parsed) {
    return Integer.parseInt(parsed.group(2));
  }

  private void enqueue(Runnable task) {
    tasks.add(task);
    if (!Thread.currentThread().equals(owner) && !woken.getAndSet(true)) {
      selector.wakeup();
    }
  }

  // ------------------------------------------------------------------ the owner

  private void run() {
    while (!closing) {
      try {
        step();
      } catch (IOException e) {
        LOG.log(System.Logger.Level.ERROR, "event=tcp.select_failed", e);
        closing = true;
      }
    }
    shutDown();
  }

  private void step() throws IOException {
    woken.set(false);
    runTasks();
    selector.select(this::act, tasks.isEmpty() ? SWEEP_MS : 1);
    long now = System.nanoTime();
    if (now - nextSweep >= 0) {
      nextSweep = now + TimeUnit.MILLISECONDS.toNanos(SWEEP_MS);
      sweep(now);
    }
  }

  private void runTasks() {
    for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
      task.run();
    }
  }

  private void act(SelectionKey key) {
    if (key.attachment() instanceof Link link) {
      try {
        act(link, key);
      } catch (IOException | CancelledKeyException e) {
        close(link, "disconnected");
      } catch (RuntimeException | AssertionError e) {
        LOG.log(System.Logger.Level.ERROR, "event=tcp.listener_failed link=" + link.id, e);
        close(link, "failed: " + e.getClass().getSimpleName());
      }
    } else if (key.channel() instanceof ServerSocketChannel server) {
      accept(server);
    }
    // What was dropped by whoever was told need not wait for the next pass.
    if (!tasks.isEmpty()) {
      runTasks();
    }
  }

  private void act(Link link, SelectionKey key) throws IOException {
    SocketChannel channel = link.channel;
    if (channel == null || link.gone) {
      return;
    }
    if (key.isConnectable() && channel.finishConnect()) {
      connected(link, channel, key);
    }
    if (key.isValid() && key.isWritable()) {
      synchronized (link.out) {
        flush(link, channel);
        if (link.queuedBytes == 0) {
          link.wantsWrite = false;
          key.interestOpsAnd(~SelectionKey.OP_WRITE);
        }
      }
    }
    if (key.isValid() && key.isReadable()) {
      read(link, channel);
    }
  }

  private void awaitRoom(Link link) {
    SelectionKey key = link.key;
    if (key != null && key.isValid() && !link.gone) {
      key.interestOpsOr(SelectionKey.OP_WRITE);
    }
  }

  private int bind(String host, int port) throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open();
    boolean bound = false;
    try {
      server.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      server.bind(new InetSocketAddress(InetAddress.getByName(host), port), BACKLOG);
      server.configureBlocking(false);
      server.register(selector, SelectionKey.OP_ACCEPT);
      listening.add(server);
      bound = true;
      return ((InetSocketAddress) server.getLocalAddress()).getPort();
    } finally {
      if (!bound) {
        closeQuietly(server);
      }
    }
  }

  private void accept(ServerSocketChannel server) {
    SocketChannel channel;
    try {
      channel = server.accept();
    } catch (IOException e) {
      // Too many files are open, most often; it is tried again.
      LOG.log(System.Logger.Level.WARNING, "event=tcp.accept_failed", e);
      return;
    }
    if (channel == null) {
      return;
    }
    if (acceptedNow.get() >= options.maxLinks()) {
      refusedLinks.increment();
      telemetry.count(Telemetry.Counter.CONNECTIONS_REFUSED, 1);
      closeQuietly(channel);
      return;
    }
    Link link = new Link(lastLink.incrementAndGet(), true);
    links.put(link.id, link);
    acceptedNow.incrementAndGet();
    link.deadline = deadline();
    try {
      begin(link, channel, SelectionKey.OP_READ);
      open(link);
    } catch (IOException e) {
      close(link, "disconnected");
    }
  }

  private void begin(Link link, SocketChannel channel, int interest) throws IOException {
    link.channel = channel;
    channel.configureBlocking(false);
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    link.key = channel.register(selector, interest, link);
  }

  private void dial(Link link, InetSocketAddress address) {
    if (link.gone || link.dropped || closing) {
      close(link, "closing");
      return;
    }
    link.deadline = deadline();
    try {
      SocketChannel channel = SocketChannel.open();
      begin(link, channel, SelectionKey.OP_CONNECT);
      SelectionKey key = link.key;
      if (channel.connect(address) && key != null) {
        connected(link, channel, key);
      }
    } catch (IOException e) {
      close(link, "cannot connect");
    }
  }

  private void connected(Link link, SocketChannel channel, SelectionKey key) throws IOException {
    if (channel.getLocalAddress().equals(channel.getRemoteAddress())) {
      // Nobody listens, and the kernel happened to draw that very port for this end.
      close(link, "cannot connect");
      return;
    }
    key.interestOps(SelectionKey.OP_READ);
    open(link);
  }

  private void open(Link link) {
    link.open = true;
    events.opened(link.id);
  }

  private void read(Link link, SocketChannel channel) throws IOException {
    for (int i = 0; i < READS_PER_PASS && !link.gone && !link.dropped; i++) {
      input.clear();
      int got = channel.read(input);
      if (got < 0) {
        close(link, "disconnected");
        return;
      }
      if (got == 0) {
        return;
      }
      input.flip();
      take(link);
      if (got < READ_BYTES) {
        return;
      }
    }
  }

  /** Cuts what was read into frames. */
  private void take(Link link) {
    while (input.hasRemaining() && !link.gone && !link.dropped) {
      byte[] body = link.body;
      if (body == null) {
        while (link.lengthHave < LENGTH_BYTES && input.hasRemaining()) {
          link.length[link.lengthHave++] = input.get();
        }
        if (link.lengthHave < LENGTH_BYTES) {
          return;
        }
        int length = LittleEndian.getInt(link.length, 0);
        if (length < 1 || length > (link.admitted ? MAX_FRAME_BYTES : MAX_NEW_LINK_FRAME_BYTES)) {
          malformed.increment();
          close(link, "a malformed or oversized frame");
          return;
        }
        body = new byte[Math.min(length, Math.max(FIRST_BYTES, input.remaining()))];
        link.body = body;
        link.bodyLength = length;
        link.bodyHave = 0;
      }
      int more = Math.min(input.remaining(), link.bodyLength - link.bodyHave);
      if (link.bodyHave + more > body.length) {
        body =
            Arrays.copyOf(
                body,
                (int) Math.min(link.bodyLength, Math.max(2L * body.length, link.bodyHave + more)));
        link.body = body;
      }
      input.get(body, link.bodyHave, more);
      link.bodyHave += more;
      if (link.bodyHave == link.bodyLength) {
        link.body = null;
        link.lengthHave = 0;
        link.heard = true;
        events.received(link.id, body);
      }
    }
  }

  private void close(Link link, String reason) {
    if (!links.remove(link.id, link)) {
      return;
    }
    link.gone = true;
    link.open = false;
    if (link.accepted) {
      acceptedNow.decrementAndGet();
    }
    SocketChannel channel = link.channel;
    if (channel != null) {
      closeQuietly(channel);
    }
    synchronized (link.out) {
      link.queue.clear();
      link.queuedBytes = 0;
      link.wantsWrite = true;
    }
    link.body = null;
    events.closed(link.id, link.dropped ? "dropped here" : reason);
  }

  private long deadline() {
    return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.handshakeMs());
  }

  private void sweep(long now) {
    for (Link link : links.values()) {
      if (link.channel == null || link.heard || now - link.deadline < 0) {
        continue;
      }
      if (link.accepted) {
        silent.increment();
        close(link, "no frame in time");
      } else if (!link.open) {
        close(link, "no connection in time");
      }
    }
  }

  private void shutDown() {
    runTasks();
    for (Link link : links.values()) {
      close(link, "closing");
    }
    listening.forEach(TcpTransport::closeQuietly);
    closeQuietly(selector);
  }

  private static void closeQuietly(AutoCloseable closed) {
    try {
      closed.close();
    } catch (Exception e) {
      LOG.log(System.Logger.Level.DEBUG, "event=tcp.close", e);
    }
  }
}
