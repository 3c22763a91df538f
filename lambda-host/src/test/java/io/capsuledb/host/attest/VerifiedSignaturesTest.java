package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Curve;
import io.capsuledb.host.attest.pki.VerifiedSignatures;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import org.junit.jupiter.api.Test;

class VerifiedSignaturesTest {

  @Test
  void rememberingASignatureMakesNoOtherOneGood() {
    VerifiedSignatures signatures = new VerifiedSignatures();
    Octets message = SyntheticIntel.ascii("message");
    Octets signature =
        SyntheticIntel.sign(
            SyntheticIntel.PCK.getPrivate(), message, "SHA256withECDSAinP1363Format");
    for (int round = 0; round < 2; round++) {
      assertThat(signatures.verify(Curve.P256, SyntheticIntel.PCK.getPublic(), message, signature))
          .isTrue();
      assertThat(
              signatures.verify(
                  Curve.P256, SyntheticIntel.ATTESTATION.getPublic(), message, signature))
          .isFalse();
      assertThat(
              signatures.verify(
                  Curve.P256, SyntheticIntel.PCK.getPublic(), message.from(1), signature))
          .isFalse();
      byte[] other = signature.toArray();
      other[round] ^= 1;
      assertThat(
              signatures.verify(
                  Curve.P256, SyntheticIntel.PCK.getPublic(), message, Octets.own(other)))
          .isFalse();
    }
  }

  @Test
  void aVerifierThatAcceptedOnceStillChecksTimeAndPolicy() {
    SyntheticIntel evidence = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    EvidenceVerifier verifier = new EvidenceVerifier(evidence.roots());
    Octets quote = evidence.quote();
    Collateral collateral = evidence.collateral();
    EvidencePolicy strict = EvidencePolicy.strict().build();
    for (int round = 0; round < 2; round++) {
      assertThat(verifier.verify(quote, collateral, SyntheticIntel.NOW, strict).accepted())
          .isTrue();
      assertThat(verifier.verify(quote, collateral, evidence.to.plusSeconds(1), strict).accepted())
          .isFalse();
      assertThat(
              verifier
                  .verify(
                      quote,
                      collateral,
                      SyntheticIntel.NOW,
                      EvidencePolicy.strict().minTcbEvaluationNumber(21).build())
                  .accepted())
          .isFalse();
    }
  }
}
