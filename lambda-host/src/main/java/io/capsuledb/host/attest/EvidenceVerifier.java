package io.capsuledb.host.attest;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Decoded.Accepted;
import io.capsuledb.core.error.Decoded.Rejected;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.host.attest.amd.SnpReport;
import io.capsuledb.host.attest.amd.SnpVerifier;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.Quote;
import io.capsuledb.host.attest.intel.QuoteCodec;
import io.capsuledb.host.attest.intel.QuoteVerifier;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.Chain;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.pki.VerifiedSignatures;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.Verdict;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Judges evidence of any kind: a quote, a report, a certificate that carries one.
 *
 * <p>Invariants: the verdict depends on the arguments and on the roots alone; untrusted bytes never
 * make it throw; evidence that cannot be read is rejected, with every question that it should have
 * answered. Thread-safe; what it remembers is which signatures were good, which saves time and
 * changes no verdict.
 */
public final class EvidenceVerifier {

  /** Questions about a certificate, before those about the evidence in it. */
  private static final List<String> CERTIFICATE_QUESTIONS =
      List.of(
          "wrapping-format", "certificate-validity", "key-binding", "nonce", "asked-report-data");

  private static final String UNKNOWN_TYPE = "unknown";
  private static final String FORMAT = "evidence-format";

  private final TrustRoots roots;
  private final VerifiedSignatures signatures = new VerifiedSignatures();

  /** A verifier of evidence that leads to one of {@code roots}. */
  public EvidenceVerifier(TrustRoots roots) {
    this.roots = roots;
  }

  /**
   * Judges evidence.
   *
   * @param evidence a quote, a report, a certificate, or the contents of its extension
   * @param collateral what it is judged with
   * @param now the instant at which everything has to be valid
   * @param policy what it has to say
   */
  public Verdict verify(
      Octets evidence, Collateral collateral, Instant now, EvidencePolicy policy) {
    return switch (EvidenceKind.of(evidence)) {
      case QUOTE -> quote(evidence, collateral, now, policy);
      case REPORT -> report(evidence, collateral, now, policy);
      case CERTIFICATE -> {
        Certificate certificate;
        try {
          certificate = Certificate.parseFile(evidence);
        } catch (IntegrityException e) {
          yield unreadable("ratls-cert", e.rejection().detail());
        }
        yield certificate(certificate, collateral, now, policy);
      }
      case WRAPPED ->
          wrapped("ratls-", CertificateEvidence.decode(evidence), null, collateral, now, policy);
      case UNKNOWN -> unreadable(UNKNOWN_TYPE, "neither quote, nor report, nor certificate");
    };
  }

  /**
   * Judges a certificate that carries evidence about its key.
   *
   * <p>That the peer has the key is for the handshake to show.
   */
  public Verdict certificate(
      Certificate certificate, Collateral collateral, Instant now, EvidencePolicy policy) {
    return wrapped(
        "ratls-cert-", CertificateEvidence.find(certificate), certificate, collateral, now, policy);
  }

  private static Verdict unreadable(String type, String reason) {
    Verdict.Draft draft = new Verdict.Draft(type, List.of(FORMAT));
    draft.fail(FORMAT, reason);
    return draft.finish();
  }

  private Verdict quote(Octets bytes, Collateral collateral, Instant now, EvidencePolicy policy) {
    Verdict.Draft draft = new Verdict.Draft(QuoteCodec.typeOf(bytes), QuoteVerifier.QUESTIONS);
    quote(draft, bytes, collateral, now, policy, policy.reportData());
    return draft.finish();
  }

  private void quote(
      Verdict.Draft draft,
      Octets bytes,
      Collateral collateral,
      Instant now,
      EvidencePolicy policy,
      @Nullable Octets reportData) {
    switch (QuoteCodec.decode(bytes)) {
      case Rejected<Quote>(var rejection) ->
          draft.fail(QuoteVerifier.QUESTIONS.getFirst(), rejection.detail());
      case Accepted<Quote>(Quote quote) ->
          QuoteVerifier.judge(
              draft, quote, collateral.intel(), now, policy, roots, signatures, reportData);
    }
  }

  private Verdict report(Octets bytes, Collateral collateral, Instant now, EvidencePolicy policy) {
    Verdict.Draft draft = new Verdict.Draft(SnpReport.typeOf(bytes), SnpVerifier.QUESTIONS);
    report(draft, bytes, collateral, now, policy, policy.reportData());
    return draft.finish();
  }

