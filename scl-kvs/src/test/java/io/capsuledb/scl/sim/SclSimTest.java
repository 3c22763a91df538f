package io.capsuledb.scl.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.scl.worker.WorkerInput;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Workers of one capsule in simulation. A failure prints its seed; that run alone again: {@code mvn
 * test -pl scl-kvs -am -Dtest=SclSimTest#oneSeed -Dscl.seed=SEED}.
 */
class SclSimTest {

  private static final long CHAOS_MS = 3_000;
  private static final long CALM_MS = 20_000;
  private static final long STEP_MS = 100;

  /** What the runs of a test were worth. */
  private static final class Worth {
    long transactions;
    long syncs;
    long takeovers;
    long seals;
    long lates;
    long sessionChecks;
    long forcedSyncs;

    void add(SclSim sim) {
      transactions += sim.committedTransactions();
      syncs += sim.syncCount();
      takeovers += sim.takeovers;
      seals += sim.seals;
      lates += sim.lates;
      sessionChecks += sim.sessionChecks;
      forcedSyncs += sim.forcedSyncs;
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
          + forcedSyncs;
    }
  }

  private static SclSim run(long seed) {
    SclSim sim = new SclSim(seed, null);
    try {
      sim.startNemesis();
      sim.startWorkload();
      sim.run(CHAOS_MS);
      sim.heal();
      sim.run(CHAOS_MS + 1_000);
      sim.stopWorkload();
      converge(sim);
      sim.checkAtEnd();
      takeOver(sim);
      converge(sim);
      sim.checkAtEnd();
      return sim;
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage() + "\n" + sim.state(), e);
    }
  }

  private static void converge(SclSim sim) {
    long from = sim.nowMs();
    boolean[] synced = {false};
    while (!sim.isConverged() || !synced[0]) {
      if (sim.nowMs() > from + CALM_MS) {
        throw new AssertionError(sim.isConverged() ? "no SYNC is made" : "not converged");
      }
      SclSim.Node node = sim.established();
      if (!synced[0] && node != null) {
        node.forceSync(() -> synced[0] = true);
      }
      sim.run(sim.nowMs() + STEP_MS);
    }
  }

  /** The coordinator dies: within two leases there is another one. */
  private static void takeOver(SclSim sim) {
    SclSim.Node dead = sim.established();
    if (dead == null || sim.slots.size() < 2) {
      return;
    }
    long before = sim.takeovers;
    dead.slot.crash();
    // By the slowest clock.
    long limit = (long) (2 * sim.options.leaseNanos() / (0.9 * SclSim.MS));
    long from = sim.nowMs();
    while (sim.takeovers == before) {
      if (sim.nowMs() > from + limit) {
        throw new AssertionError("no successor within " + limit + " ms");
      }
      sim.run(sim.nowMs() + 10);
    }
    dead.slot.start();
  }

  private static Worth twice(long first, int seeds) {
    Worth worth = new Worth();
    for (long seed = first; seed < first + seeds; seed++) {
      SclSim sim = run(seed);
      assertThat(run(seed).trace()).as("trace of seed " + seed).isEqualTo(sim.trace());
      worth.add(sim);
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
  }

  @Test
  void oneSeed() {
    run(Long.getLong("scl.seed", 1));
  }

  @Test
  @Tag("long")
  void thousandsOfSeeds() {
    twice(1_000_000, 10_000);
  }

  @Test
  void aHundredWorkersComeAndGoWithoutAStall() {
    SclSim sim =
        new SclSim(
            42,
            new SclSim.Faults(
                4, 3, 0.05, 0.05, 5, 3, false, false, false, false, false, true, false, false, 400,
                false));
    sim.startWorkload();
    sim.run(2_000);
    sim.longestSyncGap = 0;
    for (int i = 0; i < 100; i++) {
      SclSim.Node coordinator = sim.established();
      for (SclSim.Slot slot : sim.slots) {
        SclSim.Node node = slot.node;
        if (slot.index == i % sim.slots.size() && node != null && node.ready) {
          if (node == coordinator) {
            continue;
          }
          node.leaving = true;
          node.input(new WorkerInput.Leave());
        }
      }
      sim.run(sim.nowMs() + 400);
    }
    assertThat(sim.usedWriters.size()).isGreaterThan(60);
    assertThat(sim.longestSyncGap / SclSim.MS).isLessThan(1_500);
    sim.heal();
    sim.stopWorkload();
    converge(sim);
    sim.checkAtEnd();
  }
}
