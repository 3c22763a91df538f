package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Statement.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import org.junit.jupiter.api.Test;

/** Whoever keeps the rules is never convicted; whoever lies in these ways is. */
class ContradictionPropertyTest {

  private static final Samples.Replica REPLICA = new Samples.Replica(1);
  private static final CapsuleName CAPSULE = new CapsuleName(Samples.hash(new Random(5)));
  private static final PublicKey ANYBODY = REPLICA.key;

  private static List<Statement> history(HonestReplica replica, Random random, int steps) {
    List<Statement> said = new ArrayList<>();
    for (int i = 0; i < steps; i++) {
      replica.step();
      if (random.nextInt(3) == 0) {
        said.add(replica.say());
      }
    }
    return said;
  }

  private static List<Statement> history(long seed, int steps) {
    Random random = new Random(seed);
    return history(new HonestReplica(CAPSULE, REPLICA.key, random), random, steps);
  }

  private static void assertHonest(List<Statement> said) {
    for (Statement statement : said) {
      // The format takes all an honest replica says.
      StatementCodec.encode(statement, digest -> new byte[64]);
    }
    for (int later = 0; later < said.size(); later++) {
      for (int earlier = 0; earlier <= later; earlier++) {
        assertThat(ContradictionProof.contradiction(said.get(earlier), said.get(later)))
            .as("%s%n%s", said.get(earlier), said.get(later))
            .isNull();
      }
    }
  }

  @Property(tries = 3000)
  void theHonestAreNeverConvicted(@ForAll long seed) {
    assertHonest(history(seed, 120));
  }

  @Property(tries = 200_000)
  @Tag("long")
  void theHonestAreNeverConvictedInManyHistories(@ForAll long seed) {
    assertHonest(history(seed, 120));
  }

  /** The model does what makes the rules hard: it drops what a later final head brings back. */
  @Test
  void theHonestDropAndFetchAgain() {
    int drops = 0;
    int lowerThoughFinalIsHigher = 0;
    for (long seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      HonestReplica replica = new HonestReplica(CAPSULE, REPLICA.key, random);
      List<Statement> said = history(replica, random, 120);
      drops += replica.drops();
      for (int later = 0; later < said.size(); later++) {
        for (int earlier = 0; earlier < later; earlier++) {
          lowerThoughFinalIsHigher += lowerThoughFinalIsHigher(said.get(earlier), said.get(later));
        }
      }
    }
    assertThat(drops).isGreaterThan(300);
    assertThat(lowerThoughFinalIsHigher).isGreaterThan(100);
  }

  private static int lowerThoughFinalIsHigher(Statement earlier, Statement later) {
    int count = 0;
    for (Statement.Entry before : earlier.entries()) {
      Statement.Entry after = later.entry(before.writer());
      count +=
          earlier.incarnation() == later.incarnation()
                  && after != null
                  && after.seal().isFinal()
                  && after.head().sequence() < before.head().sequence()
                  && before.head().sequence() <= after.seal().last().sequence()
              ? 1
              : 0;
    }
    return count;
  }

  // ------------------------------------------------------------------ lies

  private static Statement with(Statement statement, int index, Statement.Entry entry) {
    List<Statement.Entry> entries = new ArrayList<>(statement.entries());
    entries.set(index, entry);
    return with(statement, entries);
  }

  private static Statement with(Statement statement, List<Statement.Entry> entries) {
    return new Statement(
        statement.kind(),
        statement.capsule(),
        statement.replica(),
        statement.membership(),
        statement.incarnation(),
        statement.number(),
        statement.nonce(),
        entries);
  }

  private static boolean convicts(Statement earlier, Statement later) {
    return ContradictionProof.contradiction(earlier, later) != null;
  }

