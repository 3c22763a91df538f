package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
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
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class RecordPropertyTest {

  private static final long WRITER = 0x1234_5678_9ABCL;
  private static final Capsules CAPSULE = new Capsules(42);

  @Property(tries = 300)
  void whatIsSealedIsDecodedAndOpened(
      @ForAll @Size(max = 5000) byte[] payload,
      @ForAll @LongRange(min = 1, max = Long.MAX_VALUE >>> 2) long writer,
      @ForAll @LongRange(min = 2, max = RecordLayout.MAX_LAMPORT) long lamport,
      @ForAll @LongRange(min = 0) long epoch,
      @ForAll @IntRange(max = 5) int parentCount) {
    try (RecordSealer sealer = CAPSULE.sealer(writer);
        RecordOpener opener = new RecordOpener(CAPSULE.name, CAPSULE.keys)) {
      CapsuleRecord first = CAPSULE.introduce(sealer, epoch, 1, List.of());
      List<Hash32> parents =
          java.util.stream.IntStream.range(0, parentCount)
              .mapToObj(i -> Hash32.of(Arrays.copyOf(new byte[] {(byte) (i + 1)}, 32)))
              .toList();
      RecordType type = parentCount % 2 > 0 ? RecordType.MANIFEST : RecordType.DATA;
      CapsuleRecord sealed = sealer.seal(type, epoch, lamport, parents, payload, 0, payload.length);
      CapsuleRecord decoded = RecordCodec.decode(CAPSULE.name, sealed.bytes().clone()).orThrow();

      assertThat(decoded.header()).isEqualTo(sealed.header());
      assertThat(decoded.hash()).isEqualTo(sealed.hash());
      assertThat(decoded.header().previous()).isEqualTo(first.hash());
      assertThat(decoded.header().lamport()).isEqualTo(lamport);
      assertThat(decoded.header().epoch()).isEqualTo(epoch);
      assertThat(decoded.header().parents()).isEqualTo(parents);
      assertThat(opener.open(decoded).orThrow()).isEqualTo(payload);
      ChainVerifier verifier = CAPSULE.verifier();
      assertThat(verifier.link(first)).isNull();
      assertThat(verifier.link(decoded)).isNull();
      assertThat(verifier.verifySignature(decoded)).isNull();
    }
  }

  /** What a flipped bit in each part of a stored record may be called. */
  private static Set<Reason> reasonsAt(int offset, int headerBytes, int length) {
    if (offset >= length - RecordLayout.SIGNATURE_BYTES) {
      return EnumSet.of(Reason.SIGNATURE);
    }
    if (offset >= headerBytes) {
      return EnumSet.of(Reason.PAYLOAD_HASH);
    }
    if (offset >= RecordLayout.PAYLOAD_HASH_OFFSET && offset < RecordLayout.FIXED_HEADER_BYTES) {
      return EnumSet.of(Reason.PAYLOAD_HASH);
    }
    if (offset >= RecordLayout.FIXED_HEADER_BYTES) {
      return EnumSet.of(Reason.SIGNATURE);
    }
    if (offset >= RecordLayout.PREVIOUS_OFFSET) {
      return EnumSet.of(Reason.PREVIOUS_HASH);
    }
    if (offset >= RecordLayout.RESERVED_OFFSET) {
      return EnumSet.of(Reason.RESERVED_BITS);
    }
    if (offset >= RecordLayout.PARENT_COUNT_OFFSET) {
      return EnumSet.of(Reason.TRUNCATED, Reason.TOO_LARGE, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.PAYLOAD_LENGTH_OFFSET) {
      return EnumSet.of(Reason.TRUNCATED, Reason.TRAILING_BYTES, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.LAMPORT_OFFSET) {
      return EnumSet.of(Reason.SIGNATURE, Reason.LAMPORT_ORDER, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.EPOCH_OFFSET) {
      return EnumSet.of(Reason.EPOCH_ORDER, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.SEQUENCE_OFFSET) {
      return EnumSet.of(Reason.MISPLACED, Reason.PREVIOUS_HASH, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.WRITER_OFFSET) {
      return EnumSet.of(Reason.MISPLACED, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.GENERATION_OFFSET) {
      return EnumSet.of(Reason.KEY_GENERATION, Reason.FIELD_OUT_OF_RANGE);
    }
    if (offset >= RecordLayout.FLAGS_OFFSET) {
      return EnumSet.of(Reason.RESERVED_BITS);
    }
    if (offset == RecordLayout.TYPE_OFFSET) {
      return EnumSet.of(
          Reason.UNKNOWN_TYPE, Reason.SIGNATURE, Reason.RESERVED_BITS, Reason.FIELD_OUT_OF_RANGE);
    }
    return EnumSet.of(Reason.UNKNOWN_FORMAT);
  }

  /** Everything a store's reader checks, at the place the record was stored. */
  private static Rejection judge(ChainVerifier verifier, byte[] bytes, long writer, long sequence) {
    switch (RecordCodec.decode(CAPSULE.name, bytes)) {
      case Decoded.Rejected<CapsuleRecord>(Rejection rejection) -> {
        return rejection;
      }
      case Decoded.Accepted<CapsuleRecord>(CapsuleRecord record) -> {
        if (record.header().writer() != writer || record.header().sequence() != sequence) {
          return Rejection.of(Reason.MISPLACED, "stored elsewhere");
        }
        Rejection unlinked = verifier.link(record);
        return unlinked != null ? unlinked : verifier.verifySignature(record);
      }
    }
  }

  @Test
  void everySingleBitFlipIsRejectedWithTheReasonThatNamesWhatFailed() {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 3, new Random(7));
    CapsuleRecord target = chain.get(2);
    int headerBytes = target.payloadOffset();
    for (int bit = 0; bit < target.bytes().length * 8; bit++) {
      ChainVerifier verifier = CAPSULE.verifier();
      assertThat(verifier.link(chain.get(0))).isNull();
      assertThat(verifier.link(chain.get(1))).isNull();
      byte[] flipped = target.bytes().clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      Rejection rejection = judge(verifier, flipped, WRITER, 3);
      assertThat(rejection).as("bit %d", bit).isNotNull();
      assertThat(rejection.reason())
          .as("bit %d of byte %d: %s", bit % 8, bit / 8, rejection)
          .isIn(reasonsAt(bit / 8, headerBytes, flipped.length));
      assertThat(rejection.detail()).isNotBlank();
    }
  }

  @Test
  void everyBitFlipInARosterIsRejected() {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 1, new Random(8));
    byte[] good = chain.get(0).bytes();
    assertThat(judge(CAPSULE.verifier(), good.clone(), WRITER, 1)).isNull();
    for (int bit = 0; bit < good.length * 8; bit++) {
      byte[] flipped = good.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(judge(CAPSULE.verifier(), flipped, WRITER, 1)).as("bit %d", bit).isNotNull();
    }
  }

  @Test
  void truncationAtEveryLengthAndAnyExtensionIsRejected() {
    byte[] good = CAPSULE.chain(WRITER, 2, new Random(9)).get(1).bytes();
    for (int length = 0; length < good.length; length++) {
      // Cut to the length of its stub a record looks like one; the signature says it is not.
      Reason reason = length == RecordLayout.MIN_RECORD_BYTES ? Reason.RELEASED : Reason.TRUNCATED;
      assertThat(RecordCodec.decode(CAPSULE.name, Arrays.copyOf(good, length)))
          .as("length %d", length)
          .isInstanceOfSatisfying(
              Decoded.Rejected.class, r -> assertThat(r.rejection().reason()).isEqualTo(reason));
    }
    assertThat(RecordCodec.decode(CAPSULE.name, Arrays.copyOf(good, good.length + 1)))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            r -> assertThat(r.rejection().reason()).isEqualTo(Reason.TRAILING_BYTES));
  }

  @Test
  void aRecordOfAnotherCapsuleDoesNotVerifyHere() {
    Capsules other = new Capsules(43);
    CapsuleRecord foreign = other.chain(WRITER, 1, new Random(1)).get(0);
    Rejection rejection = judge(CAPSULE.verifier(), foreign.bytes(), WRITER, 1);
    assertThat(rejection.reason()).isEqualTo(Reason.SIGNATURE);
  }

  /** Ways to damage a chain. */
  enum Damage {
    NONE,
    DROP_ONE,
    SWAP_TWO,
    FLIP_A_BYTE,
    REPLACE_BY_ANOTHER_WRITERS,
    REPLACE_BY_A_FORK,
    DUPLICATE_ONE
  }

  @Property(tries = 300)
  void verifyingAChainByItsNewestRecordAgreesWithVerifyingEach(
      @ForAll long seed, @ForAll @IntRange(min = 2, max = 8) int length, @ForAll Damage damage) {
    Random random = new Random(seed);
    List<byte[]> stored =
        new java.util.ArrayList<>(
            CAPSULE.chain(WRITER, length, random).stream().map(r -> r.bytes().clone()).toList());
    int at = random.nextInt(length);
    int signatureFrom = stored.get(at).length - RecordLayout.SIGNATURE_BYTES;
    switch (damage) {
      case NONE -> {}
      case DROP_ONE -> stored.remove(at);
      case SWAP_TWO -> java.util.Collections.swap(stored, at, random.nextInt(length));
      // A vouched-for record's signature bytes are the one thing its successors say nothing about.
      case FLIP_A_BYTE ->
          stored.get(at)[random.nextInt(at == length - 1 ? signatureFrom + 64 : signatureFrom)] ^=
              1;
      case REPLACE_BY_ANOTHER_WRITERS ->
          stored.set(at, CAPSULE.chain(WRITER + 1, length, random).get(at).bytes());
      case REPLACE_BY_A_FORK ->
          stored.set(at, CAPSULE.chain(WRITER, length, new Random(seed + 1)).get(at).bytes());
      case DUPLICATE_ONE -> stored.add(at, stored.get(at));
    }
    assertThat(byNewest(stored)).isEqualTo(byEach(stored));
    if (damage == Damage.NONE) {
      assertThat(byEach(stored)).isTrue();
    }
  }

  private static boolean byNewest(List<byte[]> stored) {
    ChainVerifier verifier = CAPSULE.verifier();
    CapsuleRecord newest = null;
    for (byte[] bytes : stored) {
      if (!(RecordCodec.decode(CAPSULE.name, bytes)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record))
          || verifier.link(record) != null) {
        return false;
      }
      newest = record;
    }
    return newest != null && verifier.verifySignature(newest) == null;
  }

  private static boolean byEach(List<byte[]> stored) {
    ChainVerifier verifier = CAPSULE.verifier();
    for (byte[] bytes : stored) {
      if (!(RecordCodec.decode(CAPSULE.name, bytes)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record))
          || verifier.link(record) != null
          || verifier.verifySignature(record) != null) {
        return false;
      }
    }
    return !stored.isEmpty();
  }

  @Test
  void aSealedWriterIsRefusedBeyondItsFinalHead() {
    List<CapsuleRecord> chain = CAPSULE.chain(WRITER, 4, new Random(3));
    ChainVerifier verifier = CAPSULE.verifier();
    assertThat(verifier.link(chain.get(0))).isNull();
    assertThat(verifier.link(chain.get(1))).isNull();
    verifier.seal(WRITER, 3);
    assertThat(verifier.link(chain.get(2))).isNull();
    assertThat(verifier.link(chain.get(3)).reason()).isEqualTo(Reason.SEALED_WRITER);
  }

  @Test
  void equivocationIsDetectedAndProvable() {
    CapsuleRecord one = CAPSULE.chain(WRITER, 3, new Random(11)).get(2);
    CapsuleRecord other = CAPSULE.chain(WRITER, 3, new Random(12)).get(2);
    ChainVerifier verifier = CAPSULE.verifier();
    CAPSULE.chain(WRITER, 3, new Random(11)).forEach(r -> assertThat(verifier.link(r)).isNull());
    assertThat(verifier.link(other).reason()).isEqualTo(Reason.EQUIVOCATION);

    var key = CAPSULE.writerKey(WRITER);
    EquivocationProof proof = EquivocationProof.of(one, other, key, Capsules.CURVE);
    byte[] encoded = proof.encode();
    assertThat(EquivocationProof.of(other, one, key, Capsules.CURVE).encode()).isEqualTo(encoded);
    EquivocationProof decoded =
        EquivocationProof.decode(CAPSULE.name, encoded, key, Capsules.CURVE).orThrow();
    assertThat(decoded.writer()).isEqualTo(WRITER);
    assertThat(decoded.sequence()).isEqualTo(3);

    assertThat(EquivocationProof.of(one, one, key, Capsules.CURVE)).isNull();
    assertThat(EquivocationProof.of(one, other, CAPSULE.writerKey(5), Capsules.CURVE)).isNull();
    for (int bit = 0; bit < encoded.length * 8; bit++) {
      byte[] flipped = encoded.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(EquivocationProof.decode(CAPSULE.name, flipped, key, Capsules.CURVE))
          .as("bit %d", bit)
          .isInstanceOf(Decoded.Rejected.class);
    }
  }
}
