package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Clusters of replicas in simulation; a failure prints the seed that repeats it. */
class ReplicaSimTest {

  private static final long CHAOS_MS = 8_000;
  private static final long CALM_MS = 60_000;

  private static SimCluster run(long seed) {
    try {
      SimCluster cluster = new SimCluster(seed, new Random(seed).nextInt(4) == 0 ? 5 : 3);
      cluster.startNemesis();
      cluster.run(CHAOS_MS, true);
      cluster.heal();
      for (long until = CHAOS_MS + 1000; until < CHAOS_MS + CALM_MS; until += 1000) {
        cluster.run(until, false);
        if (cluster.isConverged()) {
          break;
        }
      }
      cluster.checkConverged();
      return cluster;
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed " + seed, e);
    }
  }

  @Test
  void nothingDurableIsLostAndReplicasConverge() {
    long durable = 0;
    int seals = 0;
    for (long seed = 0; seed < 200; seed++) {
      SimCluster cluster = run(seed);
      durable += cluster.durableRecords();
      seals += cluster.seals();
    }
    // The runs are worth something.
    assertThat(durable).isGreaterThan(10_000);
    assertThat(seals).isGreaterThan(50);
  }

  @Test
  void aSeedGivesTheSameRun() {
    for (long seed = 0; seed < 10; seed++) {
      assertThat(run(seed).trace()).isEqualTo(run(seed).trace());
    }
  }

  @Test
  @Tag("long")
  void thousandsOfSeeds() {
    long first = new Random().nextLong() >>> 1;
    for (long seed = first; seed < first + 3000; seed++) {
      run(seed);
    }
  }
}
