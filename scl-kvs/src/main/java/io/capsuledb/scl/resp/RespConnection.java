package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Telemetry.Distribution;
import io.capsuledb.scl.resp.RefusalCounters.Cause;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.uring.IoUringSocketChannel;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * One client's connection: bytes in, commands executed as they are parsed, replies out when they
 * are durable.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>commands are executed, and their replies leave, in the order they came;
 *   <li>a reply leaves only when everything it depends on, and everything before it, is durable;
 *   <li>while a command is deferred, or too many replies wait, nothing more is executed: bytes that
 *       still arrive are kept in {@link #backlog}, and beyond a small bound the socket is not read;
 *   <li>what the connection holds is accounted in the server's budgets after every batch of reads;
 *   <li>once {@link #closing}, nothing more is executed.
 * </ul>
 *
 * <p>A <i>batch</i> is what one round of the event loop reads from the socket: its replies leave
 * with one write. Belongs to its event loop; no method blocks.
 */
final class RespConnection extends ChannelInboundHandlerAdapter {

  /** Waiting replies beyond which nothing more is executed, in bytes. */
  static final int MAX_PENDING_BYTES = 1 << 20;

  /** Waiting replies beyond which nothing more is executed. */
  static final int MAX_PENDING_REPLIES = 8192;

  /** Bytes a connection that executes nothing may still receive before its socket is not read. */
  private static final int MAX_BACKLOG_BYTES = 64 << 10;

  /** How long a connection that is closing waits for its client to take what was sent. */
  private static final long MAX_CLOSING_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final double NANOS = 1e-9;

  /** A connection on which nothing came for so long is asked whether it is still there. */
  private static final long UNNOTICED_MS = 1_000;

  // States as Linux numbers them, in tcp_states.h.
  private static final int TCP_CLOSE = 7;
  private static final int TCP_CLOSE_WAIT = 8;

  /** HTTP's first word and a header's, as Redis looks for them. */
  private static final String POST = "POST";

  private static final String HOST = "HOST:";

  /** A suspension that CLIENT UNBLOCK can end. */
  private record Blocked(long suspension, CommandSpec.Body then) {}

  private final ServerState server;
  private final LoopState loop;
  private final Session session;
  private final RespParser parser = new RespParser();
  private final ReplyQueue replies;
  private final ReplyQueue.LatencyObserver latencies = this::left;
  private final MemoryBudget.Share input;
  private final MemoryBudget.Share output;
  private final ArrayDeque<ByteBuf> backlog = new ArrayDeque<>();

  private @Nullable ChannelHandlerContext ctx;
  private int backlogBytes;
  private long inFlightBytes;
  private boolean inBatch;
  private long batchNanos;

  /** Whether a deferred command has to reply before anything more is executed. */
  private boolean suspended;

  private byte @Nullable [][] suspendedCommand;

  /** Whether that is CLIENT PAUSE. */
  private boolean paused;

  /** Set while CLIENT UNBLOCK can end the suspension; taken, from any thread, by who does. */
  private final AtomicReference<@Nullable Blocked> blocked = new AtomicReference<>();

  /** Counts suspensions: what was scheduled to end one must not end the next. */
  private long suspensions;

  private @Nullable Future<?> timer;

  private boolean resumeScheduled;
  private boolean awaiting;
  private boolean inputShutDown;

  /** Looks at the socket, one after the other, that found the client's end and no event of it. */
  private int unreadEnds;

  private boolean closing;
  private long closingSinceNanos;
  private boolean closed;
  private int countedReplies;
  private int countedBytes;
  private long nowNanos;

  RespConnection(ServerState server, LoopState loop, Session session) {
    this.server = server;
    this.loop = loop;
    this.session = session;
    this.replies = new ReplyQueue(loop.buffers());
    this.input = server.input().new Share();
    this.output = server.output().new Share();
    parser.restricted(!session.authenticated());
  }

  Session session() {
    return session;
  }

  LoopState loop() {
    return loop;
  }

  // ------------------------------------------------------------------ channel events

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    ctx = context;
    loop.opened(this);
    server.connections().put(session.id(), this);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext context) {
    release();
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) {
    release();
    context.fireChannelInactive();
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    ByteBuf in = (ByteBuf) message;
    loop.countIn(in.readableBytes());
    if (closing) {
      in.release();
      return;
    }
    beginBatch();
    if (suspended || !backlog.isEmpty()) {
      keep(in, false);
    } else {
      consume(in);
    }
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext context) {
    endBatch();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext context) {
    if (channel().channel().isWritable()) {
      resumeSoon();
    }
    context.fireChannelWritabilityChanged();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) {
    switch (event) {
      case SslHandshakeCompletionEvent handshake when !handshake.isSuccess() -> {
        server.refusals().count(Cause.TLS_HANDSHAKE);
        close();
      }
      case ChannelInputShutdownEvent _ -> {
        // The client will send no more, but may still read: as after "printf ... | nc".
        // What waits for somebody else, like WAIT, waits for nobody then.
        inputShutDown = true;
        if (blocked.get() != null || (!suspended && backlog.isEmpty())) {
          closeAfterReplies();
        }
      }
      default -> {}
    }
    context.fireUserEventTriggered(event);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    boolean ordinary = cause instanceof IOException || cause.getCause() instanceof SSLException;
    if (!ordinary) {
      Defects.log("event=client.defect", cause);
    }
    close();
  }

  private ChannelHandlerContext channel() {
    return java.util.Objects.requireNonNull(ctx);
  }

  // ------------------------------------------------------------------ executing

  private void beginBatch() {
    if (!inBatch) {
      inBatch = true;
      batchNanos = server.clock().monotonicNanos();
      session.activeNanos(batchNanos);
    }
    loop.dispatcher().serve(session, replies, batchNanos);
  }

  /** Parses and executes; what cannot be executed now goes to the front of the backlog. */
  private void consume(ByteBuf in) {
    boolean more = true;
    try {
      while (more && in.isReadable()) {
        byte[] bytes;
        int from;
        int length = in.readableBytes();
        if (in.hasArray()) {
          bytes = in.array();
          from = in.arrayOffset() + in.readerIndex();
        } else {
          bytes = loop.window();
          from = 0;
          length = Math.min(length, bytes.length);
          in.getBytes(in.readerIndex(), bytes, 0, length);
        }
        parser.feed(bytes, from, from + length);
        more = executeParsed();
        in.skipBytes(more || closing ? length : parser.position() - from);
      }
    } catch (RespWriter.OverflowException e) {
      abort(Cause.OUTPUT_LIMIT);
    } finally {
      if (in.isReadable() && !closing) {
        keep(in, true);
      } else {
        in.release();
      }
    }
  }

  /** Executes what the parser finds; false if it stopped before the window was used up. */
  private boolean executeParsed() {
    while (true) {
      switch (parser.next()) {
        case NEED_MORE -> {
          return true;
        }
        case REJECTED -> {
          server.telemetry().rejected(parser.rejection().reason());
          server.refusals().count(Cause.PROTOCOL);
          loop.dispatcher().refuse("ERR Protocol error: " + parser.rejection().detail());
          closeAfterReplies();
          return false;
        }
        case COMMAND -> {
          byte[][] command = parser.command();
          if (crossProtocol(command[0])) {
            abort(Cause.CROSS_PROTOCOL);
            return false;
          }
          loop.dispatcher().execute(command);
          afterCommand(command);
          if (closing || suspended || overloaded()) {
            return false;
          }
        }
      }
    }
  }

  /** Whether somebody's browser talks here: Redis, too, closes without a word. */
  private static boolean crossProtocol(byte[] name) {
    return (name.length == POST.length() && Operands.is(name, POST))
        || (name.length == HOST.length() && Operands.is(name, HOST));
  }

  private void afterCommand(byte[][] command) {
    parser.restricted(!session.authenticated());
    Deferred deferred = loop.dispatcher().deferred();
    if (deferred != null) {
      suspend(deferred, command);
    } else if (loop.dispatcher().closesAfterReply()) {
      closeAfterReplies();
    }
  }

  private boolean overloaded() {
    return replies.bytes() > MAX_PENDING_BYTES || replies.count() > MAX_PENDING_REPLIES;
  }

  private void keep(ByteBuf in, boolean first) {
    backlogBytes += in.readableBytes();
    if (first) {
      backlog.addFirst(in);
    } else {
      backlog.addLast(in);
    }
    if (backlogBytes > MAX_BACKLOG_BYTES) {
      channel().channel().config().setAutoRead(false);
    }
  }

  private void suspend(Deferred deferred, byte[][] command) {
    suspended = true;
    suspendedCommand = command;
    suspensions++;
    long suspension = suspensions;
    switch (deferred) {
      case Deferred.Offloaded offloaded -> {
        boolean accepted =
            server
                .workers()
                .submit(
                    offloaded.lane(),
                    () -> {
                      CommandSpec.Body then = worked(offloaded);
                      later(() -> resume(suspension, then));
                    });
        if (!accepted) {
          offloaded.after().run();
          // Not at once: the caller is still parsing.
          later(() -> resume(suspension, failing(ErrorReplies.BUSY)));
        }
      }
      case Deferred.Delayed delayed -> {
        if (delayed.unblockable()) {
          if (inputShutDown) {
            // It came from the backlog, behind what a client sent before it hung up.
            closeAfterReplies();
            return;
          }
          blocked.set(new Blocked(suspension, delayed.then()));
        }
        if (delayed.delayMs() > 0) {
          timer = schedule(() -> resume(suspension, delayed.then()), delayed.delayMs());
        }
      }
      case Deferred.Awaited awaited ->
          awaited.ask().accept(then -> later(() -> resume(suspension, then)));
      case Deferred.Locked locked ->
          sharing()
              .acquire(
                  locked.wishes(),
                  (held, failure) -> later(() -> locked(suspension, held, failure)));
      case Deferred.Paused _ -> {
        paused = true;
        timer = schedule(() -> retry(suspension), server.gate().remainingMs());
      }
    }
  }

  /** Does something on the loop, after what it does now. From any thread. */
  private void later(Runnable task) {
    loop.execute(() -> guard(task));
  }

  private Future<?> schedule(Runnable task, long delayMs) {
    return loop.loop().schedule(() -> guard(task), delayMs, TimeUnit.MILLISECONDS);
  }

  /** Outside the channel's events nobody else would notice that something went wrong. */
  private void guard(Runnable task) {
    try {
      task.run();
    } catch (RuntimeException | Error e) {
      defect(e);
    }
  }

  /** Does offloaded work, and turns what it throws into what will be replied. */
  private static CommandSpec.Body worked(Deferred.Offloaded offloaded) {
    try {
      return offloaded.work().get();
    } catch (CommandException e) {
      return context -> {
        throw e;
      };
    } catch (CapsuleException e) {
      return context -> {
        throw e;
      };
    } catch (RuntimeException e) {
      Defects.log("event=command.defect", e);
      return failing(ErrorReplies.INTERNAL);
    } finally {
      offloaded.after().run();
    }
  }

  private static CommandSpec.Body failing(String message) {
    return context -> {
      throw new CommandException(message);
    };
  }

  /** Lets a deferred command reply, and goes on with what came meanwhile. */
  private void resume(long suspension, CommandSpec.Body then) {
    byte[][] command = suspension == suspensions ? endSuspension() : null;
    if (command != null) {
      goOn(command, () -> loop.dispatcher().complete(command, then));
    }
  }

  private Sharing sharing() {
    return java.util.Objects.requireNonNull(server.options().sharing());
  }

  /** Executes a command again that has its locks now, or will not get them. */
  private void locked(
      long suspension, Sharing.@Nullable Held held, @Nullable CapsuleException failure) {
    byte[][] command = suspension == suspensions ? endSuspension() : null;
    if (held == null) {
      if (command != null) {
        CapsuleException why =
            failure == null ? new UnavailableException("the locks cannot be had") : failure;
        goOn(command, () -> loop.dispatcher().denied(command, why));
      }
      return;
    }
    if (command == null || closed || closing) {
      sharing().finish(held.ticket(), false);
      return;
    }
    // Whatever becomes of it, the locks go on to others, at its end.
    goOn(
        command,
        () ->
            loop.dispatcher()
                .executeLocked(command, wrote -> sharing().finish(held.ticket(), wrote)));
  }

  /** Executes a command again that CLIENT PAUSE held back. */
  private void retry(long suspension) {
    byte[][] command = suspension == suspensions ? endSuspension() : null;
    if (command != null) {
      goOn(command, () -> loop.dispatcher().execute(command));
    }
  }

  private void goOn(byte[][] command, Runnable dispatch) {
    beginBatch();
    try {
      dispatch.run();
      afterCommand(command);
    } catch (RespWriter.OverflowException e) {
      abort(Cause.OUTPUT_LIMIT);
    }
    consumeBacklog();
    endBatch();
  }

  /** Ends a suspension; returns its command, or null if there is none any more. */
  private byte @Nullable [][] endSuspension() {
    suspended = false;
    paused = false;
    blocked.set(null);
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
    byte[][] command = suspendedCommand;
    suspendedCommand = null;
    return command;
  }

  private void consumeBacklog() {
    while (!closing && !suspended && !overloaded() && !backlog.isEmpty()) {
      ByteBuf in = backlog.removeFirst();
      backlogBytes -= in.readableBytes();
      consume(in);
    }
    if (inputShutDown && !suspended && backlog.isEmpty()) {
      closeAfterReplies();
    }
  }

  /** Goes on with the backlog, in a round of its own: other connections come first. */
  private void resumeSoon() {
    if (!resumeScheduled && !closed) {
      resumeScheduled = true;
      later(this::resumeReading);
    }
  }

  private void resumeReading() {
    resumeScheduled = false;
    if (closed || closing || !channel().channel().isWritable()) {
      return;
    }
    beginBatch();
    consumeBacklog();
    endBatch();
  }

  private void endBatch() {
    if (!inBatch) {
      return;
    }
    inBatch = false;
    if (closed) {
      return;
    }
    loop.reportFailures();
    flushDurable();
    if (closed) {
      return;
    }
    account();
    steerReading();
  }

  /** Reads from the socket, or not, by what the connection can take. */
  private void steerReading() {
    if (closed || closing) {
      return;
    }
    boolean writable = channel().channel().isWritable();
    boolean busy = overloaded() || !writable;
    boolean read = suspended ? backlogBytes <= MAX_BACKLOG_BYTES : !busy && backlog.isEmpty();
    if (channel().channel().config().isAutoRead() != read) {
      channel().channel().config().setAutoRead(read);
    }
    if (!suspended && !busy && !backlog.isEmpty()) {
      resumeSoon();
    }
  }

  // ------------------------------------------------------------------ replying

  /** More is durable, or the engine failed. */
  void durableGrew() {
    awaiting = false;
    if (closed) {
      return;
    }
    flushDurable();
    if (!closed) {
      account();
      steerReading();
    }
  }

  /** Sends the replies that may leave; sees to it that the others will. */
  private void flushDurable() {
    long durable = server.db().durableTime();
    if (!replies.isEmpty()) {
      nowNanos = server.clock().monotonicNanos();
      int bytes = replies.release(durable, latencies);
      if (bytes > 0) {
        ByteBuf out = channel().alloc().directBuffer(bytes);
        replies.take(bytes, out);
        send(out);
      }
    }
    if (!replies.isEmpty()) {
      CapsuleException failure = server.db().failure();
      if (failure != null && server.db().durableTime() <= durable) {
        loseReplies(failure);
      } else {
        if (!awaiting) {
          awaiting = true;
          loop.await(this);
        }
        loop.checkAgain(durable);
      }
    } else if (closing) {
      closeAfterWrites();
    } else if (replies.bytes() == 0) {
      // Gives the buffer back: a client that sent half a command holds none.
      replies.clear();
    }
    countPending();
  }

  private void send(ByteBuf out) {
    int bytes = out.readableBytes();
    loop.countOut(bytes);
    inFlightBytes += bytes;
    channel().writeAndFlush(out).addListener(done -> inFlightBytes -= bytes);
  }

  /** The engine stopped: what waits for it cannot be vouched for any more. */
  private void loseReplies(CapsuleException failure) {
    replies.clear();
    server.refusals().count(Cause.ENGINE_FAILURE);
    loop.dispatcher().serve(session, replies, batchNanos);
    loop.dispatcher().refuse(ErrorReplies.outcomeUnknown(failure));
    startClosing();
    int bytes = replies.release(0, latencies);
    if (bytes > 0) {
      ByteBuf out = channel().alloc().directBuffer(bytes);
      replies.take(bytes, out);
      send(out);
    }
    closeAfterWrites();
  }

  /**
   * Answers what has waited for durability for too long with an error, in its place: whoever asked
   * can go on, the connection stays, and later replies stay behind earlier ones.
   */
  void expireReplies(long now) {
    long timeoutMs = server.options().replyTimeoutMs();
    if (closed || timeoutMs == 0 || replies.isEmpty()) {
      return;
    }
    int expired = replies.expire(now - TimeUnit.MILLISECONDS.toNanos(timeoutMs));
    if (expired == 0) {
      return;
    }
    byte[] error =
        ("-" + ErrorReplies.NOT_DURABLE_IN_TIME + "\r\n").getBytes(StandardCharsets.US_ASCII);
    ByteBuf out = channel().alloc().directBuffer(expired * error.length);
    for (int i = 0; i < expired; i++) {
      out.writeBytes(error);
      server.refusals().count(Cause.REPLY_TIMEOUT);
    }
    send(out);
    flushDurable();
    if (!closed) {
      account();
      steerReading();
    }
  }

  private void left(boolean waitedForWrites, long sinceNanos) {
    server
        .telemetry()
        .observe(
            waitedForWrites
                ? Distribution.WRITE_COMMAND_SECONDS
                : Distribution.READ_COMMAND_SECONDS,
            (nowNanos - sinceNanos) * NANOS);
  }

  private void countPending() {
    int newReplies = replies.count();
    int newBytes = replies.bytes();
    if (newReplies != countedReplies || newBytes != countedBytes) {
      loop.countPending(newReplies - countedReplies, newBytes - countedBytes);
      countedReplies = newReplies;
      countedBytes = newBytes;
    }
  }

  /** Brings the budgets up to date; closes the connection if they do not allow what it holds. */
  private void account() {
    long heldOutput = replies.bytes() + inFlightBytes;
    if (heldOutput > server.options().maxClientOutputBytes()) {
      abort(Cause.OUTPUT_LIMIT);
    } else if (!output.set(heldOutput)) {
      abort(Cause.OUTPUT_BUDGET);
    } else if (!input.set(parser.heldBytes() + session.heldBytes() + backlogBytes)) {
      server.refusals().count(Cause.INPUT_BUDGET);
      loop.dispatcher().serve(session, replies, batchNanos);
      loop.dispatcher()
          .refuse("ERR UNAVAILABLE the server's input buffers are full, try again later");
      closeAfterReplies();
      flushDurable();
    }
  }

  // ------------------------------------------------------------------ closing

  /** Executes nothing more; closes when every reply has left. */
  void closeAfterReplies() {
    if (closed || closing) {
      return;
    }
    startClosing();
    channel().channel().config().setAutoRead(false);
    if (!inBatch && replies.isEmpty()) {
      closeAfterWrites();
    }
  }

  private void startClosing() {
    closing = true;
    closingSinceNanos = server.clock().monotonicNanos();
    endSuspension();
    dropBacklog();
  }

  private void closeAfterWrites() {
    channel()
        .writeAndFlush(io.netty.buffer.Unpooled.EMPTY_BUFFER)
        .addListener(ChannelFutureListener.CLOSE);
  }

  /** Closes at once. */
  void abort(Cause cause) {
    if (!closed) {
      server.refusals().count(cause);
      close();
    }
  }

  /** Closes at once, without counting it as a refusal. */
  void close() {
    closing = true;
    var _ = channel().close();
  }

  private void dropBacklog() {
    ByteBuf in;
    while ((in = backlog.pollFirst()) != null) {
      in.release();
    }
    backlogBytes = 0;
  }

  private void release() {
    if (closed) {
      return;
    }
    closed = true;
    closing = true;
    endSuspension();
    dropBacklog();
    replies.clear();
    session.reset();
    countPending();
    input.clear();
    output.clear();
    server.connections().remove(session.id());
    server.leave();
    loop.closed(this);
  }

  /** The server stops: lets replies leave that can, then closes. On the connection's loop. */
  void drain() {
    if (closed) {
      return;
    }
    if (suspended) {
      resume(suspensions, failing(ErrorReplies.SHUTTING_DOWN));
    }
    closeAfterReplies();
  }

  /** A defect of ours while this connection was served. */
  void defect(Throwable e) {
    Defects.log("event=client.defect", e);
    close();
  }

  // ------------------------------------------------------------------ from other loops

  /** CLIENT KILL: closes. From any thread. */
  void kill() {
    later(
        () -> {
          if (!closed) {
            close();
          }
        });
  }

  /**
   * CLIENT UNBLOCK. From any thread.
   *
   * @param error whether the blocked command is to fail
   * @return whether the client was blocked
   */
  boolean unblock(boolean error) {
    Blocked was = blocked.getAndSet(null);
    if (was == null) {
      return false;
    }
    CommandSpec.Body reply =
        error ? failing("UNBLOCKED client unblocked via CLIENT UNBLOCK") : was.then;
    later(() -> resume(was.suspension, reply));
    return true;
  }

  /** CLIENT UNPAUSE: retries what was held back. From any thread. */
  void unpaused() {
    later(
        () -> {
          if (paused) {
            retry(suspensions);
          }
        });
  }

  /**
   * Closes the connection if it was idle, or not authenticated, for too long.
   *
   * @param idleTimeoutMs 0 means never
   */
  void sweep(long now, long idleTimeoutMs, long authenticationTimeoutMs) {
    if (closing) {
      // A client that does not take its last replies keeps its place only so long.
      if (!closed && replies.isEmpty() && now - closingSinceNanos > MAX_CLOSING_NANOS) {
        close();
      }
      return;
    }
    long idleMs = TimeUnit.NANOSECONDS.toMillis(now - session.activeNanos());
    long ageMs = TimeUnit.NANOSECONDS.toMillis(now - session.createdNanos());
    if (!session.authenticated() && !suspended && ageMs > authenticationTimeoutMs) {
      abort(Cause.NOT_AUTHENTICATED);
    } else if (idleTimeoutMs > 0 && idleMs > idleTimeoutMs && !suspended && replies.isEmpty()) {
      abort(Cause.IDLE);
    } else if (idleMs >= UNNOTICED_MS && isOverUnnoticed()) {
      close();
    }
  }

  /**
   * Whether the client is gone and the transport did not say so: Netty 4.2.18 reads what came
   * before a reset and then waits for an event that io_uring reported already, about once in 5,000
   * resets. So sockets on which nothing comes are asked how they are.
   */
  private boolean isOverUnnoticed() {
    if (!(channel().channel() instanceof IoUringSocketChannel socket) || !socket.isOpen()) {
      return false;
    }
    int state = socket.tcpInfo().state();
    boolean unreadEnd = state == TCP_CLOSE_WAIT && !inputShutDown && socket.config().isAutoRead();
    unreadEnds = unreadEnd ? unreadEnds + 1 : 0;
    // One look could come between the client's hanging up and the event that tells.
    return state == TCP_CLOSE || unreadEnds > 1;
  }

  // ------------------------------------------------------------------ looked at by CLIENT LIST

  /** Bytes of unfinished commands. */
  long heldInputBytes() {
    return parser.heldBytes() + backlogBytes;
  }

  /** Bytes of replies that have not left. */
  long heldOutputBytes() {
    return replies.bytes() + inFlightBytes;
  }

  /** Whether a command waits for something other than durability. */
  boolean blocked() {
    return blocked.get() != null;
  }
}
