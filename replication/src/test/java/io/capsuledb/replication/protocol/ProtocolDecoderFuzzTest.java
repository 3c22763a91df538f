package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Any bytes in, a value or a typed rejection out; what is accepted is what it encodes to. */
class ProtocolDecoderFuzzTest {

  private static final int MANY = 1_000_000;
  private static final SampleCapsule CAPSULE = Samples.capsule(9, Samples.replicas(3), 2);

  @Test
  void statements() {
    fuzzStatements(40_000);
  }

  @Test
  void memberships() {
    fuzzMemberships(20_000);
  }

  @Test
  void sealOrders() {
    fuzzSealOrders(50_000);
  }

  @Test
  void messages() {
    fuzzMessages(60_000);
  }

  @Test
  void certificates() {
    fuzzCertificates(20_000);
  }

  @Test
  void evidence() {
    fuzzEvidence(20_000);
  }

  @Test
  @Tag("long")
  void aMillionStatements() {
    fuzzStatements(MANY);
  }

  @Test
  @Tag("long")
  void aMillionMemberships() {
    fuzzMemberships(MANY);
  }

  @Test
  @Tag("long")
  void aMillionSealOrders() {
    fuzzSealOrders(MANY);
  }

  @Test
  @Tag("long")
  void aMillionMessages() {
    fuzzMessages(MANY);
  }

  @Test
  @Tag("long")
  void aMillionCertificates() {
    fuzzCertificates(MANY);
  }

  @Test
  @Tag("long")
  void aMillionPiecesOfEvidence() {
    fuzzEvidence(MANY);
  }

  private static void fuzzStatements(int inputs) {
    Random random = new Random(1);
    List<byte[]> samples = new ArrayList<>();
    for (Statement.Kind kind : Statement.Kind.values()) {
      samples.add(Samples.signed(kind, 3, random).encoded().bytes());
    }
    fuzz(
        inputs,
        samples,
        StatementCodec::decode,
        signed -> {
          byte[] bytes = signed.encoded().bytes();
          byte[] signature = Arrays.copyOfRange(bytes, bytes.length - 64, bytes.length);
          return StatementCodec.encode(signed.statement(), d -> signature).encoded().bytes();
        });
  }

  private static void fuzzMemberships(int inputs) {
    byte[] sample =
        MembershipCodec.encode(
            Samples.membership(CAPSULE.name, 3, 4, new Random(2)), CAPSULE.owner::signAsOwner);
    fuzz(
        inputs,
        List.of(sample),
        bytes -> MembershipCodec.decode(bytes, CAPSULE.metadata.ownerKey(), Samples.CURVE),
        membership -> MembershipCodec.encode(membership, CAPSULE.owner::signAsOwner));
  }

  private static void fuzzSealOrders(int inputs) {
    Random random = new Random(3);
    List<byte[]> samples = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      samples.add(SealOrderCodec.encode(Samples.order(random)));
    }
    fuzz(inputs, samples, SealOrderCodec::decode, SealOrderCodec::encode);
  }

  private static void fuzzMessages(int inputs) {
    Random random = new Random(4);
    List<byte[]> samples = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Samples.messages(random).forEach(message -> samples.add(MessageCodec.encode(message)));
    }
    fuzz(inputs, samples, MessageCodec::decode, MessageCodec::encode);
  }

  private static void fuzzCertificates(int inputs) {
    Random random = new Random(5);
    List<SignedStatement> statements = new ArrayList<>();
    for (Samples.Replica replica : Samples.replicas(3)) {
      statements.add(
          replica.sign(
              Samples.statement(Statement.Kind.HELD, CAPSULE.name, replica.key, 2, random)));
    }
    byte[] sample =
        CertificateCodec.encode(
            new Certificate(
                Blob.of(CAPSULE.signedMetadata),
                List.of(Samples.blob(90, random)),
                5,
                Samples.head(6, random),
                statements,
                List.of(Samples.blob(200, random), Samples.blob(90, random))));
    CertificateVerifier verifier = new CertificateVerifier(Samples.CURVE);
    fuzz(
        inputs,
        List.of(sample),
        bytes -> {
          assertThat(verifier.verify(bytes, null, CAPSULE.name).proven()).isFalse();
          return CertificateCodec.decode(bytes);
        },
        CertificateCodec::encode);
  }

  private static void fuzzEvidence(int inputs) {
    Random random = new Random(6);
    Samples.Replica replica = new Samples.Replica(1);
    CapsuleName capsule = new CapsuleName(Hash32.ZERO);
    Statement one = Samples.statement(Statement.Kind.HELD, capsule, replica.key, 2, random);
    Statement other =
        new Statement(
            one.kind(),
            capsule,
            replica.key,
            one.membership(),
            one.incarnation(),
            one.number(),
            one.nonce(),
            List.of());
    byte[] sample =
        ContradictionProof.of(replica.sign(one), replica.sign(other), Samples.CURVE).encode();
    fuzz(
        inputs,
        List.of(sample),
        bytes -> EvidenceCodec.decode(capsule, bytes, writer -> replica.key, Samples.CURVE),
        evidence ->
            switch (evidence) {
              case Evidence.Contradiction(ContradictionProof proof) -> proof.encode();
              case Evidence.Equivocation(var proof) -> proof.encode();
            });
  }

  private static <T> void fuzz(
      int inputs,
      List<byte[]> samples,
      Function<byte[], Decoded<T>> decoder,
      Function<T, byte[]> encoder) {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    int rejected = 0;
    for (int i = 0; i < inputs; i++) {
      byte[] input = mutate(samples.get(random.nextInt(samples.size())), random);
      try {
        switch (decoder.apply(input.clone())) {
          case Decoded.Accepted<T>(T value) ->
              assertThat(encoder.apply(value)).as("seed %d, input %d", seed, i).isEqualTo(input);
          case Decoded.Rejected<T>(var rejection) -> {
            assertThat(rejection.detail()).as("seed %d, input %d", seed, i).isNotBlank();
            rejected++;
          }
        }
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed + ", input " + i, e);
      }
    }
    assertThat(rejected).isGreaterThan(inputs / 2).isLessThan(inputs);
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
