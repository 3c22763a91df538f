package io.capsuledb.core.system;

import io.capsuledb.core.port.Scheduler;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * One daemon thread per agent. A signal costs a volatile read while the agent is busy and an unpark
 * while it sleeps.
 *
 * <p>The hand-over: the agent publishes that it sleeps, looks once more whether it was signalled,
 * then parks; a signaller sets the flag first and looks at the sleeping flag second. Both are
 * volatile, so one of the two always sees the other.
 */
public final class ThreadScheduler implements Scheduler {

  /** A scheduler without agents. */
  public ThreadScheduler() {}

  @Override
  public Running start(String name, Agent agent, long maxIdleMs) {
    AgentThread running = new AgentThread(agent, TimeUnit.MILLISECONDS.toNanos(maxIdleMs));
    running.thread.setName(name);
    running.thread.setDaemon(true);
    running.thread.start();
    return running;
  }

  @Override
  public Gate gate() {
    return new MonitorGate();
  }

  /**
   * Who waits announces it before it looks at its condition; who signals changes the condition
   * before it looks whether anybody waits. One of the two sees the other.
   */
  private static final class MonitorGate implements Gate {
    private final AtomicInteger waiting = new AtomicInteger();

    @Override
    public boolean await(BooleanSupplier condition, long timeoutNanos) {
      if (condition.getAsBoolean()) {
        return true;
      }
      long deadline = System.nanoTime() + timeoutNanos;
      boolean interrupted = false;
      waiting.incrementAndGet();
      try {
        synchronized (this) {
          while (!condition.getAsBoolean()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
              return false;
            }
            try {
              TimeUnit.NANOSECONDS.timedWait(this, left);
            } catch (InterruptedException e) {
              interrupted = true;
            }
          }
          return true;
        }
      } finally {
        waiting.decrementAndGet();
        if (interrupted) {
          Thread.currentThread().interrupt();
        }
      }
    }

    @Override
    public void signalAll() {
      if (waiting.get() > 0) {
        synchronized (this) {
          notifyAll();
        }
      }
    }
  }

  private static final class AgentThread implements Running, Runnable {
    private final Agent agent;
    private final long maxIdleNanos;
    private final Thread thread;
    private volatile boolean signalled;
    private volatile boolean asleep;
    private volatile boolean stopped;

    AgentThread(Agent agent, long maxIdleNanos) {
      this.agent = agent;
      this.maxIdleNanos = maxIdleNanos;
      this.thread = new Thread(this);
    }

    @Override
    public void run() {
      while (!stopped) {
        signalled = false;
        if (agent.step()) {
          continue;
        }
        asleep = true;
        if (!signalled && !stopped) {
          if (maxIdleNanos > 0) {
            LockSupport.parkNanos(this, maxIdleNanos);
          } else {
            LockSupport.park(this);
          }
        }
        asleep = false;
      }
    }

    @Override
    public void signal() {
      signalled = true;
      if (asleep) {
        LockSupport.unpark(thread);
      }
    }

    @Override
    public void close() {
      stopped = true;
      LockSupport.unpark(thread);
      if (thread.equals(Thread.currentThread())) {
        return;
      }
      boolean interrupted = false;
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
