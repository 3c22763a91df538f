package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What statements show to be durable is never beyond a final head, however sealers interfere: an
 * honest writer, honest replicas and sealers, and statements of all times in one pile.
 */
class DurabilityPropertyTest {

  private static final Hash32 SOME = Samples.hash(new Random(1));
  private static final List<PublicKey> KEYS = Samples.keys(Samples.replicas(5));

  private static Membership membership(int replicas) {
    return new Membership(
        new CapsuleName(Hash32.ZERO),
        0,
        Hash32.ZERO,
        new ReplicaSet(KEYS.subList(0, replicas), replicas / 2 + 1),
        ReplicaSet.EMPTY);
  }

  private static ChainHead head(int sequence) {
    return sequence == 0 ? ChainHead.NONE : new ChainHead(sequence, SOME);
  }

  /** One replica's state on one writer. */
  private static final class Replica {
    int head;
    SealState seal = SealState.OPEN;

    Statement.Entry entry() {
      return new Statement.Entry(1, head(head), seal);
    }

    void append() {
      if (head < seal.limit()) {
        head++;
      }
    }

    boolean prepare(Ballot ballot) {
      if (ballot.compareTo(seal.promised()) <= 0) {
        return false;
      }
      seal = new SealState(ballot, head(head), seal.accepted(), seal.last());
      return true;
    }

    void accept(Ballot ballot, int last) {
      if (ballot.compareTo(seal.promised()) >= 0) {
        seal = new SealState(ballot, seal.head(), ballot, head(last));
        head = Math.min(head, last);
      }
    }
  }

  /** One attempt to seal. */
  private static final class Attempt {
    final Map<Integer, SealState> answers = new HashMap<>();
    int last = -1;

    /** The value that Paxos allows. */
    void decide() {
      SealState highest = SealState.OPEN;
      long most = 0;
      for (SealState answer : answers.values()) {
        highest = answer.accepted().compareTo(highest.accepted()) > 0 ? answer : highest;
        most = Math.max(most, answer.head().sequence());
      }
      last = (int) (highest.isFinal() ? highest.last().sequence() : most);
    }
  }

  /** All that happened, and what was said: for each replica and accepted ballot the best head. */
  private static final class World {
    final Membership membership;
    final List<Replica> replicas = new ArrayList<>();
    final TreeMap<Ballot, Attempt> attempts = new TreeMap<>();
    final List<Map<Ballot, Statement.Entry>> said = new ArrayList<>();

    World(int size) {
      membership = membership(size);
      for (int i = 0; i < size; i++) {
        replicas.add(new Replica());
        said.add(new TreeMap<>());
      }
    }

    void step(Random random) {
      int index = random.nextInt(replicas.size());
      Replica replica = replicas.get(index);
      Ballot ballot = new Ballot(random.nextLong(1, 4), random.nextLong(1, 3));
      switch (random.nextInt(5)) {
        case 0 -> {
          Attempt attempt = attempts.computeIfAbsent(ballot, b -> new Attempt());
          if (attempt.last < 0 && replica.prepare(ballot)) {
            attempt.answers.put(index, replica.seal);
            if (attempt.answers.size() >= membership.current().quorum()) {
              attempt.decide();
            }
          }
        }
        case 1, 2 -> {
          Attempt attempt = attempts.get(ballot);
          if (attempt != null && attempt.last >= 0) {
            replica.accept(ballot, attempt.last);
          }
        }
        default -> replica.append();
      }
      said.get(index)
          .merge(
              replica.seal.accepted(),
              replica.entry(),
              (a, b) -> a.head().sequence() > b.head().sequence() ? a : b);
    }

