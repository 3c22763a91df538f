package io.capsuledb.scl.lock;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.scl.session.Position;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The locks a worker holds, and its transactions that need them.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a lock is held from a grant whose request was outstanding until its release is sent; a
 *       request number is used once;
 *   <li>a transaction pins its locks in ascending order and keeps them until it has ended; two
 *       transactions of this worker pin a lock at a time only if both share it;
 *   <li>nothing is pinned before everything that was released with the lock is merged here, nor
 *       while the lease is over;
 *   <li>a lock is released only when it is not pinned and everything that may have been written
 *       under it is durable;
 *   <li>a lock that is recalled is given up after the transactions that pin it and, if the grant
 *       was not used yet, one that waits for it: so every grant is of use, and none is kept for
 *       ever;
 *   <li>at most {@code maxWaiting} transactions are in here; at most {@code maxCached} locks are
 *       kept that nobody needs.
 * </ul>
 *
 * <p>A lock held shared is given up before it is asked for exclusively. One thread at a time.
 */
public final class LockCache {

  /** What came of it. */
  public sealed interface Event {
    /** All locks of a transaction are pinned. */
    record Granted(long ticket) implements Event {}

    /** A transaction did not get its locks in time. */
    record Denied(long ticket, io.capsuledb.core.error.CapsuleException reason) implements Event {}

    /** Ask the coordinator for a lock. */
    record Ask(LockGrant wish) implements Event {}

    /** Tell the coordinator that a lock is given up. */
    record Released(LockGrant grant) implements Event {}
  }

  private static final class Transaction {
    final long ticket;
    final List<LockWish> wishes;
    final long deadline;
    int pinned;
    boolean granted;
    @Nullable Lock waiting;

    Transaction(long ticket, List<LockWish> wishes, long deadline) {
      this.ticket = ticket;
      this.wishes = wishes;
      this.deadline = deadline;
    }

    LockWish next() {
      return wishes.get(pinned);
    }
  }

  private static final class Lock {
    final long number;
    @Nullable LockGrant held;
    @Nullable LockGrant asked;
    List<Position> unmet = List.of();
    int shared;
    boolean exclusive;
    boolean recalled;
    boolean used;
    long lastWrite;
    final ArrayDeque<Transaction> queue = new ArrayDeque<>();

    Lock(long number) {
      this.number = number;
    }

    boolean pinned() {
      return shared > 0 || exclusive;
    }
  }

  private final int maxWaiting;
  private final int maxCached;
  private final ToLongFunction<Long> merged;
  // In the order of use, for eviction.
  private final Map<Long, Lock> locks = new LinkedHashMap<>(16, 0.75f, true);
  private final Map<Long, Transaction> transactions = new LinkedHashMap<>();
  private final Set<Long> touched = new LinkedHashSet<>();
  private final Set<Long> releasing = new LinkedHashSet<>();
  private final Map<Long, Long> outstanding = new HashMap<>();
  private List<Event> events = new ArrayList<>();
  private long lastId;
  private long durable;
  private boolean leased;
  private boolean closed;
  private int heldCount;

  /**
   * Without locks.
   *
   * @param merged up to where a writer's chain is merged here
   */
  public LockCache(int maxWaiting, int maxCached, ToLongFunction<Long> merged) {
    this.maxWaiting = maxWaiting;
    this.maxCached = maxCached;
    this.merged = merged;
  }

  // ------------------------------------------------------------------ transactions

  /**
   * A transaction wants locks: Granted or Denied follows.
   *
   * @param wishes ascending, unsigned
   * @throws InvalidRequestException if they do not ascend
   */
  public void acquire(long now, long ticket, List<LockWish> wishes, long timeoutNanos) {
    for (int i = 1; i < wishes.size(); i++) {
      if (Long.compareUnsigned(wishes.get(i - 1).lock(), wishes.get(i).lock()) >= 0) {
        throw new InvalidRequestException("locks are taken in ascending order, each once");
      }
    }
    if (closed || transactions.size() >= maxWaiting) {
      events.add(
          new Event.Denied(
              ticket,
              new UnavailableException(
                  closed ? "this worker leaves" : "too many transactions wait for locks")));
      return;
    }
    Transaction transaction = new Transaction(ticket, wishes, now + timeoutNanos);
    transactions.put(ticket, transaction);
    proceed(transaction);
    drain();
  }

