package io.capsuledb.host.job;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.enclave.script.HostFunctions;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.engine.merge.MergeOperator;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.resp.Sharing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The shared capsule as a launched program sees it.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>outside of a transaction each function is for itself: {@code put}, {@code del} and {@code
 *       merge} write without a lock and converge; {@code incr} and {@code cas} hold the key's lock
 *       while they read and write;
 *   <li>in a transaction every key that is touched is locked, from the first touch to the end; what
 *       is written stays here and becomes one record at the end, or none;
 *   <li>the writer it works with is replaced between two functions or two transactions, never
 *       within one ({@link #pause});
 *   <li>what the program has written is durable before its result leaves ({@link #fence}).
 * </ul>
 *
 * <p>Transactions that touch keys in different orders can wait for each other; then one of them
 * fails with UNAVAILABLE after some seconds, having changed nothing. One thread.
 */
final class JobHost implements HostFunctions {

  private static final long ACQUIRE_SECONDS = 10;
  private static final int MAX_LOCKS = 4096;
  private static final int MAX_CHANGED_BYTES = Transaction.MAX_BYTES / 2;
  private static final int WALK_KEYS = 128;
  private static final int MAX_SCAN_BYTES = 16 << 20;
  private static final int OPERATION_BYTES = 64;

  /** What a transaction did to a key: a value, or none for a removal. */
  private static final class Change {
    private final byte @Nullable [] value;
    private final long expiryAtMs;

    Change(byte @Nullable [] value, long expiryAtMs) {
      this.value = value;
      this.expiryAtMs = expiryAtMs;
    }
  }

  /** Held while the program touches the capsule, from the first touch to the last. */
  private final Semaphore turn = new Semaphore(1);

  // Guarded by the turn:
  private CapsuleDb db;
  private Sharing sharing;
  private @Nullable CapsuleException broken;
  private int depth;
  private final Clock clock;
  private final Consumer<String> lines;
  private final NavigableMap<byte[], Change> changes = new TreeMap<>(Arrays::compareUnsigned);
  private final Set<Long> locked = new HashSet<>();
  private final List<Sharing.Held> held = new ArrayList<>();
  private boolean inTransaction;
  private long changedBytes;
  private long fence;

  /**
   * Waits until the program is not about to do anything, and keeps it so until {@link #resume}. By
   * another thread than the program's.
   */
  void pause() {
    turn.acquireUninterruptibly();
  }

  /** Lets the program go on, with another writer of the same capsule. */
  void resume(CapsuleDb next, Sharing nextSharing) {
    db = next;
    sharing = nextSharing;
    fence = 0;
    turn.release();
  }

  /** Lets the program go on. */
  void resume() {
    turn.release();
  }

  /** Lets the program go on to its end: whatever it does with the capsule fails. */
  void resume(CapsuleException failure) {
    broken = failure;
    turn.release();
  }

  private void enter() {
    if (depth == 0) {
      turn.acquireUninterruptibly();
      CapsuleException failure = broken;
      if (failure != null) {
        turn.release();
        throw failure;
      }
    }
    depth++;
  }

  private void leave() {
    depth--;
    if (depth == 0) {
      turn.release();
    }
  }

  private <T> T inTurn(Step<T> step) {
    enter();
    try {
      return step.run();
    } finally {
      leave();
    }
  }

  JobHost(CapsuleDb db, Sharing sharing, Clock clock, Consumer<String> lines) {
    this.db = db;
    this.sharing = sharing;
    this.clock = clock;
    this.lines = lines;
  }

  /** What has to be durable before anything of the program may be told. */
  long fence() {
    return fence;
  }

  private static void check(byte[] key) {
    if (key.length > CapsuleDb.MAX_KEY_BYTES) {
      throw new InvalidRequestException(
          "a key of " + key.length + " bytes; at most " + CapsuleDb.MAX_KEY_BYTES);
    }
  }

  // ------------------------------------------------------------------ locks

  private Sharing.Held acquire(List<LockWish> wishes) {
    CompletableFuture<Sharing.Held> answer = new CompletableFuture<>();
    sharing.acquire(
        wishes,
        (granted, failure) -> {
          if (granted != null) {
            if (!answer.complete(granted)) {
              // It came too late: nobody waits for it.
              sharing.finish(granted.ticket(), false);
            }
          } else {
            answer.completeExceptionally(
                failure == null ? new UnavailableException("no lock") : failure);
          }
        });
    try {
      return answer.get(ACQUIRE_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      answer.cancel(false);
      throw new UnavailableException(
          "a lock did not come within " + ACQUIRE_SECONDS + " s: run the transaction again", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      answer.cancel(false);
      throw new UnavailableException("interrupted while waiting for a lock", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof CapsuleException known) {
        throw known;
      }
      throw new UnavailableException("no lock", e);
    }
  }

  private List<LockWish> wishes(byte[] key) {
    long lock = sharing.lockOf(key);
    return List.of(
        new LockWish(LockGrant.ALL, LockMode.SHARED), new LockWish(lock, LockMode.EXCLUSIVE));
  }

  /** In a transaction: has the lock of a key. */
  private void own(byte[] key) {
    long lock = sharing.lockOf(key);
    if (!locked.contains(lock)) {
      if (locked.size() >= MAX_LOCKS) {
        throw new InvalidRequestException("a transaction touches more than " + MAX_LOCKS + " keys");
      }
      held.add(acquire(wishes(key)));
      locked.add(lock);
    }
  }

  @Override
  public void lock(byte[] key) {
    check(key);
    if (!inTransaction) {
      throw new InvalidRequestException("lock is for transactions: transaction(function () {…})");
    }
    own(key);
  }

  @Override
  public void begin() {
    enter();
    inTransaction = true;
  }

  @Override
  public void commit() {
    boolean wrote = !changes.isEmpty();
    try {
      if (wrote) {
        try (Transaction transaction = db.begin()) {
          changes.forEach(
              (key, change) -> {
                if (change.value == null) {
                  transaction.delete(key);
                } else {
                  transaction.put(key, ValueType.STRING, change.value, change.expiryAtMs);
                }
              });
          fence = Math.max(fence, transaction.commit());
        }
      }
    } finally {
      end(wrote);
    }
  }

  @Override
  public void rollback() {
    end(false);
  }

  private void end(boolean wrote) {
    held.forEach(one -> sharing.finish(one.ticket(), wrote));
    held.clear();
    locked.clear();
    changes.clear();
    changedBytes = 0;
    inTransaction = false;
    leave();
  }

  /** Gives back what a program that was stopped inside a transaction held. */
  void abandon() {
    if (inTransaction) {
      rollback();
    }
  }

  // ------------------------------------------------------------------ reading

  private byte @Nullable [] value(Lookup lookup) {
    fence = Math.max(fence, lookup.fence());
    if (!lookup.found()) {
      return null;
    }
    if (lookup.type() != ValueType.STRING) {
      throw new InvalidRequestException("the key holds a list or a set, not a string");
    }
    return lookup.value();
  }

  @Override
  public byte @Nullable [] get(byte[] key) {
    check(key);
    enter();
    try {
      if (inTransaction) {
        own(key);
        Change change = changes.get(key);
        if (change != null) {
          byte[] changed = change.value;
          return changed == null ? null : changed.clone();
        }
      }
      return value(db.get(key));
    } finally {
      leave();
    }
  }

  @Override
  public boolean exists(byte[] key) {
    return get(key) != null;
  }

  @Override
  public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
    if (inTransaction) {
      throw new InvalidRequestException(
          "scan is not for transactions: touch the keys, so that they are locked");
    }
    return inTurn(() -> found(prefix, after, limit));
  }

  private List<Entry> found(byte[] prefix, byte @Nullable [] after, int limit) {
    List<Entry> found = new ArrayList<>();
    long[] bytes = {0};
    byte[] at = prefix;
    if (after != null && Arrays.compareUnsigned(after, prefix) >= 0) {
      at = after;
    } else {
      // A walk begins behind a key: the prefix itself, as a key, is looked at alone.
      take(prefix, found, bytes);
    }
    boolean[] beyond = {false};
    while (at != null && !beyond[0] && found.size() < limit) {
      List<byte[]> keys = new ArrayList<>();
      at =
          db.walk(
              at,
              WALK_KEYS,
              (key, type) -> {
                if (startsWith(key, prefix)) {
                  keys.add(key.clone());
                } else {
                  beyond[0] = true;
                }
              });
      for (byte[] key : keys) {
        if (found.size() < limit) {
          take(key, found, bytes);
        }
      }
      beyond[0] |= at != null && !startsWith(at, prefix);
    }
    return found;
  }

  private void take(byte[] key, List<Entry> found, long[] bytes) {
    Lookup lookup = db.get(key);
    fence = Math.max(fence, lookup.fence());
    if (lookup.found() && lookup.type() == ValueType.STRING) {
      byte[] value = lookup.value();
      bytes[0] += key.length + (long) value.length;
      if (bytes[0] > MAX_SCAN_BYTES) {
        throw new InvalidRequestException(
            "a scan gives at most " + MAX_SCAN_BYTES + " bytes: use a smaller limit");
      }
      found.add(new Entry(key.clone(), value));
    }
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }

  // ------------------------------------------------------------------ writing

  private void stage(byte[] key, Change change) {
    own(key);
    Change before = changes.put(key, change);
    changedBytes += bytes(key, change) - (before == null ? 0 : bytes(key, before));
    if (changedBytes > MAX_CHANGED_BYTES) {
      throw new InvalidRequestException(
          "a transaction writes more than " + MAX_CHANGED_BYTES + " bytes");
    }
  }

  private static long bytes(byte[] key, Change change) {
    byte[] value = change.value;
    return OPERATION_BYTES + key.length + (value == null ? 0L : value.length);
  }

  @Override
  public void put(byte[] key, byte[] value, long ttlMs) {
    check(key);
    if (value.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "a value of " + value.length + " bytes; at most " + CapsuleDb.MAX_VALUE_BYTES);
    }
    if (inTransaction) {
      stage(key, new Change(value, ttlMs == 0 ? 0 : Math.addExact(clock.wallMs(), ttlMs)));
      return;
    }
    enter();
    try (Transaction transaction = db.begin()) {
      transaction.put(
          key, ValueType.STRING, value, ttlMs == 0 ? 0 : Math.addExact(transaction.nowMs(), ttlMs));
      fence = Math.max(fence, transaction.commit());
    } finally {
      leave();
    }
  }

  @Override
  public boolean del(byte[] key) {
    enter();
    try {
      boolean there = exists(key);
      if (inTransaction) {
        stage(key, new Change(null, 0));
      } else if (there) {
        try (Transaction transaction = db.begin()) {
          transaction.delete(key);
          fence = Math.max(fence, transaction.commit());
        }
      }
      return there;
    } finally {
      leave();
    }
  }

  /** What reads before it writes. */
  @FunctionalInterface
  private interface Step<T> {
    T run();
  }

  /** Runs a step in the transaction there is, or in one of its own. */
  private <T> T atomically(Step<T> step) {
    if (inTransaction) {
      return step.run();
    }
    begin();
    boolean good = false;
    try {
      T result = step.run();
      good = true;
      return result;
    } finally {
      if (good) {
        commit();
      } else {
        rollback();
      }
    }
  }

  @Override
  public long incr(byte[] key, long by) {
    check(key);
    return atomically(
        () -> {
          byte[] value = get(key);
          long sum;
          try {
            sum =
                Math.addExact(
                    value == null
                        ? 0
                        : Long.parseLong(new String(value, StandardCharsets.US_ASCII)),
                    by);
          } catch (NumberFormatException e) {
            throw new InvalidRequestException("value is not an integer or out of range", e);
          } catch (ArithmeticException e) {
            throw new InvalidRequestException("increment or decrement would overflow", e);
          }
          stage(key, new Change(Long.toString(sum).getBytes(StandardCharsets.US_ASCII), 0));
          return sum;
        });
  }

  @Override
  public boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement) {
    check(key);
    return atomically(
        () -> {
          if (!Arrays.equals(get(key), expected)) {
            return false;
          }
          if (replacement != null || expected != null) {
            stage(key, new Change(replacement, 0));
          }
          return true;
        });
  }

  @Override
  public byte @Nullable [] merge(byte[] key, String operator, byte[] operand) {
    check(key);
    if (inTransaction) {
      throw new InvalidRequestException("merge is not for transactions: use get and put there");
    }
    MergeOperator found =
        switch (operator) {
          case "min" -> MergeOperator.MIN;
          case "max" -> MergeOperator.MAX;
          case "counter" -> MergeOperator.COUNTER;
          default ->
              throw new InvalidRequestException(
                  "no operator '" + operator + "': there are min, max and counter");
        };
    enter();
    try (Transaction transaction = db.begin()) {
      Lookup now = transaction.merge(key, found, operand);
      byte[] value = now.value().clone();
      fence = Math.max(fence, transaction.commit());
      return value;
    } finally {
      leave();
    }
  }

  @Override
  public void log(String line) {
    lines.accept(line);
  }
}
