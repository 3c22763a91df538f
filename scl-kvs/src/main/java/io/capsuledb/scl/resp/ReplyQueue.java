package io.capsuledb.scl.resp;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;

/**
 * Encoded replies of one connection that wait for durability, in order. A reply may leave when its
 * fence, and that of each reply before it, is durable.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>entries are runs of replies: their ends and their fences both grow strictly, so a prefix of
 *       the entries is what may leave;
 *   <li>bytes after the last entry's end belong to a reply that is being written;
 *   <li>the entries' counts sum up to {@link #count}.
 * </ul>
 *
 * <p>Belongs to one event loop. Buffers come from a {@link Pool}, so that idle connections hold
 * none.
 */
final class ReplyQueue {

  /** Learns how long replies took, one call for each run. */
  @FunctionalInterface
  interface LatencyObserver {
    /** A run of replies left; the oldest of their commands was read at {@code sinceNanos}. */
    void left(boolean waitedForWrites, long sinceNanos);
  }

  /** Keeps a few empty buffers for the queues of one event loop. */
  static final class Pool {
    private static final int MAX_KEPT = 64;
    private static final int MAX_KEPT_BYTES = 64 << 10;
    private static final int INITIAL_BYTES = 1 << 10;

    private final java.util.ArrayDeque<ByteBuf> free = new java.util.ArrayDeque<>();

    private ByteBuf take() {
      ByteBuf buffer = free.pollLast();
      return buffer != null ? buffer : Unpooled.buffer(INITIAL_BYTES);
    }

    private void give(ByteBuf buffer) {
      if (free.size() < MAX_KEPT && buffer.capacity() <= MAX_KEPT_BYTES) {
        buffer.clear();
        free.addLast(buffer);
      } else {
        buffer.release();
      }
    }
  }

  private static final int INITIAL_ENTRIES = 16;

  /** Larger rings are let go of when they become empty. */
  private static final int MAX_KEPT_ENTRIES = 64;

  private final Pool pool;
  private ByteBuf buffer = Unpooled.EMPTY_BUFFER;
  private boolean pooled;

  /** Bytes that ever left. Ends of entries count from the same origin. */
  private long released;

  private long[] ends = new long[INITIAL_ENTRIES];
  private long[] fences = new long[INITIAL_ENTRIES];
  private long[] sinces = new long[INITIAL_ENTRIES];
  private int[] counts = new int[INITIAL_ENTRIES];
  private int head;
  private int size;
  private int count;

  ReplyQueue(Pool pool) {
    this.pool = pool;
  }

  /** Where replies are written; the same until replies leave. */
  ByteBuf buffer() {
    if (!pooled) {
      buffer = pool.take();
      pooled = true;
    }
    return buffer;
  }

  /**
   * Ends a reply at the buffer's writer index.
   *
   * @param fence what must be durable before it leaves; 0 for nothing
   * @param sinceNanos when its command was read
   */
  void replied(long fence, long sinceNanos) {
    long end = released + buffer.readableBytes();
    count++;
    if (size > 0) {
      int last = (head + size - 1) & (ends.length - 1);
      if (fence <= fences[last]) {
        ends[last] = end;
        counts[last]++;
        return;
      }
    }
    if (size == ends.length) {
      grow();
    }
    int at = (head + size) & (ends.length - 1);
    ends[at] = end;
    fences[at] = fence;
    sinces[at] = sinceNanos;
    counts[at] = 1;
    size++;
  }

  private void grow() {
    int old = ends.length;
    long[] newEnds = new long[2 * old];
    long[] newFences = new long[2 * old];
    long[] newSinces = new long[2 * old];
    int[] newCounts = new int[2 * old];
    for (int i = 0; i < size; i++) {
      int from = (head + i) & (old - 1);
      newEnds[i] = ends[from];
      newFences[i] = fences[from];
      newSinces[i] = sinces[from];
      newCounts[i] = counts[from];
    }
    ends = newEnds;
    fences = newFences;
    sinces = newSinces;
    counts = newCounts;
    head = 0;
  }

  /**
   * Finds what may leave now that {@code durable} is durable; those replies no longer count.
   *
   * @return how many bytes from the buffer's reader index on; the caller takes them at once, by
   *     {@link #take}
   */
  int release(long durable, LatencyObserver observer) {
    long end = released;
    long observedSince = 0;
    boolean observed = false;
    while (size > 0 && fences[head] <= durable) {
      end = ends[head];
      count -= counts[head];
      if (!observed || sinces[head] != observedSince) {
        observer.left(fences[head] > 0, sinces[head]);
        observed = true;
        observedSince = sinces[head];
      }
      head = (head + 1) & (ends.length - 1);
      size--;
    }
    return (int) (end - released);
  }

  /**
   * Drops the replies at the front whose commands were read at {@code limitNanos} or before. A
   * reply in one run with an older one goes with it.
   *
   * @return how many; as many errors are to be sent in their place, at once
   */
  int expire(long limitNanos) {
    long end = released;
    int expired = 0;
    while (size > 0 && sinces[head] - limitNanos <= 0) {
      end = ends[head];
      expired += counts[head];
      head = (head + 1) & (ends.length - 1);
      size--;
    }
    if (expired > 0) {
      count -= expired;
      buffer.skipBytes((int) (end - released));
      released = end;
      if (!buffer.isReadable()) {
        giveBack();
      } else {
        buffer.discardSomeReadBytes();
      }
    }
    return expired;
  }

  /** Moves the bytes {@link #release} found into {@code target}. */
  void take(int bytes, ByteBuf target) {
    target.writeBytes(buffer, bytes);
    released += bytes;
    if (!buffer.isReadable()) {
      giveBack();
    } else {
      buffer.discardSomeReadBytes();
    }
  }

  /** Drops every reply. */
  void clear() {
    head = 0;
    size = 0;
    count = 0;
    if (pooled) {
      released += buffer.readableBytes();
      giveBack();
    }
  }

  private void giveBack() {
    pool.give(buffer);
    buffer = Unpooled.EMPTY_BUFFER;
    pooled = false;
    if (ends.length > MAX_KEPT_ENTRIES && size == 0) {
      ends = new long[INITIAL_ENTRIES];
      fences = new long[INITIAL_ENTRIES];
      sinces = new long[INITIAL_ENTRIES];
      counts = new int[INITIAL_ENTRIES];
      head = 0;
    }
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** Replies that wait. */
  int count() {
    return count;
  }

  /** Bytes that wait. */
  int bytes() {
    return buffer.readableBytes();
  }
}
