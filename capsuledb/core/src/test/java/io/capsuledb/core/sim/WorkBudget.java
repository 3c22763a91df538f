package io.capsuledb.core.sim;

/**
 * Ends a simulation that would not end by itself: one whose processes answer each other for ever,
 * or faster than the answers are worked off. What a run may do is bounded by events, not by time,
 * so that a seed ends alike on every machine. Of one thread.
 */
public final class WorkBudget {

  /** The property that is broken then, as docs/testbed.md names it. */
  public static final String PROPERTY = "bounded work";

  private static final int INTERRUPT_INTERVAL = 1024;

  private final long maxEvents;
  private final int maxPending;
  private long events;

  /**
   * A budget.
   *
   * @param maxEvents most events of the whole run
   * @param maxPending most events that wait at a time
   */
  public WorkBudget(long maxEvents, int maxPending) {
    this.maxEvents = maxEvents;
    this.maxPending = maxPending;
  }

  /**
   * One event more.
   *
   * @param pending how many wait now
   * @throws Violation if it is one too many, or if whoever waits for the run has interrupted it
   */
  public void spend(int pending) {
    if (++events > maxEvents) {
      throw new Violation(PROPERTY, "more than ", maxEvents, " events in a run");
    }
    if (pending > maxPending) {
      throw new Violation(
          PROPERTY, pending, " events wait after ", events, ": more come than are worked off");
    }
    if (events % INTERRUPT_INTERVAL == 0 && Thread.currentThread().isInterrupted()) {
      throw new Violation(PROPERTY, "interrupted after ", events, " events");
    }
  }

  /** Events so far. */
  public long events() {
    return events;
  }
}