    /** The last record that some choice of statements shows to be durable. */
    int durable() {
      int durable = 0;
      TreeMap<Ballot, Boolean> ballots = new TreeMap<>();
      said.forEach(byBallot -> byBallot.keySet().forEach(b -> ballots.put(b, true)));
      for (Ballot ballot : ballots.keySet()) {
        Map<PublicKey, Statement.Entry> entries = new HashMap<>();
        for (int i = 0; i < said.size(); i++) {
          Statement.Entry entry = said.get(i).get(ballot);
          // Statements of other ballots in the pile change nothing.
          entry = entry == null && !said.get(i).isEmpty() ? any(said.get(i)) : entry;
          if (entry != null) {
            entries.put(KEYS.get(i), entry);
          }
        }
        while (Durability.isDurable(membership, entries, durable + 1L)) {
          durable++;
        }
      }
      return durable;
    }

    /** What counting distinct replicas would say. */
    int naivelyDurable() {
      List<Long> heads =
          said.stream()
              .map(
                  byBallot ->
                      byBallot.values().stream()
                          .mapToLong(e -> e.head().sequence())
                          .max()
                          .orElse(0))
              .sorted()
              .toList();
      return heads.get(heads.size() - membership.current().quorum()).intValue();
    }

    private static Statement.Entry any(Map<Ballot, Statement.Entry> byBallot) {
      return byBallot.values().iterator().next();
    }

    /** The final head that a quorum has accepted in one ballot, or the largest number. */
    int chosen() {
      int chosen = Integer.MAX_VALUE;
      for (Map.Entry<Ballot, Attempt> attempt : attempts.entrySet()) {
        long accepted =
            said.stream().filter(byBallot -> byBallot.containsKey(attempt.getKey())).count();
        if (accepted >= membership.current().quorum()) {
          assertThat(chosen).isIn(Integer.MAX_VALUE, attempt.getValue().last);
          chosen = attempt.getValue().last;
        }
      }
      return chosen;
    }
  }

  private static World world(long seed) {
    Random random = new Random(seed);
    World world = new World(random.nextBoolean() ? 3 : 5);
    int steps = 20 + random.nextInt(100);
    for (int i = 0; i < steps; i++) {
      world.step(random);
    }
    return world;
  }

  private static void assertNothingDurableIsLost(long seed) {
    World world = world(seed);
    assertThat(world.durable()).isLessThanOrEqualTo(world.chosen());
  }

  @Property(tries = 20_000)
  void nothingDurableIsBeyondTheFinalHead(@ForAll long seed) {
    assertNothingDurableIsLost(seed);
  }

  @Property(tries = 2_000_000)
  @Tag("long")
  void nothingDurableIsBeyondTheFinalHeadInManyWorlds(@ForAll long seed) {
    assertNothingDurableIsLost(seed);
  }

  /** The worlds include those in which counting replicas, whatever they accepted, would lose. */
  @Test
  void countingReplicasWouldLose() {
    int lost = 0;
    int durable = 0;
    for (long seed = 0; seed < 20_000; seed++) {
      World world = world(seed);
      lost += world.naivelyDurable() > world.chosen() ? 1 : 0;
      durable += world.durable() > 0 && world.chosen() < Integer.MAX_VALUE ? 1 : 0;
    }
    assertThat(lost).isPositive();
    assertThat(durable).isGreaterThan(1000);
  }

  /** The example in the documentation. */
  @Test
  void aMixtureShowsNothing() {
    Ballot two = new Ballot(2, 1);
    Map<PublicKey, Statement.Entry> entries = new HashMap<>();
    entries.put(
        KEYS.get(0), new Statement.Entry(1, head(7), new SealState(two, head(3), two, head(7))));
    entries.put(KEYS.get(3), new Statement.Entry(1, head(7), SealState.OPEN));
    entries.put(KEYS.get(4), new Statement.Entry(1, head(7), SealState.OPEN));
    assertThat(Durability.isDurable(membership(5), entries, 7)).isFalse();
    entries.put(
        KEYS.get(1),
        new Statement.Entry(1, head(8), new SealState(two, head(8), Ballot.NONE, ChainHead.NONE)));
    assertThat(Durability.isDurable(membership(5), entries, 7)).isTrue();
    assertThat(Durability.isDurable(membership(5), entries, 8)).isFalse();
  }

