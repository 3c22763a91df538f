package io.capsuledb.scl.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.scl.worker.WorkerInput;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Workers of one capsule in simulation. A failure prints its seed; that run alone again: {@code mvn
 * test -pl scl-kvs -am -Dtest=SclSimTest#oneSeed -Dscl.seed=SEED}.
 */
class SclSimTest {

  private static final long CHAOS_MS = Long.getLong("scl.chaosMs", 3_000);
  private static final long CALM_MS = SclSimulation.CALM_MS;
  private static final long STEP_MS = SclSimulation.STEP_MS;
  private static final int THREADS = 2;

  /** What the runs of a test were worth. */
  private static final class Worth {
    long transactions;
    long syncs;
    long takeovers;
    long seals;
    long lates;
    long sessionChecks;
    long forcedSyncs;
    long mergedOperands;
    long longestTakeoverMs;
    long longestWithoutLocksMs;
    long longestHandoverMs;

    synchronized void add(SclSim sim) {
      transactions += sim.committedTransactions();
      syncs += sim.syncCount();
      takeovers += sim.takeovers;
      seals += sim.seals;
      lates += sim.lates;
      sessionChecks += sim.sessionChecks;
      forcedSyncs += sim.forcedSyncs;
      mergedOperands += sim.mergedOperands;
      longestTakeoverMs = Math.max(longestTakeoverMs, sim.longestTakeover);
      longestWithoutLocksMs = Math.max(longestWithoutLocksMs, sim.longestWithoutLocks);
      longestHandoverMs = Math.max(longestHandoverMs, sim.longestHandover);
    }

    @Override
    public String toString() {
      return "transactions "
          + transactions
          + " syncs "
          + syncs
          + " takeovers "
          + takeovers
          + " seals "
          + seals
          + " lates "
          + lates
          + " session checks "
          + sessionChecks
          + " forced SYNCs "
          + forcedSyncs
          + " merged operands "
          + mergedOperands
          + " longest takeover ms "
          + longestTakeoverMs
          + ", until locks are granted "
          + longestWithoutLocksMs
          + ", if the coordinator left "
          + longestHandoverMs;
    }
  }

  private static SclSim run(long seed) {
    return SclSimulation.run(seed, CHAOS_MS);
  }

  /** Each seed twice, on two threads, which have nothing in common. */
  private static Worth twice(long first, int seeds) {
    Worth worth = new Worth();
    AtomicLong next = new AtomicLong(first);
    List<CompletableFuture<Void>> workers = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      for (int i = 0; i < THREADS; i++) {
        workers.add(
            CompletableFuture.runAsync(
                () -> {
                  for (long seed = next.getAndIncrement();
                      seed < first + seeds;
                      seed = next.getAndIncrement()) {
                    try {
                      SclSim sim = run(seed);
                      assertThat(run(seed).trace())
                          .as("trace of seed " + seed)
                          .isEqualTo(sim.trace());
                      worth.add(sim);
                    } catch (AssertionError failed) {
                      next.set(first + seeds);
                      throw failed;
                    }
                  }
                },
                threads));
      }
      try {
        CompletableFuture.allOf(workers.toArray(CompletableFuture[]::new)).join();
      } catch (CompletionException failed) {
        throw new AssertionError(String.valueOf(failed.getCause().getMessage()), failed);
      }
    }
    return worth;
  }

  @Test
  void everyGuaranteeHoldsInEveryRun() {
    int seeds = Integer.getInteger("scl.seeds", 1_000);
    Worth worth = twice(Long.getLong("scl.first", 0), seeds);
    System.out.println(worth);
    assertThat(worth.transactions).isGreaterThan(20L * seeds);
    assertThat(worth.takeovers).isGreaterThan(seeds);
    assertThat(worth.sessionChecks).isGreaterThan(seeds);
    assertThat(worth.mergedOperands).isGreaterThan(20L * seeds);
    assertThat(worth.lates).isPositive();
  }

  @Test
  void oneSeed() {
    run(Long.getLong("scl.seed", 1));
  }

  @Test
  @Tag("long")
  void thousandsOfSeeds() {
    twice(1_000_000, Integer.getInteger("scl.seeds", 20_000));
  }

  private static SclSim.Faults mild(int slots, int replicas) {
    return new SclSim.Faults(
        slots, replicas, 0.05, 0.05, 5, 3, false, false, false, false, false, true, false, false,
        400, false, false, false, false, false);
  }

  private static SclSim.Node openCoordinator(SclSim sim) {
    long limit = sim.nowMs() + CALM_MS;
    while (sim.nowMs() < limit) {
      sim.run(sim.nowMs() + STEP_MS);
      SclSim.Node node = sim.established();
      if (node != null && sim.isSettled()) {
        return node;
      }
    }
    throw new AssertionError("no coordinator that everybody has joined\n" + sim.state());
  }

  @Test
  void aCoordinatorThatIsLostHasASuccessorWithinTwoLeases() {
    for (int workers : new int[] {2, 3, 5, 16}) {
      for (SclSimulation.Loss loss : SclSimulation.Loss.values()) {
        for (long seed = 0; seed < 5; seed++) {
          SclSim sim = new SclSim(seed, mild(workers, 3));
          sim.startWorkload();
          openCoordinator(sim);
          try {
            SclSimulation.takeOver(sim, loss);
            sim.heal();
            sim.stopWorkload();
            SclSimulation.converge(sim);
            sim.checkAtEnd();
          } catch (AssertionError e) {
            throw new AssertionError(
                loss + " of " + workers + ", seed " + seed + ": " + e.getMessage(), e);
          }
        }
      }
    }
  }

  @Test
  void aHundredWorkersComeAndGoWithoutAStall() {
    SclSim sim = new SclSim(42, mild(5, 3));
    sim.startWorkload();
    openCoordinator(sim);
    sim.longestSyncGap = 0;
    sim.longestCommitGap = 0;
    int before = sim.usedWriters.size();
    long syncs = sim.syncCount();
    long from = sim.nowMs();
    int gone = 0;
    for (int i = 0; gone < 100; i++) {
      SclSim.Node node = sim.slots.get(i % sim.slots.size()).node;
      if (node != null && node.ready && !node.leaving && node != sim.established()) {
        gone++;
        node.leaving = true;
        node.input(new WorkerInput.Leave());
        sim.run(sim.nowMs() + 200);
      } else {
        sim.run(sim.nowMs() + 10);
      }
    }
    assertThat(sim.usedWriters.size() - before).isGreaterThanOrEqualTo(95);
    // A SYNC is due every 150 ms; nobody who comes or goes is waited for.
    assertThat(sim.longestSyncGap / SclSim.MS).isLessThan(800);
    assertThat(sim.longestCommitGap / SclSim.MS).isLessThan(800);
    assertThat(sim.syncCount() - syncs).isGreaterThan((sim.nowMs() - from) / 500);
    assertThat(sim.seals).isGreaterThanOrEqualTo(95);
    sim.heal();
    sim.stopWorkload();
    SclSimulation.converge(sim);
    sim.checkAtEnd();
  }

  @Test
  void locksThatAWorkerKeepsCostNoMessage() {
    SclSim sim = new SclSim(7, mild(3, 3));
    SclSim.Node coordinator = openCoordinator(sim);
    SclSim.Node node =
        sim.slots.stream()
            .map(slot -> slot.node)
            .filter(n -> n != null && n != coordinator)
            .findFirst()
            .orElseThrow();
    SclSim.Node other =
        sim.slots.stream()
            .map(slot -> slot.node)
            .filter(n -> n != null && n != coordinator && n != node)
            .findFirst()
            .orElseThrow();
    assertThat(transactions(sim, node, 1, 500)).isEqualTo(1);
    long frames = sim.lockFrames;
    long from = sim.nowMs();
    // Many leases long.
    for (int i = 0; i < 500; i++) {
      assertThat(transactions(sim, node, 1, 150)).isEqualTo(1);
      sim.run(sim.nowMs() + 10);
    }
    assertThat(sim.nowMs() - from).isGreaterThan(5 * sim.options.leaseNanos() / SclSim.MS);
    assertThat(sim.lockFrames).isEqualTo(frames);
    // Somebody else's transaction takes them away.
    assertThat(transactions(sim, other, 1, 500)).isEqualTo(1);
    assertThat(sim.lockFrames).isGreaterThan(frames);
    sim.heal();
    SclSimulation.converge(sim);
    sim.checkAtEnd();
  }

  /** Appends to a list, so many times; returns how many came to be within a time. */
  private static int transactions(SclSim sim, SclSim.Node node, int many, long withinMs) {
    int[] done = {0};
    for (int i = 0; i < many; i++) {
      sim.append(node, 1, () -> done[0]++);
    }
    long until = sim.nowMs() + withinMs;
    while (done[0] < many && sim.nowMs() < until) {
      sim.run(sim.nowMs() + 1);
    }
    return done[0];
  }
}
