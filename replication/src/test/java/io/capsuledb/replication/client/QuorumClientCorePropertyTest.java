package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.replication.client.FakeReplica.Lie;
import io.capsuledb.replication.protocol.Blob;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;

/**
 * Random clusters in a storm of lost and repeated messages, breaking links, full and lying
 * replicas. Throughout: what is called durable is held by so many honest replicas that with the
 * liars they are a quorum; what is read is what was written; no liar stops the client. After the
 * storm everything becomes durable.
 */
class QuorumClientCorePropertyTest {

  private static final long[] WRITERS = {7, 8};

  @Property(tries = 150)
  void noFalseDurabilityNoWrongReadAndEverythingInTheEnd(@ForAll long seed) {
    storm(seed);
  }

  @Tag("long")
  @Property(tries = 5000)
  void theSameForLong(@ForAll long seed) {
    storm(seed);
  }

  @Example
  void aFewSeedsThatWereTroubleOnce() {
    for (long seed = 0; seed < 10; seed++) {
      storm(seed);
    }
  }

  private static void storm(long seed) {
    Random random = new Random(seed);
    int size = random.nextBoolean() ? 3 : 5;
    int quorum = size / 2 + 1;
    FakeCluster cluster =
        new FakeCluster(
            Math.floorMod(seed, 1_000_000L),
            size,
            quorum,
            FakeCluster.options()
                .windowBytes(random.nextInt(20_000))
                .flightBytes(1 << (10 + random.nextInt(8)))
                .build());
    int liars = random.nextInt(size - quorum + 1);
    Lie[] lies = Lie.values();
    for (int i = 0; i < liars; i++) {
      cluster.replica(i).lie = lies[1 + random.nextInt(lies.length - 1)];
    }
    cluster.lossPercent = random.nextInt(30);
    cluster.repeatPercent = random.nextInt(20);
    cluster.start();

    Map<Long, List<StoredRecord>> chains = new HashMap<>();
    Map<Long, Integer> appended = new HashMap<>();
    for (long writer : WRITERS) {
      chains.put(writer, cluster.chain(writer, Role.WORKER, 5 + random.nextInt(40)));
      appended.put(writer, 0);
    }
    Map<Long, StoredRecord> asked = new HashMap<>();
    for (int i = 0; i < 400; i++) {
      switch (random.nextInt(12)) {
        case 0 -> {
          FakeReplica replica = cluster.replica(random.nextInt(size));
          cluster.unlink(replica);
          cluster.link(replica);
        }
        case 1 -> {
          FakeReplica replica = cluster.replica(random.nextInt(size));
          if (!cluster.cut.remove(replica.key()) && cluster.cut.size() < size - quorum) {
            cluster.cut.add(replica.key());
          }
        }
        case 2 -> cluster.replica(random.nextInt(size)).full = random.nextInt(3) == 0;
        case 3 -> cluster.replica(random.nextInt(size)).busy = random.nextInt(3) == 0;
        case 4 -> heal(cluster, liars);
        case 5 -> {
          long writer = WRITERS[random.nextInt(WRITERS.length)];
          if (cluster.core.durable(writer) > 0) {
            StoredRecord wanted =
                chains.get(writer).get(random.nextInt((int) cluster.core.durable(writer)));
            long ticket =
                cluster.core.read(
                    cluster.now, wanted.hash(), true, cluster.now + 2000 * FakeCluster.MS);
            asked.put(ticket, wanted);
            cluster.collect();
          }
        }
        case 6, 7 -> {
          long writer = WRITERS[random.nextInt(WRITERS.length)];
          int from = appended.get(writer);
          List<StoredRecord> chain = chains.get(writer);
          int to = Math.min(chain.size(), from + 1 + random.nextInt(5));
          if (to > from) {
            cluster.append(chain.subList(from, to));
            appended.put(writer, to);
          }
        }
        default -> {
          for (int k = 0; k < 20; k++) {
            cluster.step();
          }
        }
      }
      check(cluster, liars, quorum);
    }
    cluster.cut.clear();
    cluster.lossPercent = 0;
    cluster.replicas.forEach(
        replica -> {
          replica.full = false;
          replica.busy = false;
        });
    cluster.replicas.stream().skip(liars).forEach(cluster::link);
    boolean done =
        cluster.until(
            () -> {
              check(cluster, liars, quorum);
              if (random.nextInt(200) == 0) {
                heal(cluster, liars);
              }
              return appended.entrySet().stream()
                  .allMatch(e -> cluster.core.durable(e.getKey()) == e.getValue());
            });
    assertThat(cluster.core.failure()).as("seed %s", seed).isNull();
    assertThat(done).as("seed %s: all durable", seed).isTrue();
    assertThat(cluster.core.pendingBytes()).isZero();
    for (QuorumOutput.Read read : cluster.all(QuorumOutput.Read.class)) {
      StoredRecord wanted = asked.get(read.ticket());
      if (read.failure() == null && !read.records().isEmpty()) {
        assertThat(read.records()).containsExactly(Blob.of(wanted.bytes()));
      }
    }
    // Evidence is only ever against liars.
    List<FakeReplica> honest = new ArrayList<>(cluster.replicas.subList(liars, size));
    assertThat(cluster.all(QuorumOutput.Accused.class))
        .noneMatch(a -> honest.stream().anyMatch(r -> r.key().equals(a.replica())));
  }

  private static void heal(FakeCluster cluster, int liars) {
    List<FakeReplica> honest = cluster.replicas.subList(liars, cluster.replicas.size());
    for (FakeReplica to : honest) {
      for (FakeReplica from : honest) {
        if (to.founded && to != from) {
          to.healFrom(from);
        }
      }
    }
  }

  private static void check(FakeCluster cluster, int liars, int quorum) {
    cluster.durable.forEach(
        (writer, sequence) -> {
          long holders =
              cluster.replicas.stream().skip(liars).filter(r -> r.held(writer) >= sequence).count();
          assertThat(holders + liars)
              .as("replicas that hold %s of %s", sequence, writer)
              .isGreaterThanOrEqualTo(quorum);
        });
  }
}
