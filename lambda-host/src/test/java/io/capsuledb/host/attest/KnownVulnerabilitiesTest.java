package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.amd.SnpReportLayout;
import io.capsuledb.host.attest.encoding.CborReader;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.intel.QuoteCodec;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.SnpTcb;
import io.capsuledb.host.attest.verdict.Verdict;
import org.junit.jupiter.api.Test;

/** What other verifiers got wrong, and were told in public. */
class KnownVulnerabilitiesTest {

  private static EvidencePolicy.Builder policy() {
    return EvidencePolicy.builder("test")
        .allow(Allowed.MRENCLAVE, SyntheticIntel.MEASUREMENT_SGX)
        .allow(Allowed.MRTD, SyntheticIntel.MEASUREMENT_TDX)
        .allow(Allowed.SNP_MEASUREMENT, SyntheticSnp.MEASUREMENT)
        .reportData(SyntheticIntel.REPORT_DATA);
  }

  private static Verdict judge(SyntheticIntel evidence) {
    return new EvidenceVerifier(evidence.roots())
        .verify(evidence.quote(), evidence.collateral(), SyntheticIntel.NOW, policy().build());
  }

  private static Verdict judge(SyntheticSnp evidence, EvidencePolicy policy) {
    return new EvidenceVerifier(evidence.roots())
        .verify(evidence.report(), evidence.collateral(), SyntheticSnp.NOW, policy);
  }

  private static void assertFails(Verdict verdict, String check) {
    assertThat(verdict.accepted()).isFalse();
    assertThat(verdict.check(check).outcome())
        .as(verdict.toString())
        .isEqualTo(Check.Outcome.FAILED);
  }

  /** CVE-2026-22696: dcap-qvl fetched the enclave identity and judged nothing by it. */
  @Test
  void theQuotingEnclaveIsJudgedByASignedIdentity() {
    SyntheticIntel unsigned = new SyntheticIntel(4, QuoteLayout.BODY_TD_10);
    unsigned.signedIdentity = text -> text.replace("UpToDate", "OutOfDat");
    assertFails(judge(unsigned), "qe-identity-signature");
    SyntheticIntel foreign = new SyntheticIntel(4, QuoteLayout.BODY_TD_10);
    foreign.qeReport = report -> report[QuoteLayout.SGX_MRSIGNER] ^= 1;
    assertFails(judge(foreign), "qe-identity");
    SyntheticIntel old = new SyntheticIntel(4, QuoteLayout.BODY_TD_10);
    old.qeReport = report -> report[QuoteLayout.SGX_SVN] = 5;
    assertFails(judge(old), "tcb-status");
  }

  /** dcap-qvl 124, aleph-vm 1195: the module's identity ignored, or skipped in version 0. */
  @Test
  void theTdxModuleIsJudgedInEveryVersion() {
    for (int major : new int[] {0, 1}) {
      SyntheticIntel foreign = new SyntheticIntel(5, QuoteLayout.BODY_TD_15);
      foreign.body =
          body -> {
            body[1] = (byte) major;
            body[QuoteLayout.TD_MRSIGNERSEAM] = 1;
          };
      assertFails(judge(foreign), "tdx-module");
    }
  }

  /** dcap-qvl 127: the vendor of the quoting enclave. */
  @Test
  void theVendorIsIntel() {
    SyntheticIntel other = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    other.header = header -> header[QuoteLayout.QE_VENDOR] ^= 1;
    assertFails(judge(other), "quote-format");
  }

  /** dcap-qvl: a shorter list of components was compared as far as it went. */
  @Test
  void componentsAreSixteen() {
    SyntheticIntel few = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    few.tcbInfo = text -> text.replaceFirst("\\{\"svn\":10},", "");
    assertFails(judge(few), "tcb-info-validity");
  }

