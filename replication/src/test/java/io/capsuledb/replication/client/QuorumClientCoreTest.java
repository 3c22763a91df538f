package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.client.FakeReplica.Lie;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipCodec;
import io.capsuledb.replication.protocol.Message;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class QuorumClientCoreTest {

  private static final long W = 7;

  private static boolean stopped(FakeCluster cluster) {
    return cluster.core.failure() != null;
  }

  // ------------------------------------------------------------------ appending

  @Test
  void whatAQuorumSignedIsDurableAndOneReplicaIsNoQuorum() {
    FakeCluster cluster = new FakeCluster(1, 3, 2).start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 10);
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.append(chain);
    cluster.run(2000);
    assertThat(cluster.replica(0).held(W)).isEqualTo(10);
    assertThat(cluster.core.durable(W)).isZero();
    assertThat(cluster.core.vouchers(W, 10)).isNull();

    cluster.cut.remove(cluster.replica(2).key());

    assertThat(cluster.until(() -> cluster.core.durable(W) == 10)).isTrue();
    assertThat(cluster.core.vouchers(W, 10)).hasSize(2);
    assertThat(cluster.core.pendingBytes()).isZero();
  }

  @Test
  void aReplicaThatDoesNotKnowTheCapsuleIsToldOfIt() {
    FakeCluster cluster = new FakeCluster(2, 3, 2).start();
    assertThat(cluster.until(cluster.core::available)).isTrue();
    assertThat(cluster.until(() -> cluster.replicas.stream().allMatch(r -> r.founded))).isTrue();
  }

  @Test
  void oneReplicaOverManyLinksCountsOnce() {
    FakeCluster cluster = new FakeCluster(3, 3, 2);
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.start();
    for (int i = 0; i < 3; i++) {
      cluster.link(cluster.replica(0));
    }
    cluster.append(cluster.chain(W, Role.WORKER, 3));
    cluster.run(500);
    assertThat(cluster.replica(0).held(W)).isEqualTo(3);
    // And its own words as if they came over the others' links.
    cluster.core.take();
    assertThat(cluster.core.durable(W)).isZero();
  }

  @Test
  void aStrangersWordCountsForNothing() {
    FakeCluster cluster = new FakeCluster(4, 3, 2);
    FakeReplica stranger = new FakeReplica(cluster.capsule, 4711);
    stranger.founded = true;
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.add(stranger);
    cluster.start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 2);
    cluster.append(chain);
    cluster.run(500);
    Message words =
        stranger
            .handle(
                new Message.Append(
                    1, cluster.capsule.name, chain.stream().map(r -> Blob.of(r.bytes())).toList()))
            .getFirst();

    cluster.deliver(stranger.key(), words);
    cluster.deliver(cluster.replica(1).key(), words);
    cluster.run(100);

    assertThat(cluster.core.durable(W)).isZero();
    assertThat(cluster.all(QuorumOutput.Struck.class))
        .anyMatch(s -> s.replica().equals(cluster.replica(1).key()));
  }

  @ParameterizedTest
  @EnumSource(
      value = Lie.class,
      names = {
        "WRONG_HASH",
        "REPLAYS",
        "OTHER_CAPSULE",
        "OTHER_KEY",
        "BEYOND",
        "SECRET_MEMBERSHIP",
        "SILENT",
        "REFUSES"
      })
  void whatALiarSaysMakesNothingDurableAndStopsNothing(Lie lie) {
    FakeCluster cluster = new FakeCluster(5, 3, 2);
    cluster.replica(0).lie = lie;
    cluster.cut.add(cluster.replica(1).key());
    cluster.start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 8);
    for (StoredRecord record : chain) {
      cluster.append(List.of(record));
      cluster.run(20);
    }
    cluster.run(3000);
    assertThat(cluster.replica(2).held(W)).isEqualTo(8);
    // A replaying liar is at its word once: it did hold what it signed then.
    assertThat(cluster.core.durable(W)).isLessThanOrEqualTo(lie == Lie.REPLAYS ? 1 : 0);

    cluster.cut.clear();

    assertThat(cluster.until(() -> cluster.core.durable(W) == 8)).isTrue();
    assertThat(stopped(cluster)).isFalse();
  }

  @Test
  void contradictingStatementsAreEvidence() {
    FakeCluster cluster = new FakeCluster(6, 3, 2);
    cluster.replica(0).lie = Lie.EQUIVOCATES;
    cluster.start();
    for (StoredRecord record : cluster.chain(W, Role.WORKER, 20)) {
      cluster.append(List.of(record));
      cluster.run(10);
    }
    assertThat(cluster.until(() -> cluster.core.durable(W) == 20)).isTrue();
    assertThat(cluster.all(QuorumOutput.Accused.class))
        .anyMatch(a -> cluster.replica(0).key().equals(a.replica()));
    assertThat(cluster.until(() -> !cluster.replica(1).accusations.isEmpty())).isTrue();
    assertThat(stopped(cluster)).isFalse();
  }

  @Test
  void aReplicaThatWasRolledBackDoesNotCountUntilItHasANewIncarnation() {
    FakeCluster cluster = new FakeCluster(7, 3, 2).start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 12);
    cluster.append(chain.subList(0, 10));
    assertThat(cluster.until(() -> cluster.holders(W, 10) == 3)).isTrue();
    cluster.run(50);
    FakeReplica rolled = cluster.replica(0);
    cluster.cut.add(cluster.replica(2).key());
    cluster.unlink(rolled);
    rolled.rollBack(W, 4, 0);
    cluster.link(rolled);
    cluster.append(chain.subList(10, 12));
    cluster.run(1000);
    assertThat(cluster.core.durable(W)).isEqualTo(10);

    cluster.unlink(rolled);
    rolled.lose();
    rolled.founded = true;
    rolled.healFrom(cluster.replica(1));
    cluster.link(rolled);

    assertThat(cluster.until(() -> cluster.core.durable(W) == 12)).isTrue();
  }

  @Test
  void aLostDiskTakesBackWhatItCountedFor() {
    FakeCluster cluster = new FakeCluster(8, 3, 2);
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.start();
    cluster.append(cluster.chain(W, Role.WORKER, 5));
    assertThat(cluster.until(() -> cluster.replica(0).held(W) == 5)).isTrue();
    cluster.run(50);
    cluster.unlink(cluster.replica(0));
    cluster.replica(0).lose();
    cluster.replica(0).lie = Lie.NONE;
    cluster.link(cluster.replica(0));
    cluster.run(20);
    cluster.cut.add(cluster.replica(0).key());
    cluster.cut.remove(cluster.replica(1).key());
    cluster.run(20);
    assertThat(cluster.holders(W, 5)).isLessThan(2);
    assertThat(cluster.core.durable(W)).isZero();

    cluster.cut.clear();

    assertThat(cluster.until(() -> cluster.core.durable(W) == 5)).isTrue();
    assertThat(cluster.holders(W, 5)).isGreaterThanOrEqualTo(2);
  }

  /** It may be back without its disk, and have joined before the other one got the records. */
  @Test
  void whatWasSaidOverALinkThatIsGoneDoesNotCount() {
    FakeCluster cluster = new FakeCluster(10, 3, 2).start();
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.append(cluster.chain(W, Role.WORKER, 4));
    cluster.run(100);
    assertThat(cluster.replica(0).held(W)).isEqualTo(4);

    cluster.unlink(cluster.replica(0));
    cluster.cut.remove(cluster.replica(1).key());

    assertThat(cluster.until(() -> cluster.replica(1).held(W) == 4)).isTrue();
    cluster.run(500);
    assertThat(cluster.core.durable(W)).isZero();

    cluster.link(cluster.replica(0));

    assertThat(cluster.until(() -> cluster.core.durable(W) == 4)).isTrue();
  }

  @Test
  void aReplayedStatementOfALostDiskDoesNotCount() {
    FakeCluster cluster = new FakeCluster(17, 3, 2);
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    cluster.start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 5);
    cluster.append(chain);
    FakeReplica lost = cluster.replica(0);
    assertThat(cluster.until(() -> lost.held(W) == 5)).isTrue();
    Message before =
        lost.handle(
                new Message.Append(
                    1, cluster.capsule.name, chain.stream().map(r -> Blob.of(r.bytes())).toList()))
            .getFirst();
    cluster.unlink(lost);
    lost.lose();
    lost.founded = true;
    lost.busy = true;
    cluster.link(lost);
    cluster.cut.remove(cluster.replica(1).key());
    assertThat(cluster.until(() -> cluster.replica(1).held(W) == 5)).isTrue();
    for (int i = 0; i < 20; i++) {
      cluster.run(20);
      cluster.deliver(lost.key(), before);
      assertThat(cluster.core.durable(W)).isZero();
    }

    lost.busy = false;

    assertThat(cluster.until(() -> cluster.core.durable(W) == 5)).isTrue();
    assertThat(lost.held(W)).isEqualTo(5);
  }

  @Test
  void aReplicaThatMissedWhatIsKeptNoMoreHealsAndIsServedAgain() {
    FakeCluster cluster = new FakeCluster(9, 3, 2, FakeCluster.options().windowBytes(2000).build());
    cluster.start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 60);
    cluster.cut.add(cluster.replica(2).key());
    cluster.append(chain.subList(0, 50));
    assertThat(cluster.until(() -> cluster.core.durable(W) == 50)).isTrue();
    cluster.run(500);
    cluster.cut.clear();
    cluster.run(3000);
    assertThat(cluster.replica(2).held(W)).isZero();
    assertThat(cluster.core.replicas()).anyMatch(r -> r.lagging());

    cluster.replica(2).healFrom(cluster.replica(0));
    cluster.append(chain.subList(50, 53));

    assertThat(cluster.until(() -> cluster.replica(2).held(W) == 53)).isTrue();
    assertThat(cluster.core.stats().retainedBytes()).isLessThanOrEqualTo(4000);
  }

  @Test
  void aSlowAppendIsUnknownThenDurable() {
    FakeCluster cluster = new FakeCluster(10, 3, 2).start();
    cluster.cut.add(cluster.replica(0).key());
    cluster.cut.add(cluster.replica(1).key());
    long ticket = cluster.append(cluster.chain(W, Role.WORKER, 2));
    cluster.run(1500);
    assertThat(cluster.all(QuorumOutput.Appended.class))
        .singleElement()
        .satisfies(
            a -> {
              assertThat(a.ticket()).isEqualTo(ticket);
              assertThat(a.unknown()).isInstanceOf(OutcomeUnknownException.class);
            });
    cluster.cut.clear();
    assertThat(
            cluster.until(
                () ->
                    cluster.all(QuorumOutput.Appended.class).stream()
                        .anyMatch(a -> a.ticket() == ticket && a.unknown() == null)))
        .isTrue();
  }

  @Test
  void withoutAQuorumWritesAreRefusedAfterAWhileAndTakenAgainLater() {
    FakeCluster cluster =
        new FakeCluster(11, 3, 2, FakeCluster.options().refuseAfterMs(1000).build());
    cluster.start();
    assertThat(cluster.until(cluster.core::available)).isTrue();
    cluster.run(100);
    assertThat(cluster.core.unavailable(cluster.now)).isNull();
    cluster.unlink(cluster.replica(0));
    cluster.unlink(cluster.replica(1));
    cluster.run(500);
    assertThat(cluster.core.available()).isFalse();
    assertThat(cluster.core.unavailable(cluster.now)).isNull();
    cluster.run(600);
    assertThat(cluster.core.unavailable(cluster.now))
        .isInstanceOf(UnavailableException.class)
        .hasMessageContaining("1 of 3");
    cluster.link(cluster.replica(0));
    assertThat(cluster.until(() -> cluster.core.unavailable(cluster.now) == null)).isTrue();
  }

  @Test
  void fullReplicasAreNoQuorumUntilTheyHaveSpace() {
    FakeCluster cluster =
        new FakeCluster(12, 3, 2, FakeCluster.options().refuseAfterMs(300).build());
    cluster.start();
    cluster.replica(0).full = true;
    cluster.replica(1).full = true;
    cluster.append(cluster.chain(W, Role.WORKER, 2));
    cluster.run(1000);
    assertThat(cluster.core.available()).isFalse();
    assertThat(cluster.core.unavailable(cluster.now)).hasMessageStartingWith("out of space");
    cluster.replica(1).full = false;
    assertThat(cluster.until(() -> cluster.core.durable(W) == 2)).isTrue();
    assertThat(cluster.until(cluster.core::available)).isTrue();
  }

  @Test
  void pendingBytesAreBounded() {
    FakeCluster cluster =
        new FakeCluster(13, 3, 2, FakeCluster.options().maxPendingBytes(2000).build());
    cluster.replicas.forEach(r -> cluster.cut.add(r.key()));
    cluster.start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 30);
    assertThat(cluster.core.hasRoom(1 << 20)).isTrue();
    int taken = 0;
    while (cluster.core.hasRoom(chain.get(taken).bytes().length)) {
      cluster.append(chain.subList(taken, taken + 1));
      taken++;
    }
    StoredRecord next = chain.get(taken);
    assertThatThrownBy(() -> cluster.append(List.of(next)))
        .isInstanceOf(UnavailableException.class);
    assertThat(cluster.core.pendingBytes()).isLessThanOrEqualTo(2000);
  }

  @Test
  void recordsThatNoQuorumTakesAreAFailure() {
    FakeCluster cluster = new FakeCluster(14, 3, 2);
    cluster.replica(0).lie = Lie.REFUSES;
    cluster.replica(1).lie = Lie.REFUSES;
    cluster.start();
    cluster.append(cluster.chain(W, Role.WORKER, 2));
    assertThat(cluster.until(() -> stopped(cluster))).isTrue();
    assertThat(cluster.core.failure()).isInstanceOf(IntegrityException.class);
  }

  @Test
  void aSecondRecordAtOnePositionIsProvenAndEndsTheClient() {
    FakeCluster cluster = new FakeCluster(15, 3, 2);
    List<StoredRecord> ours = cluster.chain(W, Role.WORKER, 3);
    List<StoredRecord> theirs = cluster.chain(W, Role.WORKER, 3);
    FakeReplica broken = cluster.replica(0);
    broken.founded = true;
    theirs.forEach(r -> broken.put(r.bytes()));
    cluster.start();

    cluster.append(ours);

    assertThat(cluster.until(() -> stopped(cluster))).isTrue();
    assertThat(((IntegrityException) cluster.core.failure()).rejection().reason())
        .isEqualTo(Reason.EQUIVOCATION);
    assertThat(cluster.all(QuorumOutput.Accused.class))
        .singleElement()
        .satisfies(a -> assertThat(a.replica()).isNull());
  }

  // ------------------------------------------------------------------ memberships

  private static Blob signed(FakeCluster cluster, Membership membership) {
    return Blob.of(MembershipCodec.encode(membership, cluster.capsule.owner::signAsOwner));
  }

  @Test
  void aJointMembershipNeedsAQuorumOfBothSets() {
    FakeCluster cluster = new FakeCluster(16, 3, 2);
    FakeReplica fourth = new FakeReplica(cluster.capsule, 99_001);
    FakeReplica fifth = new FakeReplica(cluster.capsule, 99_002);
    Membership old = Membership.initial(cluster.capsule.name, cluster.capsule.metadata);
    List<PublicKey> now = List.of(cluster.replica(0).key(), fourth.key(), fifth.key());
    Blob joint =
        signed(
            cluster,
            new Membership(
                cluster.capsule.name,
                1,
                cluster.capsule.name.hash(),
                new Membership.ReplicaSet(now, 2),
                old.current()));
    cluster.add(fourth);
    cluster.add(fifth);
    for (FakeReplica replica : List.of(cluster.replica(1), cluster.replica(2))) {
      replica.founded = true;
      replica.memberships.add(joint);
      replica.membership = 1;
    }
    cluster.cut.add(cluster.replica(0).key());
    cluster.cut.add(fourth.key());
    cluster.cut.add(fifth.key());
    cluster.start();
    cluster.append(cluster.chain(W, Role.WORKER, 4));
    assertThat(cluster.until(() -> cluster.core.membership().version() == 1)).isTrue();
    assertThat(cluster.all(QuorumOutput.MembershipAdopted.class)).hasSize(2);
    cluster.run(1000);
    // Both of the old set hold it; of the new one nobody.
    assertThat(cluster.replica(1).held(W)).isEqualTo(4);
    assertThat(cluster.replica(2).held(W)).isEqualTo(4);
    assertThat(cluster.core.durable(W)).isZero();

    cluster.cut.clear();
    cluster.cut.add(cluster.replica(0).key());
    cluster.link(fourth);
    cluster.link(fifth);

    assertThat(cluster.until(() -> cluster.core.durable(W) == 4)).isTrue();
    assertThat(cluster.until(() -> fourth.membership == 1 && fifth.membership == 1)).isTrue();
  }

  // ------------------------------------------------------------------ reads

  @ParameterizedTest
  @EnumSource(
      value = Lie.class,
      names = {"FORGED_RECORDS", "DENIES_RECORDS", "SILENT"})
  void aReadIsRightWhoeverLies(Lie lie) {
    for (int liar = 0; liar < 3; liar++) {
      FakeCluster cluster = new FakeCluster(20 + liar, 3, 2);
      List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 6);
      cluster.replicas.forEach(r -> r.founded = true);
      cluster.replicas.forEach(r -> chain.forEach(c -> r.put(c.bytes())));
      cluster.replica(liar).lie = lie;
      cluster.start();
      cluster.run(50);
      for (int i = 0; i < 5; i++) {
        long deadline = cluster.now + 5000 * FakeCluster.MS;
        long one = cluster.core.read(cluster.now, chain.get(i).hash(), true, deadline);
        long many = cluster.core.readRange(cluster.now, W, 1, 6, 1 << 20, deadline);
        cluster.collect();
        int before = 2 * i;
        assertThat(cluster.until(() -> cluster.all(QuorumOutput.Read.class).size() == before + 2))
            .isTrue();
        for (QuorumOutput.Read read :
            cluster.all(QuorumOutput.Read.class).subList(before, before + 2)) {
          assertThat(read.failure()).isNull();
          if (read.ticket() == one) {
            assertThat(read.records()).containsExactly(Blob.of(chain.get(i).bytes()));
          } else {
            assertThat(read.ticket()).isEqualTo(many);
            assertThat(read.records()).isNotEmpty();
            assertThat(read.records())
                .isEqualTo(
                    chain.stream()
                        .map(r -> Blob.of(r.bytes()))
                        .limit(read.records().size())
                        .toList());
          }
        }
      }
    }
  }

  @Test
  void aSlowReplicaCostsNoMoreThanTheHedge() {
    FakeCluster cluster = new FakeCluster(30, 3, 2);
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 3);
    cluster.replicas.forEach(r -> r.founded = true);
    cluster.replicas.forEach(r -> chain.forEach(c -> r.put(c.bytes())));
    cluster.start();
    cluster.run(50);
    cluster.replicas.forEach(r -> cluster.slowMs.put(r.key(), 0L));
    cluster.slowMs.put(cluster.replica(0).key(), 150L);
    cluster.slowMs.put(cluster.replica(1).key(), 150L);
    long begin = cluster.now;
    cluster.core.read(cluster.now, chain.get(1).hash(), true, begin + 5000 * FakeCluster.MS);
    cluster.collect();
    assertThat(cluster.until(() -> !cluster.all(QuorumOutput.Read.class).isEmpty())).isTrue();
    assertThat(cluster.now - begin).isLessThan(100 * FakeCluster.MS);
  }

  @Test
  void absenceIsWhatAQuorumSays() {
    FakeCluster cluster = new FakeCluster(31, 3, 2).start();
    cluster.cut.add(cluster.replica(1).key());
    cluster.cut.add(cluster.replica(2).key());
    assertThat(cluster.until(() -> cluster.replica(0).founded)).isTrue();
    Hash32 nowhere = cluster.chain(W, Role.WORKER, 1).getFirst().hash();
    cluster.core.read(cluster.now, nowhere, true, cluster.now + 700 * FakeCluster.MS);
    cluster.collect();
    cluster.run(500);
    assertThat(cluster.all(QuorumOutput.Read.class)).isEmpty();
    cluster.run(500);
    assertThat(cluster.all(QuorumOutput.Read.class))
        .singleElement()
        .satisfies(r -> assertThat(r.failure()).isInstanceOf(UnavailableException.class));
    cluster.cut.clear();
    assertThat(cluster.until(cluster.core::available)).isTrue();
    cluster.core.read(cluster.now, nowhere, true, cluster.now + 700 * FakeCluster.MS);
    cluster.collect();
    assertThat(cluster.until(() -> cluster.all(QuorumOutput.Read.class).size() == 2)).isTrue();
    QuorumOutput.Read read = cluster.all(QuorumOutput.Read.class).getLast();
    assertThat(read.records()).isEmpty();
    assertThat(read.failure()).isNull();
  }

  // ------------------------------------------------------------------ recovery

  @Test
  void recoveryTakesTheMaximaOfAQuorum() {
    FakeCluster cluster = new FakeCluster(40, 3, 2);
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 9);
    cluster.replicas.forEach(r -> r.founded = true);
    chain.subList(0, 4).forEach(r -> cluster.replica(0).put(r.bytes()));
    chain.subList(0, 6).forEach(r -> cluster.replica(1).put(r.bytes()));
    chain.forEach(r -> cluster.replica(2).put(r.bytes()));
    cluster.cut.add(cluster.replica(0).key());
    cluster.start();
    cluster.core.recoverFrontier(cluster.now);
    cluster.collect();
    assertThat(cluster.until(() -> !cluster.all(QuorumOutput.Recovered.class).isEmpty())).isTrue();
    RecoveredFrontier frontier = cluster.all(QuorumOutput.Recovered.class).getFirst().frontier();
    assertThat(frontier.answered()).hasSize(2);
    assertThat(frontier.writers()).containsExactly(W);
    assertThat(frontier.claims(W).getFirst().head())
        .isEqualTo(new ChainHead(9, chain.getLast().hash()));
    assertThat(frontier.quorumSequence(W, head -> true)).isEqualTo(6);
    // The one that did not answer may hold them with the one that claims them.
    assertThat(frontier.mayBeDurable(W, 9)).isTrue();
  }

  @Test
  void noQuorumNoRecovery() {
    FakeCluster cluster = new FakeCluster(41, 3, 2);
    cluster.cut.add(cluster.replica(0).key());
    cluster.replica(1).lie = Lie.OTHER_KEY;
    cluster.start();
    cluster.core.recoverFrontier(cluster.now);
    cluster.collect();
    cluster.run(3000);
    assertThat(cluster.all(QuorumOutput.Recovered.class)).isEmpty();
    cluster.cut.clear();
    assertThat(cluster.until(() -> !cluster.all(QuorumOutput.Recovered.class).isEmpty())).isTrue();
  }

  @Test
  void anOldFrontierIsNoAnswer() {
    FakeCluster cluster = new FakeCluster(42, 3, 2);
    cluster.replica(0).lie = Lie.OLD_FRONTIER;
    cluster.cut.add(cluster.replica(2).key());
    cluster.start();
    cluster.run(500);
    cluster.core.recoverFrontier(cluster.now);
    cluster.collect();
    cluster.run(2000);
    assertThat(cluster.all(QuorumOutput.Recovered.class)).isEmpty();
  }

  @Test
  void whatIsKnownToBeDurableIsNotLostSilently() {
    FakeCluster cluster = new FakeCluster(43, 3, 2).start();
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 5);
    cluster.core.demand(W, new ChainHead(5, chain.getLast().hash()));
    cluster.core.recoverFrontier(cluster.now);
    cluster.collect();
    assertThat(cluster.until(() -> stopped(cluster))).isTrue();
    assertThat(((IntegrityException) cluster.core.failure()).rejection().reason())
        .isEqualTo(Reason.MISSING_RECORD);
    assertThat(cluster.all(QuorumOutput.Recovered.class)).isEmpty();
  }

  @Test
  void theMetadataAreFoundByTheCapsulesName() {
    FakeCluster cluster = new FakeCluster(44, 3, 2);
    cluster.replicas.forEach(r -> r.founded = true);
    QuorumClientCore core = cluster.core;
    cluster.replicas.forEach(cluster::link);
    assertThat(cluster.until(() -> core.metadata() != null)).isTrue();
    assertThat(cluster.until(core::available)).isTrue();
    assertThat(core.metadata()).isEqualTo(Blob.of(cluster.capsule.signedMetadata));
    assertThat(cluster.all(QuorumOutput.MetadataFound.class)).hasSize(1);
  }

  @Test
  void metadataOfAnotherNameAreRefused() {
    FakeCluster cluster = new FakeCluster(45, 3, 2);
    SampleCapsule other = new SampleCapsule(9999, List.of(), 0);
    assertThatThrownBy(() -> cluster.core.know(1, Blob.of(other.signedMetadata)))
        .isInstanceOf(IntegrityException.class);
    cluster.link(cluster.replica(0));
    cluster.deliver(
        cluster.replica(0).key(),
        new Message.Described(1, Blob.of(other.signedMetadata), List.of()));
    assertThat(cluster.core.metadata()).isNull();
  }

  // ------------------------------------------------------------------ seals

  private static StoredRecord order(SampleCapsule.Chain sealer, SealOrder order) {
    return FakeCluster.stored(sealer.next(RecordType.SEAL, SealOrderCodec.encode(order)));
  }

  @Test
  void aWriterIsSealedAtTheLargestHeadOfAQuorumAndNothingComesAfter() {
    FakeCluster cluster = new FakeCluster(50, 3, 2);
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 9);
    cluster.replicas.forEach(r -> r.founded = true);
    chain.subList(0, 4).forEach(r -> cluster.replica(0).put(r.bytes()));
    chain.subList(0, 6).forEach(r -> cluster.replica(1).put(r.bytes()));
    chain.subList(0, 5).forEach(r -> cluster.replica(2).put(r.bytes()));
    cluster.start();
    try (SampleCapsule.Chain sealer = cluster.capsule.chain(3, Role.COORDINATOR)) {
      cluster.append(List.of(FakeCluster.stored(sealer.first())));
      SealOrder prepare = new SealOrder(SealOrder.Kind.PREPARE, W, 1, ChainHead.NONE);
      long ticket = cluster.core.follow(prepare, new Ballot(1, 3));
      cluster.append(List.of(order(sealer, prepare)));
      assertThat(cluster.until(() -> !cluster.all(QuorumOutput.SealReached.class).isEmpty()))
          .isTrue();
      QuorumOutput.SealReached promised = cluster.all(QuorumOutput.SealReached.class).getFirst();
      assertThat(promised.ticket()).isEqualTo(ticket);
      assertThat(promised.value().sequence()).isGreaterThanOrEqualTo(5);

      SealOrder last = new SealOrder(SealOrder.Kind.FINAL, W, 1, promised.value());
      cluster.core.follow(last, new Ballot(1, 3));
      cluster.append(List.of(order(sealer, last)));
      assertThat(cluster.until(() -> cluster.all(QuorumOutput.SealReached.class).size() == 2))
          .isTrue();
      assertThat(
              cluster.replicas.stream()
                  .filter(r -> r.seal(W).last().equals(promised.value()))
                  .count())
          .isGreaterThanOrEqualTo(2);
      for (FakeReplica replica : cluster.replicas) {
        cluster.replicas.forEach(replica::healFrom);
      }
      cluster.core.append(
          cluster.now,
          false,
          chain.subList((int) promised.value().sequence(), 9),
          cluster.now + 1000 * FakeCluster.MS);
      cluster.collect();
      assertThat(cluster.until(() -> stopped(cluster))).isTrue();
      assertThat(cluster.core.durable(W)).isLessThanOrEqualTo(promised.value().sequence());
      assertThat(((IntegrityException) cluster.core.failure()).rejection().reason())
          .isEqualTo(Reason.SEALED_WRITER);
    }
  }

  /**
   * A replica held a record, and then accepted a final head below it: it is sent nothing more that
   * it could refuse, and nobody tells. Whoever waits asks again, and takes its word for a refusal.
   */
  @Test
  void whoPromisedAfterItsAnswerIsAskedAgain() {
    FakeCluster cluster = new FakeCluster(53, 3, 2);
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 5);
    cluster.start();
    cluster.append(chain.subList(0, 4));
    assertThat(cluster.until(() -> cluster.replicas.stream().allMatch(r -> r.held(W) == 4)))
        .isTrue();
    cluster.unlink(cluster.replica(0));
    cluster.unlink(cluster.replica(2));
    cluster.append(chain.subList(4, 5));
    assertThat(cluster.until(() -> cluster.replica(1).held(W) == 5)).isTrue();
    cluster.run(10);
    try (SampleCapsule.Chain sealer = cluster.capsule.chain(3, Role.COORDINATOR)) {
      StoredRecord fourth = chain.get(3);
      ChainHead last = new ChainHead(fourth.sequence(), fourth.hash());
      List<Blob> orders =
          List.of(
              Blob.of(FakeCluster.stored(sealer.first()).bytes()),
              Blob.of(
                  order(sealer, new SealOrder(SealOrder.Kind.PREPARE, W, 1, ChainHead.NONE))
                      .bytes()),
              Blob.of(order(sealer, new SealOrder(SealOrder.Kind.FINAL, W, 1, last)).bytes()));
      for (int sealed : new int[] {0, 1}) {
        cluster.replica(sealed).handle(new Message.Append(4711, cluster.capsule.name, orders));
        assertThat(cluster.replica(sealed).seal(W).last()).isEqualTo(last);
      }
    }
    // One of three stays away; the link to the other never broke.
    cluster.link(cluster.replica(0));
    assertThat(cluster.until(() -> stopped(cluster))).isTrue();
    assertThat(((IntegrityException) cluster.core.failure()).rejection().reason())
        .isEqualTo(Reason.SEALED_WRITER);
  }

  @Test
  void aHigherBallotOverrules() {
    FakeCluster cluster = new FakeCluster(51, 3, 2);
    cluster.replicas.forEach(r -> r.founded = true);
    List<StoredRecord> chain = cluster.chain(W, Role.WORKER, 3);
    cluster.replicas.forEach(r -> chain.forEach(c -> r.put(c.bytes())));
    cluster.start();
    try (SampleCapsule.Chain high = cluster.capsule.chain(4, Role.COORDINATOR);
        SampleCapsule.Chain low = cluster.capsule.chain(3, Role.COORDINATOR)) {
      SealOrder second = new SealOrder(SealOrder.Kind.PREPARE, W, 2, ChainHead.NONE);
      cluster.append(List.of(FakeCluster.stored(high.first()), order(high, second)));
      assertThat(cluster.until(() -> cluster.core.durable(4) == 2)).isTrue();
      cluster.run(50);
      SealOrder first = new SealOrder(SealOrder.Kind.PREPARE, W, 1, ChainHead.NONE);
      cluster.core.follow(first, new Ballot(1, 3));
      cluster.append(List.of(FakeCluster.stored(low.first()), order(low, first)));
      assertThat(cluster.until(() -> !cluster.all(QuorumOutput.SealOverruled.class).isEmpty()))
          .isTrue();
      assertThat(cluster.all(QuorumOutput.SealOverruled.class).getFirst().beyond())
          .isEqualTo(new Ballot(2, 4));
    }
  }

  // ------------------------------------------------------------------ release

  @Test
  void releasesReachEveryReplicaOnce() {
    FakeCluster cluster = new FakeCluster(60, 3, 2).start();
    assertThat(cluster.until(cluster.core::available)).isTrue();
    cluster.core.release(cluster.now, 9, 4, List.of(new Checkpoint.Range(W, 1, 3)));
    cluster.collect();
    assertThat(cluster.until(() -> cluster.replicas.stream().allMatch(r -> r.released.size() == 1)))
        .isTrue();
    cluster.run(3000);
    assertThat(cluster.replicas).allMatch(r -> r.released.size() == 1);
  }

  @Test
  void theSameSeedDoesTheSame() {
    for (int i = 0; i < 2; i++) {
      FakeCluster one = storm(i);
      FakeCluster other = storm(i);
      assertThat(one.now).isEqualTo(other.now);
      assertThat(one.core.stats()).isEqualTo(other.core.stats());
    }
  }

  private static FakeCluster storm(long seed) {
    FakeCluster cluster = new FakeCluster(70 + seed, 3, 2);
    cluster.lossPercent = 20;
    cluster.start();
    cluster.append(cluster.chain(W, Role.WORKER, 30));
    assertThat(cluster.until(() -> cluster.core.durable(W) == 30)).isTrue();
    return cluster;
  }
}
