package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.amd.SnpReportLayout;
import io.capsuledb.host.attest.amd.SnpVerifier;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.SnpTcb;
import io.capsuledb.host.attest.verdict.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every check of a SEV-SNP report, each by something that only it finds. */
class SnpVerifierTest {

  private static EvidencePolicy.Builder policy() {
    return EvidencePolicy.builder("test")
        .allow(Allowed.SNP_MEASUREMENT, SyntheticSnp.MEASUREMENT)
        .reportData(SyntheticSnp.REPORT_DATA);
  }

  private static Verdict judge(SyntheticSnp evidence, EvidencePolicy policy) {
    Verdict verdict =
        new EvidenceVerifier(evidence.roots())
            .verify(evidence.report(), evidence.collateral(), SyntheticSnp.NOW, policy);
    assertThat(verdict.checks().stream().map(Check::name).toList())
        .isEqualTo(SnpVerifier.QUESTIONS);
    return verdict;
  }

  private static void assertAccepted(Verdict verdict) {
    assertThat(verdict.accepted()).as(verdict.toString()).isTrue();
  }

  private static void assertRejected(Verdict verdict, String check, String reason) {
    assertThat(verdict.accepted()).isFalse();
    assertThat(verdict.check(check).outcome())
        .as(verdict.toString())
        .isEqualTo(Check.Outcome.FAILED);
    assertThat(verdict.check(check).reason()).as(verdict.toString()).contains(reason);
  }

  @TestFactory
  Stream<DynamicTest> everyVersionAndProductIsAccepted() {
    return Stream.of(2, 3, 4, 5)
        .flatMap(
            version ->
                Stream.of("Milan", "Genoa", "Turin")
                    .flatMap(
                        product ->
                            Stream.of(false, true)
                                .map(
                                    loaded ->
                                        dynamicTest(
                                            version + " " + product + " " + loaded,
                                            () -> {
                                              SyntheticSnp evidence =
                                                  new SyntheticSnp(version, product);
                                              evidence.loaded = loaded;
                                              assertAccepted(judge(evidence, policy().build()));
                                            }))));
  }

  private final Set<String> negatives = new HashSet<>();

  private DynamicTest negative(
      String check, String reason, int version, String product, Consumer<SyntheticSnp> change) {
    return negative(check, reason, version, product, policy(), change);
  }

  private DynamicTest negative(
      String check,
      String reason,
      int version,
      String product,
      EvidencePolicy.Builder policy,
      Consumer<SyntheticSnp> change) {
    negatives.add(check);
    return dynamicTest(
        check + ": " + reason,
        () -> {
          SyntheticSnp evidence = new SyntheticSnp(version, product);
          change.accept(evidence);
          assertRejected(judge(evidence, policy.build()), check, reason);
        });
  }

  private static Consumer<SyntheticSnp> set(int offset, int value) {
    return evidence -> evidence.report = bytes -> bytes[offset] = (byte) value;
  }

