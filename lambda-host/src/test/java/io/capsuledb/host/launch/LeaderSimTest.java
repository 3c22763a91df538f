package io.capsuledb.host.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A leader in simulation. A failure prints its seed; {@code bin/capsule sim --simulation leader
 * --seeds 1 --first-seed SEED} runs it again.
 */
class LeaderSimTest {

  private static void run(long first, int seeds) {
    LeaderSimulation simulation = new LeaderSimulation();
    Set<String> never = new HashSet<>(simulation.reachable());
    for (long seed = first; seed < first + seeds; seed++) {
      var outcome = simulation.run(seed, Map.of());
      assertThat(simulation.run(seed, Map.of()).trace())
          .as("trace of seed %d", seed)
          .isEqualTo(outcome.trace());
      never.removeAll(outcome.reached().keySet());
    }
    assertThat(never).as("faults, messages and properties that were never reached").isEmpty();
  }

  /** For whoever looks for a bug with it. */
  static void oneSeed(long seed) {
    new LeaderSimulation().run(seed, Map.of());
  }

  @Test
  void everyGuaranteeHoldsInEveryRun() {
    run(0, Integer.getInteger("leader.seeds", 60));
  }

  @Test
  @Tag("long")
  void manySeeds() {
    run(1_000_000, 3_000);
  }
}
