package io.capsuledb.core.port;

import java.util.function.BooleanSupplier;

/**
 * Runs agents: objects that do a bounded piece of work at each step and own no thread. Under the
 * real scheduler each agent has a thread; under the simulator the test steps them.
 */
public interface Scheduler {

  /** Work in steps. One thread at a time steps an agent. */
  @FunctionalInterface
  interface Agent {
    /**
     * Does what can be done now, without waiting for anything but its own output (a disk, a
     * computation).
     *
     * @return true if there may be more to do at once; false to sleep until signalled
     */
    boolean step();
  }

  /** An agent that is being run. */
  interface Running extends AutoCloseable {
    /** Wakes the agent if it sleeps; a step begins after this call. Cheap and thread-safe. */
    void signal();

    /** Stops stepping and waits for the step in progress. Idempotent. */
    @Override
    void close();
  }

  /** Where callers wait for what agents do. */
  interface Gate {
    /**
     * Waits until a condition holds.
     *
     * @param condition looked at once at least, and after each {@link #signalAll}; cheap
     * @param timeoutNanos at most so long
     * @return whether it holds
     */
    boolean await(BooleanSupplier condition, long timeoutNanos);

    /** The condition of somebody who waits may have come true. Cheap if nobody does. */
    void signalAll();
  }

  /** A new gate. */
  Gate gate();

  /**
   * Starts running an agent.
   *
   * @param name for threads and logs
   * @param agent what to step
   * @param maxIdleMs step at least this often without a signal; 0: only on signals
   */
  Running start(String name, Agent agent, long maxIdleMs);
}