  /** dcap-qvl: lengths from outside decided what was allocated, and how deep DER was read. */
  @Test
  void lengthsFromOutsideAllocateNothing() {
    byte[] quote = new SyntheticIntel(3, QuoteLayout.BODY_SGX).quote().toArray();
    for (int i = 432; i < 436; i++) {
      quote[i] = (byte) 0xFF;
    }
    assertThat(QuoteCodec.decode(Octets.own(quote))).isInstanceOf(Decoded.Rejected.class);
    assertThatThrownBy(() -> new CborReader(Octets.ofHex("9b7fffffffffffffff")).array())
        .isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> new CborReader(Octets.ofHex("5b7fffffffffffffff")).byteString())
        .isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> new CborReader(Octets.ofHex("81".repeat(1000) + "00")).skip())
        .isInstanceOf(IntegrityException.class);
    assertThatThrownBy(() -> new DerReader(Octets.ofHex("3084ffffffff")).sequence())
        .isInstanceOf(IntegrityException.class);
    Octets deep = DerWriter.sequence();
    for (int i = 0; i < 1000; i++) {
      deep = DerWriter.sequence(deep);
    }
    assertThat(new DerReader(deep).sequence().atEnd()).isFalse();
    assertThatThrownBy(
            () -> Json.parse("deep", SyntheticIntel.ascii("[".repeat(1000) + "]".repeat(1000))))
        .isInstanceOf(IntegrityException.class);
  }

  /**
   * GHSA-4px3-wj2x-xx47, GHSA-4r6g-mp48-j2rw: expected report data not compared, or if not empty.
   */
  @Test
  void reportDataIsComparedAndCannotBeLeftOut() {
    SyntheticIntel tdx = new SyntheticIntel(4, QuoteLayout.BODY_TD_10);
    tdx.body = body -> body[QuoteLayout.TD_REPORT_DATA + 40] ^= 1;
    assertFails(judge(tdx), "report-data");
    SyntheticSnp snp = new SyntheticSnp(3, "Milan");
    snp.report = report -> report[SnpReportLayout.REPORT_DATA + 40] ^= 1;
    assertFails(judge(snp, policy().build()), "report-data");
    assertThatThrownBy(() -> policy().reportData(Octets.EMPTY))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(
            () ->
                EvidencePolicy.builder("x")
                    .allow(Allowed.SNP_MEASUREMENT, SyntheticSnp.MEASUREMENT)
                    .build())
        .isInstanceOf(InvalidRequestException.class);
  }

  /** taiko-mono 21824, multi-prover-avs 28, PDO 195: enclaves for debugging were accepted. */
  @Test
  void debuggingIsRefused() {
    SyntheticIntel sgx = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    sgx.body = body -> body[QuoteLayout.SGX_ATTRIBUTES] |= 2;
    assertFails(judge(sgx), "debug");
  }

  /** attestation-go 23: revocation was off unless asked for. aleph-vm 1195: nextUpdate. */
  @Test
  void revocationAndExpiryAreNotOptional() {
    SyntheticIntel none = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    none.files =
        all ->
            new IntelCollateral(
                all.tcbInfo(),
                all.tcbInfoChain(),
                all.qeIdentity(),
                all.qeIdentityChain(),
                null,
                null,
                null);
    assertFails(judge(none), "root-crl");
    assertFails(judge(none), "pck-crl");
    SyntheticIntel stale = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    stale.documentsTo = SyntheticIntel.NOW.minusSeconds(1);
    assertFails(judge(stale), "tcb-info-validity");
    assertFails(judge(stale), "qe-identity-validity");
  }

  /** CCF 6812: no minimum of firmware. AMDSEV 274: what is reported is not what runs. */
  @Test
  void firmwareHasAMinimumAtReportAndAtLaunch() {
    EvidencePolicy least = policy().minSnpTcb("Milan", new SnpTcb(0, 0, 0, 0x18, 0)).build();
    assertThat(judge(new SyntheticSnp(3, "Milan"), least).accepted()).isTrue();
    SyntheticSnp old = new SyntheticSnp(3, "Milan");
    old.report = bytes -> old.tcb(bytes, SnpReportLayout.LAUNCH_TCB, 0x17);
    assertFails(judge(old, least), "tcb-minimum");
  }

  /** CVE-2022-21449: r and s of zero. */
  @Test
  void aSignatureOfZerosIsNone() {
    SyntheticIntel zero = new SyntheticIntel(3, QuoteLayout.BODY_SGX);
    zero.whole = q -> q.slice(0, 436).then(Octets.own(new byte[64])).then(q.from(500));
    assertFails(judge(zero), "quote-signature");
    SyntheticSnp report = new SyntheticSnp(3, "Milan");
    report.whole = r -> r.slice(0, 0x2A0).then(Octets.own(new byte[0x200]));
    assertFails(judge(report, policy().build()), "report-signature");
  }
}
