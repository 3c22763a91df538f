package io.capsuledb.scl.lock;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a coordinator has granted to whom.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>two workers hold a lock at a time only if both hold it shared: asserted;
 *   <li>nothing is granted before {@link #open};
 *   <li>a worker holds a lock from its grant, or its JOIN, until it releases this or a newer
 *       request for it, or is {@link #gone};
 *   <li>who waits for a lock is served in the order of asking; who waits longest is not overtaken,
 *       also not by those that could share with the holders;
 *   <li>a worker waits once for a lock, so queues are as bounded as workers; workers name at most
 *       {@link #MAX_LOCKS_OF_WORKER} locks each.
 * </ul>
 *
 * <p>What happens is read by {@link #take}. One thread at a time.
 */
public final class LockTable {

  /** Most locks one worker holds or waits for; beyond that it is not heard. */
  public static final int MAX_LOCKS_OF_WORKER = 1 << 16;

  /** What is to be told to a worker. */
  public sealed interface Notice {
    /** The lock is the worker's. */
    record Granted(long worker, LockGrant grant) implements Notice {}

    /** Somebody waits for the lock. */
    record Recalled(long worker, LockGrant grant) implements Notice {}
  }

  private static final class Entry {
    final Map<Long, LockGrant> holders = new LinkedHashMap<>();
    final Map<Long, LockGrant> queue = new LinkedHashMap<>();
  }

  private final Map<Long, Entry> locks = new HashMap<>();
  private final Map<Long, Set<Long>> ofWorker = new HashMap<>();
  private final Set<Long> contended = new LinkedHashSet<>();
  private List<Notice> notices = new ArrayList<>();
  private boolean open;
  private long refused;

  /** A table without grants, not open. */
  public LockTable() {}

  /** From now on locks are granted. */
  public void open() {
    if (!open) {
      open = true;
      for (long lock : List.copyOf(contended)) {
        grant(lock);
      }
    }
  }

  /** Whether locks are granted. */
  public boolean isOpen() {
    return open;
  }

  /** A worker that joins says that it holds locks. */
  public void holds(long worker, Collection<LockGrant> grants) {
    for (LockGrant grant : grants) {
      Entry entry = entry(worker, grant.lock());
      if (entry != null) {
        entry.holders.put(worker, grant);
        check(entry, grant.lock());
      }
    }
  }

  /** A worker asks for a lock, perhaps again. */
  public void request(long worker, LockGrant wish) {
    Entry entry = entry(worker, wish.lock());
    if (entry == null) {
      return;
    }
    LockGrant held = entry.holders.get(worker);
    if (held != null && held.id() > wish.id()) {
      return;
    }
    if (held != null && held.id() == wish.id()) {
      notices.add(new Notice.Granted(worker, held));
      return;
    }
    // A worker asks anew only after it has released what it had.
    entry.holders.remove(worker);
    LockGrant queued = entry.queue.get(worker);
    if (queued == null || queued.id() < wish.id()) {
      entry.queue.put(worker, wish);
      contended.add(wish.lock());
    }
    grant(wish.lock());
  }

  /** A worker releases the requests for a lock up to this one. */
  public void release(long worker, LockGrant grant) {
    Entry entry = locks.get(grant.lock());
    if (entry == null) {
      return;
    }
    LockGrant held = entry.holders.get(worker);
    if (held != null && held.id() <= grant.id()) {
      entry.holders.remove(worker);
    }
    LockGrant queued = entry.queue.get(worker);
    if (queued != null && queued.id() <= grant.id()) {
      entry.queue.remove(worker);
    }
    tidy(worker, grant.lock(), entry);
    grant(grant.lock());
  }

  /** A worker is sealed and its lease over: nothing is its any more. */
  public void gone(long worker) {
    Set<Long> its = ofWorker.remove(worker);
    if (its == null) {
      return;
    }
    for (long lock : its) {
      Entry entry = locks.get(lock);
      if (entry != null) {
        entry.holders.remove(worker);
        entry.queue.remove(worker);
        if (entry.holders.isEmpty() && entry.queue.isEmpty()) {
          locks.remove(lock);
          contended.remove(lock);
        } else {
          grant(lock);
        }
      }
    }
  }

  /** Recalls once more what somebody waits for. */
  public void remind() {
    for (long lock : List.copyOf(contended)) {
      Entry entry = locks.get(lock);
      if (entry != null) {
        recall(entry);
      }
    }
  }

  /** What is to be told since this was asked last. */
  public List<Notice> take() {
    List<Notice> taken = notices;
    notices = new ArrayList<>();
    return taken;
  }

  /** Requests that were not heard because a worker has too many. */
  public long refused() {
    return refused;
  }

  // ------------------------------------------------------------------ one lock

  private @Nullable Entry entry(long worker, long lock) {
    Set<Long> its = ofWorker.computeIfAbsent(worker, w -> new HashSet<>());
    if (!its.contains(lock) && its.size() >= MAX_LOCKS_OF_WORKER) {
      refused++;
      return null;
    }
    its.add(lock);
    return locks.computeIfAbsent(lock, l -> new Entry());
  }

  private void tidy(long worker, long lock, Entry entry) {
    if (!entry.holders.containsKey(worker) && !entry.queue.containsKey(worker)) {
      Set<Long> its = ofWorker.get(worker);
      if (its != null) {
        its.remove(lock);
      }
    }
    if (entry.holders.isEmpty() && entry.queue.isEmpty()) {
      locks.remove(lock);
      contended.remove(lock);
    }
  }

  private void grant(long lock) {
    Entry entry = locks.get(lock);
    if (entry == null || !open) {
      return;
    }
    for (Iterator<Map.Entry<Long, LockGrant>> i = entry.queue.entrySet().iterator();
        i.hasNext(); ) {
      Map.Entry<Long, LockGrant> first = i.next();
      long worker = first.getKey();
      LockGrant wish = first.getValue();
      boolean free =
          entry.holders.entrySet().stream()
              .allMatch(
                  held ->
                      held.getKey() == worker || held.getValue().mode().agreesWith(wish.mode()));
      if (!free) {
        recall(entry);
        return;
      }
      i.remove();
      entry.holders.put(worker, wish);
      check(entry, lock);
      notices.add(new Notice.Granted(worker, wish));
    }
    contended.remove(lock);
  }

  private void recall(Entry entry) {
    if (entry.queue.isEmpty()) {
      return;
    }
    Map.Entry<Long, LockGrant> first = entry.queue.entrySet().iterator().next();
    entry.holders.forEach(
        (holder, grant) -> {
          if (!holder.equals(first.getKey()) && !grant.mode().agreesWith(first.getValue().mode())) {
            notices.add(new Notice.Recalled(holder, grant));
          }
        });
  }

  private static void check(Entry entry, long lock) {
    if (entry.holders.size() > 1
        && entry.holders.values().stream().anyMatch(g -> g.mode() == LockMode.EXCLUSIVE)) {
      throw new IllegalStateException(
          "lock " + Long.toHexString(lock) + " is held exclusively by one of " + entry.holders);
    }
  }
}
