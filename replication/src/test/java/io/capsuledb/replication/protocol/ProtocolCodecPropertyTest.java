package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.replication.protocol.Membership.ReplicaSet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;

/** What is encoded is decoded to the same, in one way only, and no part of it decodes. */
class ProtocolCodecPropertyTest {

  private static Reason reason(Decoded<?> decoded) {
    return assertThat(decoded)
        .asInstanceOf(InstanceOfAssertFactories.type(Decoded.Rejected.class))
        .actual()
        .rejection()
        .reason();
  }

  /** No prefix, and nothing with a byte more, is one. */
  private static void assertExactLength(byte[] bytes, Function<byte[], Decoded<?>> decoder) {
    for (int length = 0; length < bytes.length; length++) {
      Decoded<?> decoded = decoder.apply(Arrays.copyOf(bytes, length));
      assertThat(decoded).as("%d of %d", length, bytes.length).isInstanceOf(Decoded.Rejected.class);
    }
    assertThat(decoder.apply(Arrays.copyOf(bytes, bytes.length + 1)))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Property(tries = 200)
  void statements(
      @ForAll long seed, @ForAll Statement.Kind kind, @ForAll @IntRange(max = 9) int entries) {
    SignedStatement signed = Samples.signed(kind, entries, new Random(seed));
    byte[] bytes = signed.encoded().bytes();
    SignedStatement decoded = StatementCodec.decode(bytes).orThrow();
    assertThat(decoded).isEqualTo(signed);
    assertThat(StatementCodec.verify(decoded, Samples.CURVE)).isTrue();
    for (int replica = 1; replica < 10; replica++) {
      assertThat(StatementCodec.decode(bytes, new Samples.Replica(replica).key).orThrow())
          .isEqualTo(signed);
    }
    assertExactLength(bytes, StatementCodec::decode);
  }

  @Property(tries = 50)
  void everyBitOfAStatementIsSigned(@ForAll long seed, @ForAll Statement.Kind kind) {
    byte[] bytes = Samples.signed(kind, 2, new Random(seed)).encoded().bytes();
    for (int bit = 0; bit < 8 * bytes.length; bit += 3) {
      byte[] flipped = bytes.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      if (StatementCodec.decode(flipped)
          instanceof Decoded.Accepted<SignedStatement>(SignedStatement signed)) {
        assertThat(StatementCodec.verify(signed, Samples.CURVE)).as("bit %d", bit).isFalse();
        // Canonical: signed again, it gives the bytes it was decoded from.
        byte[] signature = Arrays.copyOfRange(flipped, flipped.length - 64, flipped.length);
        assertThat(StatementCodec.encode(signed.statement(), digest -> signature).encoded().bytes())
            .isEqualTo(flipped);
      }
    }
  }

  @Property(tries = 100)
  void memberships(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 64) int current,
      @ForAll @IntRange(max = 64) int outgoing) {
    Random random = new Random(seed);
    SampleCapsule capsule = Samples.capsule(1, List.of(), 0);
    Membership membership = Samples.membership(capsule.name, current, outgoing, random);
    byte[] bytes = MembershipCodec.encode(membership, capsule.owner::signAsOwner);
    assertThat(MembershipCodec.decode(bytes, capsule.metadata.ownerKey(), Samples.CURVE).orThrow())
        .isEqualTo(membership);
    byte[] flipped = bytes.clone();
    int bit = random.nextInt(8 * bytes.length);
    flipped[bit / 8] ^= (byte) (1 << (bit % 8));
    assertThat(MembershipCodec.decode(flipped, capsule.metadata.ownerKey(), Samples.CURVE))
        .as("bit %d", bit)
        .isInstanceOf(Decoded.Rejected.class);
    assertThat(MembershipCodec.decode(bytes, capsule.metadata.applicationKey(), Samples.CURVE))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Property
  void sealOrders(@ForAll long seed) {
    SealOrder order = Samples.order(new Random(seed));
    byte[] bytes = SealOrderCodec.encode(order);
    assertThat(SealOrderCodec.decode(bytes).orThrow()).isEqualTo(order);
    assertExactLength(bytes, SealOrderCodec::decode);
    for (int bit = 0; bit < 8 * bytes.length; bit++) {
      byte[] flipped = bytes.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      if (SealOrderCodec.decode(flipped) instanceof Decoded.Accepted<SealOrder>(SealOrder other)) {
        assertThat(other).isNotEqualTo(order);
        assertThat(SealOrderCodec.encode(other)).isEqualTo(flipped);
      }
    }
  }

  @Property(tries = 100)
  void messages(@ForAll long seed) {
    for (Message message : Samples.messages(new Random(seed))) {
      byte[] bytes = MessageCodec.encode(message);
      assertThat(MessageCodec.decode(bytes).orThrow()).isEqualTo(message);
      assertExactLength(bytes, MessageCodec::decode);
    }
  }

  // ------------------------------------------------------------------ bounds

  @Test
  void statementsThatContradictThemselvesAreNone() {
    Random random = new Random(7);
    ChainHead five = Samples.head(5, random);
    ChainHead three = Samples.head(3, random);
    Ballot ballot = new Ballot(2, 9);
    ChainHead none = ChainHead.NONE;
    List<SealState> impossible =
        List.of(
            new SealState(ballot, three, Ballot.NONE, none), // holds more than it promised
            new SealState(ballot, three, ballot, three), // and more than is final
            new SealState(ballot, five, ballot, Samples.head(5, random)), // another final record
            new SealState(Ballot.NONE, five, Ballot.NONE, none),
            new SealState(ballot, five, Ballot.NONE, five));
    for (SealState seal : impossible) {
      assertThatIllegalArgumentException()
          .as(seal.toString())
          .isThrownBy(() -> sign(Statement.Kind.HELD, new Statement.Entry(1, five, seal)));
    }
    Statement.Entry open = new Statement.Entry(1, five, SealState.OPEN);
    Statement.Entry other = new Statement.Entry(2, five, SealState.OPEN);
    assertThat(sign(Statement.Kind.HELD, open, other).statement().entry(2)).isEqualTo(other);
    assertThatIllegalArgumentException().isThrownBy(() -> sign(Statement.Kind.HELD, other, open));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> sign(Statement.Kind.FRONTIER, open, open));
    assertThatIllegalArgumentException().isThrownBy(() -> sign(Statement.Kind.SEALED, open, other));
    assertThatIllegalArgumentException().isThrownBy(() -> sign(Statement.Kind.SEALED));
  }

