package io.capsuledb.scl.resp;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Bytes that all connections together may hold on to. Each connection keeps its own {@link Share};
 * small changes stay in the share, so that a busy connection does not touch the common counter at
 * each command.
 *
 * <p>The budget is thread-safe, a share belongs to one event loop.
 */
final class MemoryBudget {

  /** Shares are accounted in steps of this. */
  static final long STEP_BYTES = 4 << 10;

  private final long maxBytes;
  private final AtomicLong used = new AtomicLong();

  MemoryBudget(long maxBytes) {
    this.maxBytes = maxBytes;
  }

  long usedBytes() {
    return used.get();
  }

  /** What one connection holds. */
  final class Share {
    private long accounted;

    /**
     * Says how much the connection holds now.
     *
     * @return false if it holds more than before and the budget is exceeded: then the connection
     *     has to go
     */
    boolean set(long bytes) {
      long stepped = bytes & -STEP_BYTES;
      long change = stepped - accounted;
      if (change == 0) {
        return true;
      }
      accounted = stepped;
      return used.addAndGet(change) <= maxBytes || change < 0;
    }

    /** Gives back everything. */
    void clear() {
      used.addAndGet(-accounted);
      accounted = 0;
    }
  }
}
