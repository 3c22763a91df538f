package io.capsuledb.scl.resp;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.AbstractChannel;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelMetadata;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayDeque;

/**
 * A client's connection whose socket is in another process: reads what that process tells, and
 * tells it what is written.
 *
 * <p>Invariants: no more is told than the other side has room for; what does not fit stays in the
 * channel's own outbound buffer, so that it is seen to be unwritable; of what comes no more is kept
 * than two windows, beyond which the other side breaks the rules and the channel closes. Belongs to
 * its event loop.
 */
final class ForwardedChannel extends AbstractChannel {

  private static final ChannelMetadata METADATA = new ChannelMetadata(false);

  /** Bytes handed on in one go before others have their turn. */
  private static final int MAX_ROUND_BYTES = 64 << 10;

  private final long stream;
  private final ClientStreams door;
  private final InetSocketAddress remote;
  private final InetSocketAddress local;
  private final Runnable onClose;
  private final ChannelConfig config = new DefaultChannelConfig(this);
  private final ArrayDeque<ByteBuf> inbound = new ArrayDeque<>();
  private int inboundBytes;
  private int room = ClientStreams.WINDOW_BYTES;
  private boolean readPending;
  private boolean handingOn;
  private boolean inputEnded;
  private boolean endTold;
  private boolean gone;
  private volatile boolean open = true;

  /**
   * A channel that is not registered yet.
   *
   * @param door is told what is written
   * @param onClose once, when it is closed, by whoever
   */
  ForwardedChannel(
      long stream,
      ClientStreams door,
      InetSocketAddress remote,
      InetSocketAddress local,
      Runnable onClose) {
    super(null);
    this.stream = stream;
    this.door = door;
    this.remote = remote;
    this.local = local;
    this.onClose = onClose;
  }

  // ------------------------------------------------------------------ from the other process

  /** Bytes have come. */
  void received(byte[] bytes) {
    if (!open) {
      return;
    }
    inbound.add(Unpooled.wrappedBuffer(bytes));
    inboundBytes += bytes.length;
    if (inboundBytes > 2 * ClientStreams.WINDOW_BYTES || inputEnded) {
      unsafe().close(unsafe().voidPromise());
      return;
    }
    handOn();
  }

  /** There is room for more. */
  void taken(int bytes) {
    if (!open) {
      return;
    }
    if (bytes <= 0 || bytes > ClientStreams.WINDOW_BYTES - room) {
      unsafe().close(unsafe().voidPromise());
      return;
    }
    room += bytes;
    unsafe().flush();
  }

  /** The client sends no more. */
  void ended() {
    inputEnded = true;
    handOn();
  }

  /** The socket is closed. */
  void gone() {
    gone = true;
    unsafe().close(unsafe().voidPromise());
  }

  private void handOn() {
    if (handingOn) {
      return;
    }
    handingOn = true;
    try {
      while (open && readPending && !inbound.isEmpty()) {
        readPending = false;
        int round = 0;
        while (open && !inbound.isEmpty() && round < MAX_ROUND_BYTES && config.isAutoRead()) {
          ByteBuf next = inbound.removeFirst();
          int bytes = next.readableBytes();
          round += bytes;
          inboundBytes -= bytes;
          pipeline().fireChannelRead(next);
        }
        pipeline().fireChannelReadComplete();
        if (open && round > 0) {
          door.taken(stream, round);
        }
        if (round == 0) {
          return;
        }
      }
      if (open && readPending && inputEnded && inbound.isEmpty() && !endTold) {
        endTold = true;
        pipeline().fireUserEventTriggered(ChannelInputShutdownEvent.INSTANCE);
      }
    } finally {
      handingOn = false;
    }
  }

  // ------------------------------------------------------------------ for Netty

  @Override
  protected void doBeginRead() {
    readPending = true;
    if (!handingOn && (!inbound.isEmpty() || (inputEnded && !endTold))) {
      eventLoop().execute(this::handOn);
    }
  }

  @Override
  protected Object filterOutboundMessage(Object message) {
    if (message instanceof ByteBuf) {
      return message;
    }
    throw new UnsupportedOperationException("only buffers are written");
  }

  @Override
  protected void doWrite(ChannelOutboundBuffer out) throws Exception {
    if (gone) {
      throw new ClosedChannelException();
    }
    while (true) {
      ByteBuf next = (ByteBuf) out.current();
      if (next == null) {
        return;
      }
      int bytes = Math.min(next.readableBytes(), Math.min(room, ClientStreams.MAX_CHUNK_BYTES));
      if (next.isReadable() && bytes == 0) {
        return;
      }
      if (bytes > 0) {
        byte[] chunk = new byte[bytes];
        next.getBytes(next.readerIndex(), chunk);
        room -= bytes;
        door.bytes(stream, chunk);
        out.removeBytes(bytes);
      } else {
        out.remove();
      }
    }
  }

  @Override
  protected void doClose() {
    if (open) {
      open = false;
      inbound.forEach(ByteBuf::release);
      inbound.clear();
      inboundBytes = 0;
      if (!gone) {
        door.closed(stream);
      }
      onClose.run();
    }
  }

  @Override
  protected void doDisconnect() {
    doClose();
  }

  @Override
  protected void doBind(SocketAddress address) {
    throw new UnsupportedOperationException("it has a socket elsewhere");
  }

  @Override
  protected AbstractUnsafe newUnsafe() {
    return new AbstractUnsafe() {
      @Override
      public void connect(SocketAddress to, SocketAddress from, ChannelPromise promise) {
        promise.setFailure(new UnsupportedOperationException("it is connected elsewhere"));
      }
    };
  }

  @Override
  protected boolean isCompatible(EventLoop loop) {
    return true;
  }

  @Override
  protected SocketAddress localAddress0() {
    return local;
  }

  @Override
  protected SocketAddress remoteAddress0() {
    return remote;
  }

  @Override
  public ChannelConfig config() {
    return config;
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public boolean isActive() {
    return open;
  }

  @Override
  public ChannelMetadata metadata() {
    return METADATA;
  }
}
