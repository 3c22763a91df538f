package io.capsuledb.scl.resp;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Bounded pools for what would hold up an event loop. What does not fit into a pool's queue is
 * refused, not waited for.
 */
final class Workers implements AutoCloseable {

  private static final int AUTHENTICATION_THREADS = 2;
  private static final int AUTHENTICATION_QUEUE = 1024;
  private static final int SWEEP_THREADS = 2;
  private static final int SWEEP_QUEUE = 256;
  private static final int JOB_QUEUE = 16;
  private static final long KEEP_ALIVE_S = 10;

  private final Map<Deferred.Lane, ThreadPoolExecutor> pools = new EnumMap<>(Deferred.Lane.class);

  Workers() {
    pools.put(
        Deferred.Lane.AUTHENTICATION,
        pool("resp-auth", AUTHENTICATION_THREADS, AUTHENTICATION_QUEUE));
    pools.put(Deferred.Lane.SWEEPS, pool("resp-sweep", SWEEP_THREADS, SWEEP_QUEUE));
    pools.put(Deferred.Lane.JOBS, pool("resp-job", 1, JOB_QUEUE));
  }

  private static ThreadPoolExecutor pool(String name, int threads, int queue) {
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            threads,
            threads,
            KEEP_ALIVE_S,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(queue),
            new DefaultThreadFactory(name, true));
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  /**
   * Runs something on a pool.
   *
   * @return false if the pool is full or closed
   */
  boolean submit(Deferred.Lane lane, Runnable work) {
    try {
      java.util.Objects.requireNonNull(pools.get(lane)).execute(work);
      return true;
    } catch (RejectedExecutionException e) {
      // Full or closed: what the caller asked to know.
      return false;
    }
  }

  @Override
  public void close() {
    pools.values().forEach(ThreadPoolExecutor::shutdownNow);
  }
}
