package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundInvoker;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.handler.timeout.ReadTimeoutHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Links over TLS 1.3, for where who talks to whom about how much has to be hidden as well. A frame
 * is four bytes of length, little endian, and its bytes. Addresses are {@code host:port} or {@code
 * tls://host:port}. Whoever is dialled needs a certificate that names the host.
 *
 * <p>Invariants: a link is opened when its TLS handshake is done, and counted from its connection
 * on; {@code queuedBytes} of a link is what was accepted and is not yet written to the socket; all
 * events of a link are told on the one thread of its channel.
 */
public final class TlsTransport implements Network {

  private static final Pattern ADDRESS =
      Pattern.compile("(?:tls://)?(\\[[0-9a-fA-F:.]+]|[^:/\\[\\]\\s;]+):([0-9]{1,5})");
  private static final int MAX_PORT = 65_535;
  private static final int LENGTH_BYTES = 4;
  private static final int THREADS = 2;
  private static final int BACKLOG = 256;
  private static final int CLOSE_SECONDS = 10;

  private final TlsOptions options;
  private final Telemetry telemetry;
  private final Transport.Events events;
  private final EventLoopGroup loops;
  private final SslContext clientContext;
  private final AtomicLong lastLink = new AtomicLong();
  private final AtomicInteger acceptedNow = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final Map<Long, Link> links = new ConcurrentHashMap<>();
  private final LongAdder refusedLinks = new LongAdder();
  private final LongAdder malformed = new LongAdder();
  private final LongAdder failedHandshakes = new LongAdder();

  private TlsTransport(TlsOptions options, Telemetry telemetry, Transport.Events events) {
    this.options = options;
    this.telemetry = telemetry;
    this.events = events;
    clientContext = TlsContexts.client(options);
    loops =
        new MultiThreadIoEventLoopGroup(
            THREADS, new DefaultThreadFactory("tls-links", true), NioIoHandler.newFactory());
  }

  /**
   * Starts a transport without links.
   *
   * @throws InvalidRequestException if the files cannot be used
   */
  public static TlsTransport start(
      TlsOptions options, Telemetry telemetry, Transport.Events events) {
    return new TlsTransport(options, telemetry, events);
  }

  // ------------------------------------------------------------------ any thread

  @Override
  public String listen(String address) {
    Matcher parsed = parse(address);
    SslContext context = TlsContexts.server(options);
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loops)
            .channel(NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, BACKLOG)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, waterMark())
            .childHandler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    accept(channel, context);
                  }
                });
    try {
      InetAddress host = InetAddress.getByName(parsed.group(1));
      Channel channel =
          bootstrap
              .bind(new InetSocketAddress(host, Integer.parseInt(parsed.group(2))))
              .awaitUninterruptibly()
              .channel();
      if (!(channel.localAddress() instanceof InetSocketAddress bound)) {
        throw new InvalidRequestException(
            "cannot listen on " + address + ": in use, or not an address of this machine");
      }
      return "tls://" + parsed.group(1) + ":" + bound.getPort();
    } catch (UnknownHostException e) {
      throw new InvalidRequestException("cannot listen on " + address + ": unknown host", e);
    }
  }

  @Override
  public long connect(String address) {
    Matcher parsed = parse(address);
    String host = parsed.group(1);
    int port = Integer.parseInt(parsed.group(2));
    Link link = new Link(lastLink.incrementAndGet());
    links.put(link.id, link);
    if (closed.get()) {
      close(link, "closing");
      return link.id;
    }
    // Resolving a name may take seconds; Netty would do it on an event loop's time.
    Thread.ofVirtual().name("tls-resolve").start(() -> dial(link, host, port));
    return link.id;
  }

  @Override
  public boolean send(long number, byte[] frame) {
    if (frame.length == 0 || frame.length > MAX_FRAME_BYTES) {
      throw new IllegalArgumentException(
          "a frame has 1 to " + MAX_FRAME_BYTES + " bytes, not " + frame.length);
    }
    @Nullable Link link = links.get(number);
    @Nullable Channel channel = link == null ? null : link.channel;
    if (link == null || channel == null || !link.open || link.gone.get()) {
      return false;
    }
    int bytes = LENGTH_BYTES + frame.length;
    if (link.queuedBytes.addAndGet(bytes) > options.linkQueueBytes()) {
      link.queuedBytes.addAndGet(-bytes);
      return false;
    }
    ByteBuf length = Unpooled.buffer(LENGTH_BYTES).writeIntLE(frame.length);
    channel
        .writeAndFlush(Unpooled.wrappedBuffer(length, Unpooled.wrappedBuffer(frame)))
        .addListener(done -> link.queuedBytes.addAndGet(-bytes));
    return true;
  }

  @Override
  public void admit(long number) {
    @Nullable Link link = links.get(number);
    if (link != null) {
      link.admitted = true;
    }
  }

  @Override
  public void drop(long number) {
    @Nullable Link link = links.get(number);
    if (link == null || link.gone.get()) {
      return;
    }
    link.dropped = true;
    @Nullable Channel channel = link.channel;
    if (channel != null) {
      end(channel);
    }
  }

  @Override
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>();
    counters.put("tls.links", (long) links.size());
    counters.put("tls.connections", (long) acceptedNow.get());
    counters.put("tls.refused.too_many_links", refusedLinks.sum());
    counters.put("tls.dropped.malformed", malformed.sum());
    counters.put("tls.dropped.handshake", failedHandshakes.sum());
    return counters;
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    boolean stopped =
        loops
            .shutdownGracefully(0, CLOSE_SECONDS / 2, TimeUnit.SECONDS)
            .awaitUninterruptibly(CLOSE_SECONDS, TimeUnit.SECONDS);
    for (Link link : links.values()) {
      close(link, "closing");
    }
    if (!stopped) {
      throw new UnavailableException("the transport's threads did not end");
    }
  }

  private static Matcher parse(String address) {
    Matcher parsed = ADDRESS.matcher(address);
    if (!parsed.matches() || Integer.parseInt(parsed.group(2)) > MAX_PORT) {
      throw new InvalidRequestException(
          "the address is '" + address + "'; allowed is host:port or tls://host:port");
    }
    return parsed;
  }

  private static WriteBufferWaterMark waterMark() {
    return new WriteBufferWaterMark(64 << 10, 1 << 20);
  }

  // ------------------------------------------------------------------ event loops

  private void accept(Channel channel, SslContext context) {
    if (acceptedNow.incrementAndGet() > options.maxLinks()) {
      acceptedNow.decrementAndGet();
      refusedLinks.increment();
      telemetry.count(Telemetry.Counter.CONNECTIONS_REFUSED, 1);
      end(channel);
      return;
    }
    channel.closeFuture().addListener(done -> acceptedNow.decrementAndGet());
    Link link = new Link(lastLink.incrementAndGet());
    links.put(link.id, link);
    pipeline(channel, link, context.newHandler(channel.alloc()));
  }

  private void dial(Link link, String host, int port) {
    InetAddress resolved;
    try {
      resolved = InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      close(link, "the name of " + host + " is not known");
      return;
    }
    if (closed.get()) {
      close(link, "closing");
      return;
    }
    new Bootstrap()
        .group(loops)
        .channel(NioSocketChannel.class)
        .option(ChannelOption.TCP_NODELAY, true)
        .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, options.handshakeMs())
        .option(ChannelOption.WRITE_BUFFER_WATER_MARK, waterMark())
        .handler(
            new ChannelInitializer<>() {
              @Override
              protected void initChannel(Channel channel) {
                pipeline(channel, link, clientContext.newHandler(channel.alloc(), host, port));
              }
            })
        .connect(new InetSocketAddress(resolved, port))
        .addListener(
            done -> {
              if (!done.isSuccess()) {
                close(link, "cannot connect");
              }
            });
  }

  private void pipeline(Channel channel, Link link, SslHandler ssl) {
    link.channel = channel;
    ssl.setHandshakeTimeoutMillis(options.handshakeMs());
    channel
        .pipeline()
        .addLast(ssl)
        .addLast(new ReadTimeoutHandler(options.idleMs(), TimeUnit.MILLISECONDS))
        .addLast(new Frames(link))
        .addLast(new Ends(link));
    if (link.dropped) {
      end(channel);
    }
  }

  /** Whether and when it is closed, {@code channelInactive} tells. */
  private static void end(ChannelOutboundInvoker channel) {
    var _ = channel.close();
  }

  private void close(Link link, String reason) {
    if (link.gone.compareAndSet(false, true)) {
      links.remove(link.id, link);
      events.closed(link.id, link.dropped ? "dropped here" : reason);
    }
  }

  /** One connection. */
  private static final class Link {
    final long id;
    final AtomicLong queuedBytes = new AtomicLong();
    final AtomicBoolean gone = new AtomicBoolean();
    volatile @Nullable Channel channel;
    volatile boolean open;
    volatile boolean admitted;
    volatile boolean dropped;

    Link(long id) {
      this.id = id;
    }
  }

  /** Cuts the stream into frames. A length alone allocates nothing: bytes are kept as they come. */
  private final class Frames extends ByteToMessageDecoder {
    private final Link link;

    Frames(Link link) {
      this.link = link;
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) {
      if (in.readableBytes() < LENGTH_BYTES) {
        return;
      }
      int length = in.getIntLE(in.readerIndex());
      int most = link.admitted ? MAX_FRAME_BYTES : MAX_NEW_LINK_FRAME_BYTES;
      if (length < 1 || length > most) {
        malformed.increment();
        in.skipBytes(in.readableBytes());
        close(link, "a malformed or oversized frame");
        end(context);
        return;
      }
      if (in.readableBytes() < LENGTH_BYTES + length) {
        return;
      }
      in.skipBytes(LENGTH_BYTES);
      byte[] frame = new byte[length];
      in.readBytes(frame);
      out.add(frame);
    }
  }

  /** Tells events. */
  private final class Ends extends ChannelInboundHandlerAdapter {
    private final Link link;
    private String reason = "disconnected";

    Ends(Link link) {
      this.link = link;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
      if (event instanceof SslHandshakeCompletionEvent handshake) {
        if (handshake.isSuccess()) {
          link.open = true;
          events.opened(link.id);
        } else {
          failedHandshakes.increment();
          reason = "the TLS handshake failed";
          end(context);
        }
      }
      context.fireUserEventTriggered(event);
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      if (message instanceof byte[] frame && !link.gone.get() && !link.dropped) {
        events.received(link.id, frame);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
      close(link, reason);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      reason = "failed: " + cause.getClass().getSimpleName();
      end(context);
    }
  }
}
