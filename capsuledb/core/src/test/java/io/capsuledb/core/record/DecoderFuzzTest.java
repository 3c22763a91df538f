package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.error.Decoded;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Any bytes in, a value or a typed rejection out: nothing is thrown, nothing hangs. */
class DecoderFuzzTest {

  private static final Capsules CAPSULE = new Capsules(44);

  @Test
  void records() {
    fuzzRecords(100_000);
  }

  @Test
  void metadata() {
    fuzzMetadata(20_000);
  }

  @Test
  void rosters() {
    fuzzRosters(20_000);
  }

  @Test
  void stubs() {
    fuzzStubs(50_000);
  }

  @Test
  void checkpoints() {
    fuzzCheckpoints(50_000);
  }

  @Test
  @Tag("long")
  void aMillionStubs() {
    fuzzStubs(1_000_000);
  }

  @Test
  @Tag("long")
  void aMillionCheckpoints() {
    fuzzCheckpoints(1_000_000);
  }

  @Test
  @Tag("long")
  void aMillionRecords() {
    fuzzRecords(1_000_000);
  }

  @Test
  @Tag("long")
  void aMillionMetadata() {
    fuzzMetadata(1_000_000);
  }

  @Test
  @Tag("long")
  void aMillionRosters() {
    fuzzRosters(1_000_000);
  }

  private static void fuzzRecords(int inputs) {
    List<CapsuleRecord> chain = CAPSULE.chain(77, 4, new Random(1));
    byte[][] samples = chain.stream().map(CapsuleRecord::bytes).toArray(byte[][]::new);
    fuzz(
        inputs,
        samples,
        bytes ->
            RecordCodec.decode(CAPSULE.name, bytes)
                .then(
                    record ->
                        // Canonical: whatever is accepted is what its own fields encode to.
                        Arrays.equals(record.bytes(), bytes)
                            ? Decoded.accept(record)
                            : Decoded.reject(
                                io.capsuledb.core.error.Rejection.Reason.PAYLOAD, "changed")));
  }

  private static void fuzzStubs(int inputs) {
    List<CapsuleRecord> chain = CAPSULE.chain(77, 4, new Random(1));
    byte[] whole = chain.get(1).bytes();
    byte[][] samples =
        Stream.concat(
                chain.stream().skip(1).map(record -> RecordCodec.stub(record.bytes())),
                Stream.of(whole))
            .toArray(byte[][]::new);
    fuzz(
        inputs,
        samples,
        bytes -> {
          Decoded<RecordStub> decoded = RecordCodec.decodeStub(CAPSULE.name, bytes);
          boolean form = decoded instanceof Decoded.Accepted<RecordStub>;
          assertThat(RecordCodec.isStub(bytes)).isEqualTo(form);
          assertThat(RecordCodec.isStubOf(bytes, whole))
              .isEqualTo(Arrays.equals(bytes, samples[0]));
          assertThat(RecordCodec.isStubOf(samples[0], bytes))
              .isEqualTo(sameButPayload(bytes, whole));
          // A stub is never a record too.
          assertThat(form && RecordCodec.decode(CAPSULE.name, bytes) instanceof Decoded.Accepted)
              .isFalse();
          return decoded;
        });
  }

  private static boolean sameButPayload(byte[] one, byte[] other) {
    int header = RecordLayout.FIXED_HEADER_BYTES;
    int signature = other.length - RecordLayout.SIGNATURE_BYTES;
    return one.length == other.length
        && Arrays.equals(one, 0, header, other, 0, header)
        && Arrays.equals(one, signature, one.length, other, signature, other.length);
  }

  private static void fuzzCheckpoints(int inputs) {
    byte[][] samples = new byte[8][];
    for (int i = 0; i < samples.length; i++) {
      samples[i] = CheckpointCodec.encode(CheckpointPropertyTest.random(i, i));
    }
    fuzz(
        inputs,
        samples,
        bytes -> {
          Decoded<Checkpoint> decoded = CheckpointCodec.decode(bytes);
          if (decoded instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)) {
            assertThat(CheckpointCodec.encode(checkpoint)).isEqualTo(bytes);
          }
          return decoded;
        });
  }

  private static void fuzzMetadata(int inputs) {
    fuzz(
        inputs,
        new byte[][] {CAPSULE.signedMetadata},
        bytes -> {
          Decoded<CapsuleMetadata> decoded = MetadataCodec.decode(bytes, Capsules.CURVE);
          if (decoded instanceof Decoded.Accepted<CapsuleMetadata>) {
            assertThat(bytes).isEqualTo(CAPSULE.signedMetadata);
          }
          return decoded;
        });
  }

  private static void fuzzRosters(int inputs) {
    byte[] roster = CAPSULE.roster(9);
    fuzz(
        inputs,
        new byte[][] {roster},
        bytes -> {
          var decoded = RosterCodec.decode(CAPSULE.name, bytes, CAPSULE.metadata, Capsules.CURVE);
          if (decoded instanceof Decoded.Accepted<?>) {
            assertThat(bytes).isEqualTo(roster);
          }
          return decoded;
        });
  }

  private static <T> void fuzz(int inputs, byte[][] samples, Function<byte[], Decoded<T>> decoder) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int rejected = 0;
    for (int i = 0; i < inputs; i++) {
      byte[] input = mutate(samples[random.nextInt(samples.length)], random);
      Decoded<T> decoded;
      try {
        decoded = decoder.apply(input);
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed + ", input " + i, e);
      }
      if (decoded instanceof Decoded.Rejected<T>(var rejection)) {
        assertThat(rejection.detail()).as("seed %d, input %d", seed, i).isNotBlank();
        rejected++;
      }
    }
    assertThat(rejected).isGreaterThan(inputs / 2);
  }

  private static byte[] mutate(byte[] sample, Random random) {
    byte[] input;
    switch (random.nextInt(4)) {
      case 0 -> {
        input = new byte[random.nextInt(2 * sample.length)];
        random.nextBytes(input);
      }
      case 1 -> input = Arrays.copyOf(sample, random.nextInt(2 * sample.length));
      default -> input = sample.clone();
    }
    int edits = random.nextInt(6);
    for (int e = 0; e < edits && input.length > 0; e++) {
      int at = random.nextInt(random.nextBoolean() ? Math.min(input.length, 160) : input.length);
      input[at] =
          switch (random.nextInt(4)) {
            case 0 -> (byte) random.nextInt();
            case 1 -> (byte) (input[at] ^ 1 << random.nextInt(8));
            case 2 -> (byte) 0xFF;
            default -> 0;
          };
    }
    return input;
  }
}