  private void report(
      Verdict.Draft draft,
      Octets bytes,
      Collateral collateral,
      Instant now,
      EvidencePolicy policy,
      @Nullable Octets reportData) {
    switch (SnpReport.decode(bytes)) {
      case Rejected<SnpReport>(var rejection) ->
          draft.fail(SnpVerifier.QUESTIONS.getFirst(), rejection.detail());
      case Accepted<SnpReport>(SnpReport report) ->
          SnpVerifier.judge(draft, report, collateral.amd(), now, policy, roots, reportData);
    }
  }

  private Verdict wrapped(
      String typePrefix,
      Decoded<CertificateEvidence> found,
      @Nullable Certificate certificate,
      Collateral collateral,
      Instant now,
      EvidencePolicy policy) {
    return switch (found) {
      case Rejected<CertificateEvidence>(var rejection) ->
          unreadable(typePrefix + UNKNOWN_TYPE, rejection.detail());
      case Accepted<CertificateEvidence>(CertificateEvidence evidence) ->
          wrapped(typePrefix + evidence.format(), evidence, certificate, collateral, now, policy);
    };
  }

  private Verdict wrapped(
      String type,
      CertificateEvidence evidence,
      @Nullable Certificate certificate,
      Collateral collateral,
      Instant now,
      EvidencePolicy policy) {
    Octets inner = evidence.evidence();
    EvidenceKind kind = EvidenceKind.of(inner);
    List<String> questions = new ArrayList<>(CERTIFICATE_QUESTIONS);
    switch (kind) {
      case QUOTE -> questions.addAll(QuoteVerifier.QUESTIONS);
      case REPORT -> questions.addAll(SnpVerifier.QUESTIONS);
      default -> questions.add(FORMAT);
    }
    Verdict.Draft draft = new Verdict.Draft(type, questions);
    draft.pass("wrapping-format", "wrapped as " + evidence.format());
    draft.claims(evidence.fields());
    Octets expected = bind(draft, evidence, certificate, now, policy);
    switch (kind) {
      case QUOTE -> quote(draft, inner, collateral, now, policy, expected);
      case REPORT -> report(draft, inner, collateral, now, policy, expected);
      default -> draft.fail(FORMAT, "what is wrapped is neither quote nor report");
    }
    return draft.finish();
  }

  /**
   * Judges what ties evidence, key and verifier together; returns what the report data has to be.
   */
  private static Octets bind(
      Verdict.Draft draft,
      CertificateEvidence evidence,
      @Nullable Certificate certificate,
      Instant now,
      EvidencePolicy policy) {
    Octets expected;
    if (certificate == null) {
      draft.notApplicable("certificate-validity", "there is no certificate");
      if (policy.reportDataRequired() && policy.reportData() == null) {
        draft.fail("key-binding", "there is no certificate whose key it could be bound to");
      } else if (evidence.namesKey()) {
        draft.notApplicable(
            "key-binding", "there is no certificate: compare the key's hash with the claim");
      } else {
        draft.fail("key-binding", "there is no certificate, and the evidence names no key");
      }
      expected = evidence.expectedReportData(Octets.EMPTY);
    } else {
      draft.judge(
          "certificate-validity",
          Chain.validity(certificate, now),
          "from " + certificate.notBefore() + " to " + certificate.notAfter());
      draft.validUntil(certificate.notAfter());
      Octets key = certificate.publicKeyInfo();
      draft.judge(
          "key-binding",
          evidence.isFor(key) ? null : "the evidence is about another key",
          evidence.namesKey()
              ? "the claims name the certificate's key"
              : "the report data has to be the hash of the certificate's key");
      expected = evidence.expectedReportData(key);
    }
    Octets nonce = policy.nonce();
    if (nonce == null) {
      draft.notApplicable("nonce", "the policy names none");
    } else {
      draft.judge(
          "nonce",
          nonce.equals(evidence.nonce()) ? null : "the claims do not carry the verifier's nonce",
          "the claims carry the verifier's nonce");
    }
    Octets asked = policy.reportData();
    if (asked == null) {
      draft.notApplicable("asked-report-data", "the policy names none");
    } else {
      draft.judge(
          "asked-report-data",
          asked.equals(expected) ? null : "the policy asks for other report data",
          "the policy asks for the same report data");
    }
    return expected;
  }
}
