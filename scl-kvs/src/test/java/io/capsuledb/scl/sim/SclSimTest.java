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
  private static final long CALM_MS = 20_000;
  private static final long STEP_MS = 100;
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
          + longestTakeoverMs;
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
      // Until no frame from before is under way.
      sim.run(CHAOS_MS + 2_600);
      converge(sim);
      takeOver(sim, LOSSES.get((int) (seed % LOSSES.size())));
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

  /** How a coordinator comes to be missed. */
  private enum Loss {
    KILLED,
    PAUSED,
    /** Neither others nor replicas are reached. */
    CUT_OFF,
    /** Replicas are, others are not. */
    CUT_OFF_FROM_WORKERS,
    /** Others are, replicas are not. */
    CUT_OFF_FROM_REPLICAS
  }

  private static final List<Loss> LOSSES = List.of(Loss.values());

  /** The coordinator is lost in one way or another: within two leases there is another one. */
  private static void takeOver(SclSim sim, Loss loss) {
    SclSim.Node dead = sim.established();
    if (dead == null || sim.slots.size() < 2) {
      return;
    }
    long before = sim.takeovers;
    long from = sim.nowMs();
    // By the slowest clock.
    long limit = (long) (2 * sim.options.leaseNanos() / (0.9 * SclSim.MS));
    long whole = 3 * sim.options.leaseNanos();
    switch (loss) {
      case KILLED -> dead.slot.crash();
      case PAUSED -> dead.slot.pausedUntil = sim.now + whole;
      case CUT_OFF -> sim.cut(dead.slot, true, true, true, whole);
      case CUT_OFF_FROM_WORKERS -> sim.cut(dead.slot, true, true, false, whole);
      case CUT_OFF_FROM_REPLICAS -> sim.cut(dead.slot, false, false, true, whole);
    }
    if (loss == Loss.CUT_OFF_FROM_WORKERS && sim.slots.size() == 2) {
      // Of two that do not hear each other, and reach replicas, one is as good as the other.
      sim.run(from + whole / SclSim.MS + 10);
      return;
    }
    while (sim.takeovers == before) {
      if (sim.nowMs() > from + limit) {
        throw new AssertionError("no successor within " + limit + " ms of " + loss);
      }
      sim.run(sim.nowMs() + 10);
    }
    sim.longestTakeover = Math.max(sim.longestTakeover, sim.nowMs() - from);
    // The lost one comes back, and finds out.
    sim.run(from + whole / SclSim.MS + 10);
    dead.slot.start();
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
        400, false, false, false, false);
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
      for (Loss loss : Loss.values()) {
        for (long seed = 0; seed < 5; seed++) {
          SclSim sim = new SclSim(seed, mild(workers, 3));
          sim.startWorkload();
          openCoordinator(sim);
          try {
            takeOver(sim, loss);
            sim.heal();
            sim.stopWorkload();
            converge(sim);
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
    converge(sim);
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
    converge(sim);
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
