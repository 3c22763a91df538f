package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.Verdict;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.time.Instant;
import java.util.Base64;
import org.junit.jupiter.api.Test;

/**
 * Evidence in certificates: relayed, replayed, expired, swapped and downgraded ones are refused.
 */
class RatlsTest {

  private static final KeyPair KEY = SyntheticIntel.key("secp256r1");
  private static final KeyPair OTHER = SyntheticIntel.key("secp256r1");
  private static final Instant NOW = SyntheticIntel.NOW;
  private static final Octets NONCE = Octets.ofHex("0102030405060708");

  private static Octets info(KeyPair key) {
    return Octets.copyOf(key.getPublic().getEncoded());
  }

  private static Octets quote(Octets reportData) {
    SyntheticIntel sgx = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    sgx.body = body -> reportData.paddedTo(64).buffer().get(body, QuoteLayout.SGX_REPORT_DATA, 64);
    return sgx.quote();
  }

  private static Certificate certificate(KeyPair key, Instant to, String oid, Octets extension) {
    return new CertificateWriter("worker", key.getPublic())
        .valid(NOW.minusSeconds(3600), to)
        .leaf()
        .extension(oid, false, extension)
        .sign("worker", key.getPrivate());
  }

  private static Certificate dice(KeyPair key, Octets quote, Octets claims) {
    return certificate(
        key,
        NOW.plusSeconds(60),
        CertificateEvidence.DICE_WRAPPER,
        CertificateEvidence.encodeQuote(quote, claims));
  }

  private static EvidencePolicy.Builder policy() {
    return EvidencePolicy.builder("test")
        .allow(Allowed.MRENCLAVE, SyntheticIntel.MEASUREMENT_SGX)
        .allow(Allowed.SNP_MEASUREMENT, SyntheticSnp.MEASUREMENT)
        .boundToCertificate();
  }

  private static Verdict judge(Certificate certificate, EvidencePolicy policy) {
    SyntheticIntel sgx = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    return new EvidenceVerifier(sgx.roots())
        .verify(certificate.encoded(), sgx.collateral(), NOW, policy);
  }

  private static void assertRejected(Verdict verdict, String check, String reason) {
    assertThat(verdict.accepted()).isFalse();
    assertThat(verdict.check(check).outcome())
        .as(verdict.toString())
        .isEqualTo(Check.Outcome.FAILED);
    assertThat(verdict.check(check).reason()).contains(reason);
  }

  @Test
  void aQuoteInTheInteroperableFormIsBoundToTheKey() {
    Octets claims = CertificateEvidence.encodeClaims(info(KEY), NONCE);
    Certificate good = dice(KEY, quote(Digests.sha256(claims)), claims);
    Verdict verdict = judge(good, policy().nonce(NONCE).build());
    assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
    assertThat(verdict.type()).isEqualTo("ratls-cert-tcg-dice");
    assertThat(verdict.validUntil()).isEqualTo(NOW.plusSeconds(60));
    // In PEM as well.
    SyntheticIntel sgx = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    assertThat(
            new EvidenceVerifier(sgx.roots())
                .verify(SyntheticIntel.pem(good), sgx.collateral(), NOW, policy().build())
                .accepted())
        .isTrue();
    // Another nonce: replayed.
    assertRejected(
        judge(good, policy().nonce(Octets.ofHex("0807060504030201")).build()),
        "nonce",
        "do not carry");
    // Report data that somebody asked for besides.
    assertRejected(
        judge(good, policy().reportData(SyntheticIntel.REPORT_DATA).build()),
        "asked-report-data",
        "other");
  }

  @Test
  void anotherKeyOrOtherClaimsAreRefused() {
    Octets claims = CertificateEvidence.encodeClaims(info(KEY), null);
    // Relayed: somebody else's evidence in a certificate of one's own.
    assertRejected(
        judge(dice(OTHER, quote(Digests.sha256(claims)), claims), policy().build()),
        "key-binding",
        "another key");
    // Swapped: claims that name the key, and a quote that does not vouch for them.
    Octets forged = CertificateEvidence.encodeClaims(info(OTHER), null);
    assertRejected(
        judge(dice(OTHER, quote(Digests.sha256(claims)), forged), policy().build()),
        "report-data",
        "not the expected");
    // Only the first half bound.
    Octets half = Digests.sha256(claims).then(Octets.ofHex("01"));
    assertRejected(
        judge(dice(KEY, quote(half), claims), policy().build()), "report-data", "not the expected");
  }

  @Test
  void anExpiredCertificateIsRefused() {
    Octets claims = CertificateEvidence.encodeClaims(info(KEY), null);
    Certificate expired =
        certificate(
            KEY,
            NOW.minusSeconds(1),
            CertificateEvidence.DICE_WRAPPER,
            CertificateEvidence.encodeQuote(quote(Digests.sha256(claims)), claims));
    assertRejected(judge(expired, policy().build()), "certificate-validity", "expired");
  }

