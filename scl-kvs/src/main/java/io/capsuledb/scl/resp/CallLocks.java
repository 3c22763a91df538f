package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * The locks of one call of a procedure, or of one change of libraries: those of the capsule, where
 * several workers share it, else those of this server alone, which only calls know.
 *
 * <p>Invariants: all locks are taken at once and in ascending order, so that callers never wait for
 * each other in a circle: who needs more gives back what it has first. What was ever asked for is
 * asked for again with it. Waits, and so belongs to a thread of a pool, never to an event loop.
 */
final class CallLocks implements AutoCloseable {

  /** Locks of a server that serves its capsule alone: keys share them. */
  static final class Local {
    private static final int STRIPES = 1024;
    private final Semaphore[] stripes = new Semaphore[STRIPES];

    Local() {
      Arrays.setAll(stripes, i -> new Semaphore(1));
    }
  }

  /** How long one waits for locks; the capsule's own give up earlier. */
  private static final long WAIT_MS = 10_000;

  private final @Nullable Sharing sharing;
  private final Local local;
  private final Clock clock;
  private final NavigableMap<Long, LockMode> wishes = new TreeMap<>(Long::compareUnsigned);
  private final List<Semaphore> taken = new ArrayList<>();
  private Sharing.@Nullable Held held;
  private boolean wrote;

  CallLocks(@Nullable Sharing sharing, Local local, Clock clock) {
    this.sharing = sharing;
    this.local = local;
    this.clock = clock;
  }

  /** Whether there are other workers. */
  boolean shared() {
    return sharing != null;
  }

  /** Whether everything, also what only reads, is to be one history with what others do. */
  boolean linearizable() {
    return sharing != null && sharing.linearizable();
  }

  /** The lock of a key. */
  long lockOf(byte[] key) {
    Sharing others = sharing;
    // From 1: 0 is the lock of everything.
    return others != null
        ? others.lockOf(key)
        : 1 + Math.floorMod(Arrays.hashCode(key), Local.STRIPES);
  }

  /** Whether these locks are had, in these modes or stronger ones. */
  boolean covers(Map<Long, LockMode> wanted) {
    if (wishes.get(LockGrant.ALL) == LockMode.EXCLUSIVE) {
      return true;
    }
    for (Map.Entry<Long, LockMode> one : wanted.entrySet()) {
      LockMode have = wishes.get(one.getKey());
      if (have == null || !have.covers(one.getValue())) {
        return false;
      }
    }
    return true;
  }

  /** Whether a key's lock is had exclusively. */
  boolean holds(byte[] key) {
    return covers(Map.of(lockOf(key), LockMode.EXCLUSIVE));
  }

  /** Gets the locks of keys, each exclusively, beside those it has. */
  void acquire(Collection<byte[]> keys) {
    NavigableMap<Long, LockMode> wanted = new TreeMap<>(Long::compareUnsigned);
    keys.forEach(key -> wanted.put(lockOf(key), LockMode.EXCLUSIVE));
    acquire(wanted);
  }

  /** Waits until it is alone: no other worker is in a transaction, and all they wrote is here. */
  void acquireAll() {
    if (sharing != null) {
      wishes.clear();
      acquire(Map.of(LockGrant.ALL, LockMode.EXCLUSIVE));
    }
  }

  /**
   * Gets locks beside those it has, and waits until everything written under them is merged here.
   *
   * @throws UnavailableException if it does not get them; then it has none
   */
  void acquire(Map<Long, LockMode> wanted) {
    if (covers(wanted)) {
      return;
    }
    release();
    wanted.forEach((lock, mode) -> wishes.merge(lock, mode, CallLocks::stronger));
    Sharing others = sharing;
    if (others == null) {
      takeLocal();
      return;
    }
    // Who takes everything waits for those who take a part.
    wishes.putIfAbsent(LockGrant.ALL, LockMode.SHARED);
    List<LockWish> list =
        wishes.get(LockGrant.ALL) == LockMode.EXCLUSIVE
            ? List.of(new LockWish(LockGrant.ALL, LockMode.EXCLUSIVE))
            : wishes.entrySet().stream()
                .map(one -> new LockWish(one.getKey(), one.getValue()))
                .toList();
    boolean granted = false;
    try {
      held = await(others, list);
      granted = true;
    } finally {
      if (!granted) {
        wishes.clear();
      }
    }
  }

  private static LockMode stronger(LockMode one, LockMode other) {
    return one == LockMode.EXCLUSIVE ? one : other;
  }

  private void takeLocal() {
    long deadline = clock.monotonicNanos() + TimeUnit.MILLISECONDS.toNanos(WAIT_MS);
    for (long lock : List.copyOf(wishes.keySet())) {
      Semaphore stripe = local.stripes[(int) lock - 1];
      if (!take(stripe, deadline)) {
        release();
        wishes.clear();
        throw new UnavailableException("a lock could not be had within " + WAIT_MS + " ms");
      }
      taken.add(stripe);
    }
  }

  private boolean take(Semaphore stripe, long deadline) {
    try {
      return stripe.tryAcquire(deadline - clock.monotonicNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static Sharing.Held await(Sharing others, List<LockWish> wanted) {
    CompletableFuture<Sharing.Held> answer = new CompletableFuture<>();
    others.acquire(
        wanted,
        (got, failure) -> {
          if (got == null) {
            answer.completeExceptionally(
                failure == null ? new UnavailableException("the locks cannot be had") : failure);
          } else if (!answer.complete(got)) {
            // Nobody waits any more.
            others.finish(got.ticket(), false);
          }
        });
    UnavailableException late = new UnavailableException("the locks could not be had in time");
    try {
      return answer.get(WAIT_MS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (TimeoutException e) {
      late.addSuppressed(e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof CapsuleException known) {
        throw known;
      }
      throw new IllegalStateException(e);
    }
    if (!answer.completeExceptionally(late) && !answer.isCompletedExceptionally()) {
      return answer.join();
    }
    throw late;
  }

  /** From now on the locks are kept until what was written is durable. */
  void wrote() {
    wrote = true;
  }

  /**
   * Sees to it that what was read under the locks was read while they were certain. What was
   * written needs no such check: it does not become durable if they were not.
   */
  void checkLease() {
    Sharing others = sharing;
    if (others != null && held != null && others.leaseEndNanos() - clock.monotonicNanos() <= 0) {
      throw new UnavailableException(
          "this worker does not hear from the coordinator, so others may write meanwhile: repeat");
    }
  }

  private void release() {
    taken.forEach(Semaphore::release);
    taken.clear();
    Sharing.Held had = held;
    held = null;
    Sharing others = sharing;
    if (had != null && others != null) {
      others.finish(had.ticket(), wrote);
    }
  }

  /** Gives all of them back. */
  @Override
  public void close() {
    release();
    wishes.clear();
  }
}
