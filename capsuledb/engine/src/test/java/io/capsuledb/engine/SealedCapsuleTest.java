package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SimRecordStore;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** What SEAL and EVIDENCE records mean to the engine and to fsck; on capsules made by hand. */
class SealedCapsuleTest {

  private static final Secp256k1 CURVE = Secp256k1.best();
  private static final long WORKER = 0x1111L;
  private static final long LEADER = 0x5555L;

  /** A capsule on a node's store, whose chains are written by hand. */
  private static final class Hand implements AutoCloseable {
    final Node node;
    final ApplicationKey application;
    final CapsuleName name;
    final KeyRing keys;
    final Map<Long, RecordSealer> sealers = new TreeMap<>();
    final Map<Long, List<CapsuleRecord>> chains = new TreeMap<>();
    long lamport;

    Hand(long seed) {
      node = Node.tiny(seed);
      application = node.owner.application(0, 0);
      name = MetadataCodec.nameOf(node.store.metadata());
      keys = new KeyRing(name, List.of(application));
    }

    @Override
    public void close() {
      sealers.values().forEach(RecordSealer::close);
      keys.close();
    }

    RecordSealer sealer(long writer) {
      try (SecretBytes dataKey = keys.dataKey(0, writer)) {
        return new RecordSealer(
            name, 0, writer, application.writerPrivateKey(writer), dataKey, CURVE);
      }
    }

    CapsuleRecord introduce(long writer, Role role) {
      sealers.put(writer, sealer(writer));
      return append(
          writer,
          RecordType.ROSTER,
          RosterCodec.encode(
              name,
              0,
              List.of(new RosterEntry(writer, application.writerPublicKey(writer), role, 0)),
              application::sign));
    }

    CapsuleRecord append(long writer, RecordType type, byte[] payload) {
      lamport += 10;
      CapsuleRecord record =
          sealers.get(writer).seal(type, 0, lamport, List.of(), payload, 0, payload.length);
      store(record);
      return record;
    }

    void store(CapsuleRecord record) {
      node.store.append(
          List.of(
              new StoredRecord(
                  record.header().writer(),
                  record.header().sequence(),
                  record.hash(),
                  record.bytes())));
      chains.computeIfAbsent(record.header().writer(), w -> new ArrayList<>()).add(record);
    }

    CapsuleRecord put(long writer, String key, String value) {
      BatchCodec batch = new BatchCodec();
      batch.put(Node.bytes(key), ValueType.STRING, Node.bytes(value), 0);
      byte[] encoded = java.util.Arrays.copyOf(batch.encoded(), batch.length());
      return append(writer, RecordType.DATA, encoded);
    }

    ChainHead head(long writer, long sequence) {
      return sequence == 0
          ? ChainHead.NONE
          : new ChainHead(sequence, chains.get(writer).get((int) sequence - 1).hash());
    }

    CapsuleRecord order(long sealer, SealOrder.Kind kind, long writer, long term, ChainHead last) {
      return append(
          sealer, RecordType.SEAL, SealOrderCodec.encode(new SealOrder(kind, writer, term, last)));
    }

    CapsuleRecord seal(long sealer, long writer, long term, ChainHead last) {
      order(sealer, SealOrder.Kind.PREPARE, writer, term, ChainHead.NONE);
      return order(sealer, SealOrder.Kind.FINAL, writer, term, last);
    }

    List<String> problems() {
      return node.fsck().problems().stream()
          .map(p -> p.where() + " " + p.rejection().reason())
          .toList();
    }
  }

  private static String problem(long writer, long sequence, Reason reason) {
    return CapsuleRecord.describe(writer, sequence) + " " + reason;
  }

