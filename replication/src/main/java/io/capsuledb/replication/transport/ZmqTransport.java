package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.Pipe;
import java.nio.channels.SelectableChannel;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
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
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import zmq.Ctx;
import zmq.Msg;
import zmq.SocketBase;
import zmq.ZError;
import zmq.ZMQ;
import zmq.io.Metadata;
import zmq.poll.PollItem;

/**
 * Links over JeroMQ (ZMTP 3): one ROUTER for the links that peers make, one DEALER for each link
 * made here. Addresses are {@code host:port}, {@code tcp://host:port}, or {@code ipc://name}, which
 * JeroMQ maps to a loopback port and not to a Unix socket.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>One thread, the owner, touches the sockets; others leave tasks and frames in queues and
 *       wake it. JeroMQ's own I/O thread tells it of connections in the same way.
 *   <li>A link is one connection. JeroMQ's reconnecting is never reached: a DEALER is closed when
 *       its connection ends.
 *   <li>A route of the ROUTER is served only if it could be matched with a connection, which nobody
 *       else has claimed: so a link can be cut off, and connections can be counted.
 * </ul>
 *
 * <p>What JeroMQ leaves open is closed here (each of these was tried against it): it believes
 * lengths beyond 2⁶³ and allocates what their lower half says, or dies of it; it collects parts of
 * a message that never ends without bound; it has no limit of connections and no way to end one.
 * See {@link IncomingMsg} and docs/threat-model.md.
 */
public final class ZmqTransport implements Network {

  private static final System.Logger LOG = System.getLogger(ZmqTransport.class.getName());

  /** Messages of one link inside JeroMQ, each way; with {@link ZmqLink#PIECE_BYTES}: 16 MiB. */
  private static final int HIGH_WATER_MARK = 64;

  /** Never reached: the socket is closed before. */
  private static final int RECONNECT_MS = 600_000;

  private static final int BACKLOG = 256;
  private static final int SWEEP_MS = 100;
  private static final int BLOCKED_RETRY_MS = 1;
  private static final int RECEIVE_BATCH = 512;
  private static final int SEND_BATCH = 64;
  private static final int TASK_SECONDS = 10;

  /** Connections whose engine had to be cut off inside JeroMQ before its context is replaced. */
  private static final int MAX_CUT_ENGINES = 256;

  private static final int MAX_FAULTS_OF_ADMITTED = 16;
  private static final int CONNECTION_EVENTS =
      ZMQ.ZMQ_EVENT_ACCEPTED
          | ZMQ.ZMQ_EVENT_CONNECTED
          | ZMQ.ZMQ_EVENT_CONNECT_RETRIED
          | ZMQ.ZMQ_EVENT_DISCONNECTED
          | ZMQ.ZMQ_EVENT_HANDSHAKE_PROTOCOL
          | ZMQ.ZMQ_EVENT_LISTENING;

  /** A connection a peer made. {@code link} belongs to the owner. */
  private static final class Accepted {
    final SelectableChannel channel;
    final String peer;
    long deadline;
    @Nullable ZmqLink link;
    boolean shut;

    Accepted(SelectableChannel channel, String peer, long deadline) {
      this.channel = channel;
      this.peer = peer;
      this.deadline = deadline;
    }
  }

  private final ZmqOptions options;
  private final Telemetry telemetry;
  private final Transport.Events events;
  private final Thread owner;
  private final Pipe wakePipe;
  private final AtomicBoolean woken = new AtomicBoolean();
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<ZmqLink> ready = new ConcurrentLinkedQueue<>();
  private final AtomicLong lastLink = new AtomicLong();
  private final Map<Long, ZmqLink> links = new ConcurrentHashMap<>();
  private final Map<SelectableChannel, Accepted> accepted = new ConcurrentHashMap<>();
  private final Map<String, Accepted> acceptedByPeer = new ConcurrentHashMap<>();
  private final LongAdder refusedLinks = new LongAdder();
  private final LongAdder malformed = new LongAdder();
  private final LongAdder unclaimed = new LongAdder();
  private final LongAdder silent = new LongAdder();
  private final LongAdder redials = new LongAdder();
  private final LongAdder faults = new LongAdder();
  private final LongAdder restarts = new LongAdder();
  private volatile boolean closing;
  private volatile @Nullable Throwable broken;

