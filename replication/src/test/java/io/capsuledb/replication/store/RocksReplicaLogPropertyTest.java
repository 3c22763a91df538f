package io.capsuledb.replication.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.TestChain;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/**
 * The log on RocksDB and the simulated one do the same: any sequence of commits and restarts leaves
 * both with the same rows and the same records.
 */
class RocksReplicaLogPropertyTest {

  private static final List<ReplicaLog.Rebuilding> REBUILDING =
      List.of(ReplicaLog.Rebuilding.values());

  private static final int CAPSULES = 3;
  private static final int WRITERS = 3;

  /** Everything a run knows: the chains, and the hashes of all records that ever were. */
  private static final class Run {
    final SplittableRandom random;
    final List<TestChain> chains = new ArrayList<>();
    final List<Hash32> hashes = new ArrayList<>();
    final int[] memberships = new int[CAPSULES];
    final boolean[] founded = new boolean[CAPSULES];
    long floor;

    Run(long seed) {
      random = new SplittableRandom(seed);
    }

    ReplicaLog.Batch batch() {
      ReplicaLog.Batch batch = new ReplicaLog.Batch();
      for (int changes = random.nextInt(12); changes > 0; changes--) {
        add(batch);
      }
      return batch;
    }

    private void add(ReplicaLog.Batch batch) {
      int c = random.nextInt(CAPSULES);
      CapsuleName name = TestChain.name(c);
      if (!founded[c]) {
        founded[c] = true;
        batch.add(w -> w.found(name, Blob.of(name.toBytes())));
        for (int i = 1; i <= WRITERS; i++) {
          TestChain chain = new TestChain(name, i);
          chains.add(chain);
          batch.add(w -> w.introduce(name, chain.entry()));
        }
        return;
      }
      List<TestChain> own = chains.stream().filter(x -> x.capsule().equals(name)).toList();
      TestChain chain = own.get(random.nextInt(own.size()));
      long length = chain.length();
      long at = length == 0 ? 0 : 1 + random.nextLong(length);
      switch (random.nextInt(12)) {
        case 0 -> {
          floor += random.nextInt(5);
          long to = floor;
          batch.add(w -> w.numberFloor(to));
        }
        case 1 -> {
          int version = ++memberships[c];
          batch.add(w -> w.membership(name, version, Blob.of(new byte[version])));
        }
        case 2 -> {
          SealState seal =
              new SealState(
                  new Ballot(1 + random.nextInt(9), 1), chain.head(), Ballot.NONE, ChainHead.NONE);
          batch.add(w -> w.seal(name, chain.writer(), seal));
        }
        case 3 -> {
          Blob proof = Blob.of(new byte[] {(byte) random.nextInt(6)});
          batch.add(w -> w.evidence(name, proof));
        }
        case 4 -> {
          ReplicaLog.Rebuilding rebuilding = REBUILDING.get(random.nextInt(REBUILDING.size()));
          batch.add(w -> w.rebuilding(name, rebuilding));
        }
        case 5 -> {
          long to = random.nextLong(length + 1);
          ChainHead head = chain.head(to);
          batch.add(w -> w.truncate(name, chain.writer(), head, TestChain.lamportOf(to)));
          chain.truncate(to);
        }
        case 6 -> {
          if (at > 0) {
            StoredRecord stub = chain.stub(at);
            batch.add(w -> w.release(name, stub));
          }
        }
        case 7 -> {
          if (at > 0) {
            StoredRecord whole = chain.at(at);
            batch.add(w -> w.repair(name, whole));
          }
        }
        default -> {
          StoredRecord record = chain.next(16 + random.nextInt(3000));
          hashes.add(record.hash());
          long lamport = chain.lamport();
          batch.add(w -> w.record(name, record, lamport));
        }
      }
    }
  }

  @Property(tries = 15)
  void bothLogsHoldTheSame(@ForAll long seed, @ForAll @IntRange(min = 1, max = 60) int commits)
      throws Exception {
    Path directory = Files.createTempDirectory("replica");
    SimReplicaDisk disk = new SimReplicaDisk(seed);
    ReplicaLog real = RocksReplicaLogTest.openSmall(directory);
    ReplicaLog simulated = disk.open();
    Run run = new Run(seed);
    try {
      for (int i = 0; i < commits; i++) {
        ReplicaLog.Batch batch = run.batch();
        real.commit(batch);
        simulated.commit(batch);
        if (run.random.nextInt(10) == 0 || i == commits - 1) {
          assertSame(run, real, simulated);
          real.close();
          simulated.close();
          real = RocksReplicaLogTest.openSmall(directory);
          simulated = disk.open();
          assertThat(real.recovered().capsules()).isEqualTo(simulated.recovered().capsules());
          assertThat(real.recovered().numberFloor()).isEqualTo(simulated.recovered().numberFloor());
          assertSame(run, real, simulated);
        }
      }
      Scrubber scrubber = new Scrubber((RocksReplicaLog) real);
      assertThat(scrubber.step(Long.MAX_VALUE)).isEmpty();
      assertThat(scrubber.records())
          .isEqualTo(run.chains.stream().mapToLong(TestChain::length).sum());
      real.close();
      assertThat(RocksReplicaLogTest.audit(directory)).isEmpty();
    } finally {
      real.close();
      DirectoryImage.delete(directory);
    }
  }

  private static void assertSame(Run run, ReplicaLog real, ReplicaLog simulated) {
    for (TestChain chain : run.chains) {
      for (long s = 0; s <= chain.length() + 2; s++) {
        assertThat(real.read(chain.capsule(), chain.writer(), s))
            .isEqualTo(simulated.read(chain.capsule(), chain.writer(), s));
      }
    }
    for (int c = 0; c < CAPSULES; c++) {
      for (Hash32 hash : run.hashes) {
        assertThat(real.read(TestChain.name(c), hash))
            .isEqualTo(simulated.read(TestChain.name(c), hash));
      }
    }
  }
}
