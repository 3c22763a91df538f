package io.capsuledb.scl.sim;

import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.Simulation;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.core.sim.WorkBudget;
import io.capsuledb.scl.epoch.CoordinatorCore;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.worker.WorkerInput;
import io.capsuledb.scl.worker.WorkerOutput;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Workers of one capsule: a time with faults and load, then without faults, when all have to agree
 * and to make a SYNC; then the coordinator is lost, and all have to agree again.
 */
public final class SclSimulation implements Simulation {

  static final long CALM_MS = 20_000;
  static final long STEP_MS = 100;

  /** How long there are faults, in virtual time. */
  private static final String CHAOS_MS = "chaosMs";

  private static final String DEFAULT_CHAOS_MS = "3000";

  /** Has no state. */
  public SclSimulation() {}

  @Override
  public SortedMap<String, String> draw(long seed) {
    SortedMap<String, String> knobs = Knobs.of(SclSim.Faults.of(new SplittableRandom(seed)));
    knobs.put(CHAOS_MS, DEFAULT_CHAOS_MS);
    return knobs;
  }

  @Override
  public Outcome run(long seed, Map<String, String> given) {
    SclSim.Faults faults = Knobs.with(SclSim.Faults.of(new SplittableRandom(seed)), given);
    SclSim sim = run(seed, faults, Long.parseLong(given.getOrDefault(CHAOS_MS, DEFAULT_CHAOS_MS)));
    SortedMap<String, Long> reached = sim.coverage.counts();
    reached.put("total: events", sim.events());
    reached.put("total: transactions", sim.committedTransactions());
    reached.put("total: SYNCs", (long) sim.syncCount());
    reached.put("total: takeovers", sim.takeovers);
    reached.put("total: seals", sim.seals);
    return new Outcome(sim.trace(), reached);
  }

  @Override
  public Set<String> reachable() {
    Set<String> names =
        Coverage.names(
            WorkerInput.class,
            WorkerOutput.class,
            SclMessage.class,
            CoordinatorCore.Phase.class,
            Loss.class);
    names.addAll(SclSim.FAULTS);
    names.addAll(SclSim.PROPERTIES);
    return names;
  }

  /** Runs a seed with what it draws. */
  static SclSim run(long seed, long chaosMs) {
    return run(seed, null, chaosMs);
  }