  // The owner's from here on.
  private Ctx context;
  private final Selector selector;
  private @Nullable SocketBase router;
  private final List<String> bound = new ArrayList<>();
  private final List<SelectableChannel> listening = new ArrayList<>();
  private final Map<ByteBuffer, ZmqLink> byRoute = new HashMap<>();
  private final ArrayDeque<ZmqLink> blocked = new ArrayDeque<>();
  private PollItem[] items = {};
  private boolean itemsChanged = true;
  private long nextSweep = System.nanoTime();
  private int cutEngines;
  private int faultsOfAdmitted;

  private ZmqTransport(ZmqOptions options, Telemetry telemetry, Transport.Events events) {
    this.options = options;
    this.telemetry = telemetry;
    this.events = events;
    try {
      wakePipe = Pipe.open();
      wakePipe.source().configureBlocking(false);
      wakePipe.sink().configureBlocking(false);
      selector = Selector.open();
    } catch (IOException e) {
      throw new UnavailableException("no file descriptors for a transport", e);
    }
    context = newContext();
    owner = Thread.ofPlatform().daemon().name("zmq-links").unstarted(this::run);
  }

  /**
   * Starts a transport without links.
   *
   * @param events told on the transport's thread
   */
  public static ZmqTransport start(
      ZmqOptions options, Telemetry telemetry, Transport.Events events) {
    ZmqTransport transport = new ZmqTransport(options, telemetry, events);
    transport.owner.start();
    return transport;
  }

  // ------------------------------------------------------------------ any thread

  @Override
  public String listen(String address) {
    String endpoint = endpoint(address);
    CompletableFuture<String> done = new CompletableFuture<>();
    enqueue(
        () -> {
          try {
            done.complete(bind(endpoint));
          } catch (InvalidRequestException e) {
            done.completeExceptionally(e);
          }
        });
    try {
      return done.get(TASK_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while it began to listen", e);
    } catch (TimeoutException e) {
      throw new UnavailableException("the transport does not answer", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InvalidRequestException refused) {
        throw refused;
      }
      throw new UnavailableException("cannot listen", e);
    }
  }

  @Override
  public long connect(String address) {
    ZmqLink link = new ZmqLink(lastLink.incrementAndGet(), null);
    String endpoint = endpoint(address);
    links.put(link.id, link);
    // Resolving a name may take seconds; JeroMQ would do it on the owner's time.
    Thread.ofVirtual()
        .name("zmq-resolve")
        .start(
            () -> {
              @Nullable String resolved = ZmqAddress.resolve(endpoint);
              enqueue(
                  () -> {
                    if (resolved == null) {
                      close(link, "the name of " + endpoint + " is not known");
                    } else {
                      dial(link, resolved);
                    }
                  });
            });
    return link.id;
  }

  @Override
  public boolean send(long number, byte[] frame) {
    if (frame.length == 0 || frame.length > MAX_FRAME_BYTES) {
      throw new IllegalArgumentException(
          "a frame has 1 to " + MAX_FRAME_BYTES + " bytes, not " + frame.length);
    }
    @Nullable ZmqLink link = links.get(number);
    if (link == null || !link.offer(frame, options)) {
      return false;
    }
    if (link.schedule()) {
      ready.add(link);
      wake();
    }
    return true;
  }

  @Override
  public void admit(long number) {
    @Nullable ZmqLink link = links.get(number);
    if (link != null) {
      link.admitted = true;
    }
  }

  @Override
  public void drop(long number) {
    @Nullable ZmqLink link = links.get(number);
    if (link != null && !link.gone) {
      link.abandon();
      enqueue(() -> close(link, "dropped here"));
    }
  }

  @Override
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>();
    counters.put("zmq.links", (long) links.size());
    counters.put("zmq.connections", (long) accepted.size());
    counters.put("zmq.refused.too_many_links", refusedLinks.sum());
    counters.put("zmq.dropped.malformed", malformed.sum());
    counters.put("zmq.refused.unclaimed", unclaimed.sum());
    counters.put("zmq.dropped.silent", silent.sum());
    counters.put("zmq.redials", redials.sum());
    counters.put("zmq.faults", faults.sum());
    counters.put("zmq.restarts", restarts.sum());
    return counters;
  }

