package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Claim;
import java.util.ArrayList;
import java.util.List;

/**
 * The body of an SGX report, of an enclave or of a quoting enclave.
 *
 * @param body its 384 bytes
 */
public record EnclaveReport(Octets body) {

  private static final int INIT = 1;
  private static final int DEBUG = 1 << 1;
  private static final int MODE_64 = 1 << 2;
  private static final int PROVISION_KEY = 1 << 4;
  private static final int TOKEN_KEY = 1 << 5;
  private static final int KSS = 1 << 7;

  public EnclaveReport {
    if (body.length() != QuoteLayout.SGX_BODY_BYTES) {
      throw malformed(Reason.TRUNCATED, "an SGX report of " + body.length() + " bytes");
    }
  }

  private int flags() {
    return body.unsignedByte(QuoteLayout.SGX_ATTRIBUTES);
  }

  public boolean initialised() {
    return (flags() & INIT) != 0;
  }

  /** Whether the host may read and write the enclave's memory. */
  public boolean debug() {
    return (flags() & DEBUG) != 0;
  }

  public boolean mode64() {
    return (flags() & MODE_64) != 0;
  }

  public boolean mayProvision() {
    return (flags() & PROVISION_KEY) != 0;
  }

  public boolean mayMakeTokens() {
    return (flags() & TOKEN_KEY) != 0;
  }

  /** ATTRIBUTES with XFRM, 16 bytes. */
  public Octets attributes() {
    return body.slice(QuoteLayout.SGX_ATTRIBUTES, 16);
  }

  /** MISCSELECT, 4 bytes. */
  public Octets miscSelect() {
    return body.slice(QuoteLayout.SGX_MISCSELECT, 4);
  }

  public Octets cpuSvn() {
    return body.slice(QuoteLayout.SGX_CPUSVN, QuoteLayout.SVN_COMPONENTS);
  }

  public Octets measurement() {
    return body.slice(QuoteLayout.SGX_MRENCLAVE, QuoteLayout.SHA256_BYTES);
  }

  public Octets signer() {
    return body.slice(QuoteLayout.SGX_MRSIGNER, QuoteLayout.SHA256_BYTES);
  }

  public int productId() {
    return body.unsignedShort(QuoteLayout.SGX_PRODUCT);
  }

  public int version() {
    return body.unsignedShort(QuoteLayout.SGX_SVN);
  }

  public Octets reportData() {
    return body.slice(QuoteLayout.SGX_REPORT_DATA, QuoteLayout.REPORT_DATA_BYTES);
  }

  /** Every field. */
  public List<Claim> claims(String prefix) {
    List<Claim> claims = new ArrayList<>();
    claims.add(Claim.of(prefix + "cpusvn", cpuSvn()));
    claims.add(Claim.of(prefix + "miscselect", miscSelect()));
    claims.add(Claim.of(prefix + "isvextprodid", body.slice(QuoteLayout.SGX_EXTENDED_PRODUCT, 16)));
    claims.add(Claim.of(prefix + "attributes", attributes()));
    claims.add(Claim.of(prefix + "attributes.init", initialised()));
    claims.add(Claim.of(prefix + "attributes.debug", debug()));
    claims.add(Claim.of(prefix + "attributes.mode64bit", mode64()));
    claims.add(Claim.of(prefix + "attributes.provision-key", mayProvision()));
    claims.add(Claim.of(prefix + "attributes.einittoken-key", mayMakeTokens()));
    claims.add(Claim.of(prefix + "attributes.kss", (flags() & KSS) != 0));
    claims.add(Claim.of(prefix + "mrenclave", measurement()));
    claims.add(Claim.of(prefix + "mrsigner", signer()));
    claims.add(Claim.of(prefix + "configid", body.slice(QuoteLayout.SGX_CONFIGID, 64)));
    claims.add(Claim.of(prefix + "isvprodid", productId()));
    claims.add(Claim.of(prefix + "isvsvn", version()));
    claims.add(Claim.of(prefix + "configsvn", body.unsignedShort(QuoteLayout.SGX_CONFIGSVN)));
    claims.add(Claim.of(prefix + "isvfamilyid", body.slice(QuoteLayout.SGX_FAMILY, 16)));
    claims.add(Claim.of(prefix + "report-data", reportData()));
    return List.copyOf(claims);
  }
}
