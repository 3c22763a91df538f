package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.intel.QuoteVerifier;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.SignerRule;
import io.capsuledb.host.attest.verdict.TcbStatus;
import io.capsuledb.host.attest.verdict.Verdict;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every check of a quote, each by something that only it finds, under keys made here. */
class QuoteVerifierTest {

  private static final int SGX = QuoteLayout.BODY_SGX;
  private static final int TD_10 = QuoteLayout.BODY_TD_10;
  private static final int TD_15 = QuoteLayout.BODY_TD_15;
  private static final Instant NOW = SyntheticIntel.NOW;

  private static EvidencePolicy.Builder policy() {
    return EvidencePolicy.builder("test")
        .allow(Allowed.MRENCLAVE, SyntheticIntel.MEASUREMENT_SGX)
        .allow(Allowed.MRTD, SyntheticIntel.MEASUREMENT_TDX)
        .reportData(SyntheticIntel.REPORT_DATA);
  }

  private static Verdict judge(SyntheticIntel evidence, EvidencePolicy policy) {
    return judge(evidence, policy, NOW);
  }

  private static Verdict judge(SyntheticIntel evidence, EvidencePolicy policy, Instant now) {
    Verdict verdict =
        new EvidenceVerifier(evidence.roots())
            .verify(evidence.quote(), evidence.collateral(), now, policy);
    assertThat(verdict.checks().stream().map(Check::name).toList())
        .as("each question has its answer, in order")
        .isEqualTo(QuoteVerifier.QUESTIONS);
    return verdict;
  }

  private static void assertAccepted(Verdict verdict) {
    assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
  }

  private static void assertRejected(Verdict verdict, String check, String reason) {
    assertThat(verdict.accepted()).isFalse();
    Check found = verdict.check(check);
    assertThat(found.outcome()).as(verdict.toString()).isEqualTo(Check.Outcome.FAILED);
    assertThat(found.reason()).as(verdict.toString()).contains(reason);
  }

  @TestFactory
  Stream<DynamicTest> everyLayoutIsAccepted() {
    return Stream.of(
            List.of(3, SGX),
            List.of(4, SGX),
            List.of(4, TD_10),
            List.of(5, SGX),
            List.of(5, TD_10),
            List.of(5, TD_15))
        .map(
            shape ->
                dynamicTest(
                    shape.toString(),
                    () -> {
                      Verdict verdict =
                          judge(new SyntheticIntel(shape.get(0), shape.get(1)), policy().build());
                      assertAccepted(verdict);
                      assertThat(verdict.tcbStatus()).isEqualTo(TcbStatus.UP_TO_DATE);
                      assertThat(verdict.debug()).isFalse();
                      assertThat(verdict.anchor()).isEqualTo("given-root");
                      assertThat(verdict.validUntil()).isEqualTo(NOW.plus(Duration.ofDays(10)));
                      assertThat(verdict.tcbEvaluationNumber()).isEqualTo(20);
                    }));
  }

  private final Set<String> negatives = new HashSet<>();

  private DynamicTest negative(
      String check, String reason, int version, int body, Consumer<SyntheticIntel> change) {
    negatives.add(check);
    return dynamicTest(
        check + ": " + reason,
        () -> {
          SyntheticIntel evidence = new SyntheticIntel(version, body);
          change.accept(evidence);
          assertRejected(judge(evidence, policy().build()), check, reason);
        });
  }

  private static UnaryOperator<Octets> at(int offset, int value) {
    return quote -> {
      byte[] bytes = quote.toArray();
      bytes[offset] = (byte) value;
      return Octets.own(bytes);
    };
  }

  private static UnaryOperator<IntelCollateral> without(String which) {
    return all ->
        new IntelCollateral(
            which.equals("tcb") ? null : all.tcbInfo(),
            which.equals("tcbChain") ? null : all.tcbInfoChain(),
            which.equals("qe") ? null : all.qeIdentity(),
            all.qeIdentityChain(),
            which.equals("root") ? null : all.rootCrl(),
            which.equals("pck") ? null : all.pckCrl(),
            null);
  }

