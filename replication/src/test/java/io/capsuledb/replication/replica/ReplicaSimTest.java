package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Clusters of replicas in simulation; a failure prints the seed that repeats it. */
class ReplicaSimTest {

  private static SimCluster run(long seed) {
    return ReplicaSimulation.simulate(seed, ReplicaSimulation.draws(seed));
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

  /** A record that rots on a branch which nobody else has. */
  @Test
  void seedsThatFoundSomething() {
    run(749);
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