  private static SignedStatement sign(Statement.Kind kind, Statement.Entry... entries) {
    Samples.Replica replica = new Samples.Replica(1);
    return replica.sign(
        new Statement(
            kind,
            new CapsuleName(Hash32.ZERO),
            replica.key,
            0,
            1,
            1,
            Hash32.ZERO,
            List.of(entries)));
  }

  @Test
  void listsAndLengthsAreBounded() {
    CapsuleName capsule = new CapsuleName(Hash32.ZERO);
    Blob big = Blob.of(new byte[RecordLayout.MAX_RECORD_BYTES]);
    byte[] biggest =
        MessageCodec.encode(
            new Message.Append(1, capsule, List.of(big, Blob.of(new byte[1 << 20]))));
    assertThat(MessageCodec.decode(biggest)).isInstanceOf(Decoded.Accepted.class);
    for (List<Blob> beyond :
        List.of(
            List.of(Blob.of(new byte[RecordLayout.MAX_RECORD_BYTES + 1])),
            List.of(big, big),
            Collections.nCopies(Message.MAX_RECORDS + 1, Blob.of(new byte[0])))) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> MessageCodec.encode(new Message.Append(1, capsule, beyond)));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> MessageCodec.encode(new Message.Records(1, beyond)));
    }
    // A count that lies costs nothing.
    byte[] lie = MessageCodec.encode(new Message.Append(1, capsule, List.of()));
    Arrays.fill(lie, lie.length - 4, lie.length, (byte) 0x7f);
    assertThat(reason(MessageCodec.decode(lie))).isEqualTo(Reason.TOO_LARGE);
    assertThat(reason(MessageCodec.decode(new byte[MessageLayout.MAX_BYTES + 1])))
        .isEqualTo(Reason.TOO_LARGE);
  }

  @Test
  void aRefusalIsCutToWhatFits() {
    String detail = "€\n".repeat(1000);
    byte[] bytes = MessageCodec.encode(new Message.Refused(1, Refusal.GAP, 0, 0, detail));
    assertThat(((Message.Refused) MessageCodec.decode(bytes).orThrow()).detail())
        .isEqualTo("€?".repeat(Message.MAX_TEXT_BYTES / 4));
  }

  // ------------------------------------------------------------------ chains of memberships

  private final List<Samples.Replica> replicas = Samples.replicas(8);
  private final SampleCapsule capsule = Samples.capsule(3, replicas.subList(0, 3), 2);

  private ReplicaSet set(int from, int to) {
    return new ReplicaSet(Samples.keys(replicas.subList(from, to)), (to - from) / 2 + 1);
  }

  private MembershipChain start() {
    return MembershipChain.of(capsule.name, capsule.metadata);
  }

  private byte[] next(MembershipChain chain, ReplicaSet current, ReplicaSet outgoing) {
    return MembershipCodec.encode(
        new Membership(capsule.name, chain.newest().version() + 1, chain.hash(), current, outgoing),
        capsule.owner::signAsOwner);
  }

  private static MembershipChain then(MembershipChain chain, byte[] next) {
    return chain.then(next, Samples.CURVE).orThrow();
  }

  @Test
  void aChangeIsMadeOrAbandoned() {
    List<Blob> all = new ArrayList<>();
    MembershipChain chain = start();
    ReplicaSet[][] steps = {
      {set(0, 4), set(0, 3)}, // joint
      {set(0, 4), ReplicaSet.EMPTY}, // made
      {set(3, 8), set(0, 4)}, // joint
      {set(0, 4), ReplicaSet.EMPTY}, // abandoned
    };
    for (ReplicaSet[] step : steps) {
      byte[] encoded = next(chain, step[0], step[1]);
      all.add(Blob.of(encoded));
      chain = then(chain, encoded);
    }
    Membership newest =
        MembershipChain.verify(capsule.name, capsule.metadata, all, Samples.CURVE).orThrow();
    assertThat(newest).isEqualTo(chain.newest());
    assertThat(newest.version()).isEqualTo(4);
    assertThat(newest.current()).isEqualTo(set(0, 4));
    for (List<Blob> broken :
        List.of(
            all.subList(1, 4),
            List.of(all.get(0), all.get(0)),
            List.of(all.get(0), all.get(2)),
            List.of(all.get(0), all.get(1), all.get(3)))) {
      assertThat(
              reason(MembershipChain.verify(capsule.name, capsule.metadata, broken, Samples.CURVE)))
          .isEqualTo(Reason.SEQUENCE_GAP);
    }
    assertThat(MembershipChain.verify(capsule.name, capsule.metadata, List.of(), Samples.CURVE))
        .isEqualTo(Decoded.accept(Membership.initial(capsule.name, capsule.metadata)));
  }

  @Test
  void noOtherStepIsAllowed() {
    MembershipChain start = start();
    MembershipChain joint = then(start, next(start, set(0, 4), set(0, 3)));
    ReplicaSet three = new ReplicaSet(set(0, 3).replicas(), 3);
    ReplicaSet[][] fromStart = {
      {set(0, 4), ReplicaSet.EMPTY}, // not joint
      {set(0, 4), set(1, 4)}, // joint with others
      {set(0, 4), three}, // joint with another quorum
    };
    ReplicaSet[][] fromJoint = {
      {set(0, 5), ReplicaSet.EMPTY},
      {three, ReplicaSet.EMPTY},
      {set(0, 4), set(0, 3)},
      {set(0, 5), set(0, 4)},
    };
    for (ReplicaSet[] step : fromStart) {
      assertThat(reason(start.then(next(start, step[0], step[1]), Samples.CURVE)))
          .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
    }
    for (ReplicaSet[] step : fromJoint) {
      assertThat(reason(joint.then(next(joint, step[0], step[1]), Samples.CURVE)))
          .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
    }
    // Signed by another, of another capsule, after another membership.
    Membership good = new Membership(capsule.name, 1, start.hash(), set(0, 4), set(0, 3));
    assertThat(
            reason(start.then(MembershipCodec.encode(good, replicas.get(0)::sign), Samples.CURVE)))
        .isEqualTo(Reason.SIGNATURE);
    Hash32 elsewhere = Samples.hash(new Random(1));
    assertThat(
            reason(
                start.then(
                    MembershipCodec.encode(
                        new Membership(
                            new CapsuleName(elsewhere), 1, start.hash(), set(0, 4), set(0, 3)),
                        capsule.owner::signAsOwner),
                    Samples.CURVE)))
        .isEqualTo(Reason.MISPLACED);
    assertThat(
            reason(
                start.then(
                    MembershipCodec.encode(
                        new Membership(capsule.name, 1, elsewhere, set(0, 4), set(0, 3)),
                        capsule.owner::signAsOwner),
                    Samples.CURVE)))
        .isEqualTo(Reason.PREVIOUS_HASH);
    assertThat(
            new IntegrityException(
                ((Decoded.Rejected<?>) start.then(new byte[0], Samples.CURVE)).rejection()))
        .hasMessageContaining("TRUNCATED");
  }
}