  private List<DynamicTest> all() {
    List<DynamicTest> tests = new ArrayList<>();
    tests.add(negative("quote-format", "version 6", 3, SGX, e -> e.whole = at(0, 6)));
    tests.add(negative("quote-format", "key type", 3, SGX, e -> e.whole = at(2, 3)));
    tests.add(negative("quote-format", "TEE type", 3, SGX, e -> e.whole = at(4, 0x81)));
    tests.add(negative("quote-format", "TEE type", 4, SGX, e -> e.whole = at(7, 1)));
    tests.add(negative("quote-format", "not of Intel", 3, SGX, e -> e.whole = at(12, 0)));
    tests.add(negative("quote-format", "do not agree", 5, TD_15, e -> e.whole = at(48, 2)));
    tests.add(negative("quote-format", "do not agree", 5, SGX, e -> e.whole = at(4, 0x81)));
    tests.add(negative("quote-format", "body type 4", 5, TD_15, e -> e.whole = at(48, 4)));
    tests.add(negative("quote-format", "not within", 3, SGX, e -> e.whole = at(435, 0x7F)));
    tests.add(negative("quote-format", "not within", 3, SGX, e -> e.whole = at(435, 0xFF)));
    tests.add(negative("quote-format", "not within", 3, SGX, e -> e.whole = q -> q.slice(0, 1000)));
    tests.add(negative("quote-format", "data type 5", 4, TD_10, e -> e.whole = at(764, 5)));
    tests.add(negative("quote-format", "does not end", 4, TD_10, e -> e.whole = at(1255, 0)));
    tests.add(
        negative(
            "quote-padding",
            "not zero",
            4,
            TD_10,
            e -> e.whole = q -> q.then(Octets.ofHex("0000000001"))));
    tests.add(negative("root-key", "not one", 3, SGX, e -> e.rootKey = SyntheticIntel.OTHER_ROOT));
    tests.add(negative("pck-chain", "authority", 3, SGX, e -> e.authorityName = "Intel CA"));
    tests.add(negative("pck-chain", "leaf", 3, SGX, e -> e.pckName = "Intel SGX TCB Signing"));
    tests.add(negative("pck-chain", "root is called", 3, SGX, e -> e.rootName = "Root"));
    tests.add(
        negative(
            "pck-chain",
            "not of its issuer",
            3,
            SGX,
            e -> e.pckIssuer = SyntheticIntel.PCK.getPrivate()));
    tests.add(negative("pck-chain", "may not issue", 3, SGX, e -> e.authorityIsOne = false));
    tests.add(negative("pck-chain", "expired", 3, SGX, e -> e.pckTo = NOW.minusSeconds(1)));
    tests.add(
        negative(
            "pck-extensions",
            "not within",
            3,
            SGX,
            e -> e.pckExtension = x -> x.slice(0, x.length() - 1)));
    tests.add(negative("pck-extensions", "", 3, SGX, e -> e.pckExtension = x -> x.slice(0, 2)));
    tests.add(negative("root-crl", "missing", 3, SGX, e -> e.files = without("root")));
    tests.add(negative("root-crl", "expired", 3, SGX, e -> e.rootCrlTo = NOW.minusSeconds(1)));
    tests.add(
        negative(
            "root-crl",
            "is revoked",
            3,
            SGX,
            e -> e.revokedByRoot = List.of(SyntheticIntel.AUTHORITY_SERIAL)));
    tests.add(negative("pck-crl", "missing", 3, SGX, e -> e.files = without("pck")));
    tests.add(negative("pck-crl", "not yet", 3, SGX, e -> e.pckCrlFrom = NOW.plusSeconds(1)));
    tests.add(
        negative(
            "pck-crl", "the list is of", 3, SGX, e -> e.crlIssuer = "Intel SGX PCK Processor CA"));
    tests.add(
        negative(
            "pck-crl", "signature", 3, SGX, e -> e.crlSigner = SyntheticIntel.ROOT.getPrivate()));
    tests.add(
        negative(
            "pck-crl",
            "is revoked",
            4,
            TD_10,
            e -> e.revokedByAuthority = List.of(SyntheticIntel.PCK_SERIAL)));
    tests.add(
        negative(
            "qe-report-signature",
            "not signed",
            3,
            SGX,
            e -> e.qeReportSigner = SyntheticIntel.ATTESTATION.getPrivate()));
    tests.add(
        negative(
            "qe-report-binding",
            "not the hash",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_REPORT_DATA] ^= 1));
    tests.add(
        negative(
            "qe-report-binding",
            "not the hash",
            4,
            TD_10,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_REPORT_DATA + 63] = 1));
    tests.add(
        negative(
            "quote-signature",
            "not signed",
            3,
            SGX,
            e -> e.quoteSigner = SyntheticIntel.PCK.getPrivate()));
    tests.add(
        negative(
            "quote-signature",
            "not signed",
            3,
            SGX,
            e -> e.whole = q -> q.slice(0, 436).then(Octets.own(new byte[64])).then(q.from(500))));
    tests.add(
        negative(
            "quote-signature",
            "not on P-256",
            3,
            SGX,
            e ->
                e.whole =
                    q -> q.slice(0, 500).then(Octets.ofHex("01".repeat(64))).then(q.from(564))));
    tests.add(negative("tcb-info-signature", "missing", 3, SGX, e -> e.files = without("tcb")));
    tests.add(
        negative("tcb-info-signature", "missing", 3, SGX, e -> e.files = without("tcbChain")));
    tests.add(
        negative(
            "tcb-info-signature",
            "over these bytes",
            3,
            SGX,
            e -> e.signedTcbInfo = t -> t.replace("OutOfDate", "UpToDate")));
    tests.add(
        negative(
            "tcb-info-signature",
            "over these bytes",
            3,
            SGX,
            e -> e.signedTcbInfo = t -> t.replace("{\"id\"", "{ \"id\"")));
    tests.add(
        negative(
            "tcb-info-signature",
            "uplicate",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replace("\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0")));
    tests.add(
        negative(
            "tcb-info-signature",
            "is called",
            3,
            SGX,
            e -> e.signerName = "Intel SGX PCK Certificate"));
    tests.add(
        negative(
            "tcb-info-signature",
            "0 certificates",
            3,
            SGX,
            e ->
                e.files =
                    all ->
                        new IntelCollateral(
                            all.tcbInfo(),
                            Octets.ofHex("0a00"),
                            all.qeIdentity(),
                            all.qeIdentityChain(),
                            all.rootCrl(),
                            all.pckCrl(),
                            null)));
    tests.add(
        negative(
            "tcb-info-signature",
            "revoked",
            3,
            SGX,
            e -> e.revokedByRoot = List.of(SyntheticIntel.TCB_SIGNER_SERIAL)));
    tests.add(
        negative("tcb-info-validity", "expired", 3, SGX, e -> e.documentsTo = NOW.minusSeconds(1)));
    tests.add(
        negative(
            "tcb-info-validity",
            "not yet",
            3,
            SGX,
            e -> {
              e.documentsFrom = NOW.plusSeconds(1);
            }));
    tests.add(
        negative(
            "tcb-info-validity",
            "version 4",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replace("\"version\":3", "\"version\":4")));
    tests.add(
        negative(
            "tcb-info-validity",
            "TCB components",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replaceFirst("\\{\"svn\":10},", "")));
    tests.add(
        negative(
            "tcb-info-validity",
            "TCB status",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replace("UpToDate", "uptodate")));
    tests.add(
        negative(
            "tcb-info-match",
            "for platforms",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replace("00a1b2", "00a1b3")));
    tests.add(
        negative(
            "tcb-info-match",
            "for SGX",
            4,
            TD_10,
            e -> e.tcbInfo = t -> t.replace("\"id\":\"TDX\"", "\"id\":\"SGX\"")));
    tests.add(negative("qe-identity-signature", "missing", 3, SGX, e -> e.files = without("qe")));
    tests.add(
        negative(
            "qe-identity-signature",
            "over these bytes",
            3,
            SGX,
            e -> e.signedIdentity = t -> t.replace("\"isvsvn\":8", "\"isvsvn\":7")));
    tests.add(
        negative(
            "qe-identity-validity", "expired", 3, SGX, e -> e.documentsTo = NOW.minusSeconds(1)));
    tests.add(
        negative(
            "qe-identity-match",
            "not of TD_QE",
            4,
            TD_10,
            e -> e.identity = t -> t.replace("TD_QE", "QE")));
    tests.add(
        negative(
            "qe-identity",
            "MRSIGNER",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_MRSIGNER] ^= 1));
    tests.add(
        negative(
            "qe-identity",
            "ISVPRODID",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_PRODUCT] ^= 1));
    tests.add(
        negative(
            "qe-identity",
            "ATTRIBUTES",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_ATTRIBUTES] |= 2));
    tests.add(
        negative(
            "qe-identity",
            "MISCSELECT",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_MISCSELECT] |= 1));
    tests.add(negative("tdx-module", "no TDX module", 4, TD_10, e -> e.body = b -> b[1] = 2));
    tests.add(
        negative(
            "tdx-module",
            "signer",
            4,
            TD_10,
            e -> e.body = b -> b[QuoteLayout.TD_MRSIGNERSEAM] = 1));
    tests.add(
        negative(
            "tdx-module",
            "signer",
            4,
            TD_10,
            e ->
                e.body =
                    b -> {
                      b[1] = 0;
                      b[QuoteLayout.TD_MRSIGNERSEAM] = 1;
                    }));
    tests.add(
        negative(
            "tdx-module",
            "attributes",
            5,
            TD_15,
            e -> e.body = b -> b[QuoteLayout.TD_SEAM_ATTRIBUTES] = 1));
    tests.add(negative("tdx-module", "no level", 4, TD_10, e -> e.body = b -> b[0] = 1));
    tests.add(
        negative(
            "tcb-level",
            "quoting enclave",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_SVN] = 4));
    tests.add(
        negative(
            "tcb-level",
            "not supported",
            3,
            SGX,
            e -> e.tcbInfo = t -> t.replaceAll("\"pcesvn\":\\d+", "\"pcesvn\":12")));
    tests.add(negative("tcb-level", "not supported", 5, TD_15, e -> e.body = b -> b[2] = 2));
    tests.add(
        negative(
            "tcb-status", "OutOfDate", 3, SGX, e -> e.qeReport = r -> r[QuoteLayout.SGX_SVN] = 6));
    tests.add(
        negative(
            "advisories",
            "INTEL-SA-QE",
            3,
            SGX,
            e -> e.qeReport = r -> r[QuoteLayout.SGX_SVN] = 6));
    tests.add(
        negative("debug", "memory", 3, SGX, e -> e.body = b -> b[QuoteLayout.SGX_ATTRIBUTES] |= 2));
    tests.add(
        negative(
            "debug", "memory", 5, TD_15, e -> e.body = b -> b[QuoteLayout.TD_ATTRIBUTES] |= 1));
    for (int flags : new int[] {0x04, 0x01, 0x15, 0x25}) {
      tests.add(
          negative(
              "attributes",
              "the enclave",
              3,
              SGX,
              e -> e.body = b -> b[QuoteLayout.SGX_ATTRIBUTES] = (byte) flags));
    }
    tests.add(
        negative(
            "attributes",
            "SEPT_VE_DISABLE",
            4,
            TD_10,
            e -> e.body = b -> b[QuoteLayout.TD_ATTRIBUTES + 3] = 0));
    tests.add(
        negative(
            "attributes",
            "migrated",
            4,
            TD_10,
            e -> e.body = b -> b[QuoteLayout.TD_ATTRIBUTES + 3] = 0x30));
    tests.add(
        negative(
            "attributes",
            "performance",
            4,
            TD_10,
            e -> e.body = b -> b[QuoteLayout.TD_ATTRIBUTES + 7] = (byte) 0x80));
    tests.add(
        negative(
            "attributes",
            "service TD",
            5,
            TD_15,
            e -> e.body = b -> b[QuoteLayout.TD_MRSERVICETD] = 1));
    tests.add(
        negative(
            "identity", "neither", 3, SGX, e -> e.body = b -> b[QuoteLayout.SGX_MRENCLAVE] ^= 1));
    tests.add(
        negative("identity", "MRTD", 4, TD_10, e -> e.body = b -> b[QuoteLayout.TD_MRTD] ^= 1));
    for (int offset : new int[] {0, 31, 32, 63}) {
      tests.add(
          negative(
              "report-data",
              "not the expected",
              3,
              SGX,
              e -> e.body = b -> b[QuoteLayout.SGX_REPORT_DATA + offset] ^= 1));
    }
    tests.add(
        negative(
            "report-data",
            "not the expected",
            5,
            TD_15,
            e -> e.body = b -> b[QuoteLayout.TD_REPORT_DATA] ^= 1));
    return tests;
  }

  @TestFactory
  List<DynamicTest> everythingWrongIsFoundByItsCheck() {
    return all();
  }

  @Test
  void everyQuestionHasSomethingThatFailsIt() {
    all();
    // Failed by policies, below.
    negatives.addAll(Set.of("tcb-evaluation-number", "collateral-age", "platform"));
    assertThat(negatives).containsAll(QuoteVerifier.QUESTIONS);
  }

  @Test
  void aPolicyAsksForMore() {
    SyntheticIntel sgx = new SyntheticIntel(3, SGX);
    SyntheticIntel tdx = new SyntheticIntel(5, TD_15);
    assertAccepted(judge(sgx, policy().minTcbEvaluationNumber(20).build()));
    assertRejected(
        judge(sgx, policy().minTcbEvaluationNumber(21).build()),
        "tcb-evaluation-number",
        "20 is below 21");
    assertAccepted(judge(sgx, policy().maxCollateralAge(Duration.ofDays(10)).build()));
    assertRejected(
        judge(sgx, policy().maxCollateralAge(Duration.ofDays(9)).build()),
        "collateral-age",
        "the oldest");
    assertAccepted(
        judge(sgx, policy().allow(Allowed.PLATFORM, Octets.ofHex("77".repeat(16))).build()));
    assertAccepted(
        judge(sgx, policy().allow(Allowed.PLATFORM, Octets.ofHex("88".repeat(16))).build()));
    assertRejected(
        judge(sgx, policy().allow(Allowed.PLATFORM, Octets.ofHex("99".repeat(16))).build()),
        "platform",
        "not on the policy's list");
    assertAccepted(judge(tdx, policy().allow(Allowed.RTMR3, Octets.own(new byte[48])).build()));
    assertRejected(
        judge(tdx, policy().allow(Allowed.RTMR2, Octets.ofHex("44".repeat(48))).build()),
        "identity",
        "RTMR2");
  }

  private static EvidencePolicy signer(int product, int version) {
    return EvidencePolicy.builder("signer")
        .signer(new SignerRule(SyntheticIntel.SIGNER, product, version))
        .reportData(SyntheticIntel.REPORT_DATA)
        .build();
  }

  @Test
  void aSignerCountsOnlyWithProductAndVersion() {
    SyntheticIntel sgx = new SyntheticIntel(3, SGX);
    assertAccepted(judge(sgx, signer(7, 4)));
    assertAccepted(judge(sgx, signer(7, 0)));
    assertRejected(judge(sgx, signer(7, 5)), "identity", "neither");
    assertRejected(judge(sgx, signer(8, 0)), "identity", "neither");
    assertRejected(
        judge(new SyntheticIntel(4, TD_10), signer(7, 0)), "identity", "no evidence of this kind");
  }

  @Test
  void debuggingIsAllowedOnlyByThePolicyThatSaysSo() {
    SyntheticIntel sgx = new SyntheticIntel(3, SGX);
    sgx.body = b -> b[QuoteLayout.SGX_ATTRIBUTES] |= 2;
    assertAccepted(judge(sgx, policy().debugAllowed(true).build()));
    assertThat(judge(sgx, policy().build()).debug()).isTrue();
  }

  @Test
  void timeIsCheckedAtBothEndsOfEverything() {
    SyntheticIntel sgx = new SyntheticIntel(3, SGX);
    EvidencePolicy policy = policy().build();
    assertAccepted(judge(sgx, policy, sgx.from));
    assertAccepted(judge(sgx, policy, sgx.to));
    for (Instant now : List.of(sgx.from.minusSeconds(1), sgx.to.plusSeconds(1))) {
      Verdict verdict = judge(sgx, policy, now);
      for (String check :
          List.of(
              "pck-chain", "root-crl", "pck-crl", "tcb-info-signature", "qe-identity-signature")) {
        assertRejected(verdict, check, "");
      }
      assertThat(verdict.tcbStatus()).isNull();
    }
  }

  @Test
  void paddingOfZerosAndARootInTheMiddleAreHarmless() {
    SyntheticIntel padded = new SyntheticIntel(4, TD_10);
    padded.whole = quote -> quote.paddedTo(8000);
    assertAccepted(judge(padded, policy().build()));
    SyntheticIntel early = new SyntheticIntel(3, SGX);
    early.rootInTheMiddle = true;
    assertAccepted(judge(early, policy().build()));
  }

  private static Verdict withStatus(
      int version, int body, String platform, Consumer<SyntheticIntel> change) {
    SyntheticIntel evidence = new SyntheticIntel(version, body);
    evidence.tcbInfo =
        text ->
            text.replace(
                "\"2030-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"sgx",
                "\"2030-01-01T00:00:00Z\",\"tcbStatus\":\"" + platform + "\"},{\"tcb\":{\"sgx");
    change.accept(evidence);
    return judge(
        evidence,
        policy()
            .statuses(
                EnumSet.range(TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED))
            .anyAdvisory()
            .build());
  }

  @Test
  void everyStatusIsConvergedWithThoseOfTheParts() {
    for (TcbStatus platform : TcbStatus.values()) {
      if (platform.toString().startsWith("TDRelaunch")) {
        continue;
      }
      for (int qe : new int[] {8, 6, 5}) {
        TcbStatus expected =
            qe == 8
                ? platform
                : qe == 6 ? platform.worsenedBy(TcbStatus.OUT_OF_DATE) : TcbStatus.REVOKED;
        Verdict verdict =
            withStatus(
                3,
                SGX,
                platform.toString(),
                e -> e.qeReport = r -> r[QuoteLayout.SGX_SVN] = (byte) qe);
        assertThat(verdict.tcbStatus()).isEqualTo(expected);
        assertThat(verdict.accepted()).isEqualTo(expected != TcbStatus.REVOKED);
      }
      for (int module : new int[] {5, 3, 2}) {
        TcbStatus expected =
            module == 5
                ? platform
                : module == 3 ? platform.worsenedBy(TcbStatus.OUT_OF_DATE) : TcbStatus.REVOKED;
        Verdict verdict =
            withStatus(4, TD_10, platform.toString(), e -> e.body = b -> b[0] = (byte) module);
        assertThat(verdict.tcbStatus()).as(platform + " " + module).isEqualTo(expected);
      }
    }
  }

  @Test
  void outOfDateSwallowsWhatIsBetter() {
    assertThat(TcbStatus.UP_TO_DATE.worsenedBy(TcbStatus.OUT_OF_DATE))
        .isEqualTo(TcbStatus.OUT_OF_DATE);
    assertThat(TcbStatus.SW_HARDENING_NEEDED.worsenedBy(TcbStatus.OUT_OF_DATE))
        .isEqualTo(TcbStatus.OUT_OF_DATE);
    assertThat(TcbStatus.CONFIGURATION_NEEDED.worsenedBy(TcbStatus.OUT_OF_DATE))
        .isEqualTo(TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED);
    assertThat(TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED.worsenedBy(TcbStatus.OUT_OF_DATE))
        .isEqualTo(TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED);
    assertThat(TcbStatus.OUT_OF_DATE.worsenedBy(TcbStatus.UP_TO_DATE))
        .isEqualTo(TcbStatus.OUT_OF_DATE);
    assertThat(TcbStatus.UP_TO_DATE.worsenedBy(TcbStatus.REVOKED)).isEqualTo(TcbStatus.REVOKED);
  }

  @Test
  void aGuestStartedByAnOldModuleIsAdvisedToRelaunch() {
    assertThat(withStatus(5, TD_15, "UpToDate", e -> e.body = b -> b[0] = 3).tcbStatus())
        .isEqualTo(TcbStatus.TD_RELAUNCH_ADVISED);
    Verdict verdict = withStatus(5, TD_15, "ConfigurationNeeded", e -> e.body = b -> b[0] = 3);
    assertThat(verdict.tcbStatus()).isEqualTo(TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
    assertThat(verdict.advisories()).containsExactly("INTEL-SA-MODULE");
    // What runs now is as old, or its loader is older: relaunching would not help.
    for (int offset : new int[] {0, 2}) {
      assertThat(
              withStatus(
                      5,
                      TD_15,
                      "UpToDate",
                      e ->
                          e.body =
                              b -> {
                                b[0] = 3;
                                b[QuoteLayout.TD_TCB_SVN2 + offset] = 2;
                              })
                  .tcbStatus())
          .isEqualTo(TcbStatus.OUT_OF_DATE);
    }
    // The quoting enclave is old as well.
    assertThat(
            withStatus(
                    5,
                    TD_15,
                    "UpToDate",
                    e -> {
                      e.body = b -> b[0] = 3;
                      e.qeReport = r -> r[QuoteLayout.SGX_SVN] = 6;
                    })
                .tcbStatus())
        .isEqualTo(TcbStatus.OUT_OF_DATE);
    assertThat(withStatus(5, TD_10, "UpToDate", e -> e.body = b -> b[0] = 3).tcbStatus())
        .isEqualTo(TcbStatus.OUT_OF_DATE);
  }

  @Test
  void advisoriesCountUnlessMitigated() {
    SyntheticIntel old = new SyntheticIntel(4, TD_10);
    old.body = b -> b[0] = 4;
    old.tcbInfo = text -> text.replace("\"svn\":10}", "\"svn\":11}");
    Set<TcbStatus> any = EnumSet.of(TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE);
    Verdict verdict = judge(old, policy().statuses(any).build());
    assertThat(verdict.advisories()).containsExactly("INTEL-SA-MODULE", "INTEL-SA-OLD");
    assertRejected(verdict, "advisories", "INTEL-SA-MODULE, INTEL-SA-OLD");
    assertRejected(
        judge(old, policy().statuses(any).mitigatedAdvisories(Set.of("INTEL-SA-OLD")).build()),
        "advisories",
        "INTEL-SA-MODULE");
    assertAccepted(
        judge(
            old,
            policy()
                .statuses(any)
                .mitigatedAdvisories(Set.of("INTEL-SA-OLD", "INTEL-SA-MODULE"))
                .build()));
  }

  @Test
  void aPolicyThatWouldAcceptAnythingIsRefused() {
    assertThatThrownBy(() -> EvidencePolicy.builder("x").build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("measurement");
    assertThatThrownBy(
            () ->
                EvidencePolicy.builder("x")
                    .allow(Allowed.MRTD, SyntheticIntel.MEASUREMENT_TDX)
                    .build())
        .hasMessageContaining("report data");
    assertThatThrownBy(() -> policy().reportData(Octets.own(new byte[64])))
        .hasMessageContaining("not all zero");
    // Whoever only looks at evidence may ask whether it is bound to nothing.
    Octets zeros = Octets.own(new byte[64]);
    assertThat(EvidencePolicy.lenient().reportData(zeros).build().reportData()).isEqualTo(zeros);
    assertThatThrownBy(() -> EvidencePolicy.lenient().reportData(Octets.own(new byte[0])))
        .hasMessageContaining("1 to 64 bytes");
    assertThatThrownBy(() -> policy().statuses(EnumSet.of(TcbStatus.REVOKED)))
        .hasMessageContaining("never Revoked");
    EvidencePolicy unbound =
        EvidencePolicy.builder("x")
            .allow(Allowed.MRENCLAVE, SyntheticIntel.MEASUREMENT_SGX)
            .boundToCertificate()
            .build();
    assertRejected(judge(new SyntheticIntel(3, SGX), unbound), "report-data", "nothing says");
  }
}
