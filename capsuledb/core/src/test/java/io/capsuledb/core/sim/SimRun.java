package io.capsuledb.core.sim;

import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

/**
 * One run of a simulation: a seeded scheduler with virtual time, under which everything that is
 * simulated takes its turn. What happens is determined by the seed: events are run in the order of
 * their times, those of one time in the order in which they were planned. Of one thread.
 */
public abstract class SimRun {

  /** A millisecond of virtual time. */
  public static final long MS = TimeUnit.MILLISECONDS.toNanos(1);

  private static final long PRIME = 0x100000001B3L;

  private record Event(long at, long order, Runnable action) implements Comparable<Event> {
    @Override
    public int compareTo(Event other) {
      int byTime = Long.compare(at, other.at);
      return byTime != 0 ? byTime : Long.compare(order, other.order);
    }
  }

  /** Whatever is left to chance is drawn from it. */
  public final SplittableRandom random;

  /** What was reached. */
  public final Coverage coverage = new Coverage();

  /** Nanoseconds of virtual time; only grows. */
  public long now = 1;

  /** Whether nothing goes wrong any more. */
  public boolean calm;

  private final PriorityQueue<Event> events = new PriorityQueue<>();
  private final WorkBudget budget;
  private long order;
  private long trace = 1;

  /**
   * A run at its beginning.
   *
   * @param maxEvents most events of the whole run
   * @param maxPending most events that wait at a time
   */
  protected SimRun(long seed, long maxEvents, int maxPending) {
    this.random = new SplittableRandom(seed);
    this.budget = new WorkBudget(maxEvents, maxPending);
  }

  /** Plans something for later. */
  public final void at(long delayNanos, Runnable action) {
    events.add(new Event(now + delayNanos, order++, action));
  }

  /** Lets time pass up to a moment, with all that happens until then. */
  public final void run(long untilMs) {
    while (!events.isEmpty() && events.peek().at <= untilMs * MS) {
      Event next = events.poll();
      now = next.at;
      budget.spend(events.size());
      next.action.run();
      afterEvent();
    }
    now = Math.max(now, untilMs * MS);
  }

  /** Called after each event: for what has to hold at any moment. */
  protected void afterEvent() {}

  /** Virtual time in milliseconds. */
  public final long nowMs() {
    return now / MS;
  }

  /** A hash over all that was noted, and when. */
  public final long trace() {
    return trace;
  }

  /** Makes something part of the trace. */
  public final void note(long what) {
    trace = (trace ^ what) * PRIME + now;
  }

  /** How many events there were. */
  public final long events() {
    return budget.events();
  }

  /** Whether something of this probability happens. */
  public final boolean chance(double probability) {
    return probability > 0 && random.nextDouble() < probability;
  }

  /** A property was checked once more. */
  public final void check(String property, boolean holds, Object... broken) {
    coverage.checked(property, holds, broken);
  }
}