  /** A transaction has ended, or is given up. */
  public void finish(long ticket, long lastSequence) {
    Transaction transaction = transactions.remove(ticket);
    if (transaction != null) {
      unpin(transaction, lastSequence);
      drain();
    }
  }

  private void proceed(Transaction transaction) {
    while (transaction.pinned < transaction.wishes.size()) {
      LockWish wish = transaction.next();
      Lock lock = locks.computeIfAbsent(wish.lock(), Lock::new);
      if (transaction.waiting != lock) {
        lock.queue.add(transaction);
        transaction.waiting = lock;
      }
      if (lock.queue.peek() != transaction || !canPin(lock, wish)) {
        touched.add(lock.number);
        return;
      }
      lock.queue.remove();
      pin(lock, wish);
      transaction.pinned++;
      touched.add(lock.number);
    }
    transaction.granted = true;
    events.add(new Event.Granted(transaction.ticket));
  }

  private boolean canPin(Lock lock, LockWish wish) {
    LockGrant held = lock.held;
    return held != null
        && held.mode().covers(wish.mode())
        && leased
        && isMet(lock)
        && !(lock.recalled && lock.used)
        && (wish.mode() == LockMode.SHARED ? !lock.exclusive : !lock.pinned());
  }

  private boolean isMet(Lock lock) {
    if (!lock.unmet.isEmpty()) {
      lock.unmet =
          lock.unmet.stream().filter(p -> merged.applyAsLong(p.writer()) < p.sequence()).toList();
    }
    return lock.unmet.isEmpty();
  }

  private static void pin(Lock lock, LockWish wish) {
    lock.used = true;
    if (wish.mode() == LockMode.SHARED) {
      lock.shared++;
    } else {
      lock.exclusive = true;
    }
  }

  private void unpin(Transaction transaction, long lastSequence) {
    for (int i = 0; i < transaction.pinned; i++) {
      LockWish wish = transaction.wishes.get(i);
      Lock lock = locks.get(wish.lock());
      if (lock == null) {
        throw new IllegalStateException("a pinned lock is not there");
      }
      if (wish.mode() == LockMode.SHARED) {
        lock.shared--;
      } else {
        lock.exclusive = false;
      }
      lock.lastWrite = Math.max(lock.lastWrite, lastSequence);
      touched.add(lock.number);
    }
    if (transaction.pinned < transaction.wishes.size()) {
      Lock lock = locks.get(transaction.next().lock());
      if (lock != null) {
        lock.queue.remove(transaction);
        touched.add(lock.number);
      }
    }
  }

  // ------------------------------------------------------------------ the coordinator's word

  /** A grant came. */
  public void granted(LockGrant grant, List<Position> released) {
    Lock lock = locks.get(grant.lock());
    LockGrant asked = lock == null ? null : lock.asked;
    if (lock == null || asked == null || asked.id() != grant.id()) {
      // Not wanted any more, or given up already; unless it is what is held.
      if (lock == null || lock.held == null || lock.held.id() != grant.id()) {
        events.add(new Event.Released(grant));
      }
      return;
    }
    lock.asked = null;
    outstanding.remove(lock.number);
    lock.held = grant;
    heldCount++;
    lock.unmet = released;
    lock.recalled = false;
    lock.used = false;
    touched.add(lock.number);
    drain();
  }

  /** A recall came. */
  public void recalled(LockGrant grant) {
    Lock lock = locks.get(grant.lock());
    if (lock != null && lock.held != null && lock.held.id() == grant.id()) {
      lock.recalled = true;
      touched.add(lock.number);
      drain();
      return;
    }
    if (lock != null && lock.asked != null && lock.asked.id() == grant.id()) {
      // The grant was lost. It was never used, so it is given back and asked for anew.
      lock.asked = null;
      outstanding.remove(lock.number);
    }
    events.add(new Event.Released(grant));
    touched.add(grant.lock());
    drain();
  }

  /**
   * Everything that is held: for a JOIN. What is outstanding is asked for anew by {@link #remind}.
   */
  public List<LockGrant> held() {
    List<LockGrant> held = new ArrayList<>();
    for (Lock lock : locks.values()) {
      if (lock.held != null) {
        held.add(lock.held);
      }
    }
    held.sort(Comparator.comparingLong(LockGrant::lock));
    return held;
  }