  /** While no final head was accepted, every step back and every other record is seen. */
  @Property(tries = 1000)
  void lyingAboutAnOpenWriterConvicts(@ForAll long seed) {
    Random random = new Random(seed);
    List<Statement> said = history(seed, 60);
    for (int l = 1; l < said.size(); l++) {
      Statement later = said.get(l);
      Statement earlier = said.get(random.nextInt(l));
      if (later.incarnation() != earlier.incarnation()) {
        continue;
      }
      for (int i = 0; i < later.entries().size(); i++) {
        Statement.Entry after = later.entries().get(i);
        Statement.Entry before = earlier.entry(after.writer());
        if (before == null || before.head().sequence() == 0 || after.seal().isFinal()) {
          continue;
        }
        ChainHead lower = Samples.head(random.nextLong(before.head().sequence()), random);
        ChainHead other = Samples.head(before.head().sequence(), random);
        for (ChainHead lie : List.of(lower, other)) {
          assertThat(
                  convicts(
                      earlier,
                      with(later, i, new Statement.Entry(after.writer(), lie, after.seal()))))
              .isTrue();
        }
        if (later.kind() == Kind.FRONTIER) {
          List<Statement.Entry> hidden = new ArrayList<>(later.entries());
          hidden.remove(i);
          assertThat(convicts(earlier, with(later, hidden))).isTrue();
        }
      }
    }
  }

  private static final Random RANDOM = new Random(11);
  private static final ChainHead THREE = Samples.head(3, RANDOM);
  private static final ChainHead FIVE = Samples.head(5, RANDOM);
  private static final ChainHead OTHER_FIVE = Samples.head(5, RANDOM);
  private static final ChainHead SEVEN = Samples.head(7, RANDOM);
  private static final ChainHead NONE = ChainHead.NONE;
  private static final Ballot B1 = new Ballot(1, 4);
  private static final Ballot B2 = new Ballot(2, 3);
  private static final Ballot B3 = new Ballot(2, 4);

  private static Statement says(long number, Kind kind, ChainHead head, SealState seal) {
    return new Statement(
        kind,
        CAPSULE,
        REPLICA.key,
        3,
        77,
        number,
        Hash32.ZERO,
        List.of(new Statement.Entry(9, head, seal)));
  }

  private static SealState promised(Ballot ballot, ChainHead head) {
    return new SealState(ballot, head, Ballot.NONE, NONE);
  }

  private static SealState accepted(Ballot ballot, ChainHead last) {
    return new SealState(ballot, THREE, ballot, last);
  }

  /** What it says first and what it says then. */
  private record Pair(String what, ChainHead head, SealState seal, ChainHead then, SealState is) {}

  private static final List<Pair> LIES =
      List.of(
          new Pair("lower head", FIVE, SealState.OPEN, THREE, SealState.OPEN),
          new Pair("nothing held", FIVE, SealState.OPEN, NONE, SealState.OPEN),
          new Pair("another record", FIVE, SealState.OPEN, OTHER_FIVE, SealState.OPEN),
          new Pair("lower head promised", FIVE, SealState.OPEN, THREE, promised(B1, THREE)),
          new Pair(
              "other head promised", FIVE, SealState.OPEN, OTHER_FIVE, promised(B1, OTHER_FIVE)),
          new Pair("promise forgotten", FIVE, promised(B1, FIVE), FIVE, SealState.OPEN),
          new Pair("promise lowered", FIVE, promised(B2, FIVE), FIVE, promised(B1, FIVE)),
          new Pair("took more than promised", THREE, promised(B1, THREE), FIVE, promised(B1, FIVE)),
          new Pair(
              "took more, promised anew", THREE, promised(B1, THREE), FIVE, promised(B2, FIVE)),
          new Pair("promised at another", FIVE, promised(B1, FIVE), FIVE, promised(B2, OTHER_FIVE)),
          new Pair("final head forgotten", FIVE, accepted(B1, FIVE), FIVE, promised(B2, FIVE)),
          new Pair("final head changed", THREE, accepted(B1, FIVE), THREE, accepted(B1, SEVEN)),
          new Pair(
              "other final record", THREE, accepted(B1, FIVE), THREE, accepted(B1, OTHER_FIVE)),
          new Pair("final head dropped", FIVE, accepted(B1, FIVE), THREE, accepted(B1, FIVE)),
          new Pair(
              "final head dropped, promised anew",
              FIVE,
              accepted(B1, FIVE),
              THREE,
              new SealState(B3, THREE, B1, FIVE)));

