package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Telemetry.Counter;
import io.capsuledb.engine.CapsuleDb;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.concurrent.EventExecutor;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Serves a {@link CapsuleDb} to Redis clients: RESP2 and RESP3 over TCP or TLS 1.3.
 *
 * <p>Replies to writes, and to reads of what is not durable yet, leave when it is. What clients
 * send and do not take is bounded, for each and for all together. No thread waits for a client.
 *
 * <p>Thread-safe. The engine is the caller's: it is opened before the server starts, and closed
 * after it stopped.
 */
public final class RespServer implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(RespServer.class.getName());

  private static final int WRITE_LOW_BYTES = 256 << 10;
  private static final int WRITE_HIGH_BYTES = 1 << 20;
  private static final int SPARE_CHANNELS = 64;
  private static final long SWEEP_MS = 1_000;
  private static final long BIND_TIMEOUT_MS = 10_000;
  private static final long TERMINATION_MS = 2_000;

  private final ServerState state;
  private final EventLoopGroup group;
  private final IdentityHashMap<EventExecutor, LoopState> loops = new IdentityHashMap<>();
  private final List<Channel> listeners = new ArrayList<>();
  private final @Nullable SslContext ssl;
  private final byte[] maxClientsReply =
      ("-" + ErrorReplies.MAX_CLIENTS + "\r\n").getBytes(StandardCharsets.US_ASCII);

  private long sweptCommands;
  private long sweptNanos;
  private volatile boolean stopping;
  private boolean stopped;

  private RespServer(ServerState state, EventLoopGroup group, @Nullable SslContext ssl) {
    this.state = state;
    this.group = group;
    this.ssl = ssl;
  }

  /**
   * Starts a server; when this returns it accepts connections.
   *
   * @throws InvalidRequestException if the options cannot work here: an address is taken, the
   *     certificate cannot be read, the transport is not there
   */
  public static RespServer start(
      CapsuleDb db, RespServerOptions options, Clock clock, Entropy entropy, Telemetry telemetry) {
    return start(db, options, clock, entropy, telemetry, List.of());
  }

  /** As the public method, with commands on top of the usual ones. */
  static RespServer start(
      CapsuleDb db,
      RespServerOptions options,
      Clock clock,
      Entropy entropy,
      Telemetry telemetry,
      List<CommandSpec> extraCommands) {
    RespServerOptions.Tls tls = options.tls();
    SslContext ssl = tls == null ? null : TlsContexts.of(tls);
    ServerState state = new ServerState(db, options, clock, entropy, telemetry);
    state.procedures().open();
    state.table(new CommandTable(CommandCatalog.all(state, extraCommands)));
    ClientStreams door = options.door();
    Transports.Chosen chosen =
        door == null ? Transports.start(options.transport(), options.ioThreads()) : null;
    state.transport(
        chosen == null ? "ring" : chosen.transport().name().toLowerCase(java.util.Locale.ROOT));
    RespServer server =
        new RespServer(
            state,
            chosen == null ? Transports.startWithoutSockets(options.ioThreads()) : chosen.group(),
            ssl);
    try {
      server.open(chosen);
    } catch (RuntimeException e) {
      server.close();
      throw e;
    }
    return server;
  }

  private void open(Transports.@Nullable Chosen chosen) {
    for (EventExecutor executor : group) {
      LoopState loop = new LoopState(state, (EventLoop) executor);
      loops.put(executor, loop);
      state.loops().add(loop);
    }
    state
        .db()
        .onDurable(
            () -> {
              for (LoopState loop : state.loops()) {
                loop.durableGrew();
              }
            });
    List<InetSocketAddress> bound = chosen == null ? state.options().listen() : bindAll(chosen);
    state.addresses(bound);
    sweptNanos = state.clock().monotonicNanos();
    for (LoopState loop : state.loops()) {
      var _ =
          loop.loop()
              .scheduleWithFixedDelay(() -> sweep(loop), SWEEP_MS, SWEEP_MS, TimeUnit.MILLISECONDS);
    }
    for (InetSocketAddress address : bound) {
      LOG.log(
          System.Logger.Level.INFO,
          "event=resp.listening address="
              + address.getAddress().getHostAddress()
              + ":"
              + address.getPort()
              + " transport="
              + state.transport()
              + " tls="
              + tlsName()
              + " users="
              + state.options().users().size());
    }
  }

  private List<InetSocketAddress> bindAll(Transports.Chosen chosen) {
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(group)
            .channel(chosen.channel())
            .option(ChannelOption.SO_BACKLOG, state.options().backlog())
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(ChannelOption.SO_KEEPALIVE, true)
            .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
            .childOption(
                ChannelOption.WRITE_BUFFER_WATER_MARK,
                new WriteBufferWaterMark(WRITE_LOW_BYTES, WRITE_HIGH_BYTES))
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    accept(channel);
                  }
                });
    for (InetSocketAddress address : state.options().listen()) {
      listeners.add(bind(bootstrap, address));
    }
    return listeners.stream().map(one -> (InetSocketAddress) one.localAddress()).toList();
  }

  private String tlsName() {
    RespServerOptions.Tls tls = state.options().tls();
    if (tls == null || ssl == null) {
      return "off";
    }
    String library =
        ssl.getClass().getSimpleName().startsWith("OpenSsl")
            ? SslProvider.OPENSSL.name().toLowerCase(java.util.Locale.ROOT)
            : SslProvider.JDK.name().toLowerCase(java.util.Locale.ROOT);
    return library + (tls.clientAuthority() == null ? "" : "+client_certificates");
  }

  private static Channel bind(ServerBootstrap bootstrap, InetSocketAddress address) {
    ChannelFuture future = bootstrap.bind(address);
    if (!future.awaitUninterruptibly(BIND_TIMEOUT_MS) || !future.isSuccess()) {
      throw new InvalidRequestException(
          "listen address is "
              + address
              + ", which cannot be bound ("
              + (future.cause() == null ? "no answer" : future.cause().getMessage())
              + "); allowed is a free address of this machine",
          future.cause());
    }
    return future.channel();
  }

  /** Takes a new connection in, or turns it away. On the connection's loop. */
  private void accept(Channel channel) {
    // Without a remote address the client has reset the connection already. The io_uring transport
    // of Netty 4.2.18 never reports that of a socket that was reset before it was accepted.
    if (stopping || channel.remoteAddress() == null) {
      var _ = channel.close();
      return;
    }
    if (!state.admit()) {
      state.refusals().count(RefusalCounters.Cause.MAX_CLIENTS);
      state.telemetry().count(Counter.CONNECTIONS_REFUSED, 1);
      if (ssl == null) {
        channel
            .writeAndFlush(Unpooled.wrappedBuffer(maxClientsReply))
            .addListener(ChannelFutureListener.CLOSE);
      } else {
        var _ = channel.close();
      }
      return;
    }
    state.telemetry().count(Counter.CONNECTIONS_ACCEPTED, 1);
    LoopState loop = java.util.Objects.requireNonNull(loops.get(channel.eventLoop()));
    Session session =
        new Session(
            state.nextClientId(),
            text(channel.remoteAddress()),
            text(channel.localAddress()),
            state.options().users().isEmpty() ? AclUsers.EVERYBODY : null,
            state.clock().monotonicNanos());
    if (ssl != null) {
      channel.pipeline().addLast(ssl.newHandler(channel.alloc()));
      channel.pipeline().addLast(new SessionEnder());
    }
    channel.pipeline().addLast(new RespConnection(state, loop, session));
  }

  /** As Redis writes addresses. */
  private static String text(@Nullable SocketAddress address) {
    if (!(address instanceof InetSocketAddress inet)) {
      return "?:0";
    }
    String host = inet.getAddress().getHostAddress();
    return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + inet.getPort();
  }

  /**
   * For who has the sockets: is told what clients send. Only if the server was given a {@linkplain
   * RespServerOptions.Builder#door door}.
   */
  public ClientStreams clients() {
    return new Forwarded(java.util.Objects.requireNonNull(state.options().door()));
  }

  /** Clients' connections whose sockets are elsewhere. */
  private final class Forwarded implements ClientStreams {
    private final ClientStreams door;
    private final Map<Long, ForwardedChannel> channels = new ConcurrentHashMap<>();

    Forwarded(ClientStreams door) {
      this.door = door;
    }

    @Override
    public void opened(long stream, InetSocketAddress remote, InetSocketAddress local) {
      // A few more than the server admits, so that it can tell those itself.
      if (channels.size() >= state.maxClients() + SPARE_CHANNELS || channels.containsKey(stream)) {
        door.closed(stream);
        return;
      }
      ForwardedChannel channel =
          new ForwardedChannel(stream, door, remote, local, () -> channels.remove(stream));
      channel.config().setAllocator(PooledByteBufAllocator.DEFAULT);
      channel
          .config()
          .setWriteBufferWaterMark(new WriteBufferWaterMark(WRITE_LOW_BYTES, WRITE_HIGH_BYTES));
      channel
          .pipeline()
          .addLast(
              new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel accepted) {
                  accept(accepted);
                }
              });
      channels.put(stream, channel);
      var _ = group.register(channel);
    }

    private void on(long stream, Consumer<ForwardedChannel> task) {
      ForwardedChannel channel = channels.get(stream);
      if (channel != null) {
        try {
          channel.eventLoop().execute(() -> task.accept(channel));
        } catch (RejectedExecutionException e) {
          LOG.log(System.Logger.Level.DEBUG, "event=resp.loop_ended");
        }
      }
    }

    @Override
    public void bytes(long stream, byte[] bytes) {
      on(stream, channel -> channel.received(bytes));
    }

    @Override
    public void taken(long stream, int bytes) {
      on(stream, channel -> channel.taken(bytes));
    }

    @Override
    public void ended(long stream) {
      on(stream, ForwardedChannel::ended);
    }

    @Override
    public void closed(long stream) {
      on(stream, ForwardedChannel::gone);
    }
  }

  private void sweep(LoopState loop) {
    loop.sweep();
    if (loop == state.loops().getFirst()) {
      long now = state.clock().monotonicNanos();
      long commands = state.stats().commandsProcessed();
      long elapsed = Math.max(1, now - sweptNanos);
      state.opsPerSecond(
          Math.max(0, (commands - sweptCommands) * TimeUnit.SECONDS.toNanos(1) / elapsed));
      sweptCommands = commands;
      sweptNanos = now;
    }
  }

  /** The addresses it listens on, with the ports that were free where port 0 was asked for. */
  public List<InetSocketAddress> addresses() {
    return state.addresses();
  }

  /** The transport in use: {@code io_uring}, {@code epoll} or {@code nio}. */
  public String transport() {
    return state.transport();
  }

  /** What the server is doing now. Cheap enough to be asked every second. */
  public RespServerStats stats() {
    return state.stats();
  }

  /**
   * Stops: accepts nothing more, executes nothing more, and lets replies leave whose commands were
   * executed, for at most {@link RespServerOptions#stopTimeoutMs()}. Returns when all connections
   * are closed. Not to be called on an event loop.
   */
  @Override
  public synchronized void close() {
    if (stopped) {
      return;
    }
    stopped = true;
    stopping = true;
    listeners.forEach(listener -> listener.close().awaitUninterruptibly(TERMINATION_MS));
    List<CompletableFuture<@Nullable Void>> drained = new ArrayList<>();
    for (LoopState loop : state.loops()) {
      drained.add(drain(loop));
    }
    awaitDrained(CompletableFuture.allOf(drained.toArray(CompletableFuture[]::new)));
    state.procedures().close();
    state.workers().close();
    group
        .shutdownGracefully(0, TERMINATION_MS, TimeUnit.MILLISECONDS)
        .awaitUninterruptibly(TERMINATION_MS + TERMINATION_MS);
    LOG.log(
        System.Logger.Level.INFO,
        "event=resp.stopped connections_cut=" + state.connections().size());
  }

  /** Completes when no connection of the loop is left. */
  private static CompletableFuture<@Nullable Void> drain(LoopState loop) {
    CompletableFuture<@Nullable Void> done = new CompletableFuture<>();
    loop.loop().execute(() -> loop.drain(done));
    return done;
  }

  private void awaitDrained(CompletableFuture<Void> drained) {
    try {
      drained.get(state.options().stopTimeoutMs(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "event=resp.stop_timeout connections=" + state.connections().size());
    } catch (ExecutionException e) {
      throw new UnavailableException("the server did not stop cleanly", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends the TLS session as soon as it is made, so that it can never be resumed. */
  private static final class SessionEnder extends io.netty.channel.ChannelInboundHandlerAdapter {
    @Override
    public void userEventTriggered(io.netty.channel.ChannelHandlerContext context, Object event) {
      if (event instanceof io.netty.handler.ssl.SslHandshakeCompletionEvent handshake
          && handshake.isSuccess()) {
        context.pipeline().get(SslHandler.class).engine().getSession().invalidate();
      }
      context.fireUserEventTriggered(event);
    }
  }
}
