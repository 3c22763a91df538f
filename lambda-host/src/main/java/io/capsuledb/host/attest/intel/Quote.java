package io.capsuledb.host.attest.intel;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Claim;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A DCAP quote as {@link QuoteCodec} reads it. Exactly one of {@code enclave} and {@code domain} is
 * there.
 *
 * @param version 3, 4 or 5
 * @param header the first 48 bytes
 * @param signed what the attestation key signed: header, in version 5 the descriptor, and body
 * @param enclave what an SGX quote is about
 * @param domain what a TDX quote is about
 * @param signature of the attestation key, r and s
 * @param attestationKey the attestation key, a point on P-256
 * @param qeReport the quoting enclave's report
 * @param qeReportSignature of the PCK key over the quoting enclave's report, r and s
 * @param qeAuthData what the quoting enclave added to its report data
 * @param certificationType how the PCK certificate is named; 5 if it is here
 * @param certificationData the PCK certificate's chain if the type is 5
 * @param padding what follows the quote in the buffer it came in
 */
public record Quote(
    int version,
    Octets header,
    Octets signed,
    @Nullable EnclaveReport enclave,
    @Nullable TdReport domain,
    Octets signature,
    Octets attestationKey,
    EnclaveReport qeReport,
    Octets qeReportSignature,
    Octets qeAuthData,
    int certificationType,
    Octets certificationData,
    Octets padding) {

  /** Whether this is about a TDX guest, and not about an SGX enclave. */
  public boolean isTdx() {
    return domain != null;
  }

  /** The kind and version, such as {@code tdx-quote-v4}. */
  public String type() {
    return (isTdx() ? "tdx" : "sgx") + "-quote-v" + version;
  }

  /** The 64 bytes that what is attested chose. */
  public Octets reportData() {
    if (domain != null) {
      return domain.reportData();
    }
    if (enclave != null) {
      return enclave.reportData();
    }
    throw new IllegalStateException("a quote is about something");
  }

  /** Whether the host may read the memory of what is attested. */
  public boolean debug() {
    return domain != null ? domain.debug() : enclave != null && enclave.debug();
  }

  /** Every field but certificates. */
  public List<Claim> claims() {
    List<Claim> claims = new ArrayList<>();
    claims.add(Claim.of("quote.version", version));
    claims.add(Claim.of("quote.attestation-key-type", header.unsignedShort(QuoteLayout.KEY_TYPE)));
    claims.add(Claim.of("quote.tee-type", header.unsignedInt(QuoteLayout.TEE_TYPE)));
    claims.add(Claim.of("quote.qe-svn", header.unsignedShort(QuoteLayout.QE_SVN)));
    claims.add(Claim.of("quote.pce-svn", header.unsignedShort(QuoteLayout.PCE_SVN)));
    claims.add(
        Claim.of(
            "quote.qe-vendor-id",
            header.slice(QuoteLayout.QE_VENDOR, QuoteLayout.QE_VENDOR_BYTES)));
    claims.add(
        Claim.of(
            "quote.user-data", header.slice(QuoteLayout.USER_DATA, QuoteLayout.USER_DATA_BYTES)));
    if (enclave != null) {
      claims.addAll(enclave.claims(""));
    }
    if (domain != null) {
      claims.addAll(domain.claims(""));
    }
    claims.add(Claim.of("quote.signature", signature));
    claims.add(Claim.of("quote.attestation-key", attestationKey));
    claims.addAll(qeReport.claims("qe."));
    claims.add(Claim.of("qe.report-signature", qeReportSignature));
    claims.add(Claim.of("qe.auth-data", qeAuthData));
    claims.add(Claim.of("quote.certification-type", certificationType));
    claims.add(Claim.of("quote.padding-bytes", padding.length()));
    return List.copyOf(claims);
  }
}