  private static final List<Pair> TRUTHS =
      List.of(
          new Pair("sealed below", FIVE, SealState.OPEN, THREE, accepted(B1, THREE)),
          new Pair("sealed at nothing", FIVE, SealState.OPEN, NONE, accepted(B1, NONE)),
          // Final head 3 of a lower ballot was accepted in between.
          new Pair("dropped, to be fetched", FIVE, SealState.OPEN, THREE, accepted(B2, FIVE)),
          new Pair("same, promised", FIVE, promised(B1, FIVE), THREE, accepted(B2, FIVE)),
          new Pair("a fork", OTHER_FIVE, accepted(B1, SEVEN), THREE, accepted(B1, SEVEN)),
          new Pair("a fork of one", OTHER_FIVE, SealState.OPEN, FIVE, accepted(B1, FIVE)),
          new Pair("final, filled", THREE, accepted(B1, FIVE), FIVE, accepted(B1, FIVE)),
          // It was of a fork of final head 7, of the lower ballot; then final head 5 brought it
          // back.
          new Pair(
              "a fork, to be fetched again",
              FIVE,
              new SealState(B2, FIVE, B1, SEVEN),
              THREE,
              accepted(B2, FIVE)),
          new Pair("another ballot", THREE, accepted(B1, THREE), FIVE, accepted(B2, FIVE)),
          // A quorum said that it had accepted that.
          new Pair(
              "learned against its promise",
              FIVE,
              promised(B3, FIVE),
              FIVE,
              new SealState(B3, FIVE, B2, FIVE)),
          // It learned of a lower ballot with final head 3, or of a fork; then this one brought the
          // dropped records back.
          new Pair("promised head dropped", FIVE, promised(B2, FIVE), THREE, accepted(B2, FIVE)));

  @Test
  void liesConvictAndTruthsDoNot() {
    for (Kind kind : Kind.values()) {
      for (Pair pair : LIES) {
        Statement first = says(4, kind, pair.head, pair.seal);
        assertThat(convicts(first, says(5, kind, pair.then, pair.is))).as(pair.what).isTrue();
      }
      for (Pair pair : TRUTHS) {
        Statement first = says(4, kind, pair.head, pair.seal);
        assertThat(convicts(first, says(5, kind, pair.then, pair.is))).as(pair.what).isFalse();
      }
    }
  }

  @Test
  void numbersMembershipsAndIncarnations() {
    Statement first = says(4, Kind.HELD, FIVE, SealState.OPEN);
    assertThat(convicts(first, first)).isFalse();
    assertThat(convicts(first, says(4, Kind.HELD, SEVEN, SealState.OPEN))).isTrue();
    assertThat(convicts(first, says(4, Kind.FRONTIER, FIVE, SealState.OPEN))).isTrue();
    Statement lower = says(5, Kind.HELD, THREE, SealState.OPEN);
    assertThat(convicts(first, lower)).isTrue();
    for (Statement elsewhere :
        List.of(
            copy(lower, new CapsuleName(Hash32.ZERO), ANYBODY, 3, 77),
            copy(lower, CAPSULE, new Samples.Replica(2).key, 3, 77),
            copy(lower, CAPSULE, ANYBODY, 3, 78))) {
      assertThat(convicts(first, elsewhere)).isFalse();
    }
    Statement same = says(5, Kind.HELD, FIVE, SealState.OPEN);
    assertThat(convicts(first, copy(same, CAPSULE, ANYBODY, 2, 77))).isTrue();
    assertThat(convicts(first, copy(same, CAPSULE, ANYBODY, 4, 77))).isFalse();
    assertThat(convicts(first, with(lower, List.of()))).isFalse();
  }

