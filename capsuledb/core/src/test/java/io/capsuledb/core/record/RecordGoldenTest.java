package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.golden.GoldenCapsule;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Records of format 1: made again from the same seeds, read and verified, and as documented. */
class RecordGoldenTest {

  private static final GoldenCapsule CAPSULE = new GoldenCapsule();
  private static final Secp256k1 CURVE = Secp256k1.best();
  private static final List<String> RECORDS =
      List.of("record-roster.hex", "record-data.hex", "record-join.hex");

  private static CapsuleRecord decode(String file) {
    return RecordCodec.decode(CAPSULE.name(), Golden.bytes(file)).orThrow();
  }

  private static EquivocationProof contradiction() {
    return EquivocationProof.of(
        CAPSULE.fork(),
        CAPSULE.data(),
        CAPSULE.application().writerPublicKey(GoldenCapsule.FIRST_WRITER),
        CURVE);
  }

  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(CAPSULE.roster().bytes()).isEqualTo(Golden.bytes("record-roster.hex"));
    assertThat(CAPSULE.data().bytes()).isEqualTo(Golden.bytes("record-data.hex"));
    assertThat(CAPSULE.join().bytes()).isEqualTo(Golden.bytes("record-join.hex"));
    assertThat(CAPSULE.checkpoint().bytes()).isEqualTo(Golden.bytes("record-checkpoint.hex"));
    assertThat(contradiction().encode()).isEqualTo(Golden.bytes("evidence.hex"));
  }

  @Test
  void theBytesAreReadAndVerified() {
    ChainVerifier verifier = new ChainVerifier(CAPSULE.name(), CAPSULE.metadata(), CURVE);
    for (String file : RECORDS) {
      CapsuleRecord record = decode(file);
      assertThat(verifier.link(record)).as(file).isNull();
      assertThat(verifier.verifySignature(record)).as(file).isNull();
    }
    assertThat(decode("record-roster.hex").header())
        .isEqualTo(
            new RecordHeader(
                RecordType.ROSTER,
                0,
                0x0123456789abcdefL,
                1,
                0,
                1,
                122,
                Hash32.ZERO,
                CAPSULE.roster().header().payloadHash(),
                List.of()));
    assertThat(decode("record-data.hex").header().previous()).isEqualTo(CAPSULE.roster().hash());
    assertThat(decode("record-join.hex").header().parents()).containsExactly(CAPSULE.data().hash());
    try (RecordOpener opener = new RecordOpener(CAPSULE.name(), CAPSULE.keys())) {
      assertThat(opener.open(decode("record-data.hex")).orThrow())
          .isEqualTo(HexFormat.of().parseHex(GoldenCapsule.BATCH));
    }
  }

  @Test
  void theCheckpointIsReadAndVerified() {
    ChainVerifier verifier = new ChainVerifier(CAPSULE.name(), CAPSULE.metadata(), CURVE);
    CapsuleRecord checkpoint = decode("record-checkpoint.hex");
    assertThat(verifier.link(CAPSULE.compactorRoster())).isNull();
    assertThat(verifier.link(checkpoint)).isNull();
    assertThat(verifier.verifySignature(checkpoint)).isNull();
    assertThat(CheckpointCodec.decode(checkpoint.payload()).orThrow())
        .isEqualTo(CAPSULE.released());
    assertThat(CAPSULE.released().releases(GoldenCapsule.FIRST_WRITER, 2)).isTrue();
  }

  @Test
  void theStubIsHeaderAndSignature() {
    byte[] data = Golden.bytes("record-data.hex");
    byte[] expected = Arrays.copyOf(data, 112 + 64);
    System.arraycopy(data, 155, expected, 112, 64);
    assertThat(RecordCodec.stub(data)).isEqualTo(expected);
    assertThat(RecordCodec.decodeStub(CAPSULE.name(), expected).orThrow().hash())
        .isEqualTo(CAPSULE.data().hash());
  }

  @Test
  void theEvidenceConvicts() {
    EquivocationProof proof =
        EquivocationProof.decode(
                CAPSULE.name(),
                Golden.bytes("evidence.hex"),
                CAPSULE.application().writerPublicKey(GoldenCapsule.FIRST_WRITER),
                CURVE)
            .orThrow();
    assertThat(proof.writer()).isEqualTo(GoldenCapsule.FIRST_WRITER);
    assertThat(proof.sequence()).isEqualTo(2);
    assertThat(
            EquivocationProof.decode(
                CAPSULE.name(),
                Golden.bytes("evidence.hex"),
                CAPSULE.application().writerPublicKey(GoldenCapsule.SECOND_WRITER),
                CURVE))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void theDocumentShowsThem() {
    RECORDS.forEach(
        file ->
            assertThat(Golden.listed("record.md", file)).as(file).isEqualTo(Golden.bytes(file)));
    assertThat(Golden.listed("record.md", "record-checkpoint.hex"))
        .isEqualTo(Golden.bytes("record-checkpoint.hex"));
    assertThat(Golden.listed("record.md", "evidence.hex")).isEqualTo(Golden.bytes("evidence.hex"));
    try (SecretBytes dataKey = CAPSULE.keys().dataKey(0, GoldenCapsule.FIRST_WRITER)) {
      HexFormat hex = HexFormat.of();
      assertThat(Golden.document("record.md"))
          .contains(
              "`" + CAPSULE.name() + "`",
              "`" + CAPSULE.roster().hash() + "`",
              "`" + CAPSULE.data().hash() + "`",
              "`" + CAPSULE.join().hash() + "`",
              "`" + CAPSULE.compactorRoster().hash() + "`",
              "`" + CAPSULE.checkpoint().hash() + "`",
              "`" + hex.formatHex(dataKey.expose()) + "`",
              "`" + hex.formatHex(RecordCodec.nonce(GoldenCapsule.FIRST_WRITER, 2)) + "`",
              "`" + GoldenCapsule.BATCH + "`");
    }
  }
}
