package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StubPropertyTest {

  private static final long WRITER = 0x1234_5678_9ABCL;
  private static final Capsules CAPSULE = new Capsules(46);

  private static RosterEntry entry(long writer) {
    return new RosterEntry(writer, CAPSULE.writerKey(writer), RosterEntry.Role.WORKER, 0);
  }

  @Property(tries = 200)
  void aStubSaysOfItsRecordAllButThePayload(
      @ForAll @Size(max = 3000) byte[] payload, @ForAll @IntRange(max = 5) int parentCount) {
    try (RecordSealer sealer = CAPSULE.sealer(WRITER)) {
      CapsuleRecord first = CAPSULE.introduce(sealer, 1, List.of());
      List<Hash32> parents =
          java.util.stream.IntStream.range(0, parentCount)
              .mapToObj(i -> Hash32.of(Arrays.copyOf(new byte[] {(byte) (i + 1)}, 32)))
              .toList();
      RecordType type = parentCount > 0 ? RecordType.MANIFEST : RecordType.BLOCK;
      CapsuleRecord record = sealer.seal(type, 0, 2, parents, payload, 0, payload.length);
      byte[] bytes = RecordCodec.stub(record.bytes());

      assertThat(bytes).hasSize(record.payloadOffset() + RecordLayout.SIGNATURE_BYTES);
      assertThat(RecordCodec.isStub(bytes)).isTrue();
      assertThat(RecordCodec.isStub(record.bytes())).isFalse();
      assertThat(RecordCodec.isStubOf(bytes, record.bytes())).isTrue();
      assertThat(RecordCodec.isStubOf(record.bytes(), bytes)).isFalse();
      assertThat(RecordCodec.isStubOf(bytes, bytes)).isFalse();
      assertThat(RecordCodec.stub(bytes)).isEqualTo(bytes);
      assertThat(reason(RecordCodec.decode(CAPSULE.name, bytes))).isEqualTo(Reason.RELEASED);
      assertThat(reason(RecordCodec.decodeStub(CAPSULE.name, record.bytes())))
          .isEqualTo(Reason.TRAILING_BYTES);
      RecordStub stub = RecordCodec.decodeStub(CAPSULE.name, bytes).orThrow();
      assertThat(stub.header()).isEqualTo(record.header());
      assertThat(stub.hash()).isEqualTo(record.hash());
      assertThat(stub).hasToString(record.toString());
      ChainVerifier verifier = CAPSULE.verifier();
      assertThat(verifier.link(first)).isNull();
      assertThat(verifier.link(stub)).isNull();
      assertThat(verifier.verifySignature(stub)).isNull();
      assertThat(verifier.frontier())
          .containsExactly(new ChainVerifier.Head(WRITER, 2, record.hash(), 2));
    }
  }

  private static Reason reason(Decoded<?> decoded) {
    return decoded instanceof Decoded.Rejected<?>(Rejection rejection) ? rejection.reason() : null;
  }

  /** Whichever records of a chain are released, it verifies as the whole one does. */
  @Property(tries = 100)
  void aChainVerifiesWhicheverOfItsRecordsAreStubs(
      @ForAll long seed, @ForAll @IntRange(min = 2, max = 8) int length) {
    Random random = new Random(seed);
    ChainVerifier whole = CAPSULE.verifier();
    ChainVerifier mixed = CAPSULE.verifier();
    for (CapsuleRecord record : CAPSULE.chain(WRITER, length, random)) {
      SignedHeader form =
          record.header().type() == RecordType.DATA && random.nextBoolean()
              ? RecordCodec.decodeStub(CAPSULE.name, RecordCodec.stub(record.bytes())).orThrow()
              : record;
      assertThat(whole.link(record)).isNull();
      assertThat(mixed.link(form)).isNull();
      assertThat(mixed.verifySignature(form)).isNull();
    }
    assertThat(mixed.frontier()).isEqualTo(whole.frontier());
  }

  @Test
  void everySingleBitFlipInAStubIsRejected() {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 3, new Random(7));
    byte[] stub = RecordCodec.stub(chain.get(2).bytes());
    Set<Reason> seen = EnumSet.noneOf(Reason.class);
    assertThat(judge(chain, stub.clone())).isNull();
    for (int bit = 0; bit < stub.length * 8; bit++) {
      byte[] flipped = stub.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      Rejection rejection = judge(chain, flipped);
      assertThat(rejection).as("bit %d of byte %d", bit % 8, bit / 8).isNotNull();
      assertThat(rejection.detail()).isNotBlank();
      seen.add(rejection.reason());
      assertThat(RecordCodec.isStubOf(flipped, chain.get(2).bytes())).isFalse();
      // Nothing else vouches for these two: without a payload only the signature does.
      if (bit / 8 >= RecordLayout.PAYLOAD_HASH_OFFSET) {
        assertThat(rejection.reason()).isEqualTo(Reason.SIGNATURE);
      }
    }
    assertThat(seen)
        .contains(Reason.SIGNATURE, Reason.PREVIOUS_HASH, Reason.UNKNOWN_FORMAT, Reason.MISPLACED);
  }

  /** What a reader makes of bytes stored as the third record of the chain. */
  private static Rejection judge(List<CapsuleRecord> chain, byte[] bytes) {
    ChainVerifier verifier = CAPSULE.verifier();
    assertThat(verifier.link(chain.get(0))).isNull();
    assertThat(verifier.link(chain.get(1))).isNull();
    switch (RecordCodec.decodeStub(CAPSULE.name, bytes)) {
      case Decoded.Rejected<RecordStub>(Rejection rejection) -> {
        return rejection;
      }
      case Decoded.Accepted<RecordStub>(RecordStub stub) -> {
        if (stub.header().writer() != WRITER || stub.header().sequence() != 3) {
          return Rejection.of(Reason.MISPLACED, "stored elsewhere");
        }
        Rejection unlinked = verifier.link(stub);
        return unlinked != null ? unlinked : verifier.verifySignature(stub);
      }
    }
  }

  @Test
  void aStubOfAnyOtherLengthIsNone() {
    byte[] whole = CAPSULE.chain(WRITER, 2, new Random(9)).get(1).bytes();
    byte[] stub = RecordCodec.stub(whole);
    for (int length = 0; length <= 2 * stub.length; length++) {
      if (length != stub.length) {
        byte[] other = Arrays.copyOf(stub, length);
        assertThat(RecordCodec.isStub(other)).as("length %d", length).isFalse();
        assertThat(RecordCodec.isStubOf(other, whole)).isFalse();
        assertThat(reason(RecordCodec.decodeStub(CAPSULE.name, other)))
            .isEqualTo(length < stub.length ? Reason.TRUNCATED : Reason.TRAILING_BYTES);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(RecordType.class)
  void onlyWhatNobodyMustReadCanBeAStub(RecordType type) {
    byte[] payload = type == RecordType.ROSTER ? CAPSULE.roster(WRITER) : new byte[30];
    try (RecordSealer sealer = CAPSULE.sealer(WRITER)) {
      CapsuleRecord first = CAPSULE.introduce(sealer, 1, List.of());
      byte[] record = sealer.seal(type, 0, 2, List.of(), payload, 0, payload.length).bytes();
      byte[] bare = RecordCodec.withoutPayload(record, RecordCodec.decodeHeader(record).orThrow());
      assertThat(RecordCodec.isStub(bare)).isEqualTo(type.mayBeReleased());
      assertThat(RecordCodec.isStubOf(bare, record)).isEqualTo(type.mayBeReleased());
      if (type.mayBeReleased()) {
        assertThat(RecordCodec.stub(record)).isEqualTo(bare);
        assertThat(reason(RecordCodec.decode(CAPSULE.name, bare))).isEqualTo(Reason.RELEASED);
      } else {
        assertThatThrownBy(() -> RecordCodec.stub(record))
            .isInstanceOf(InvalidRequestException.class)
            .hasMessageContaining(type.name());
        assertThat(reason(RecordCodec.decode(CAPSULE.name, bare))).isEqualTo(Reason.TRUNCATED);
        assertThat(reason(RecordCodec.decodeStub(CAPSULE.name, bare)))
            .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
      }
      if (type == RecordType.ROSTER) {
        ChainVerifier verifier = CAPSULE.verifier();
        assertThat(verifier.link(first)).isNull();
        assertThat(verifier.link(RecordCodec.decodeBare(CAPSULE.name, bare).orThrow()).reason())
            .isEqualTo(Reason.RELEASED);
      }
    }
    assertThat(RecordType.ofNumber(type.number())).isEqualTo(type);
  }

  @Test
  void whatIsNoRecordHasNoStub() {
    byte[] record = CAPSULE.chain(WRITER, 2, new Random(9)).get(1).bytes();
    for (byte[] bytes :
        List.of(
            new byte[0],
            Arrays.copyOf(record, record.length - 1),
            Arrays.copyOf(record, record.length + 1))) {
      assertThatThrownBy(() -> RecordCodec.stub(bytes)).isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void aStubAndARecordThatContradictEachOtherAreEvidence() {
    CapsuleRecord one = CAPSULE.chain(WRITER, 3, new Random(11)).get(2);
    CapsuleRecord other = CAPSULE.chain(WRITER, 3, new Random(12)).get(2);
    RecordStub stub =
        RecordCodec.decodeStub(CAPSULE.name, RecordCodec.stub(other.bytes())).orThrow();
    var key = CAPSULE.writerKey(WRITER);
    assertThat(EquivocationProof.of(one, stub, key, Capsules.CURVE).encode())
        .isEqualTo(EquivocationProof.of(one, other, key, Capsules.CURVE).encode());
    assertThat(EquivocationProof.of(other, stub, key, Capsules.CURVE)).isNull();
  }

  // ------------------------------------------------------------------ resuming at a head

  @Property(tries = 50)
  void aChainGoesOnFromAHeadThatIsVouchedFor(
      @ForAll long seed, @ForAll @IntRange(max = 4) int skipped) {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 6, new Random(seed));
    ChainVerifier.Head head =
        skipped == 0
            ? new ChainVerifier.Head(WRITER, 0, Hash32.ZERO, 0)
            : new ChainVerifier.Head(
                WRITER,
                skipped,
                chain.get(skipped - 1).hash(),
                chain.get(skipped - 1).header().lamport());
    ChainVerifier verifier = CAPSULE.verifier();
    verifier.resumeAt(entry(WRITER), head);
    assertThat(verifier.frontier()).containsExactly(head);
    assertThat(verifier.link(chain.get(skipped + 1)).reason()).isEqualTo(Reason.SEQUENCE_GAP);
    for (CapsuleRecord record : chain.subList(skipped, chain.size())) {
      assertThat(verifier.link(record)).isNull();
      assertThat(verifier.verifySignature(record)).isNull();
    }
    CapsuleRecord foreign = CAPSULE.chain(WRITER, 6, new Random(seed + 1)).get(5);
    ChainVerifier again = CAPSULE.verifier();
    again.resumeAt(entry(WRITER), verifier.frontier().getFirst());
    assertThat(again.link(foreign).reason()).isEqualTo(Reason.EQUIVOCATION);
  }

  @Test
  void aHeadThatContradictsWhatIsKnownIsRefused() {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 2, new Random(1));
    ChainVerifier.Head head = new ChainVerifier.Head(WRITER, 1, chain.get(0).hash(), 1);
    ChainVerifier verifier = CAPSULE.verifier();
    assertThatThrownBy(() -> verifier.resumeAt(entry(WRITER + 1), head))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () ->
                verifier.resumeAt(entry(WRITER), new ChainVerifier.Head(WRITER, 1, Hash32.ZERO, 1)))
        .isInstanceOf(IllegalArgumentException.class);
    verifier.introduce(
        new RosterEntry(WRITER, CAPSULE.writerKey(WRITER), RosterEntry.Role.COMPACTOR, 0));
    assertThatThrownBy(() -> verifier.resumeAt(entry(WRITER), head))
        .isInstanceOf(IllegalArgumentException.class);
    ChainVerifier linked = CAPSULE.verifier();
    assertThat(linked.link(chain.get(0))).isNull();
    assertThatThrownBy(() -> linked.resumeAt(entry(WRITER), head))
        .isInstanceOf(IllegalStateException.class);
  }
}