  private static Statement copy(
      Statement s, CapsuleName capsule, PublicKey replica, int membership, long incarnation) {
    return new Statement(
        s.kind(), capsule, replica, membership, incarnation, s.number(), s.nonce(), s.entries());
  }

  // ------------------------------------------------------------------ proofs

  @Test
  void aProofHasOneEncodingAndIsCheckedOffline() {
    SignedStatement first = REPLICA.sign(says(4, Kind.HELD, FIVE, SealState.OPEN));
    SignedStatement second = REPLICA.sign(says(5, Kind.HELD, THREE, SealState.OPEN));
    SignedStatement twin = REPLICA.sign(says(4, Kind.HELD, SEVEN, SealState.OPEN));
    for (SignedStatement other : List.of(second, twin)) {
      ContradictionProof proof = ContradictionProof.of(first, other, Samples.CURVE);
      byte[] bytes = proof.encode();
      assertThat(ContradictionProof.of(other, first, Samples.CURVE).encode()).isEqualTo(bytes);
      assertThat(proof.replica()).isEqualTo(REPLICA.key);
      Evidence evidence =
          EvidenceCodec.decode(CAPSULE, bytes, writer -> null, Samples.CURVE).orThrow();
      assertThat(evidence.kind()).isEqualTo(Evidence.Kind.CONTRADICTION);
      assertThat(((Evidence.Contradiction) evidence).proof().encode()).isEqualTo(bytes);
      assertThat(
              EvidenceCodec.decode(
                  new CapsuleName(Hash32.ZERO), bytes, writer -> null, Samples.CURVE))
          .isInstanceOf(Decoded.Rejected.class);
      for (int length = 0; length < bytes.length; length++) {
        assertThat(ContradictionProof.decode(Arrays.copyOf(bytes, length), Samples.CURVE))
            .isInstanceOf(Decoded.Rejected.class);
      }
      for (int bit = 0; bit < 8 * bytes.length; bit++) {
        byte[] flipped = bytes.clone();
        flipped[bit / 8] ^= (byte) (1 << (bit % 8));
        assertThat(ContradictionProof.decode(flipped, Samples.CURVE))
            .as("bit %d", bit)
            .isInstanceOf(Decoded.Rejected.class);
      }
      // The other way round it is another encoding of the same.
      FieldWriter swapped = new FieldWriter(bytes.length);
      swapped.putByte(1);
      swapped.putByte(2);
      swapped.reserved(2);
      swapped.put(proof.second().encoded());
      swapped.put(proof.first().encoded().bytes());
      assertThat(ContradictionProof.decode(swapped.toBytes(), Samples.CURVE))
          .isInstanceOf(Decoded.Rejected.class);
    }
  }

  @Test
  void nobodyIsConvictedByAForgedStatement() {
    SignedStatement first = REPLICA.sign(says(4, Kind.HELD, FIVE, SealState.OPEN));
    SignedStatement forged =
        StatementCodec.encode(
            says(5, Kind.HELD, THREE, SealState.OPEN), new Samples.Replica(2)::sign);
    assertThat(ContradictionProof.of(first, forged, Samples.CURVE)).isNull();
    assertThat(ContradictionProof.of(forged, first, Samples.CURVE)).isNull();
    assertThat(ContradictionProof.of(first, first, Samples.CURVE)).isNull();
  }

  @Test
  void unknownKindsAreRefused() {
    assertThat(
            Stream.of(new byte[0], new byte[8], new byte[] {1, 0, 0, 0, 0, 0, 0, 0})
                .map(EvidenceCodec::kindOf)
                .map(decoded -> ((Decoded.Rejected<?>) decoded).rejection().reason()))
        .containsExactly(Reason.TRUNCATED, Reason.UNKNOWN_FORMAT, Reason.UNKNOWN_TYPE);
  }
}