  /**
   * Workers put a key of their own with each record; two leaders seal some of them, and the second
   * one maybe the first. What is read, at once and after flushes and restarts, is what is up to the
   * final heads, and fsck names every chain that goes on.
   */
  @Property(tries = 40)
  void nothingIsReadBeyondAFinalHead(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Hand hand = new Hand(Math.floorMod(seed, 1_000_000))) {
      int workers = 1 + random.nextInt(4);
      for (int w = 1; w <= workers; w++) {
        hand.introduce(w, Role.WORKER);
        int length = random.nextInt(6);
        for (int i = 2; i < 2 + length; i++) {
          hand.put(w, w + "-" + i, "v".repeat(random.nextInt(300)));
        }
      }
      Map<Long, Long> first = new HashMap<>();
      Map<Long, Long> orders = new HashMap<>();
      Map<Long, Long> ends = new TreeMap<>();
      hand.introduce(LEADER, Role.LEADER);
      for (long w = 1; w <= workers; w++) {
        if (random.nextBoolean()) {
          first.put(w, (long) random.nextInt(hand.chains.get(w).size() + 1));
          orders.put(w, hand.seal(LEADER, w, 1, hand.head(w, first.get(w))).header().sequence());
        }
      }
      long leaderEnd = Long.MAX_VALUE;
      if (random.nextBoolean()) {
        hand.introduce(LEADER + 1, Role.COORDINATOR);
        if (random.nextBoolean()) {
          leaderEnd = random.nextInt(hand.chains.get(LEADER).size() + 1);
          hand.seal(LEADER + 1, LEADER, 2, hand.head(LEADER, leaderEnd));
          ends.put(LEADER, leaderEnd);
        }
        for (long w = 1; w <= workers; w++) {
          if (random.nextInt(3) == 0) {
            ends.put(w, (long) random.nextInt(hand.chains.get(w).size() + 1));
            hand.seal(LEADER + 1, w, 2, hand.head(w, ends.get(w)));
          }
        }
      }
      for (long w : first.keySet()) {
        if (orders.get(w) <= leaderEnd) {
          ends.putIfAbsent(w, first.get(w));
        }
      }
      List<String> expected = new ArrayList<>();
      ends.forEach(
          (writer, end) -> {
            if (end < hand.chains.get(writer).size()) {
              expected.add(problem(writer, end + 1, Reason.SEALED_WRITER));
            }
          });
      assertThat(hand.problems()).containsExactlyInAnyOrderElementsOf(expected);
      for (int life = 0; life < 3; life++) {
        try (CapsuleDb db = hand.node.open()) {
          for (long w = 1; w <= workers; w++) {
            for (long i = 2; i <= hand.chains.get(w).size(); i++) {
              assertThat(db.get(Node.bytes(w + "-" + i)).found())
                  .as("record %s of %s in life %s", i, w, life)
                  .isEqualTo(i <= ends.getOrDefault(w, Long.MAX_VALUE));
            }
          }
          // So much that the memtable is flushed, and a manifest covers the sealed chains.
          for (int i = 0; i < 40; i++) {
            Node.put(db, "more-" + life + "-" + i, "x".repeat(200));
          }
          hand.node.scheduler.run();
        }
        assertThat(hand.problems()).containsExactlyInAnyOrderElementsOf(expected);
      }
      // A copy has what counts, and nothing else.
      SimRecordStore copy = SimRecordStore.create();
      new CapsuleCopy(hand.node.store, copy, CURVE, (done, total, bytes) -> {})
          .run(null, false, heads -> {});
      assertThat(
              new CapsuleVerifier(copy, CURVE, hand.keys, (done, total) -> {})
                  .verify(hand.name)
                  .problems())
          .isEmpty();
      TreeSet<Long> gone = new TreeSet<>();
      ends.forEach((writer, end) -> gone.addAll(end == 0 ? List.of(writer) : List.of()));
      for (long writer : copy.writers()) {
        assertThat(gone).doesNotContain(writer);
      }
    }
  }

  @Test
  void anotherRecordAtTheFinalHeadIsAProblem() {
    try (Hand hand = new Hand(1)) {
      hand.introduce(WORKER, Role.WORKER);
      hand.put(WORKER, "a", "1");
      hand.introduce(LEADER, Role.LEADER);
      Hash32 another = hand.head(WORKER, 1).hash();
      hand.seal(LEADER, WORKER, 1, new ChainHead(2, another));
      assertThat(hand.problems()).containsExactly(problem(WORKER, 2, Reason.PREVIOUS_HASH));
      assertThatThrownBy(hand.node::open)
          .isInstanceOf(IntegrityException.class)
          .hasMessageContaining("final head 2");
    }
  }

  @Test
  void aRecordThatIsMissingBelowTheFinalHeadIsAProblem() {
    try (Hand hand = new Hand(2)) {
      hand.introduce(WORKER, Role.WORKER);
      hand.put(WORKER, "a", "1");
      hand.put(WORKER, "b", "2");
      ChainHead third = hand.head(WORKER, 3);
      hand.introduce(LEADER, Role.LEADER);
      hand.seal(LEADER, WORKER, 1, third);
      assertThat(hand.problems()).isEmpty();
      hand.node.disk.lose(WORKER, 3);
      assertThat(hand.problems()).contains(problem(WORKER, 3, Reason.MISSING_RECORD));
      assertThatThrownBy(hand.node::open).isInstanceOf(IntegrityException.class);
    }
  }

  @Test
  void onlyWhoMaySealSeals() {
    try (Hand hand = new Hand(3)) {
      hand.introduce(WORKER, Role.WORKER);
      hand.put(WORKER, "a", "1");
      hand.introduce(0x6666, Role.WORKER);
      hand.order(0x6666, SealOrder.Kind.PREPARE, WORKER, 1, ChainHead.NONE);
      hand.order(0x6666, SealOrder.Kind.FINAL, WORKER, 1, hand.head(WORKER, 1));
      assertThat(hand.problems())
          .containsExactly(problem(0x6666, 2, Reason.ROLE), problem(0x6666, 3, Reason.ROLE));
      assertThatThrownBy(hand.node::open)
          .isInstanceOf(IntegrityException.class)
          .hasMessageContaining("SEAL of a WORKER");
    }
  }

  @Test
  void ballotsOfASealerRise() {
    try (Hand hand = new Hand(4)) {
      hand.introduce(WORKER, Role.WORKER);
      ChainHead head = hand.head(WORKER, 1);
      hand.introduce(LEADER, Role.LEADER);
      hand.seal(LEADER, WORKER, 5, head);
      // In this order: twice final, an older term, no promise, and sealing oneself.
      hand.order(LEADER, SealOrder.Kind.FINAL, WORKER, 5, head);
      hand.order(LEADER, SealOrder.Kind.PREPARE, WORKER, 4, ChainHead.NONE);
      hand.order(LEADER, SealOrder.Kind.FINAL, WORKER, 6, head);
      hand.order(LEADER, SealOrder.Kind.PREPARE, LEADER, 7, ChainHead.NONE);
      hand.order(LEADER, SealOrder.Kind.FINAL, LEADER, 7, hand.head(LEADER, 1));
      hand.append(LEADER, RecordType.SEAL, new byte[10]);
      assertThat(hand.problems())
          .containsExactly(
              problem(LEADER, 4, Reason.FIELD_OUT_OF_RANGE),
              problem(LEADER, 5, Reason.FIELD_OUT_OF_RANGE),
              problem(LEADER, 6, Reason.FIELD_OUT_OF_RANGE),
              problem(LEADER, 8, Reason.ROLE),
              problem(LEADER, 9, Reason.TRUNCATED));
    }
  }

  @Test
  void evidenceIsReadAndChecked() {
    try (Hand hand = new Hand(5);
        RecordSealer twin = hand.sealer(WORKER)) {
      CapsuleRecord first = hand.introduce(WORKER, Role.WORKER);
      twin.seal(RecordType.ROSTER, 0, 10, List.of(), first.payload(), 0, first.payload().length);
      CapsuleRecord one = hand.put(WORKER, "a", "1");
      CapsuleRecord two = twin.seal(RecordType.DATA, 0, 25, List.of(), new byte[9], 0, 9);
      byte[] proof =
          EquivocationProof.of(one, two, hand.application.writerPublicKey(WORKER), CURVE).encode();
      hand.introduce(LEADER, Role.LEADER);
      hand.append(LEADER, RecordType.EVIDENCE, proof);
      byte[] ofReplica = {1, 2, 0, 0, 3, 0, 0, 0, 9, 9, 9, 8, 8};
      hand.append(WORKER, RecordType.EVIDENCE, ofReplica);
      assertThat(hand.problems()).isEmpty();
      try (CapsuleDb db = hand.node.open()) {
        assertThat(Node.get(db, "a")).isEqualTo("1");
      }

      byte[] forged = proof.clone();
      forged[forged.length - 1] ^= 1;
      hand.append(LEADER, RecordType.EVIDENCE, forged);
      hand.append(LEADER, RecordType.EVIDENCE, new byte[] {1, 2, 0, 0, 9, 0, 0, 0, 9});
      hand.append(LEADER, RecordType.EVIDENCE, new byte[] {1, 3, 0, 0, 0, 0, 0, 0});
      assertThat(hand.problems())
          .containsExactlyInAnyOrder(
              problem(LEADER, 4, Reason.TRUNCATED),
              problem(LEADER, 5, Reason.UNKNOWN_TYPE),
              problem(LEADER, 3, Reason.SIGNATURE));
    }
  }
}
