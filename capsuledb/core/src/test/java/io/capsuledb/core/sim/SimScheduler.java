package io.capsuledb.core.sim;

import io.capsuledb.core.port.Scheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.BooleanSupplier;

/**
 * Steps agents on the test's own thread, in an order drawn from a seed. An agent that was signalled
 * or returned true is runnable. One thread at a time.
 */
public final class SimScheduler implements Scheduler {

  /** A run that has not come to rest after so many steps never will. */
  private static final int MAX_STEPS = 10_000_000;

  private final Random random;
  private final List<SimAgent> agents = new ArrayList<>();

  public SimScheduler(long seed) {
    this.random = new Random(seed);
  }

  private final class SimAgent implements Running {
    private final String name;
    private final Agent agent;
    private boolean runnable = true;

    SimAgent(String name, Agent agent) {
      this.name = name;
      this.agent = agent;
    }

    @Override
    public void signal() {
      runnable = true;
    }

    @Override
    public void close() {
      agents.remove(this);
    }
  }

  @Override
  public Running start(String name, Agent agent, long maxIdleMs) {
    SimAgent running = new SimAgent(name, agent);
    agents.add(running);
    return running;
  }

  /** Whoever waits lets the agents go on until they come to rest. */
  @Override
  public Gate gate() {
    return new Gate() {
      @Override
      public boolean await(BooleanSupplier condition, long timeoutNanos) {
        while (!condition.getAsBoolean()) {
          if (!step()) {
            return condition.getAsBoolean();
          }
        }
        return true;
      }

      @Override
      public void signalAll() {}
    };
  }

  /** Steps one runnable agent; returns false if there is none. */
  public boolean step() {
    List<SimAgent> runnable = agents.stream().filter(a -> a.runnable).toList();
    if (runnable.isEmpty()) {
      return false;
    }
    SimAgent chosen = runnable.get(random.nextInt(runnable.size()));
    chosen.runnable = false;
    chosen.runnable |= chosen.agent.step();
    return true;
  }

  /** Steps the named agent once, whether it is runnable or not. */
  public boolean step(String name) {
    for (SimAgent agent : List.copyOf(agents)) {
      if (agent.name.equals(name)) {
        return agent.agent.step();
      }
    }
    throw new IllegalArgumentException("no agent is called " + name);
  }

  /** Makes every agent runnable, as if its longest idle time had passed. */
  public void tick() {
    agents.forEach(a -> a.runnable = true);
  }

  /** Steps until nothing is runnable. */
  public void run() {
    for (int i = 0; step(); i++) {
      if (i == MAX_STEPS) {
        throw new IllegalStateException("the agents do not come to rest");
      }
    }
  }

  /** Forgets every agent, as when the process dies. */
  public void kill() {
    agents.clear();
  }
}
