package io.capsuledb.host.attest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.TcbStatus;
import io.capsuledb.host.attest.verdict.Verdict;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every case of the real evidence gets the verdicts that its manifest expects. */
class RealEvidenceTest {

  private static Verdict verdict(RealEvidence.Case item, EvidencePolicy policy) {
    return new EvidenceVerifier(item.roots())
        .verify(item.evidence(), item.collateral(), item.time(), policy);
  }

  @TestFactory
  Stream<DynamicTest> everyCaseIsJudgedAsExpected() {
    return RealEvidence.cases().map(item -> dynamicTest(item.name(), () -> check(item)));
  }

  private static void check(RealEvidence.Case item) {
    Verdict strict = verdict(item, EvidencePolicy.strict().build());
    Verdict lenient = verdict(item, EvidencePolicy.lenient().build());
    assertThat(strict.accepted())
        .as("strict: " + strict)
        .isEqualTo(item.expected().get("verdict_strict").text().equals("ACCEPT"));
    assertThat(lenient.accepted())
        .as("lenient: " + lenient)
        .isEqualTo(item.expected().get("verdict_lenient").text().equals("ACCEPT"));
    TcbStatus status = strict.tcbStatus();
    assertThat(status == null ? null : status.toString())
        .as("status: " + strict)
        .isEqualTo(text(item.expected("tcb_status")));
    Json advisories = item.expected("advisory_ids");
    if (advisories != null) {
      assertThat(strict.advisories())
          .isEqualTo(advisories.elements(1000).stream().map(Json::text).sorted().toList());
    }
    Json debug = item.expected("debug");
    if (debug != null && strict.debug() != null) {
      assertThat(debug.raw()).isEqualTo(SyntheticIntel.ascii(String.valueOf(strict.debug())));
    }
    Json evaluation = item.expected("tcb_eval_data_number");
    if (evaluation != null) {
      assertThat(strict.tcbEvaluationNumber()).isEqualTo(evaluation.integer(1000));
    }
  }

  private static @Nullable String text(@Nullable Json json) {
    return json == null ? null : json.text();
  }

  @TestFactory
  Stream<DynamicTest> reportDataIsComparedWhole() {
    return RealEvidence.cases()
        .filter(item -> item.expected().get("verdict_lenient").text().equals("ACCEPT"))
        .filter(item -> !item.has("certificate"))
        .map(item -> dynamicTest(item.name(), () -> checkReportData(item)));
  }

  private static void checkReportData(RealEvidence.Case item) {
    Octets actual = item.json().get("identity").get("report_data").hex(64);
    if (!actual.isZero()) {
      assertThat(verdict(item, EvidencePolicy.lenient().reportData(actual).build()).accepted())
          .isTrue();
    }
    for (int at : List.of(0, 31, 32, 63)) {
      byte[] other = actual.toArray();
      other[at] ^= 1;
      Verdict verdict =
          verdict(item, EvidencePolicy.lenient().reportData(Octets.own(other)).build());
      assertThat(verdict.accepted()).isFalse();
      assertThat(verdict.check("report-data").reason()).contains("not the expected");
    }
  }
}
