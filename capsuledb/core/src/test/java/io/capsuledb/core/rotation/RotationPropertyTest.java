package io.capsuledb.core.rotation;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.seal.ChainHead;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Rotations that anything may be done to, and rings over any number of generations. */
class RotationPropertyTest {

  private static final CapsuleName NAME = RotationSamples.CAPSULE.name();
  private static final CapsuleMetadata METADATA = RotationSamples.CAPSULE.metadata();
  private static final Secp256k1 CURVE = Secp256k1.best();

  private static Decoded<Rotation> decode(byte[] bytes) {
    return RotationCodec.decode(NAME, bytes, METADATA, CURVE);
  }

  @Property(tries = 50)
  void whatWasEncodedIsDecoded(@ForAll @IntRange(max = 200) int count, @ForAll long seed) {
    Random random = new Random(seed);
    List<Rotation.End> ends = new ArrayList<>();
    long writer = 0;
    for (int i = 0; i < count; i++) {
      writer += 1 + random.nextInt(1000);
      long sequence = random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(1000);
      ends.add(
          new Rotation.End(
              writer,
              sequence == 0 ? ChainHead.NONE : new ChainHead(sequence, RotationSamples.hash(i))));
    }
    Rotation rotation = RotationSamples.rotation(ends);
    Rotation read =
        decode(RotationCodec.encode(NAME, rotation, RotationSamples.NEXT::sign)).orThrow();
    assertThat(read.ends()).isEqualTo(ends);
    for (Rotation.End end : ends) {
      assertThat(read.endOf(end.writer())).isEqualTo(end.last());
    }
    assertThat(read.endOf(writer + 1)).isEqualTo(ChainHead.NONE);
  }

  @Property(tries = 300)
  void nothingElseIsTaken(@ForAll long seed) {
    Random random = new Random(seed);
    byte[] bytes = random.nextBoolean() ? RotationSamples.encoded() : new byte[random.nextInt(700)];
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes && bytes.length > 0; i++) {
      bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
    }
    if (random.nextInt(4) == 0) {
      bytes = java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length + 50));
    }
    Decoded<Rotation> decoded = decode(bytes);
    if (!java.util.Arrays.equals(bytes, RotationSamples.encoded())) {
      assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    }
    byte[] roster = RotationSamples.roster();
    roster[random.nextInt(roster.length)] ^= (byte) (1 << random.nextInt(8));
    assertThat(RosterCodec.decode(NAME, roster, METADATA, CURVE))
        .isInstanceOf(Decoded.Rejected.class);
  }

  /** Only the owner makes generations, of this application, and each has one key. */
  @Property(tries = 20)
  void nobodyElseBeginsAGeneration(@ForAll long seed) {
    byte[] other = new byte[32];
    new Random(seed).nextBytes(other);
    List<ApplicationKey> strangers =
        List.of(
            KeyTree.fromSeed(SecretBytes.own(other)).application(0, 1),
            RotationSamples.CAPSULE.owner().application(1, 1),
            RotationSamples.CAPSULE.owner().application(0, 2));
    for (ApplicationKey stranger : strangers) {
      var certificate = java.util.Objects.requireNonNull(stranger.certificate());
      Rotation rotation = new Rotation(1, certificate, RotationSamples.wrapped(), List.of());
      assertThat(decode(RotationCodec.encode(NAME, rotation, stranger::sign)))
          .isInstanceOfSatisfying(
              Decoded.Rejected.class,
              rejected ->
                  assertThat(((Decoded.Rejected<?>) rejected).rejection().reason())
                      .isEqualTo(Reason.SIGNATURE));
    }
  }

  @Property(tries = 20)
  void theNewestKeyReadsAllGenerations(@ForAll @IntRange(max = 12) int newest) {
    KeyTree owner = RotationSamples.CAPSULE.owner();
    List<byte[]> wrapped = new ArrayList<>();
    try (KeyRing going = new KeyRing(NAME, List.of(owner.application(0, 0)))) {
      for (int generation = 1; generation <= newest; generation++) {
        ApplicationKey next = owner.application(0, generation);
        wrapped.add(going.wrapUnder(next));
        going.advance(next);
      }
      try (KeyRing opened = KeyRing.open(NAME, owner.application(0, newest), wrapped).orThrow()) {
        for (int generation = 0; generation <= newest; generation++) {
          try (ApplicationKey key = owner.application(0, generation);
              SecretBytes expected = key.dataKey(NAME.toBytes(), 7);
              SecretBytes kept = going.dataKey(generation, 7);
              SecretBytes unwrapped = opened.dataKey(generation, 7)) {
            assertThat(kept).isEqualTo(expected);
            assertThat(unwrapped).isEqualTo(expected);
          }
        }
        assertThat(opened.holds(newest + 1)).isFalse();
      }
    }
    if (newest > 0) {
      // A key of another generation opens nothing, and what was altered neither.
      wrapped.get(newest / 2)[3] ^= 1;
      if (newest / 2 < newest) {
        assertThat(KeyRing.open(NAME, owner.application(0, newest), wrapped))
            .isInstanceOf(Decoded.Rejected.class);
      }
    }
  }
}
