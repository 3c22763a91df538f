package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.UnavailableException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.function.BooleanSupplier;

/**
 * How one side waits for the other: it spins for as long as that has been worth it, then says that
 * it sleeps, looks once more, and sleeps until it is woken.
 *
 * <p>No wake-up is lost: the sleeper sets its flag and then looks; the waker publishes and then
 * looks at the flag; both with a full fence between, so at least one of them sees the other. A side
 * that is never woken, because the other is dead or malicious, looks by itself {@value
 * #LOOKS_PER_SECOND} times a second.
 */
final class RingWait {

  private static final int LOOKS_PER_SECOND = 4;
  private static final long LOOK_NS = 1_000_000_000L / LOOKS_PER_SECOND;
  private static final long MOST_SPIN_NS = 50_000;
  private static final long LEAST_SPIN_NS = 2_000;
  private static final int CHECKS_PER_CLOCK = 32;

  /** Looks without a pause between them: one pause takes as long as a line of memory to arrive. */
  private static final int EAGER_CHECKS = 256;

  private final MemorySegment memory;
  private final long flag;
  private final BooleanSupplier peerLives;
  private long spinNs = MOST_SPIN_NS;

  /** Times that the flag was still set after a whole look and there was something: must stay 0. */
  private long unwoken;

  /**
   * Waits with the sleeping flag at {@code flag}, which is its own.
   *
   * @param peerLives whether the other process is still there
   */
  RingWait(MemorySegment memory, long flag, BooleanSupplier peerLives) {
    this.memory = memory;
    this.flag = flag;
    this.peerLives = peerLives;
  }

  /**
   * Waits until {@code ready}, or for {@code timeoutNs}; says whether it is.
   *
   * @throws UnavailableException if the other process is gone, and nothing came before
   */
  boolean await(BooleanSupplier ready, long timeoutNs) {
    if (ready.getAsBoolean()) {
      return true;
    }
    long began = System.nanoTime();
    if (spin(ready, Math.min(spinNs, timeoutNs), began)) {
      spinNs = Math.min(MOST_SPIN_NS, spinNs * 2);
      return true;
    }
    spinNs = Math.max(LEAST_SPIN_NS, spinNs / 2);
    while (true) {
      long waited = System.nanoTime() - began;
      if (waited >= timeoutNs) {
        return ready.getAsBoolean();
      }
      RingLayout.INT.setRelease(memory, flag, 1);
      VarHandle.fullFence();
      if (!ready.getAsBoolean()) {
        SharedMemory.sleep(memory, flag, 1, Math.min(LOOK_NS, timeoutNs - waited));
      }
      boolean stillSet = (int) RingLayout.INT.getAcquire(memory, flag) != 0;
      RingLayout.INT.setRelease(memory, flag, 0);
      long slept = System.nanoTime() - began - waited;
      if (ready.getAsBoolean()) {
        if (slept < MOST_SPIN_NS) {
          spinNs = MOST_SPIN_NS;
        }
        if (stillSet && slept >= LOOK_NS) {
          unwoken++;
        }
        return true;
      }
      if (slept >= LOOK_NS && !peerLives.getAsBoolean() && !ready.getAsBoolean()) {
        throw new UnavailableException("the process at the other end of the ring is gone");
      }
    }
  }

  private static boolean spin(BooleanSupplier ready, long forNs, long began) {
    for (int i = 0; i < EAGER_CHECKS; i++) {
      if (ready.getAsBoolean()) {
        return true;
      }
    }
    do {
      for (int i = 0; i < CHECKS_PER_CLOCK; i++) {
        if (ready.getAsBoolean()) {
          return true;
        }
        Thread.onSpinWait();
      }
    } while (System.nanoTime() - began < forNs);
    return false;
  }

  /** Wakes the other side, whose flag is at {@code flag}, if it sleeps; after publishing. */
  static void wake(MemorySegment memory, long flag) {
    VarHandle.fullFence();
    if ((int) RingLayout.INT.getAcquire(memory, flag) != 0) {
      RingLayout.INT.setRelease(memory, flag, 0);
      SharedMemory.wake(memory, flag);
    }
  }

  long unwoken() {
    return unwoken;
  }
}
