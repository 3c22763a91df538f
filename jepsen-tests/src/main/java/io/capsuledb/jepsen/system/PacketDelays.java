package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Delays packets that a network namespace sends, with the kernel's NFQUEUE: a rule puts packets
 * into a numbered queue, this tells the kernel to let each go on when its time is over. Packets of
 * one queue overtake each other where the delay varies. For kernels without netem.
 *
 * <p>One thread lives in the namespace: it opens the netlink socket there, hears of packets and
 * lets them go. The kernel drops what does not fit a queue, and everything in queues when this is
 * closed.
 *
 * <p>Thread-safe.
 */
final class PacketDelays implements AutoCloseable {

  private static final int CLONE_NEWNET = 0x40000000;
  private static final int AF_NETLINK = 16;
  private static final int SOCK_RAW = 3;
  private static final int NETLINK_NETFILTER = 12;
  private static final int SOL_SOCKET = 1;
  private static final int SO_RCVTIMEO = 20;
  private static final int SUBSYSTEM_QUEUE = 3 << 8;
  private static final int PACKET = SUBSYSTEM_QUEUE;
  private static final int VERDICT = SUBSYSTEM_QUEUE | 1;
  private static final int CONFIG = SUBSYSTEM_QUEUE | 2;
  private static final int REQUEST = 1;
  private static final int ACCEPT = 1;
  private static final int HEADER_BYTES = 20;
  private static final int ATTRIBUTE_BYTES = 4;
  private static final int BUFFER_BYTES = 1 << 16;
  private static final int QUEUE_PACKETS = 16_384;
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(2);
  private static final long START_SECONDS = 10;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MethodHandle OPEN =
      handle(
          "open",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  private static final MethodHandle SETNS =
      handle(
          "setns",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
  private static final MethodHandle SOCKET =
      handle(
          "socket",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT));
  private static final MethodHandle BIND =
      handle(
          "bind",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT));
  private static final MethodHandle SETSOCKOPT =
      handle(
          "setsockopt",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT));
  private static final MethodHandle SEND = transfer("send");
  private static final MethodHandle RECV = transfer("recv");
  private static final MethodHandle CLOSE =
      handle("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

  /** How long packets of a queue take. */
  private record Delay(int ms, int jitterMs) {}

  private record Waiting(long due, int queue, int packet) {}

  private final Map<Integer, Delay> delays = new ConcurrentHashMap<>();
  private final Map<Integer, Boolean> wanted = new ConcurrentHashMap<>();
  private final Thread thread;
  private volatile boolean closed;

  // The thread's.
  private final PriorityQueue<Waiting> waiting =
      new PriorityQueue<>((a, b) -> Long.compare(a.due - b.due, 0));
  private int socket = -1;

  private PacketDelays(@Nullable String namespace, CompletableFuture<Boolean> started) {
    thread =
        Thread.ofPlatform()
            .daemon()
            .name("packet-delays")
            .unstarted(
                () -> {
                  try (Arena arena = Arena.ofConfined()) {
                    run(namespace, arena, started);
                  } catch (IOException | RuntimeException e) {
                    started.completeExceptionally(e);
                  }
                });
  }

  @SuppressWarnings("restricted") // The launcher enables native access.
  private static MethodHandle handle(String name, FunctionDescriptor descriptor) {
    return LINKER.downcallHandle(LINKER.defaultLookup().find(name).orElseThrow(), descriptor);
  }

  private static MethodHandle transfer(String name) {
    return handle(
        name,
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT,
            ValueLayout.ADDRESS,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT));
  }

  /**
   * Starts to hear of packets.
   *
   * @param namespace by its name; null: the machine's own
   * @throws IOException if the kernel does not let it
   */
  static PacketDelays start(@Nullable String namespace) throws IOException {
    CompletableFuture<Boolean> started = new CompletableFuture<>();
    PacketDelays delays = new PacketDelays(namespace, started);
    delays.thread.start();
    try {
      started.get(START_SECONDS, TimeUnit.SECONDS);
      return delays;
    } catch (ExecutionException | TimeoutException e) {
      delays.close();
      throw new IOException("packets cannot be queued here: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      delays.close();
      throw new IOException("interrupted", e);
    }
  }

  /**
   * Delays the packets of a queue from now on.
   *
   * @param queue 0 to 65,535
   */
  void delay(int queue, int ms, int jitterMs) {
    delays.put(queue, new Delay(ms, jitterMs));
    // The thread binds it at its next look.
    wanted.put(queue, true);
  }

  // ------------------------------------------------------------------ the thread

  private void run(@Nullable String namespace, Arena arena, CompletableFuture<Boolean> started)
      throws IOException {
    if (namespace != null) {
      int file = (int) call(OPEN, "open", arena.allocateFrom("/var/run/netns/" + namespace), 0);
      long unused = call(SETNS, "setns", file, CLONE_NEWNET);
      unused = call(CLOSE, "close", file);
      assert unused == 0;
    }
    socket = (int) call(SOCKET, "socket", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    try {
      MemorySegment address = arena.allocate(12);
      address.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, (short) AF_NETLINK);
      long unused = call(BIND, "bind", socket, address, 12);
      MemorySegment look = arena.allocate(16);
      look.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, TimeUnit.NANOSECONDS.toMicros(LOOK_NANOS));
      unused = call(SETSOCKOPT, "setsockopt", socket, SOL_SOCKET, SO_RCVTIMEO, look, 16);
      assert unused == 0;
      started.complete(true);
      MemorySegment buffer = arena.allocate(BUFFER_BYTES);
      Map<Integer, Boolean> bound = new java.util.HashMap<>();
      while (!closed) {
        for (int queue : wanted.keySet()) {
          if (bound.putIfAbsent(queue, true) == null) {
            bindQueue(arena, queue);
          }
        }
        long received = invoke(RECV, socket, buffer, (long) BUFFER_BYTES, 0);
        long now = System.nanoTime();
        if (received > 0) {
          heard(buffer.asSlice(0, received).asByteBuffer().order(ByteOrder.nativeOrder()), now);
        }
        for (Waiting first = waiting.peek();
            first != null && first.due - now <= 0;
            first = waiting.peek()) {
          waiting.remove();
          release(buffer, first);
        }
      }
    } finally {
      long unused = invoke(CLOSE, socket);
      assert unused == 0;
    }
  }

  private void bindQueue(Arena arena, int queue) throws IOException {
    // Command BIND; then: tell of packets without their bytes; then: how many may wait.
    send(arena, queue, 1, new byte[] {1, 0, 0, 0});
    send(arena, queue, 2, new byte[] {0, 0, 0, 0, 1});
    send(arena, queue, 3, ByteBuffer.allocate(4).putInt(QUEUE_PACKETS).array());
  }

  private void send(Arena arena, int queue, int attribute, byte[] value) throws IOException {
    MemorySegment message = arena.allocate(64);
    int length = write(message, CONFIG, queue, attribute, value);
    long unused = call(SEND, "send", socket, message, (long) length, 0);
    assert unused == length;
  }

  /** A netlink message with one attribute; returns its length. */
  private static int write(
      MemorySegment message, int type, int queue, int attribute, byte[] value) {
    int length = HEADER_BYTES + ATTRIBUTE_BYTES + value.length;
    ByteBuffer out = message.asByteBuffer().order(ByteOrder.nativeOrder());
    out.putInt(length).putShort((short) type).putShort((short) REQUEST).putInt(1).putInt(0);
    // Family and version, then the queue's number in the order of the network.
    out.put((byte) 0).put((byte) 0).put((byte) (queue >> 8)).put((byte) queue);
    out.putShort((short) (ATTRIBUTE_BYTES + value.length)).putShort((short) attribute).put(value);
    return length;
  }

  /** Notes packets that the kernel has queued. */
  private void heard(ByteBuffer in, long now) {
    while (in.remaining() >= HEADER_BYTES) {
      int begin = in.position();
      int length = in.getInt();
      int type = Short.toUnsignedInt(in.getShort());
      if (length < HEADER_BYTES || length > in.limit() - begin) {
        return;
      }
      if (type == PACKET) {
        int queue =
            Byte.toUnsignedInt(in.get(begin + 18)) << 8 | Byte.toUnsignedInt(in.get(begin + 19));
        for (int at = begin + HEADER_BYTES; at + ATTRIBUTE_BYTES <= begin + length; ) {
          int size = Short.toUnsignedInt(in.getShort(at));
          if (size < ATTRIBUTE_BYTES) {
            break;
          }
          if (in.getShort(at + 2) == 1 && size >= 8) {
            int packet = Integer.reverseBytes(in.getInt(at + 4));
            waiting.add(new Waiting(now + nanos(queue), queue, packet));
          }
          at += (size + 3) & ~3;
        }
      }
      in.position(Math.min(in.limit(), begin + ((length + 3) & ~3)));
    }
  }

  private long nanos(int queue) {
    Delay delay = delays.get(queue);
    return delay == null
        ? 0
        : TimeUnit.MILLISECONDS.toNanos(delay.ms)
            + TimeUnit.MICROSECONDS.toNanos(
                ThreadLocalRandom.current().nextLong(1000L * delay.jitterMs + 1));
  }

  private void release(MemorySegment buffer, Waiting packet) {
    byte[] verdict = ByteBuffer.allocate(8).putInt(ACCEPT).putInt(packet.packet).array();
    int length = write(buffer, VERDICT, packet.queue, 2, verdict);
    // What the kernel does not take any more is gone from its queue.
    long unused = invoke(SEND, socket, buffer, (long) length, 0);
    assert unused <= length;
  }

  private static long call(MethodHandle function, String name, Object... arguments)
      throws IOException {
    long outcome = invoke(function, arguments);
    if (outcome < 0) {
      throw new IOException(name + " failed");
    }
    return outcome;
  }

  @SuppressWarnings("CheckReturnValue")
  private static long invoke(MethodHandle function, Object... arguments) {
    try {
      return ((Number) function.invokeWithArguments(arguments)).longValue();
    } catch (Throwable e) {
      throw new IllegalStateException("a call of the C library went wrong", e);
    }
  }

  @Override
  public void close() {
    closed = true;
    try {
      thread.join(TimeUnit.SECONDS.toMillis(START_SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
