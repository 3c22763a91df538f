package io.capsuledb.replication.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.TestChain;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a process in the middle of commits, again and again, on one directory. */
class RocksReplicaLogCrashTest {

  private static final int KILLS = 20;

  @TempDir Path temporary;

  @Test
  void everyAcknowledgedCommitSurvivesTwentyKillsAsAWhole() throws Exception {
    Path directory = temporary.resolve("replica");
    SplittableRandom random = new SplittableRandom(44);
    ReplicaCrashPlan plan = new ReplicaCrashPlan();
    long acknowledged = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      try (ChildProcess child =
          new ChildProcess(List.of(), ReplicaCrashChild.class, List.of(directory.toString()))) {
        child.awaitFirstLine();
        child.awaitLines(2 + random.nextInt(1 + random.nextInt(120)));
        // Anywhere in a commit, not just after one.
        long until = System.nanoTime() + random.nextInt(2_000_000);
        while (System.nanoTime() < until) {
          Thread.onSpinWait();
        }
        child.kill();
        assertThat(child.text()).as("round %d", kill).isEqualTo("open");
        acknowledged = Math.max(acknowledged, child.acknowledged().getOrDefault(0L, 0L));
      }
      try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
        long floor = log.recovered().numberFloor();
        // One commit may have become durable without being acknowledged.
        assertThat(floor).as("round %d", kill).isBetween(acknowledged, acknowledged + 1);
        while (plan.commits() < floor) {
          plan.next();
        }
        check(log, plan, kill);
      }
    }
    assertThat(acknowledged).isGreaterThan(KILLS);
    assertThat(RocksReplicaLogTest.audit(directory)).isEmpty();
  }

  private static void check(RocksReplicaLog log, ReplicaCrashPlan plan, int kill) {
    List<ReplicaLog.Chain> recovered =
        log.recovered().capsules().stream().flatMap(c -> c.chains().stream()).toList();
    assertThat(recovered).hasSize(plan.chains.size());
    for (TestChain chain : plan.chains) {
      ReplicaLog.Capsule capsule =
          log.recovered().capsules().stream()
              .filter(c -> c.name().equals(chain.capsule()))
              .findFirst()
              .orElseThrow();
      assertThat(capsule.chains())
          .as("round %d", kill)
          .anyMatch(
              c ->
                  c.entry().equals(chain.entry())
                      && c.head().equals(chain.head())
                      && c.lamport() == chain.lamport());
      for (long s = 1; s <= chain.length(); s++) {
        assertThat(log.read(chain.capsule(), chain.writer(), s)).isEqualTo(chain.at(s).bytes());
      }
      assertThat(log.read(chain.capsule(), chain.writer(), chain.length() + 1)).isNull();
    }
  }
}
