package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.scl.resp.RespServerOptions.Transport;
import io.netty.channel.ChannelId;
import io.netty.channel.DefaultChannelId;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.local.LocalIoHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringServerSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Finds the transport that works here: by trying, not by guessing from names and versions. */
final class Transports {

  private static final System.Logger LOG = System.getLogger(Transports.class.getName());

  /** One way to drive sockets. */
  private record Candidate(
      Transport transport,
      BooleanSupplier available,
      Supplier<@Nullable Throwable> unavailability,
      Supplier<IoHandlerFactory> handlers,
      Class<? extends ServerChannel> channel) {}

  /**
   * Event loops that run, and what listens on them.
   *
   * @param transport what was chosen, never AUTO
   */
  record Chosen(
      Transport transport, EventLoopGroup group, Class<? extends ServerChannel> channel) {}

  private static final List<Candidate> CANDIDATES =
      List.of(
          new Candidate(
              Transport.IO_URING,
              IoUring::isAvailable,
              IoUring::unavailabilityCause,
              IoUringIoHandler::newFactory,
              IoUringServerSocketChannel.class),
          new Candidate(
              Transport.EPOLL,
              Epoll::isAvailable,
              Epoll::unavailabilityCause,
              EpollIoHandler::newFactory,
              EpollServerSocketChannel.class),
          new Candidate(
              Transport.NIO,
              () -> true,
              () -> null,
              NioIoHandler::newFactory,
              NioServerSocketChannel.class));

  private Transports() {}

  /**
   * Starts event loops.
   *
   * @throws InvalidRequestException if the transport asked for does not work here
   */
  static Chosen start(Transport wanted, int threads) {
    for (Candidate candidate : CANDIDATES) {
      if (wanted != Transport.AUTO && wanted != candidate.transport) {
        continue;
      }
      try {
        if (candidate.available.getAsBoolean()) {
          EventLoopGroup group =
              new MultiThreadIoEventLoopGroup(
                  threads, new DefaultThreadFactory("resp-io"), candidate.handlers.get());
          return new Chosen(candidate.transport, group, candidate.channel);
        }
        refused(wanted, candidate.transport, candidate.unavailability.get());
      } catch (IllegalStateException | LinkageError e) {
        // Also an io_uring that exists but may not lock enough memory ends up here.
        refused(wanted, candidate.transport, e);
      }
    }
    throw new InvalidRequestException(
        "transport is " + wanted + ", which does not work here; allowed is AUTO or NIO");
  }

  /** Event loops for channels without sockets. */
  static EventLoopGroup startWithoutSockets(int threads) {
    // Looks at the machine's network interfaces, once, which a sealed process may not do later.
    ChannelId first = DefaultChannelId.newInstance();
    LOG.log(System.Logger.Level.DEBUG, "event=resp.no_sockets channel_id=" + first.asShortText());
    return new MultiThreadIoEventLoopGroup(
        threads, new DefaultThreadFactory("resp-io"), LocalIoHandler.newFactory());
  }

  private static void refused(Transport wanted, Transport transport, @Nullable Throwable cause) {
    LOG.log(
        wanted == Transport.AUTO ? System.Logger.Level.DEBUG : System.Logger.Level.WARNING,
        "event=resp.transport_unavailable transport="
            + transport
            + " cause="
            + (cause == null ? "unknown" : cause.getClass().getSimpleName()));
  }
}