  private List<DynamicTest> all() {
    List<DynamicTest> tests = new ArrayList<>();
    tests.add(negative("report-format", "version 1", 1, "Milan", e -> {}));
    tests.add(negative("report-format", "version 6", 6, "Milan", e -> {}));
    tests.add(
        negative("report-format", "below 3", 2, "Milan", policy().minSnpReportVersion(3), e -> {}));
    tests.add(
        negative(
            "report-format",
            "signature algorithm",
            3,
            "Milan",
            set(SnpReportLayout.SIGNATURE_ALGORITHM, 2)));
    tests.add(negative("report-format", "reserved", 3, "Milan", set(0x4C, 1)));
    tests.add(negative("report-format", "reserved", 3, "Milan", set(0x48, 0x20)));
    tests.add(negative("report-format", "reserved", 3, "Milan", set(0x0F, 1)));
    tests.add(negative("report-format", "reserved", 2, "Milan", set(0x188, 1)));
    tests.add(negative("report-format", "reserved", 3, "Milan", set(0x18B, 1)));
    tests.add(negative("report-format", "reserved", 4, "Milan", set(0x1F8, 1)));
    tests.add(negative("report-format", "reserved", 5, "Milan", set(0x208, 1)));
    tests.add(negative("report-format", "reserved", 5, "Milan", set(0x2D0, 1)));
    tests.add(negative("report-format", "reserved", 5, "Milan", set(0x49F, 1)));
    tests.add(
        negative(
            "report-padding",
            "not zero",
            3,
            "Milan",
            e -> e.whole = r -> r.then(Octets.ofHex("01"))));
    tests.add(negative("root-key", "not one", 3, "Milan", e -> e.otherRoot = true));
    tests.add(
        negative(
            "root-key",
            "missing",
            3,
            "Milan",
            e -> e.files = all -> new AmdCollateral(all.vek(), null, all.ark(), null)));
    tests.add(
        negative("vek-chain", "signature", 3, "Milan", e -> e.vekIssuer = SyntheticSnp.stranger()));
    tests.add(
        negative(
            "vek-chain", "expired", 3, "Milan", e -> e.vekTo = SyntheticSnp.NOW.minusSeconds(1)));
    tests.add(
        negative(
            "vek-revocation",
            "revoked",
            3,
            "Milan",
            e -> e.revoked = List.of(SyntheticSnp.ASK_SERIAL)));
    tests.add(
        negative(
            "vek-revocation",
            "missing",
            3,
            "Milan",
            policy().amdRevocationRequired(true),
            e -> {}));
    tests.add(negative("vek-type", "is called", 3, "Milan", e -> e.vekName = "VCEK"));
    tests.add(negative("vek-type", "signed by", 3, "Milan", set(SnpReportLayout.FLAGS, 4)));
    tests.add(negative("vek-type", "signed by null", 3, "Milan", set(SnpReportLayout.FLAGS, 28)));
    tests.add(negative("product", "CPUID", 3, "Milan", e -> e.productName = "Genoa-B0"));
    tests.add(negative("product", "unknown", 2, "Milan", e -> e.productName = "Naples"));
    tests.add(negative("product", "issued by", 2, "Milan", e -> e.issuerProduct = "Genoa"));
    tests.add(negative("product", "CPUID", 3, "Milan", set(SnpReportLayout.CPUID, 0x1B)));
    tests.add(
        negative(
            "vek-chip", "another", 3, "Milan", e -> e.hardwareId = Octets.ofHex("c2".repeat(64))));
    tests.add(negative("vek-chip", "hides", 3, "Milan", set(SnpReportLayout.FLAGS, 2)));
    tests.add(
        negative(
            "vek-chip", "8 bytes", 3, "Milan", e -> e.hardwareId = Octets.ofHex("c1".repeat(8))));
    tests.add(negative("vek-tcb", "the VEK is for", 3, "Milan", e -> e.microcode = 98));
    tests.add(
        negative(
            "report-signature",
            "not signed",
            3,
            "Milan",
            e -> e.whole = r -> r.slice(0, 0x2A0).then(Octets.own(new byte[0x4A0 - 0x2A0]))));
    tests.add(
        negative(
            "report-signature",
            "not signed",
            5,
            "Turin",
            e ->
                e.whole =
                    r -> r.slice(0, 0x50).then(Octets.ofHex("5b".repeat(64))).then(r.from(0x90))));
    tests.add(negative("guest-policy", "always one", 3, "Milan", set(0x0A, 1)));
    tests.add(negative("guest-policy", "migration", 3, "Milan", set(0x0A, 7)));
    tests.add(negative("guest-policy", "share", 3, "Milan", policy().smtAllowed(false), e -> {}));
    tests.add(negative("debug", "memory", 3, "Milan", set(0x0A, 0x0B)));
    tests.add(negative("vmpl", "level 1", 3, "Milan", set(SnpReportLayout.VMPL, 1)));
    tests.add(
        negative(
            "vmpl",
            "4294967295",
            3,
            "Milan",
            e -> e.report = b -> Arrays.fill(b, 0x30, 0x34, (byte) 0xFF)));
    tests.add(
        negative(
            "platform-info",
            "aliases",
            3,
            "Milan",
            policy().aliasCheckRequired(true),
            set(SnpReportLayout.PLATFORM_INFO, 0)));
    tests.add(
        negative(
            "tcb-order",
            "committed",
            3,
            "Milan",
            e -> e.report = b -> e.tcb(b, SnpReportLayout.COMMITTED_TCB, 23)));
    tests.add(
        negative(
            "tcb-order",
            "current",
            3,
            "Milan",
            e -> e.report = b -> e.tcb(b, SnpReportLayout.CURRENT_TCB, 23)));
    tests.add(
        negative(
            "tcb-minimum",
            "below",
            3,
            "Milan",
            policy().minSnpTcb("Milan", new SnpTcb(0, 0, 0, 25, 0)),
            e -> {}));
    tests.add(
        negative(
            "tcb-minimum",
            "launch",
            3,
            "Genoa",
            policy().minSnpTcb("Genoa", new SnpTcb(0, 0, 0, 24, 0)),
            e -> e.report = b -> e.tcb(b, SnpReportLayout.LAUNCH_TCB, 23)));
    tests.add(negative("identity", "MEASUREMENT", 3, "Milan", set(SnpReportLayout.MEASUREMENT, 1)));
    tests.add(
        negative(
            "identity",
            "HOST_DATA",
            3,
            "Milan",
            policy().allow(Allowed.HOST_DATA, Octets.ofHex("01".repeat(32))),
            e -> {}));
    tests.add(
        negative("guest-svn", "2 is below 3", 3, "Milan", policy().minGuestVersion(3), e -> {}));
    tests.add(
        negative(
            "platform",
            "not on",
            3,
            "Milan",
            policy().allow(Allowed.PLATFORM, Octets.ofHex("c2".repeat(64))),
            e -> {}));
    for (int offset : new int[] {0, 31, 32, 63}) {
      tests.add(
          negative(
              "report-data",
              "not the expected",
              3,
              "Milan",
              set(SnpReportLayout.REPORT_DATA + offset, 1)));
    }
    return tests;
  }

  @TestFactory
  List<DynamicTest> everythingWrongIsFoundByItsCheck() {
    return all();
  }

  @Test
  void everyQuestionHasSomethingThatFailsIt() {
    all();
    assertThat(negatives).containsAll(SnpVerifier.QUESTIONS);
  }

  @Test
  void aPolicyMayAllowMore() {
    SyntheticSnp evidence = new SyntheticSnp(3, "Milan");
    evidence.revoked = List.of();
    evidence.report =
        bytes -> {
          bytes[SnpReportLayout.VMPL] = 1;
          bytes[0x0A] = 0x0B;
        };
    assertAccepted(
        judge(
            evidence,
            policy()
                .maxVmpl(1)
                .debugAllowed(true)
                .amdRevocationRequired(true)
                .minSnpTcb("Milan", new SnpTcb(0, 4, 0, 24, 99))
                .allow(Allowed.PLATFORM, SyntheticSnp.CHIP)
                .minGuestVersion(2)
                .aliasCheckRequired(true)
                .build()));
  }
}
