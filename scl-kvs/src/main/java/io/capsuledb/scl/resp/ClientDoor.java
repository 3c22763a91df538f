package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The sockets of Redis clients, where another process serves them: accepts, and passes bytes on in
 * both directions without looking at them.
 *
 * <p>While nobody serves, nothing is accepted: clients wait in the listener's queue. When who
 * served is gone, its clients' connections are closed, for nobody knows what they were told.
 *
 * <p>Thread-safe; what is told to it ({@link ClientStreams}) never waits.
 */
public final class ClientDoor implements ClientStreams, AutoCloseable {

  private static final long BIND_MS = 10_000;
  private static final long TERMINATION_MS = 2_000;
  private static final int LEAST_READ_BYTES = 64;
  private static final int FIRST_READ_BYTES = 4 << 10;

  private final EventLoopGroup group;
  private final List<Channel> listeners = new ArrayList<>();
  private final Map<Long, Guest> guests = new ConcurrentHashMap<>();
  private final AtomicLong numbers = new AtomicLong();
  private final int maxClients;
  private volatile @Nullable ClientStreams server;

  private ClientDoor(EventLoopGroup group, int maxClients) {
    this.group = group;
    this.maxClients = maxClients;
  }

  /**
   * Listens; accepts when somebody serves.
   *
   * @param threads event loops
   * @param backlog how many clients may wait to be accepted
   * @param maxClients connections beyond this are closed at once
   * @throws InvalidRequestException if an address cannot be bound
   */
  public static ClientDoor open(
      List<InetSocketAddress> addresses, int threads, int backlog, int maxClients) {
    Transports.Chosen chosen = Transports.start(RespServerOptions.Transport.AUTO, threads);
    ClientDoor door = new ClientDoor(chosen.group(), maxClients);
    boolean opened = false;
    try {
      ServerBootstrap bootstrap =
          new ServerBootstrap()
              .group(chosen.group())
              .channel(chosen.channel())
              .option(ChannelOption.SO_BACKLOG, backlog)
              .option(ChannelOption.SO_REUSEADDR, true)
              .option(ChannelOption.AUTO_READ, false)
              .childOption(ChannelOption.TCP_NODELAY, true)
              .childOption(ChannelOption.SO_KEEPALIVE, true)
              .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
              .childOption(
                  ChannelOption.RECVBUF_ALLOCATOR,
                  new AdaptiveRecvByteBufAllocator(
                      LEAST_READ_BYTES, FIRST_READ_BYTES, MAX_CHUNK_BYTES))
              .childHandler(
                  new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                      door.accept(channel);
                    }
                  });
      for (InetSocketAddress address : addresses) {
        ChannelFuture bound = bootstrap.bind(address);
        if (!bound.awaitUninterruptibly(BIND_MS) || !bound.isSuccess()) {
          throw new InvalidRequestException(
              "listen address is " + address + ", which cannot be bound", bound.cause());
        }
        door.listeners.add(bound.channel());
      }
      opened = true;
      return door;
    } finally {
      if (!opened) {
        door.close();
      }
    }
  }

  /** Where it listens, with the ports that were taken. */
  public List<InetSocketAddress> addresses() {
    return listeners.stream().map(one -> (InetSocketAddress) one.localAddress()).toList();
  }

  /** From now on this one serves. */
  public void serve(ClientStreams by) {
    server = by;
    listeners.forEach(one -> one.config().setAutoRead(true));
  }

  /** Who served is gone: closes all connections, and accepts no more. */
  public void desert() {
    listeners.forEach(one -> one.config().setAutoRead(false));
    server = null;
    for (Guest guest : List.copyOf(guests.values())) {
      var _ = guest.channel.close();
    }
  }

  private void accept(Channel channel) {
    ClientStreams by = server;
    if (by == null
        || guests.size() >= maxClients
        || !(channel.remoteAddress() instanceof InetSocketAddress)) {
      var _ = channel.close();
      return;
    }
    channel.pipeline().addLast(new Guest(channel, by));
  }

  // ------------------------------------------------------------------ told by who serves

  @Override
  public void opened(long stream, InetSocketAddress remote, InetSocketAddress local) {
    // Only we open streams.
  }

  @Override
  public void bytes(long stream, byte[] bytes) {
    Guest guest = guests.get(stream);
    if (guest != null) {
      guest
          .channel
          .writeAndFlush(Unpooled.wrappedBuffer(bytes))
          .addListener(
              done -> {
                if (done.isSuccess()) {
                  guest.server.taken(stream, bytes.length);
                }
              });
    }
  }

  @Override
  public void taken(long stream, int bytes) {
    Guest guest = guests.get(stream);
    if (guest != null) {
      guest.channel.eventLoop().execute(() -> guest.taken(bytes));
    }
  }

  @Override
  public void ended(long stream) {
    // Only clients end their input.
  }

  @Override
  public void closed(long stream) {
    Guest guest = guests.remove(stream);
    if (guest != null) {
      guest.channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
    }
  }

  /** Stops listening, and closes all connections. Idempotent. */
  @Override
  public void close() {
    listeners.forEach(one -> one.close().awaitUninterruptibly(TERMINATION_MS));
    desert();
    group
        .shutdownGracefully(0, TERMINATION_MS, TimeUnit.MILLISECONDS)
        .awaitUninterruptibly(2 * TERMINATION_MS);
  }

  /** A client's socket. Belongs to its event loop. */
  private final class Guest extends ChannelInboundHandlerAdapter {
    private final Channel channel;
    private final ClientStreams server;
    private final long number = numbers.incrementAndGet();
    private int room = WINDOW_BYTES;

    Guest(Channel channel, ClientStreams server) {
      this.channel = channel;
      this.server = server;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
      guests.put(number, this);
      server.opened(
          number,
          (InetSocketAddress) channel.remoteAddress(),
          (InetSocketAddress) channel.localAddress());
      context.fireChannelActive();
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      ByteBuf in = (ByteBuf) message;
      try {
        while (in.isReadable()) {
          byte[] chunk = new byte[Math.min(in.readableBytes(), MAX_CHUNK_BYTES)];
          in.readBytes(chunk);
          room -= chunk.length;
          server.bytes(number, chunk);
        }
      } finally {
        in.release();
      }
      steer();
    }

    private void taken(int bytes) {
      if (bytes > 0 && bytes <= 2 * WINDOW_BYTES) {
        room = Math.min(WINDOW_BYTES, room + bytes);
        steer();
      }
    }

    /** Reads while what one read brings at most has room. */
    private void steer() {
      boolean read = room >= MAX_CHUNK_BYTES;
      if (channel.config().isAutoRead() != read) {
        channel.config().setAutoRead(read);
      }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
      if (event instanceof ChannelInputShutdownEvent) {
        server.ended(number);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
      if (guests.remove(number) != null) {
        server.closed(number);
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      // A socket that failed is over, whatever it was.
      var _ = context.close();
    }
  }
}