  @Test
  void claimsHaveToNameAKeyOnce() {
    for (String claims :
        new String[] {
          // No claim at all; another claim; the key twice; not a map; something after it.
          "a0",
          "a1" + "61" + "61" + "41" + "00",
          "a2" + ("6b7075626b65792d68617368" + "43820140").repeat(2),
          "80",
          CertificateEvidence.encodeClaims(info(KEY), null) + "00",
          // A hash too short for its algorithm.
          "a16b7075626b65792d686173684482014100"
        }) {
      Octets bytes = Octets.ofHex(claims);
      Verdict verdict = judge(dice(KEY, quote(Digests.sha256(bytes)), bytes), policy().build());
      assertThat(verdict.accepted()).isFalse();
      assertThat(verdict.checks().getFirst().name()).isEqualTo("evidence-format");
    }
  }

  @Test
  void graminesOldIdentifierIsAcceptedInBothSpellings() {
    Octets good = quote(Digests.sha256(info(KEY)));
    for (String oid : new String[] {"0.6.9.42.840.113741.1337.6", "1.2.840.113741.1337.6"}) {
      Verdict verdict = judge(certificate(KEY, NOW.plusSeconds(60), oid, good), policy().build());
      assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
      assertThat(verdict.type()).isEqualTo("ratls-cert-gramine");
      assertRejected(
          judge(certificate(OTHER, NOW.plusSeconds(60), oid, good), policy().build()),
          "report-data",
          "not the expected");
      // A nonce has no place there: downgraded.
      assertRejected(
          judge(certificate(KEY, NOW.plusSeconds(60), oid, good), policy().nonce(NONCE).build()),
          "nonce",
          "do not carry");
    }
  }

  @Test
  void recordsOfRfc9999CarryReports() {
    Octets claims = CertificateEvidence.encodeClaims(info(KEY), NONCE);
    SyntheticSnp snp = new SyntheticSnp(5, "Genoa");
    snp.report = bytes -> Digests.sha256(claims).paddedTo(64).buffer().get(bytes, 0x50, 64);
    Octets record = CertificateEvidence.encodeRecord(snp.report(), claims);
    Octets value = record.from(2 + 2 + CertificateEvidence.MEDIA_TYPE.length() - 1);
    Octets contents = value.from(value.unsignedByte(0) == 0x59 ? 3 : 2);
    String json =
        "[\""
            + CertificateEvidence.MEDIA_TYPE
            + "\",\""
            + Base64.getUrlEncoder().withoutPadding().encodeToString(contents.toArray())
            + "\",4]";
    Certificate[] certificates = {
      certificate(KEY, NOW.plusSeconds(60), CertificateEvidence.DICE_WRAPPER, record),
      certificate(
          KEY,
          NOW.plusSeconds(60),
          CertificateEvidence.PKIX_WRAPPER,
          DerWriter.octetString(record)),
      certificate(
          KEY,
          NOW.plusSeconds(60),
          CertificateEvidence.PKIX_WRAPPER,
          DerWriter.element(
              DerReader.UTF8_STRING, Octets.own(json.getBytes(StandardCharsets.UTF_8))))
    };
    for (Certificate certificate : certificates) {
      Verdict verdict =
          new EvidenceVerifier(snp.roots())
              .verify(certificate.encoded(), snp.collateral(), NOW, policy().nonce(NONCE).build());
      assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
      assertThat(verdict.type()).isEqualTo("ratls-cert-cmw");
    }
  }

  @Test
  void wrappedEvidenceAloneIsBoundToNothing() {
    Octets claims = CertificateEvidence.encodeClaims(info(KEY), null);
    Octets wrapped = CertificateEvidence.encodeQuote(quote(Digests.sha256(claims)), claims);
    SyntheticIntel sgx = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    EvidenceVerifier verifier = new EvidenceVerifier(sgx.roots());
    assertThat(
            verifier
                .verify(wrapped, sgx.collateral(), NOW, EvidencePolicy.strict().build())
                .accepted())
        .isTrue();
    assertRejected(
        verifier.verify(wrapped, sgx.collateral(), NOW, policy().build()),
        "key-binding",
        "no certificate");
  }

  @Test
  void aQuoteUnderIntelsIdentifierForPckExtensionsIsNoEvidence() {
    Certificate odd =
        certificate(KEY, NOW.plusSeconds(60), "1.2.840.113741.1.13.1", quote(info(KEY)));
    assertThat(judge(odd, policy().build()).checks().getFirst().reason()).contains("no evidence");
  }
}
