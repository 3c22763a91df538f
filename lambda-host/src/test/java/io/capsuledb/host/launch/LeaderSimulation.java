package io.capsuledb.host.launch;

import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.Knobs;
import io.capsuledb.core.sim.Simulation;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.core.sim.WorkBudget;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SplittableRandom;

/**
 * A leader with owners, workers, coordinators and a scheduler: a time with faults, then without,
 * until every job has ended.
 */
public final class LeaderSimulation implements Simulation {

  private static final String CHAOS_MS = "chaosMs";
  private static final String DEFAULT_CHAOS_MS = "6000";
  private static final long CALM_MS = 60_000;
  private static final long STEP_MS = 500;

  /** Has no state. */
  public LeaderSimulation() {}

  @Override
  public SortedMap<String, String> draw(long seed) {
    SortedMap<String, String> knobs = Knobs.of(LeaderSim.Faults.of(new SplittableRandom(seed)));
    knobs.put(CHAOS_MS, DEFAULT_CHAOS_MS);
    return knobs;
  }

  @Override
  public Outcome run(long seed, Map<String, String> given) {
    LeaderSim.Faults faults = Knobs.with(LeaderSim.Faults.of(new SplittableRandom(seed)), given);
    long chaosMs = Long.parseLong(given.getOrDefault(CHAOS_MS, DEFAULT_CHAOS_MS));
    LeaderSim sim = new LeaderSim(seed, faults);
    try {
      sim.run(chaosMs);
      sim.heal();
      long until = chaosMs;
      do {
        until += STEP_MS;
        sim.run(until);
        if (until > chaosMs + CALM_MS) {
          throw new Violation(LeaderSim.LIVENESS, "a job does not end, or a rotation");
        }
      } while (!sim.isAtRest());
      sim.coverage.hit(WorkBudget.PROPERTY);
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage() + "\n" + sim.state(), e);
    }
    SortedMap<String, Long> reached = sim.coverage.counts();
    reached.put("total: events", sim.events());
    return new Outcome(sim.trace(), reached);
  }

  @Override
  public Set<String> reachable() {
    Set<String> names =
        Coverage.names(
            LeaderInput.Opened.class,
            LeaderInput.Said.class,
            LeaderInput.Found.class,
            LeaderInput.Waited.class,
            LeaderInput.Closed.class,
            LeaderOutput.class,
            LaunchMessage.Prove.class,
            LaunchMessage.OpenApplication.class,
            LaunchMessage.RotateKeys.class,
            LaunchMessage.StartJob.class,
            LaunchMessage.AskJob.class,
            LaunchMessage.StopJob.class,
            LaunchMessage.ResetApplication.class,
            LaunchMessage.Done.class,
            LaunchMessage.Refused.class,
            LaunchMessage.Opened.class,
            LaunchMessage.JobReport.class,
            LaunchMessage.Take.class,
            LaunchMessage.Serve.class,
            LaunchMessage.Membership.class,
            LaunchMessage.Grant.class,
            LaunchMessage.NotNow.class,
            LaunchMessage.WantWriter.class,
            LaunchMessage.GiveWriter.class,
            LaunchMessage.NoWriter.class,
            LaunchMessage.Printed.class,
            LaunchMessage.Finished.class,
            LaunchMessage.Reset.class,
            LaunchMessage.Pause.class,
            LaunchMessage.Paused.class);
    names.addAll(LeaderSim.FAULTS);
    names.addAll(LeaderSim.PROPERTIES);
    return names;
  }
}