  @Override
  public void close() {
    closing = true;
    wake();
    if (Thread.currentThread().equals(owner)) {
      return;
    }
    boolean interrupted = false;
    try {
      owner.join(TASK_SECONDS * 1000L);
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static String endpoint(String address) {
    String endpoint = address.contains("://") ? address : "tcp://" + address;
    if (!ZmqAddress.isValid(endpoint)) {
      throw new InvalidRequestException(
          "the address is '" + address + "'; allowed is host:port, tcp://host:port or ipc://name");
    }
    return endpoint;
  }

  private void enqueue(Runnable task) {
    tasks.add(task);
    wake();
  }

  private void wake() {
    if (woken.getAndSet(true)) {
      return;
    }
    try {
      wakePipe.sink().write(ByteBuffer.wrap(new byte[] {1}));
    } catch (IOException e) {
      if (!closing) {
        throw new UncheckedIOException(e);
      }
    }
  }

  // ------------------------------------------------------------------ JeroMQ's I/O thread

  private Ctx newContext() {
    Ctx made = ZMQ.init(1);
    made.setUncaughtExceptionHandler(
        (thread, failure) -> {
          if (made.equals(context)) {
            broken = failure;
            wake();
          }
        });
    made.setNotificationExceptionHandler(
        (thread, failure) -> {
          faults.increment();
          enqueue(() -> cutSuspects(failure));
        });
    return made;
  }

  private void routerEvent(ZMQ.Event event) {
    if (!(event.arg instanceof SelectableChannel channel)) {
      return;
    }
    switch (event.event) {
      case ZMQ.ZMQ_EVENT_LISTENING -> enqueue(() -> listening.add(channel));
      case ZMQ.ZMQ_EVENT_ACCEPTED -> accepted(channel);
      case ZMQ.ZMQ_EVENT_DISCONNECTED -> enqueue(() -> disconnected(channel));
      default -> {}
    }
  }

  /** Has to be done at once: the peer's first message may be there before the owner looks. */
  private void accepted(SelectableChannel channel) {
    @Nullable String peer = ZmqAddress.peer(channel);
    if (peer == null || accepted.size() >= options.maxLinks()) {
      refusedLinks.increment();
      telemetry.count(Telemetry.Counter.CONNECTIONS_REFUSED, 1);
      shut(channel);
      return;
    }
    Accepted connection = new Accepted(channel, peer, deadline());
    accepted.put(channel, connection);
    acceptedByPeer.put(peer, connection);
  }

  private void dealerEvent(ZmqLink link, int attempt, ZMQ.Event event) {
    switch (event.event) {
      case ZMQ.ZMQ_EVENT_CONNECTED ->
          enqueue(
              () -> {
                if (link.attempt == attempt && event.arg instanceof SelectableChannel channel) {
                  link.channel = channel;
                  link.greetingDeadline = System.nanoTime() + link.greetingNanos;
                }
              });
      case ZMQ.ZMQ_EVENT_HANDSHAKE_PROTOCOL ->
          enqueue(
              () -> {
                if (link.attempt == attempt) {
                  open(link);
                }
              });
      case ZMQ.ZMQ_EVENT_CONNECT_RETRIED -> ended(link, attempt, "cannot connect");
      case ZMQ.ZMQ_EVENT_DISCONNECTED -> ended(link, attempt, "disconnected");
      default -> {}
    }
  }

  private void ended(ZmqLink link, int attempt, String reason) {
    enqueue(
        () -> {
          if (link.attempt == attempt) {
            close(link, reason);
          }
        });
  }

  // ------------------------------------------------------------------ the owner

  private void run() {
    while (!closing) {
      try {
        step();
      } catch (RuntimeException | AssertionError e) {
        // JeroMQ's state is no longer known; what is ours does not throw.
        broken = e;
      }
      @Nullable Throwable failure = broken;
      if (failure != null && !closing) {
        restart(failure);
      }
    }
    shutDown();
  }

  private void step() {
    woken.set(false);
    for (@Nullable Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
      task.run();
    }
    boolean more = pump();
    poll(more ? 0 : blocked.isEmpty() ? SWEEP_MS : BLOCKED_RETRY_MS);
    receive();
    long now = System.nanoTime();
    if (now - nextSweep >= 0) {
      nextSweep = now + TimeUnit.MILLISECONDS.toNanos(SWEEP_MS);
      sweep(now);
    }
  }

  private void poll(int timeoutMs) {
    if (itemsChanged) {
      itemsChanged = false;
      List<PollItem> list = new ArrayList<>();
      list.add(new PollItem(wakePipe.source(), ZMQ.ZMQ_POLLIN));
      @Nullable SocketBase listener = router;
      if (listener != null) {
        list.add(new PollItem(listener, ZMQ.ZMQ_POLLIN));
      }
      for (ZmqLink link : links.values()) {
        @Nullable SocketBase dealer = link.dealer;
        if (dealer != null) {
          list.add(new PollItem(dealer, ZMQ.ZMQ_POLLIN));
        }
      }
      items = list.toArray(new PollItem[0]);
    }
    ZMQ.poll(selector, items, items.length, woken.get() ? 0 : timeoutMs);
    try {
      ByteBuffer sink = ByteBuffer.allocate(64);
      while (wakePipe.source().read(sink) > 0) {
        sink.clear();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Moves frames into JeroMQ. True if some link could take more at once. */
  private boolean pump() {
    for (@Nullable ZmqLink link = ready.poll(); link != null; link = ready.poll()) {
      blocked.add(link);
    }
    boolean more = false;
    for (int i = blocked.size(); i > 0; i--) {
      ZmqLink link = blocked.remove();
      if (link.gone) {
        continue;
      }
      boolean accepts = true;
      for (int sent = 0; accepts && sent < SEND_BATCH; sent++) {
        @Nullable Msg message = link.next();
        if (message == null) {
          break;
        }
        accepts = write(link, message);
        if (accepts) {
          link.sent();
        }
      }
      if (link.gone || link.idle()) {
        continue;
      }
      blocked.add(link);
      more |= accepts;
    }
    return more;
  }

  private boolean write(ZmqLink link, Msg message) {
    byte @Nullable [] route = link.route;
    @Nullable SocketBase socket = route == null ? link.dealer : router;
    if (socket == null) {
      return false;
    }
    if (route != null && !socket.send(new Msg(route), ZMQ.ZMQ_DONTWAIT | ZMQ.ZMQ_SNDMORE)) {
      if (socket.errno() != ZError.EAGAIN) {
        close(link, "the peer is gone");
      }
      return false;
    }
    return socket.send(message, ZMQ.ZMQ_DONTWAIT);
  }

  private void receive() {
    @Nullable SocketBase listener = router;
    if (listener != null) {
      for (int i = 0; i < RECEIVE_BATCH; i++) {
        @Nullable Msg route = listener.recv(ZMQ.ZMQ_DONTWAIT);
        if (route == null) {
          break;
        }
        boolean whole = route.hasMore();
        @Nullable Msg body = whole ? listener.recv(ZMQ.ZMQ_DONTWAIT) : null;
        @Nullable ZmqLink link = body == null ? null : link(route, body);
        if (link != null && body != null) {
          take(link, body);
        }
      }
    }
    for (ZmqLink link : links.values()) {
      @Nullable SocketBase dealer = link.dealer;
      for (int i = 0; dealer != null && i < RECEIVE_BATCH; i++) {
        @Nullable Msg body = dealer.recv(ZMQ.ZMQ_DONTWAIT);
        if (body == null) {
          break;
        }
        take(link, body);
        dealer = link.dealer;
      }
    }
  }

  /** The link of a route; made when the first message arrives. */
  private @Nullable ZmqLink link(Msg route, Msg body) {
    ByteBuffer key = ByteBuffer.wrap(route.data());
    @Nullable ZmqLink known = byRoute.get(key);
    if (known != null) {
      return known;
    }
    // The address is a peer's claim where the peer's own properties contain it too. So the first
    // claim of a connection counts and a second one gets nothing; its own connection then stays
    // unclaimed and is cut off at the deadline.
    @Nullable Metadata metadata = body.getMetadata();
    @Nullable String peer = metadata == null ? null : metadata.get(Metadata.PEER_ADDRESS);
    @Nullable Accepted connection = peer == null ? null : acceptedByPeer.get(peer);
    if (connection == null || connection.link != null || connection.shut) {
      unclaimed.increment();
      return null;
    }
    ZmqLink link = new ZmqLink(lastLink.incrementAndGet(), route.data());
    link.channel = connection.channel;
    connection.link = link;
    links.put(link.id, link);
    byRoute.put(key, link);
    open(link);
    return link;
  }

  private void take(ZmqLink link, Msg message) {
    if (link.gone) {
      return;
    }
    switch (message.hasMore() ? ZmqLink.Arrival.MALFORMED : link.take(message.data())) {
      case COMPLETE -> events.received(link.id, link.frame());
      case PARTIAL -> {}
      case MALFORMED -> {
        malformed.increment();
        close(link, "a malformed or oversized frame");
      }
    }
  }

  private void open(ZmqLink link) {
    if (!link.gone && !link.opened) {
      link.opened = true;
      events.opened(link.id);
    }
  }

  private void close(ZmqLink link, String reason) {
    if (!links.remove(link.id, link)) {
      return;
    }
    link.abandon();
    byte @Nullable [] route = link.route;
    if (route != null) {
      byRoute.remove(ByteBuffer.wrap(route), link);
    }
    @Nullable SocketBase dealer = link.dealer;
    if (dealer != null) {
      link.dealer = null;
      itemsChanged = true;
      dealer.close();
    }
    @Nullable SelectableChannel channel = link.channel;
    if (channel != null && route != null) {
      @Nullable Accepted connection = accepted.get(channel);
      if (connection != null) {
        connection.shut = true;
        connection.deadline = deadline();
      }
      shut(channel);
    }
    events.closed(link.id, reason);
  }

  private String bind(String endpoint) {
    @Nullable SocketBase listener = router;
    if (listener == null) {
      listener = socket(ZMQ.ZMQ_ROUTER, this::routerEvent);
      listener.setSocketOpt(ZMQ.ZMQ_ROUTER_MANDATORY, true);
      listener.setSocketOpt(ZMQ.ZMQ_BACKLOG, BACKLOG);
      router = listener;
      itemsChanged = true;
    }
    listener.setSocketOpt(ZMQ.ZMQ_IPV6, endpoint.contains("["));
    boolean listens;
    try {
      listens = listener.bind(endpoint);
    } catch (IllegalArgumentException | ZError.IOException e) {
      throw new InvalidRequestException("cannot listen on " + endpoint, e);
    }
    if (!listens) {
      throw new InvalidRequestException(
          "cannot listen on " + endpoint + ": in use, or not an address of this machine");
    }
    String actual = (String) listener.getSocketOptx(ZMQ.ZMQ_LAST_ENDPOINT);
    bound.add(actual);
    return actual;
  }

  private void dial(ZmqLink link, String endpoint) {
    if (link.gone || closing) {
      return;
    }
    link.endpoint = endpoint;
    link.deadline = deadline();
    attempt(link, endpoint);
  }

  private void attempt(ZmqLink link, String endpoint) {
    int attempt = ++link.attempt;
    SocketBase dealer = socket(ZMQ.ZMQ_DEALER, event -> dealerEvent(link, attempt, event));
    dealer.setSocketOpt(ZMQ.ZMQ_IPV6, endpoint.contains("["));
    link.dealer = dealer;
    itemsChanged = true;
    boolean dialled;
    try {
      dialled = dealer.connect(endpoint);
    } catch (IllegalArgumentException | ZError.IOException e) {
      dialled = false;
    }
    if (!dialled) {
      close(link, "cannot connect");
    }
  }

  private SocketBase socket(int type, ZMQ.EventConsummer hook) {
    SocketBase socket = context.createSocket(type);
    socket.setSocketOpt(ZMQ.ZMQ_LINGER, 0);
    socket.setSocketOpt(ZMQ.ZMQ_SNDHWM, HIGH_WATER_MARK);
    socket.setSocketOpt(ZMQ.ZMQ_RCVHWM, HIGH_WATER_MARK);
    socket.setSocketOpt(ZMQ.ZMQ_MAXMSGSIZE, (long) ZmqLink.MAX_MESSAGE_BYTES);
    socket.setSocketOpt(ZMQ.ZMQ_MSG_ALLOCATOR, IncomingMsg.ALLOCATOR);
    socket.setSocketOpt(ZMQ.ZMQ_HANDSHAKE_IVL, options.handshakeMs());
    socket.setSocketOpt(ZMQ.ZMQ_RECONNECT_IVL, RECONNECT_MS);
    socket.setEventHook(hook, CONNECTION_EVENTS);
    return socket;
  }

  private long deadline() {
    return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(options.handshakeMs());
  }

  private void disconnected(SelectableChannel channel) {
    @Nullable Accepted connection = accepted.remove(channel);
    if (connection != null) {
      acceptedByPeer.remove(connection.peer, connection);
      @Nullable ZmqLink link = connection.link;
      if (link != null) {
        close(link, "disconnected");
      }
    }
  }

  private void sweep(long now) {
    for (Accepted connection : accepted.values()) {
      if (now - connection.deadline < 0) {
        continue;
      }
      if (connection.shut) {
        // JeroMQ should have noticed long ago that nothing comes from there any more.
        cut(connection);
      } else if (connection.link == null) {
        silent.increment();
        connection.shut = true;
        connection.deadline = deadline();
        shut(connection.channel);
      }
    }
    for (ZmqLink link : links.values()) {
      if (link.dealer != null && !link.opened) {
        sweepDial(link, now);
      }
    }
    if (cutEngines > MAX_CUT_ENGINES) {
      broken = new IllegalStateException(cutEngines + " connections were cut off inside JeroMQ");
    }
  }

  /**
   * Of about a hundred connections JeroMQ forgets one: if it lets go of a channel as a connecter
   * and takes it up as a connection in one pass of its poller, it deregisters it. Such a connection
   * is dead from birth, and a new attempt is what helps.
   */
  private void sweepDial(ZmqLink link, long now) {
    if (now - link.deadline >= 0) {
      close(link, "no connection in time");
      return;
    }
    @Nullable SocketBase dealer = link.dealer;
    @Nullable String endpoint = link.endpoint;
    if (link.channel != null
        && now - link.greetingDeadline >= 0
        && dealer != null
        && endpoint != null) {
      redials.increment();
      link.channel = null;
      link.greetingNanos *= 2;
      dealer.close();
      attempt(link, endpoint);
    }
  }

  /**
   * JeroMQ's I/O thread threw for what some peer sent, and would again, for ever. Which peer, it
   * does not say: all that have not proved who they are have to go.
   */
  private void cutSuspects(Throwable failure) {
    LOG.log(
        System.Logger.Level.WARNING, "event=zmq.fault cause=" + failure.getClass().getSimpleName());
    boolean any = false;
    for (Accepted connection : accepted.values()) {
      @Nullable ZmqLink link = connection.link;
      if (link == null || !link.admitted) {
        any = true;
        cut(connection);
      }
    }
    if (!any && ++faultsOfAdmitted > MAX_FAULTS_OF_ADMITTED) {
      broken = failure;
    }
  }

  private void cut(Accepted connection) {
    cutEngines++;
    closeQuietly(connection.channel);
    disconnected(connection.channel);
  }

  /** Everything anew: no link survives, the addresses are listened on again. */
  private void restart(Throwable failure) {
    LOG.log(
        System.Logger.Level.ERROR,
        "event=zmq.restart cause=" + failure.getClass().getSimpleName(),
        failure);
    restarts.increment();
    cutEngines = 0;
    faultsOfAdmitted = 0;
    for (ZmqLink link : links.values()) {
      // The old sockets are not touched: closing them needs the I/O thread that may be dead.
      link.dealer = null;
      @Nullable SelectableChannel channel = link.channel;
      if (channel != null) {
        closeQuietly(channel);
      }
      close(link, "the transport failed");
    }
    accepted.keySet().forEach(ZmqTransport::closeQuietly);
    listening.forEach(ZmqTransport::closeQuietly);
    accepted.clear();
    acceptedByPeer.clear();
    byRoute.clear();
    blocked.clear();
    listening.clear();
    router = null;
    itemsChanged = true;
    context = newContext();
    broken = null;
    List<String> again = List.copyOf(bound);
    bound.clear();
    again.forEach(this::bindAgain);
  }

  private void bindAgain(String endpoint) {
    try {
      bind(endpoint);
    } catch (InvalidRequestException e) {
      bound.remove(endpoint);
      if (!closing) {
        // The port is free as soon as the old I/O thread lets go of it.
        Thread.ofVirtual()
            .start(
                () -> {
                  java.util.concurrent.locks.LockSupport.parkNanos(
                      TimeUnit.MILLISECONDS.toNanos(SWEEP_MS));
                  enqueue(() -> bindAgain(endpoint));
                });
      }
    }
  }

  private void shutDown() {
    for (ZmqLink link : links.values()) {
      close(link, "closing");
    }
    @Nullable SocketBase listener = router;
    if (listener != null) {
      listener.close();
    }
    context.terminate();
    accepted.keySet().forEach(ZmqTransport::closeQuietly);
    closeQuietly(wakePipe.sink());
    closeQuietly(wakePipe.source());
    try {
      selector.close();
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "event=zmq.close", e);
    }
  }

  /** Lets JeroMQ see the end of the stream, upon which it ends the connection itself. */
  private static void shut(SelectableChannel channel) {
    if (channel instanceof SocketChannel socket) {
      try {
        socket.shutdownInput();
        socket.shutdownOutput();
      } catch (IOException e) {
        // Not connected any more: that is what was wanted.
        LOG.log(System.Logger.Level.DEBUG, "event=zmq.shut", e);
      }
    }
  }

  private static void closeQuietly(Channel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "event=zmq.close", e);
    }
  }
}
