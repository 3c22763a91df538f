package io.capsuledb.host.attest;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.amd.SnpReport;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.PckExtension;
import io.capsuledb.host.attest.intel.Quote;
import io.capsuledb.host.attest.intel.QuoteCodec;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.verdict.Claim;
import java.util.ArrayList;
import java.util.List;

/** Everything that evidence says, unverified: for showing, never for deciding. */
public final class EvidenceFields {

  private EvidenceFields() {}

  /** The fields of evidence of any kind, in the order in which they stand. */
  public static Decoded<List<Claim>> of(Octets evidence) {
    return Decoding.of(() -> read(evidence, true));
  }

  private static List<Claim> read(Octets evidence, boolean outermost) {
    List<Claim> fields = new ArrayList<>();
    switch (EvidenceKind.of(evidence)) {
      case QUOTE -> quote(fields, QuoteCodec.decode(evidence).orThrow());
      case REPORT -> {
        SnpReport report = SnpReport.decode(evidence).orThrow();
        fields.add(Claim.of("type", report.type()));
        fields.addAll(report.claims(report.product()));
      }
      case CERTIFICATE -> {
        requireOutermost(outermost);
        Certificate certificate = Certificate.parseFile(evidence);
        fields.add(Claim.of("certificate.subject", certificate.subjectCommonName()));
        fields.add(Claim.of("certificate.not-before", certificate.notBefore()));
        fields.add(Claim.of("certificate.not-after", certificate.notAfter()));
        fields.add(Claim.of("certificate.public-key", certificate.publicKeyInfo()));
        wrapped(fields, CertificateEvidence.find(certificate).orThrow());
      }
      case WRAPPED -> {
        requireOutermost(outermost);
        wrapped(fields, CertificateEvidence.decode(evidence).orThrow());
      }
      case UNKNOWN -> throw malformed(Reason.UNKNOWN_FORMAT, "neither quote nor report");
    }
    return List.copyOf(fields);
  }

  private static void requireOutermost(boolean outermost) {
    if (!outermost) {
      throw malformed(Reason.UNKNOWN_FORMAT, "evidence inside evidence inside evidence");
    }
  }

  private static void wrapped(List<Claim> fields, CertificateEvidence evidence) {
    fields.addAll(evidence.fields());
    fields.addAll(read(evidence.evidence(), false));
  }

  private static void quote(List<Claim> fields, Quote quote) {
    fields.add(Claim.of("type", quote.type()));
    fields.addAll(quote.claims());
    if (quote.certificationType() != QuoteLayout.CERTIFICATION_CHAIN) {
      fields.add(Claim.of("quote.certification-data", quote.certificationData()));
      return;
    }
    try {
      int position = 0;
      for (Certificate certificate : Certificate.parseChain(quote.certificationData())) {
        String prefix = "chain." + position + ".";
        position++;
        fields.add(Claim.of(prefix + "subject", certificate.subjectCommonName()));
        fields.add(Claim.of(prefix + "not-before", certificate.notBefore()));
        fields.add(Claim.of(prefix + "not-after", certificate.notAfter()));
        fields.add(Claim.of(prefix + "serial", certificate.serial()));
        if (certificate.extension(PckExtension.OID) != null) {
          fields.addAll(PckExtension.of(certificate).claims());
        }
      }
    } catch (IntegrityException e) {
      fields.add(Claim.of("chain.malformed", e.rejection().detail()));
    }
  }
}
