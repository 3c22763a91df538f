package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.replication.sim.SimReplicaDisk;
import io.capsuledb.replication.sim.SimReplicaLog;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What replicas hold after a time with faults, seals and releases, put on an empty disk. */
class ReplicaSeedTest {

  private static final int SEEDS = 12;

  private final List<ChainVerifier.Head> heads = new ArrayList<>();
  private int stubs;

  /** A copy of what a replica of a cluster holds; leaves a record out if told to. */
  private SimRecordStore copy(SimCluster cluster, int without) {
    heads.clear();
    SimReplicas.Replica replica = cluster.replicas.all().getFirst();
    HeldCapsule held = replica.core().capsule(cluster.capsule.name);
    SimRecordStore copy = SimRecordStore.create();
    copy.initialize(cluster.capsule.signedMetadata);
    int record = 0;
    for (HeldChain chain : held.chains()) {
      long writer = chain.entry.writer();
      long length = chain.durable.sequence();
      if (length == 0) {
        continue;
      }
      SignedHeader last = null;
      for (long sequence = 1; sequence <= length; sequence++) {
        byte[] bytes = replica.log().read(cluster.capsule.name, writer, sequence);
        last = RecordCodec.decodeStored(cluster.capsule.name, bytes).orThrow();
        stubs += RecordCodec.isStub(bytes) ? 1 : 0;
        if (record++ == without) {
          break;
        }
        copy.append(List.of(new StoredRecord(writer, sequence, last.hash(), bytes)));
      }
      heads.add(new ChainVerifier.Head(writer, length, last.hash(), last.header().lamport()));
    }
    return copy;
  }

  private long seed(SimCluster cluster, SimReplicaLog log, SimRecordStore copy) {
    return ReplicaSeed.seed(
        log, cluster.capsule.name, copy, heads, SampleCapsule.CURVE, (stored, total) -> {});
  }

  @Test
  void aSeededReplicaHoldsWhatTheOthersHeld() {
    int sealed = 0;
    for (long seed = 0; seed < SEEDS; seed++) {
      SimCluster cluster = ReplicaSimulation.simulate(seed, ReplicaSimulation.draws(seed));
      sealed += cluster.seals();
      SimRecordStore copy = copy(cluster, -1);
      // Whatever the order of chains is.
      heads.sort(
          seed % 2 == 0
              ? Comparator.comparingLong(ChainVerifier.Head::writer)
              : Comparator.comparingLong(ChainVerifier.Head::writer).reversed());
      SimReplicaDisk disk = new SimReplicaDisk(seed);
      long records;
      try (SimReplicaLog log = disk.open()) {
        records = seed(cluster, log, copy);
      }
      assertThat(records).isEqualTo(heads.stream().mapToLong(ChainVerifier.Head::sequence).sum());
      try (SimReplicaLog log = disk.open()) {
        ReplicaLog.Capsule capsule = log.recovered().capsules().getFirst();
        assertThat(capsule.rebuilding())
            .as("it hears the others before it speaks")
            .isEqualTo(ReplicaLog.Rebuilding.JOINING);
        HeldCapsule theirs = cluster.replicas.all().getFirst().core().capsule(cluster.capsule.name);
        for (ReplicaLog.Chain chain : capsule.chains()) {
          HeldChain original = theirs.chain(chain.entry().writer());
          assertThat(chain.head()).as("seed %d", seed).isEqualTo(original.durable);
          // What SEAL records ordered is promised again.
          assertThat(chain.seal().isFinal()).isEqualTo(original.durableSeal.isFinal());
          for (long at = 1; at <= chain.head().sequence(); at++) {
            assertThat(log.read(cluster.capsule.name, chain.entry().writer(), at))
                .isEqualTo(copy.read(chain.entry().writer(), at));
          }
        }
        // What justifies each stub is there too.
        HeldCapsule audited =
            new HeldCapsule(
                cluster.capsule.name,
                cluster.capsule.metadata,
                capsule.metadata(),
                SampleCapsule.CURVE,
                log);
        audited.recover(capsule);
        Group group = new Group();
        for (int i = 0; i < 10_000 && audited.auditStep(() -> true, group); i++) {
          group = new Group();
        }
        assertThat(audited.firstUnjustified()).as("seed %d", seed).isNull();
      }
    }
    // The runs are worth something.
    assertThat(sealed).isPositive();
    assertThat(stubs).isPositive();
  }

  @Test
  void aCopyThatLacksARecordIsRefused() {
    SimCluster cluster = ReplicaSimulation.simulate(1, ReplicaSimulation.draws(1));
    for (int without : new int[] {0, 1, 5, 40}) {
      SimRecordStore copy = copy(cluster, without);
      try (SimReplicaLog log = new SimReplicaDisk(1).open()) {
        assertThatThrownBy(() -> seed(cluster, log, copy))
            .isInstanceOf(IntegrityException.class)
            .hasMessageContaining("is not in the copy");
      }
    }
  }
}
