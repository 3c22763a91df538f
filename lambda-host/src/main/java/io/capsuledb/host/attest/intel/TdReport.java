package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Claim;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The body of a TD report, of TDX 1.0 or 1.5.
 *
 * @param body its 584 or 648 bytes
 */
public record TdReport(Octets body) {

  /** Number of run-time measurement registers. */
  public static final int RTMRS = 4;

  private static final long DEBUG = 1;
  private static final long SEPT_VE_DISABLE = 1L << 28;
  private static final long MIGRATABLE = 1L << 29;
  private static final long PROTECTION_KEYS = 1L << 30;
  private static final long KEY_LOCKER = 1L << 31;
  private static final long PERFMON = 1L << 63;

  public TdReport {
    if (body.length() != QuoteLayout.TD_10_BYTES && body.length() != QuoteLayout.TD_15_BYTES) {
      throw malformed(Reason.TRUNCATED, "a TD report of " + body.length() + " bytes");
    }
  }

  /** Whether the body is that of TDX 1.5. */
  public boolean is15() {
    return body.length() == QuoteLayout.TD_15_BYTES;
  }

  private boolean has(long bit) {
    return (body.bits64(QuoteLayout.TD_ATTRIBUTES) & bit) != 0;
  }

  /** Whether the host may read and write the guest's memory. */
  public boolean debug() {
    return has(DEBUG);
  }

  /** Whether pages that the host takes away are reported to nobody but the host. */
  public boolean septVeDisable() {
    return has(SEPT_VE_DISABLE);
  }

  public boolean migratable() {
    return has(MIGRATABLE);
  }

  public boolean perfmon() {
    return has(PERFMON);
  }

  private Octets digest(int offset) {
    return body.slice(offset, QuoteLayout.SHA384_BYTES);
  }

  /** TEE_TCB_SVN, 16 bytes: [0] the module's version, [1] its major version. */
  public Octets tcbSvn() {
    return body.slice(QuoteLayout.TD_TCB_SVN, QuoteLayout.SVN_COMPONENTS);
  }

  /** TEE_TCB_SVN2 of TDX 1.5, what runs now; null in TDX 1.0. */
  public @Nullable Octets currentTcbSvn() {
    return is15() ? body.slice(QuoteLayout.TD_TCB_SVN2, QuoteLayout.SVN_COMPONENTS) : null;
  }

  public Octets moduleSigner() {
    return digest(QuoteLayout.TD_MRSIGNERSEAM);
  }

  public Octets moduleAttributes() {
    return body.slice(QuoteLayout.TD_SEAM_ATTRIBUTES, 8);
  }

  public Octets measurement() {
    return digest(QuoteLayout.TD_MRTD);
  }

  public Octets configId() {
    return digest(QuoteLayout.TD_MRCONFIGID);
  }

  /** Run-time measurement register {@code index}, from 0 to 3. */
  public Octets rtmr(int index) {
    return digest(QuoteLayout.TD_RTMR + index * QuoteLayout.SHA384_BYTES);
  }

  /** The measurement of service TDs bound to this one; null in TDX 1.0. */
  public @Nullable Octets serviceMeasurement() {
    return is15() ? digest(QuoteLayout.TD_MRSERVICETD) : null;
  }

  public Octets reportData() {
    return body.slice(QuoteLayout.TD_REPORT_DATA, QuoteLayout.REPORT_DATA_BYTES);
  }

  /** Every field. */
  public List<Claim> claims(String prefix) {
    List<Claim> claims = new ArrayList<>();
    claims.add(Claim.of(prefix + "tee-tcb-svn", tcbSvn()));
    claims.add(Claim.of(prefix + "mrseam", digest(QuoteLayout.TD_MRSEAM)));
    claims.add(Claim.of(prefix + "mrsignerseam", moduleSigner()));
    claims.add(Claim.of(prefix + "seamattributes", moduleAttributes()));
    claims.add(Claim.of(prefix + "tdattributes", body.slice(QuoteLayout.TD_ATTRIBUTES, 8)));
    claims.add(Claim.of(prefix + "tdattributes.debug", debug()));
    claims.add(Claim.of(prefix + "tdattributes.sept-ve-disable", septVeDisable()));
    claims.add(Claim.of(prefix + "tdattributes.migratable", migratable()));
    claims.add(Claim.of(prefix + "tdattributes.pks", has(PROTECTION_KEYS)));
    claims.add(Claim.of(prefix + "tdattributes.kl", has(KEY_LOCKER)));
    claims.add(Claim.of(prefix + "tdattributes.perfmon", perfmon()));
    claims.add(Claim.of(prefix + "xfam", body.slice(QuoteLayout.TD_XFAM, 8)));
    claims.add(Claim.of(prefix + "mrtd", measurement()));
    claims.add(Claim.of(prefix + "mrconfigid", configId()));
    claims.add(Claim.of(prefix + "mrowner", digest(QuoteLayout.TD_MROWNER)));
    claims.add(Claim.of(prefix + "mrownerconfig", digest(QuoteLayout.TD_MROWNERCONFIG)));
    for (int i = 0; i < RTMRS; i++) {
      claims.add(Claim.of(prefix + "rtmr" + i, rtmr(i)));
    }
    claims.add(Claim.of(prefix + "report-data", reportData()));
    if (is15()) {
      claims.add(Claim.of(prefix + "tee-tcb-svn2", String.valueOf(currentTcbSvn())));
      claims.add(Claim.of(prefix + "mrservicetd", String.valueOf(serviceMeasurement())));
    }
    return List.copyOf(claims);
  }
}