  /** Who accepted a final head and does not hold it yet may hold another branch below it. */
  @Test
  void underAFinalHeadOnlyTheWholeChainCounts() {
    Ballot one = new Ballot(1, 1);
    SealState sealed = new SealState(one, head(3), one, head(7));
    Map<PublicKey, Statement.Entry> entries = new HashMap<>();
    for (int i = 0; i < 3; i++) {
      entries.put(KEYS.get(i), new Statement.Entry(1, head(7), sealed));
    }
    for (int sequence = 1; sequence <= 7; sequence++) {
      assertThat(Durability.isDurable(membership(5), entries, sequence)).isTrue();
    }
    entries.put(KEYS.get(2), new Statement.Entry(1, head(5), sealed));
    for (int sequence = 1; sequence <= 7; sequence++) {
      assertThat(Durability.isDurable(membership(5), entries, sequence)).isFalse();
    }
  }

  /** While members change, as many of the old ones hold it as of the new ones, counted by hand. */
  @Property(tries = 500)
  void aJointMembershipTakesAQuorumOfEachSet(@ForAll long seed) {
    Random random = new Random(seed);
    List<PublicKey> keys = new ArrayList<>(KEYS);
    Collections.shuffle(keys, random);
    int fresh = 1 + random.nextInt(4);
    int overlap = random.nextInt(Math.min(fresh, 2) + 1);
    List<PublicKey> current = keys.subList(0, fresh);
    List<PublicKey> outgoing = keys.subList(fresh - overlap, KEYS.size());
    if (outgoing.isEmpty()) {
      return;
    }
    Membership joint =
        new Membership(
            new CapsuleName(Hash32.ZERO),
            1,
            SOME,
            new ReplicaSet(current, current.size() / 2 + 1),
            new ReplicaSet(outgoing, outgoing.size() / 2 + 1));
    Map<PublicKey, Statement.Entry> entries = new HashMap<>();
    for (PublicKey key : keys) {
      if (random.nextInt(3) > 0) {
        entries.put(key, new Statement.Entry(1, head(random.nextInt(4)), SealState.OPEN));
      }
    }
    for (int sequence = 1; sequence <= 3; sequence++) {
      int of = sequence;
      long now =
          current.stream()
              .filter(k -> entries.containsKey(k) && entries.get(k).head().sequence() >= of)
              .count();
      long before =
          outgoing.stream()
              .filter(k -> entries.containsKey(k) && entries.get(k).head().sequence() >= of)
              .count();
      assertThat(Durability.isDurable(joint, entries, sequence))
          .as("%d of %s, %d of %s", now, current, before, outgoing)
          .isEqualTo(2 * now > current.size() && 2 * before > outgoing.size());
    }
  }

  @Test
  void aJointMembershipNeedsBothAndNobodyIsNoQuorum() {
    Membership joint =
        new Membership(
            new CapsuleName(Hash32.ZERO),
            1,
            SOME,
            new ReplicaSet(KEYS.subList(0, 3), 2),
            new ReplicaSet(KEYS.subList(2, 5), 2));
    Map<PublicKey, Statement.Entry> entries = new HashMap<>();
    Statement.Entry holds = new Statement.Entry(1, head(7), SealState.OPEN);
    entries.put(KEYS.get(0), holds);
    entries.put(KEYS.get(1), holds);
    assertThat(Durability.isDurable(joint, entries, 7)).isFalse();
    entries.put(KEYS.get(2), holds);
    assertThat(Durability.isDurable(joint, entries, 7)).isFalse();
    entries.put(KEYS.get(4), holds);
    assertThat(Durability.isDurable(joint, entries, 7)).isTrue();
    Membership nobody =
        new Membership(
            new CapsuleName(Hash32.ZERO), 0, Hash32.ZERO, ReplicaSet.EMPTY, ReplicaSet.EMPTY);
    assertThat(Durability.isDurable(nobody, entries, 7)).isFalse();
  }
}