  private static SclSim run(long seed, SclSim.@Nullable Faults faults, long chaosMs) {
    SclSim sim = new SclSim(seed, faults);
    try {
      sim.startNemesis();
      sim.startWorkload();
      sim.run(chaosMs);
      sim.heal();
      sim.run(chaosMs + 1_000);
      sim.stopWorkload();
      converge(sim);
      sim.checkAtEnd();
      // Until no frame from before is under way.
      sim.run(chaosMs + 2_600);
      converge(sim);
      // Whoever was sealed before is known to everybody, and for so long that no lease is left.
      sim.run(
          sim.nowMs()
              + (long)
                  ((sim.options.pollNanos() + sim.options.silenceNanos()) / (SLOWEST * SclSim.MS)));
      takeOver(sim, LOSSES.get((int) (seed % LOSSES.size())));
      converge(sim);
      sim.checkAtEnd();
      sim.coverage.hit(WorkBudget.PROPERTY);
      return sim;
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage() + "\n" + sim.state(), e);
    }
  }

  static void converge(SclSim sim) {
    sim.coverage.hit(SclSim.LIVENESS);
    long from = sim.nowMs();
    boolean[] synced = {false};
    while (!sim.isConverged() || !synced[0]) {
      if (sim.nowMs() > from + CALM_MS) {
        throw new Violation(
            SclSim.LIVENESS, sim.isConverged() ? "no SYNC is made" : "not converged");
      }
      SclSim.Node node = sim.established();
      if (!synced[0] && node != null) {
        node.forceSync(() -> synced[0] = true);
      }
      sim.run(sim.nowMs() + STEP_MS);
    }
  }

  /** How a coordinator comes to be missed. */
  enum Loss {
    KILLED,
    PAUSED,
    /** Neither others nor replicas are reached. */
    CUT_OFF,
    /** Replicas are, others are not. */
    CUT_OFF_FROM_WORKERS,
    /** Others are, replicas are not. */
    CUT_OFF_FROM_REPLICAS,
    /** It leaves in good order. */
    LEFT
  }

  private static final List<Loss> LOSSES = List.of(Loss.values());

  /** How many leases after the loss of a coordinator, and of nobody else, locks are granted. */
  private static final double LEASES_TO_LOCKS = 1.75;

  /** If claimants were in each other's way: how many leases after one of them was established. */
  private static final double LEASES_AFTER_TAKEOVER = 0.75;

  /** The same after one that leaves has stepped down, since nothing held it any more. */
  private static final double LEASES_TO_LOCKS_LEFT = 0.5;

  /**
   * More, where messages are lost: one that is costs its sender's time-out, and of two claimants
   * that do not hear each other one may become coordinator with a chain that the other has begun to
   * seal, and notice it after two leases.
   */
  private static final double LEASES_FOR_LOST_MESSAGES = 4;

  /** The slowest clock; beside it time does not stand still. */
  private static final double SLOWEST = 0.9;

  /**
   * The coordinator is lost in one way or another: within two leases there is another one, and new
   * locks are granted not long after.
   */
  static void takeOver(SclSim sim, Loss loss) {
    SclSim.Node dead = sim.established();
    if (dead == null || sim.slots.size() < 2) {
      return;
    }
    sim.coverage.hit(loss);
    sim.takeAllLists(dead);
    long before = sim.takeovers;
    long lost = dead.core.coordinator().chain();
    long from = sim.nowMs();
    // By the slowest clock.
    long limit = (long) (2 * sim.options.leaseNanos() / (SLOWEST * SclSim.MS));
    double leases = loss == Loss.LEFT ? LEASES_TO_LOCKS_LEFT : LEASES_TO_LOCKS;
    if (!sim.calm) {
      leases += LEASES_FOR_LOST_MESSAGES;
    }
    long locksLimit = (long) (leases * sim.options.leaseNanos() / (SLOWEST * SclSim.MS));
    long whole = 3 * sim.options.leaseNanos();
    switch (loss) {
      case KILLED -> dead.slot.crash();
      case PAUSED -> dead.slot.pausedUntil = sim.now + whole;
      case CUT_OFF -> sim.cut(dead.slot, true, true, true, whole);
      case CUT_OFF_FROM_WORKERS -> sim.cut(dead.slot, true, true, false, whole);
      case CUT_OFF_FROM_REPLICAS -> sim.cut(dead.slot, false, false, true, whole);
      case LEFT -> {
        dead.leaving = true;
        dead.input(new WorkerInput.Leave());
        while (dead.core.coordinator().phase() != CoordinatorCore.Phase.OFF) {
          if (sim.nowMs() > from + limit) {
            throw new Violation(SclSim.LIVENESS, "it does not leave");
          }
          sim.run(sim.nowMs() + 1);
        }
        from = sim.nowMs();
      }
    }
    if (loss == Loss.CUT_OFF_FROM_WORKERS && sim.slots.size() == 2) {
      // Of two that do not hear each other, and reach replicas, one is as good as the other.
      sim.run(from + whole / SclSim.MS + 10);
      return;
    }
    while (sim.takeovers == before) {
      if (sim.nowMs() > from + limit) {
        throw new Violation(SclSim.LIVENESS, "no successor within ", limit, " ms of ", loss);
      }
      contend(sim, dead);
      sim.run(sim.nowMs() + 10);
    }
    sim.longestTakeover = Math.max(sim.longestTakeover, sim.nowMs() - from);
    long locksUntil = from + locksLimit;
    if (loss != Loss.LEFT) {
      double after = LEASES_AFTER_TAKEOVER * sim.options.leaseNanos() / (SLOWEST * SclSim.MS);
      locksUntil = Math.max(locksUntil, sim.nowMs() + (long) after);
    }
    while (!isSucceeded(sim, lost)) {
      if (sim.nowMs() > locksUntil) {
        throw new Violation(
            SclSim.LIVENESS, "no new locks ", sim.nowMs() - from, " ms after ", loss);
      }
      contend(sim, dead);
      sim.run(sim.nowMs() + 10);
    }
    if (loss == Loss.LEFT) {
      sim.longestHandover = Math.max(sim.longestHandover, sim.nowMs() - from);
    } else {
      sim.longestWithoutLocks = Math.max(sim.longestWithoutLocks, sim.nowMs() - from);
    }
    // The lost one comes back, and finds out.
    sim.run(from + whole / SclSim.MS + 10);
    dead.slot.start();
  }

  /** Somebody else wants a lock that the lost one had. */
  private static void contend(SclSim sim, SclSim.Node dead) {
    SclSim.Node node = sim.slots.get(sim.random.nextInt(sim.slots.size())).node;
    if (node != null && node != dead && node.core.isReady() && !node.leaving) {
      sim.append(node, 1 + sim.random.nextInt(SclSim.LIST_KEYS), () -> {});
    }
  }

  /** Whether another coordinator grants locks: somebody else, or the lost one, chosen anew. */
  private static boolean isSucceeded(SclSim sim, long lost) {
    return sim.slots.stream()
        .map(slot -> slot.node)
        .anyMatch(
            node ->
                node != null
                    && node.core.coordinator().isOpen()
                    && node.core.coordinator().chain() != lost);
  }
}
