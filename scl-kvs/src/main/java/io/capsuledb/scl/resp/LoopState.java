package io.capsuledb.scl.resp;

import io.capsuledb.core.port.Telemetry.Counter;
import io.netty.channel.EventLoop;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * What the connections of one event loop share: the dispatcher, buffers, counters, and the list of
 * those that wait for durability.
 *
 * <p>The engine's callback ({@link #durableGrew}) wakes the loop at most once, however many
 * connections wait, and not at all when none does. No wake-up is lost: the loop raises {@link
 * #armed} before it looks at the durable time a last time, and the engine advances the durable time
 * before it looks at {@code armed}.
 *
 * <p>Everything but {@code durableGrew} and the statistics belongs to the loop's thread.
 */
final class LoopState {

  /** Bytes copied from a socket's buffer at a time to be parsed. */
  static final int WINDOW_BYTES = 64 << 10;

  /** How long a connection may stay without authenticating, where users are configured. */
  static final long AUTHENTICATION_TIMEOUT_MS = 120_000;

  private static final System.Logger LOG = System.getLogger(LoopState.class.getName());

  private final ServerState server;
  private final EventLoop loop;
  private final Dispatcher dispatcher;
  private final CommandCounters counters;
  private final ReplyQueue.Pool buffers = new ReplyQueue.Pool();
  private final byte[] window = new byte[WINDOW_BYTES];
  private final Set<RespConnection> connections = new HashSet<>();
  private final ArrayDeque<RespConnection> waiting = new ArrayDeque<>();

  private volatile boolean armed;
  private final AtomicBoolean wakePending = new AtomicBoolean();

  private final AtomicLong pendingReplies = new AtomicLong();
  private final AtomicLong pendingBytes = new AtomicLong();
  private final AtomicLong bytesIn = new AtomicLong();
  private final AtomicLong bytesOut = new AtomicLong();
  private long failuresReported;
  private @Nullable CompletableFuture<@Nullable Void> drained;

  LoopState(ServerState server, EventLoop loop) {
    this.server = server;
    this.loop = loop;
    this.counters = new CommandCounters(server.table().size());
    this.dispatcher =
        new Dispatcher(
            server.db(),
            server.clock(),
            server.table(),
            server.gate(),
            counters,
            server.procedures(),
            server.options().sharing(),
            server.options().maxClientOutputBytes());
  }

  EventLoop loop() {
    return loop;
  }

  Dispatcher dispatcher() {
    return dispatcher;
  }

  CommandCounters counters() {
    return counters;
  }

  ReplyQueue.Pool buffers() {
    return buffers;
  }

  /** Scratch space for parsing. */
  byte[] window() {
    return window;
  }

  /** Has the connection looked at again when more is durable. */
  void await(RespConnection connection) {
    waiting.addLast(connection);
    if (!armed) {
      armed = true;
    }
  }

  /**
   * Looks once more at what is durable, after connections were added: what became durable before
   * the loop was armed would otherwise wake nobody.
   *
   * @param seen the durable time the connections were compared with
   */
  void checkAgain(long seen) {
    if (server.db().durableTime() > seen || server.db().failure() != null) {
      wakeSoon();
    }
  }

  /** More is durable, or the engine failed. Called on an engine thread. */
  void durableGrew() {
    if (armed) {
      wakeSoon();
    }
  }

  private void wakeSoon() {
    if (!wakePending.getAndSet(true)) {
      execute(this::wake);
    }
  }

  /** Runs something on the loop's thread, unless the server was stopped. From any thread. */
  void execute(Runnable task) {
    try {
      loop.execute(task);
    } catch (RejectedExecutionException e) {
      // The loop has ended, and every connection with it: there is nobody to do it for.
      LOG.log(System.Logger.Level.DEBUG, "event=resp.loop_ended");
    }
  }

  private void wake() {
    wakePending.set(false);
    armed = false;
    for (int left = waiting.size(); left > 0; left--) {
      RespConnection connection = waiting.removeFirst();
      try {
        connection.durableGrew();
      } catch (RuntimeException | Error e) {
        // One connection's trouble must not leave the others waiting.
        connection.defect(e);
      }
    }
  }

  /** Closes connections that were idle, or not authenticated, for too long. */
  void sweep() {
    long now = server.clock().monotonicNanos();
    for (RespConnection connection : List.copyOf(connections)) {
      connection.sweep(now, server.idleTimeoutMs(), AUTHENTICATION_TIMEOUT_MS);
      connection.expireReplies(now);
    }
  }

  /** Lets every connection finish; {@code done} completes when none is left. */
  void drain(CompletableFuture<@Nullable Void> done) {
    drained = done;
    List.copyOf(connections).forEach(RespConnection::drain);
    completeIfDrained();
  }

  /** A connection is open now. */
  void opened(RespConnection connection) {
    connections.add(connection);
  }

  /** A connection is closed now. */
  void closed(RespConnection connection) {
    connections.remove(connection);
    completeIfDrained();
  }

  private void completeIfDrained() {
    if (drained != null && connections.isEmpty()) {
      drained.complete(null);
    }
  }

  void countIn(int bytes) {
    bytesIn.setOpaque(bytesIn.getPlain() + bytes);
    server.telemetry().count(Counter.BYTES_IN, bytes);
  }

  void countOut(int bytes) {
    bytesOut.setOpaque(bytesOut.getPlain() + bytes);
    server.telemetry().count(Counter.BYTES_OUT, bytes);
  }

  /** What waits for durability changed by this much. */
  void countPending(int replies, long bytes) {
    pendingReplies.setOpaque(pendingReplies.getPlain() + replies);
    pendingBytes.setOpaque(pendingBytes.getPlain() + bytes);
  }

  /** Passes on how many commands failed since the last call. */
  void reportFailures() {
    long failures = counters.failures();
    if (failures != failuresReported) {
      if (failures > failuresReported) {
        server.telemetry().count(Counter.COMMANDS_FAILED, failures - failuresReported);
      }
      failuresReported = failures;
    }
  }

  long pendingReplies() {
    return pendingReplies.getOpaque();
  }

  long pendingBytes() {
    return pendingBytes.getOpaque();
  }

  long bytesIn() {
    return bytesIn.getOpaque();
  }

  long bytesOut() {
    return bytesOut.getOpaque();
  }

  void resetStats() {
    counters.reset();
    bytesIn.setOpaque(0);
    bytesOut.setOpaque(0);
  }
}
