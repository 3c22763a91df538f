package io.capsuledb.replication.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.golden.Golden;
import io.capsuledb.core.seal.SealOrderCodec;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Format 1: made again from the same seeds, read and verified, and as documented. */
class ProtocolGoldenTest {

  private static final GoldenProtocol GOLDEN = new GoldenProtocol();

  @Test
  void todaysCodeMakesTheSameBytes() {
    GOLDEN
        .files()
        .forEach((file, bytes) -> assertThat(bytes).as(file).isEqualTo(Golden.bytes(file)));
  }

  @Test
  void theBytesAreReadAndVerified() {
    SignedStatement statement = StatementCodec.decode(Golden.bytes("statement.hex")).orThrow();
    assertThat(statement).isEqualTo(GOLDEN.frontier());
    assertThat(StatementCodec.verify(statement, Samples.CURVE)).isTrue();
    assertThat(
            MembershipChain.of(GOLDEN.capsule.name, GOLDEN.capsule.metadata)
                .then(Golden.bytes("membership.hex"), Samples.CURVE)
                .orThrow()
                .newest())
        .isEqualTo(GOLDEN.membership);
    assertThat(SealOrderCodec.decode(Golden.bytes("seal-order.hex")).orThrow())
        .isEqualTo(GOLDEN.order);
    assertThat(MessageCodec.decode(Golden.bytes("message-append.hex")).orThrow())
        .isEqualTo(GOLDEN.append());
    CertificateVerdict verdict =
        new CertificateVerifier(Samples.CURVE)
            .verify(
                Golden.bytes("certificate.hex"),
                GOLDEN.capsule.metadata.ownerKey(),
                GOLDEN.capsule.name);
    assertThat(verdict.proven()).as(verdict.toString()).isTrue();
    assertThat(
            EvidenceCodec.decode(
                GOLDEN.capsule.name,
                Golden.bytes("contradiction.hex"),
                writer -> null,
                Samples.CURVE))
        .isInstanceOf(Decoded.Accepted.class);
  }

  /** Kind 1 is core's, unchanged, behind the same entry. */
  @Test
  void equivocationIsReadToo() {
    var capsule = new io.capsuledb.core.golden.GoldenCapsule();
    byte[] bytes = Golden.bytes("evidence.hex");
    Evidence evidence =
        EvidenceCodec.decode(
                capsule.name(),
                bytes,
                writer -> capsule.application().writerPublicKey(writer),
                Samples.CURVE)
            .orThrow();
    assertThat(evidence.kind()).isEqualTo(Evidence.Kind.EQUIVOCATION);
    assertThat(((Evidence.Equivocation) evidence).proof().encode()).isEqualTo(bytes);
    assertThat(EvidenceCodec.decode(capsule.name(), bytes, writer -> null, Samples.CURVE))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void theDocumentShowsThem() {
    Map.of(
            "statement.hex", "replication.md",
            "membership.hex", "replication.md",
            "certificate.hex", "replication.md",
            "message-append.hex", "replication.md",
            "seal-order.hex", "replication.md")
        .forEach(
            (file, document) ->
                assertThat(Golden.listed(document, file)).as(file).isEqualTo(Golden.bytes(file)));
    assertThat(Golden.document("replication.md"))
        .contains(
            "`" + GOLDEN.capsule.name + "`",
            "`" + GOLDEN.seal.hash() + "`",
            "`" + MembershipCodec.hashOf(Golden.bytes("membership.hex")) + "`");
  }
}