  /** Asks once more for what was not granted yet. */
  public void remind() {
    for (long number : outstanding.keySet().stream().sorted().toList()) {
      Lock lock = locks.get(number);
      if (lock != null && lock.asked != null) {
        events.add(new Event.Ask(lock.asked));
      }
    }
  }

  // ------------------------------------------------------------------ progress

  /** The own chain is durable up to here. */
  public void durable(long sequence) {
    durable = Math.max(durable, sequence);
    touched.addAll(releasing);
    drain();
  }

  /** More was merged, or the lease began or ended: transactions that waited for that go on. */
  public void progress(boolean leaseValid) {
    leased = leaseValid;
    for (Transaction transaction : transactions.values()) {
      if (!transaction.granted) {
        touched.add(transaction.next().lock());
      }
    }
    drain();
  }

  /** Time passes: who has waited too long is told so. */
  public void tick(long now) {
    for (Transaction transaction : List.copyOf(transactions.values())) {
      if (!transaction.granted && now - transaction.deadline >= 0) {
        transactions.remove(transaction.ticket);
        unpin(transaction, 0);
        events.add(
            new Event.Denied(
                transaction.ticket,
                new UnavailableException(
                    "locks were not granted in time; the transaction has no effect")));
      }
    }
    drain();
  }

  /** No transaction begins any more, and locks are given up. */
  public void close() {
    closed = true;
    touched.addAll(locks.keySet());
    drain();
  }

  /** Whether nothing is held, asked for or pinned. */
  public boolean isEmpty() {
    return heldCount == 0 && transactions.isEmpty() && outstanding.isEmpty();
  }

  /** What came of it since this was asked last. */
  public List<Event> take() {
    List<Event> taken = events;
    events = new ArrayList<>();
    return taken;
  }

  private void drain() {
    while (!touched.isEmpty()) {
      long number = touched.iterator().next();
      touched.remove(number);
      Lock lock = locks.get(number);
      if (lock != null) {
        serve(lock);
      }
    }
    evict();
  }

  private void serve(Lock lock) {
    while (true) {
      Transaction first = lock.queue.peek();
      if (first == null || !canPin(lock, first.next())) {
        break;
      }
      proceed(first);
      touched.remove(lock.number);
    }
    LockGrant held = lock.held;
    Transaction first = lock.queue.peek();
    boolean unfit = held != null && first != null && !held.mode().covers(first.next().mode());
    boolean spent = lock.recalled && (lock.used || first == null);
    if (held != null && (spent || unfit || (closed && first == null)) && !lock.pinned()) {
      if (lock.lastWrite > durable) {
        releasing.add(lock.number);
        return;
      }
      release(lock, held);
    }
    if (lock.held == null && first != null && lock.asked == null) {
      LockMode mode =
          lock.queue.stream().anyMatch(t -> t.next().mode() == LockMode.EXCLUSIVE)
              ? LockMode.EXCLUSIVE
              : LockMode.SHARED;
      LockGrant wish = new LockGrant(lock.number, mode, ++lastId);
      lock.asked = wish;
      outstanding.put(lock.number, wish.id());
      events.add(new Event.Ask(wish));
    } else if (lock.asked != null && first == null) {
      // Nobody waits for it any more; if it was granted meanwhile, the grant is answered so too.
      events.add(new Event.Released(lock.asked));
      lock.asked = null;
      outstanding.remove(lock.number);
    }
    if (lock.held == null && lock.asked == null && lock.queue.isEmpty() && !lock.pinned()) {
      locks.remove(lock.number);
    }
  }

  private void release(Lock lock, LockGrant held) {
    lock.held = null;
    lock.recalled = false;
    lock.unmet = List.of();
    heldCount--;
    releasing.remove(lock.number);
    events.add(new Event.Released(held));
  }

  private void evict() {
    if (heldCount <= maxCached) {
      return;
    }
    for (Lock lock : List.copyOf(locks.values())) {
      LockGrant held = lock.held;
      if (heldCount <= maxCached) {
        return;
      }
      if (held != null && !lock.pinned() && lock.queue.isEmpty() && lock.lastWrite <= durable) {
        release(lock, held);
        locks.remove(lock.number);
      }
    }
  }
}
