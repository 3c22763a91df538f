package io.capsuledb.replication.replica;

import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.Simulation;
import io.capsuledb.replication.protocol.Message;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.SplittableRandom;

/**
 * Replicas with writers, sealers and forgers: a time with faults, then without, until all hold the
 * same.
 */
public final class ReplicaSimulation implements Simulation {

  private static final long CALM_MS = 60_000;
  private static final String CHAOS_MS = "chaosMs";
  private static final String REPLICAS = "replicas";

  /** Has no state. */
  public ReplicaSimulation() {}

  static SortedMap<String, String> draws(long seed) {
    SortedMap<String, String> knobs = Knobs.of(SimCluster.Faults.of(new SplittableRandom(seed)));
    knobs.put(CHAOS_MS, "8000");
    knobs.put(REPLICAS, new Random(seed).nextInt(4) == 0 ? "5" : "3");
    return knobs;
  }

  static SimCluster simulate(long seed, Map<String, String> knobs) {
    try {
      long chaosMs = Long.parseLong(String.valueOf(knobs.get(CHAOS_MS)));
      int replicas = Integer.parseInt(String.valueOf(knobs.get(REPLICAS)));
      SimCluster cluster = new SimCluster(seed, replicas, knobs);
      cluster.startNemesis();
      cluster.run(chaosMs, true);
      cluster.heal();
      for (long until = chaosMs + 1000; until < chaosMs + CALM_MS; until += 1000) {
        cluster.run(until, false);
        if (cluster.isConverged()) {
          break;
        }
      }
      if (!cluster.isUndecidable()) {
        cluster.checkConverged();
      }
      return cluster;
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
    }
  }

  @Override
  public SortedMap<String, String> draw(long seed) {
    return draws(seed);
  }

  @Override
  public Outcome run(long seed, Map<String, String> given) {
    SortedMap<String, String> knobs = draws(seed);
    knobs.replaceAll((name, value) -> given.getOrDefault(name, value));
    SimCluster cluster = simulate(seed, knobs);
    SortedMap<String, Long> reached = cluster.coverage.counts();
    reached.put("total: events", cluster.events());
    reached.put("total: durable records", cluster.durableRecords());
    reached.put("total: seals", (long) cluster.seals());
    return new Outcome(cluster.trace(), reached);
  }

  @Override
  public Set<String> reachable() {
    Set<String> names = Coverage.names(Message.class);
    names.addAll(SimCluster.FAULTS);
    names.addAll(SimCluster.STATES);
    names.addAll(SimCluster.PROPERTIES);
    return names;
  }
}
