package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimScheduler;
import io.capsuledb.engine.SharedCapsule.View;
import io.capsuledb.engine.SharedCapsule.Worker;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Several engines on one capsule against a model of versions, from one seed: random transactions,
 * records that arrive late and twice, epochs, flushes and merges by whoever is appointed, deaths,
 * new workers.
 *
 * <p>What has to hold: an engine shows what follows from the operations it has heard of, at any
 * time; when everything is heard all show the same, also one that is opened then, also one that is
 * opened alone; a SYNC is a cut, and its moment shows the same ever after; fsck finds nothing.
 */
class SharedModelPropertyTest {

  private static void run(long seed, int steps) {
    SharedCapsule capsule = new SharedCapsule(seed);
    capsule.changeCoordinator();
    int size = 1 + capsule.random.nextInt(6);
    for (int i = 0; i < size; i++) {
      capsule.open();
    }
    capsule.changeCompactor(capsule.any());
    for (int i = 0; i < steps; i++) {
      Worker worker = capsule.any();
      int dice = capsule.random.nextInt(100);
      if (dice < 30) {
        worker.write();
      } else if (dice < 50) {
        worker.hear(1 + capsule.random.nextInt(20));
      } else if (dice < 75) {
        worker.scheduler.step();
      } else if (dice < 80) {
        capsule.clock.advanceMs(capsule.random.nextInt(40));
        worker.scheduler.tick();
      } else if (dice < 86) {
        if (capsule.isCutUnderWay()) {
          capsule.tryToFinish();
        } else {
          capsule.call();
        }
        capsule.tryToAppoint();
      } else if (dice < 88) {
        worker.db.flush();
      } else if (dice < 89) {
        worker.db.compact();
      } else if (dice < 90 && capsule.random.nextInt(4) == 0) {
        capsule.changeCoordinator();
      } else if (dice < 91) {
        capsule.changeCompactor(worker);
      } else if (dice < 92 && capsule.random.nextInt(3) == 0) {
        worker.die();
        capsule.open();
        if (capsule.compactor == null && capsule.next == null) {
          capsule.changeCompactor(capsule.any());
        }
      } else if (dice < 94 && capsule.random.nextInt(6) == 0) {
        capsule.settle();
        capsule.letReleasesHappen();
      } else if (dice < 97) {
        worker.checkScan();
        worker.checkHistory();
      } else {
        worker.checkMoments();
      }
      worker.check();
    }
    end(capsule);
  }

  private static void end(SharedCapsule capsule) {
    capsule.epoch();
    capsule.epoch();
    View all = capsule.durable();
    long now = capsule.clock.wallMs();
    for (Worker worker : capsule.alive()) {
      worker.check();
      worker.checkScan();
      worker.checkMoments();
      assertThat(worker.view.live(Long.MAX_VALUE, now))
          .as("seed %d", capsule.seed)
          .isEqualTo(all.live(Long.MAX_VALUE, now));
      assertThat(worker.db.durableTime()).isEqualTo(worker.db.committedTime());
    }
    assertThat(capsule.fsck().problems()).as("seed %d", capsule.seed).isEmpty();
    capsule.letReleasesHappen();
    Worker fresh = capsule.open();
    fresh.check();
    fresh.checkScan();
    capsule.settle();
    assertThat(capsule.fsck().problems()).as("seed %d", capsule.seed).isEmpty();
    for (Worker worker : capsule.alive()) {
      worker.check();
      worker.die();
    }
    // Opened alone it flushes by itself, over all those chains.
    SimScheduler scheduler = new SimScheduler(capsule.seed);
    try (CapsuleDb alone =
        CapsuleDb.open(
            capsule.options(false),
            new CapsulePorts(
                capsule.store,
                capsule.clock,
                new SimEntropy(capsule.seed + 9),
                scheduler,
                Telemetry.NONE),
            capsule.owner.application(0, 0),
            records -> {})) {
      View durable = capsule.durable();
      for (int i = 0; i < SharedCapsule.KEYS; i++) {
        assertThat(Node.get(alone, "k" + i))
            .as("seed %d", capsule.seed)
            .isEqualTo(durable.value("k" + i, Long.MAX_VALUE, capsule.clock.wallMs()));
      }
      alone.flush();
      scheduler.run();
    }
    assertThat(capsule.fsck().problems()).as("seed %d", capsule.seed).isEmpty();
  }

  @Property(tries = 60)
  void enginesAgreeWithTheModel(@ForAll long seed) {
    run(seed, 400);
  }

  @Test
  @Tag("long")
  void enginesAgreeWithTheModelForLong() {
    long first = System.nanoTime();
    for (long seed = first; seed < first + 1000; seed++) {
      run(seed, 600);
    }
  }
}
