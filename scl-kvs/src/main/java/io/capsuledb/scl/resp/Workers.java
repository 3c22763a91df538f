package io.capsuledb.scl.resp;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Bounded pools for what would hold up an event loop. What does not fit into a pool's queue is
 * refused, not waited for.
 */
final class Workers implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(Workers.class.getName());

  private static final int AUTHENTICATION_THREADS = 2;
  private static final int AUTHENTICATION_QUEUE = 1024;
  private static final int SWEEP_THREADS = 2;
  private static final int SWEEP_QUEUE = 256;
  private static final int JOB_QUEUE = 16;
  private static final int PROCEDURE_QUEUE = 4096;
  private static final int PROCEDURE_THREADS =
      Math.clamp(2L * Runtime.getRuntime().availableProcessors(), 4, 64);
  private static final long KEEP_ALIVE_S = 10;

  /** How long closing waits for procedures, which were told to stop, in milliseconds. */
  private static final long STOP_MS = 2_000;

  private final Map<Deferred.Lane, ThreadPoolExecutor> pools = new EnumMap<>(Deferred.Lane.class);

  private final ScheduledThreadPoolExecutor timer =
      new ScheduledThreadPoolExecutor(1, new DefaultThreadFactory("resp-timer", true));

  Workers() {
    timer.setRemoveOnCancelPolicy(true);
    pools.put(Deferred.Lane.PROCEDURES, pool("resp-fcall", PROCEDURE_THREADS, PROCEDURE_QUEUE));
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

  /** Does something short after a while, unless it is cancelled before. */
  Future<?> after(long delayMs, Runnable task) {
    return timer.schedule(task, delayMs, TimeUnit.MILLISECONDS);
  }

  @Override
  public void close() {
    pools.values().forEach(ThreadPoolExecutor::shutdownNow);
    timer.shutdownNow();
    try {
      // They hold snapshots, and the engine is closed next.
      if (!java.util.Objects.requireNonNull(pools.get(Deferred.Lane.PROCEDURES))
          .awaitTermination(STOP_MS, TimeUnit.MILLISECONDS)) {
        LOG.log(System.Logger.Level.WARNING, "event=resp.procedures_did_not_stop");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
