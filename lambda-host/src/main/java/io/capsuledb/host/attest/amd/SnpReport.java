package io.capsuledb.host.attest.amd;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.attest.verdict.SnpTcb;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A SEV-SNP attestation report of version 2 to 5.
 *
 * @param bytes its 1184 bytes
 * @param padding what follows it in the buffer it came in
 */
public record SnpReport(Octets bytes, Octets padding) {

  private static final int LEAST_VERSION = 2;
  private static final int MOST_VERSION = 5;

  private static final int MOST_VMPL = 3;
  private static final int MAX_PADDING = 1 << 14;

  /** Bits of the guest policy that have a meaning. */
  private static final long KNOWN_POLICY = (1L << 26) - 1;

  private static final long KNOWN_FLAGS = 0x1F;
  private static final int FAMILY_ZEN3_4 = 0x19;
  private static final int FAMILY_ZEN5 = 0x1A;

  /** What the report is signed with. */
  public enum SigningKey {
    VCEK,
    VLEK
  }

  /** Whether these bytes want to be a report: their length, or version and length, say so. */
  public static boolean looksLike(Octets bytes) {
    if (bytes.length() < SnpReportLayout.CURRENT_TCB || bytes.length() > MAX_PADDING) {
      return false;
    }
    long version = bytes.unsignedInt(SnpReportLayout.VERSION);
    boolean algorithm =
        bytes.unsignedInt(SnpReportLayout.SIGNATURE_ALGORITHM) == SnpReportLayout.ECDSA_P384_SHA384;
    return bytes.length() == SnpReportLayout.BYTES
        ? version < 0x10000
        : version >= 1 && version <= 0xFF && algorithm;
  }

  /** What to call bytes that {@link #looksLike} a report, before they are read. */
  public static String typeOf(Octets bytes) {
    return "snp-report-v" + bytes.unsignedInt(SnpReportLayout.VERSION);
  }

  /** Reads a report: versions, reserved fields and ranges. */
  public static Decoded<SnpReport> decode(Octets bytes) {
    return Decoding.of(() -> read(bytes));
  }

  private static SnpReport read(Octets all) {
    Octets bytes = all.slice(0, SnpReportLayout.BYTES);
    Octets padding = all.from(SnpReportLayout.BYTES);
    if (padding.length() > MAX_PADDING) {
      throw malformed(Reason.TOO_LARGE, padding.length() + " bytes follow the report");
    }
    long version = bytes.unsignedInt(SnpReportLayout.VERSION);
    if (version < LEAST_VERSION || version > MOST_VERSION) {
      throw malformed(Reason.UNKNOWN_FORMAT, "report version " + version);
    }
    if (bytes.unsignedInt(SnpReportLayout.SIGNATURE_ALGORITHM)
        != SnpReportLayout.ECDSA_P384_SHA384) {
      throw malformed(Reason.UNKNOWN_TYPE, "signature algorithm, or not ECDSA on P-384");
    }
    if (bytes.unsignedInt(SnpReportLayout.VMPL) > MOST_VMPL
        && bytes.unsignedInt(SnpReportLayout.VMPL) != 0xFFFFFFFFL) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "VM privilege level");
    }
    if ((bytes.bits64(SnpReportLayout.POLICY) & ~KNOWN_POLICY) != 0
        || (bytes.unsignedInt(SnpReportLayout.FLAGS) & ~KNOWN_FLAGS) != 0) {
      throw malformed(Reason.RESERVED_BITS, "reserved bits of the policy or of the flags");
    }
    int afterTcb = version >= 3 ? SnpReportLayout.RESERVED_CPUID : SnpReportLayout.CPUID;
    int afterLaunch =
        version >= 5 ? SnpReportLayout.RESERVED_V5 : SnpReportLayout.LAUNCH_MITIGATIONS;
    requireZero(bytes, SnpReportLayout.RESERVED_FLAGS, SnpReportLayout.REPORT_DATA);
    requireZero(bytes, afterTcb, SnpReportLayout.CHIP_ID);
    requireZero(bytes, SnpReportLayout.RESERVED_CURRENT, SnpReportLayout.COMMITTED_BUILD);
    requireZero(bytes, SnpReportLayout.RESERVED_COMMITTED, SnpReportLayout.LAUNCH_TCB);
    requireZero(bytes, afterLaunch, SnpReportLayout.SIGNATURE);
    requireZero(
        bytes,
        SnpReportLayout.SIGNATURE_R + SnpReportLayout.SCALAR_BYTES,
        SnpReportLayout.SIGNATURE_S);
    requireZero(
        bytes, SnpReportLayout.SIGNATURE_S + SnpReportLayout.SCALAR_BYTES, SnpReportLayout.BYTES);
    return new SnpReport(bytes, padding);
  }

  private static void requireZero(Octets bytes, int from, int to) {
    if (!bytes.slice(from, (long) to - from).isZero()) {
      throw malformed(Reason.RESERVED_BITS, "reserved bytes at 0x" + Integer.toHexString(from));
    }
  }

  public int version() {
    return (int) bytes.unsignedInt(SnpReportLayout.VERSION);
  }

  /** The kind and version, such as {@code snp-report-v3}. */
  public String type() {
    return typeOf(bytes);
  }

  private boolean policy(int bit) {
    return (bytes.bits64(SnpReportLayout.POLICY) >>> bit & 1) != 0;
  }

  /** Whether the policy's bit that is always one is one. */
  public boolean wellFormedPolicy() {
    return policy(17);
  }

  /** Whether the guest may run beside another on one core. */
  public boolean smt() {
    return policy(16);
  }

  /** Whether a migration agent may move the guest elsewhere. */
  public boolean migratable() {
    return policy(18);
  }

  /** Whether the host may read and write the guest's memory. */
  public boolean debug() {
    return policy(19);
  }

  public long guestVersion() {
    return bytes.unsignedInt(SnpReportLayout.GUEST_SVN);
  }

  /** The privilege level of who asked for the report: 0 the most privileged, 3 the least. */
  public long vmpl() {
    return bytes.unsignedInt(SnpReportLayout.VMPL);
  }

  private boolean platformInfo(int bit) {
    return (bytes.bits64(SnpReportLayout.PLATFORM_INFO) >>> bit & 1) != 0;
  }

  /** Whether the firmware found no two addresses for one cell of memory (BadRAM). */
  public boolean aliasCheckComplete() {
    return platformInfo(5);
  }

  private long flags() {
    return bytes.unsignedInt(SnpReportLayout.FLAGS);
  }

  /** Whether the report hides which chip made it. */
  public boolean chipMasked() {
    return (flags() >>> 1 & 1) != 0;
  }

  /** What signed the report; null for none, or one not known. */
  public @Nullable SigningKey signingKey() {
    return switch ((int) (flags() >>> 2 & 7)) {
      case 0 -> SigningKey.VCEK;
      case 1 -> SigningKey.VLEK;
      default -> null;
    };
  }

  /** The product that the signed CPUID says, from version 3 on; empty before, or if unknown. */
  public String product() {
    if (version() < 3) {
      return "";
    }
    int family = bytes.unsignedByte(SnpReportLayout.CPUID);
    int model = bytes.unsignedByte(SnpReportLayout.CPUID + 1);
    if (family == FAMILY_ZEN3_4 && model <= 0x0F) {
      return "Milan";
    }
    if (family == FAMILY_ZEN3_4
        && ((model >= 0x10 && model <= 0x1F) || (model >= 0xA0 && model <= 0xAF))) {
      return "Genoa";
    }
    return family == FAMILY_ZEN5 && model <= 0x1F ? "Turin" : "";
  }

  private SnpTcb tcb(int offset, String product) {
    return tcb(bytes.slice(offset, 8), product);
  }

  /** The versions in eight bytes, which are placed differently on Turin. */
  static SnpTcb tcb(Octets eight, String product) {
    return product.equals("Turin")
        ? new SnpTcb(
            eight.unsignedByte(0),
            eight.unsignedByte(1),
            eight.unsignedByte(2),
            eight.unsignedByte(3),
            eight.unsignedByte(7))
        : new SnpTcb(
            0,
            eight.unsignedByte(0),
            eight.unsignedByte(1),
            eight.unsignedByte(6),
            eight.unsignedByte(7));
  }

  /** What the signing key stands for. */
  public SnpTcb reportedTcb(String product) {
    return tcb(SnpReportLayout.REPORTED_TCB, product);
  }

  /** What cannot be rolled back. */
  public SnpTcb committedTcb(String product) {
    return tcb(SnpReportLayout.COMMITTED_TCB, product);
  }

  /** What runs now. */
  public SnpTcb currentTcb(String product) {
    return tcb(SnpReportLayout.CURRENT_TCB, product);
  }

  /** What ran when the guest was launched. */
  public SnpTcb launchTcb(String product) {
    return tcb(SnpReportLayout.LAUNCH_TCB, product);
  }

  private Octets digest(int offset) {
    return bytes.slice(offset, SnpReportLayout.DIGEST_BYTES);
  }

  public Octets measurement() {
    return digest(SnpReportLayout.MEASUREMENT);
  }

  public Octets hostData() {
    return bytes.slice(SnpReportLayout.HOST_DATA, 32);
  }

  public Octets idKeyDigest() {
    return digest(SnpReportLayout.ID_KEY_DIGEST);
  }

  public Octets authorKeyDigest() {
    return digest(SnpReportLayout.AUTHOR_KEY_DIGEST);
  }

  public Octets chipId() {
    return bytes.slice(SnpReportLayout.CHIP_ID, SnpReportLayout.CHIP_ID_BYTES);
  }

  public Octets reportData() {
    return bytes.slice(SnpReportLayout.REPORT_DATA, SnpReportLayout.REPORT_DATA_BYTES);
  }

  /** What is signed. */
  public Octets signed() {
    return bytes.slice(0, SnpReportLayout.SIGNATURE);
  }

  /** The signature as {@code r || s}, big-endian. */
  public Octets signature() {
    Octets r = bytes.slice(SnpReportLayout.SIGNATURE_R, SnpReportLayout.SCALAR_BYTES);
    Octets s = bytes.slice(SnpReportLayout.SIGNATURE_S, SnpReportLayout.SCALAR_BYTES);
    return r.reversed().then(s.reversed());
  }

  /**
   * Every field.
   *
   * @param product whose layout of TCB versions it has; empty if that is not known
   */
  public List<Claim> claims(String product) {
    List<Claim> claims = new ArrayList<>();
    claims.add(Claim.of("report.version", version()));
    claims.add(Claim.of("report.product", product));
    claims.add(Claim.of("guest-svn", guestVersion()));
    claims.add(Claim.of("policy", hex(SnpReportLayout.POLICY, 8)));
    claims.add(
        Claim.of(
            "policy.abi",
            bytes.unsignedByte(SnpReportLayout.POLICY + 1)
                + "."
                + bytes.unsignedByte(SnpReportLayout.POLICY)));
    claims.add(Claim.of("policy.smt", smt()));
    claims.add(Claim.of("policy.migrate-ma", migratable()));
    claims.add(Claim.of("policy.debug", debug()));
    claims.add(Claim.of("policy.single-socket", policy(20)));
    claims.add(Claim.of("policy.cxl", policy(21)));
    claims.add(Claim.of("policy.mem-aes-256-xts", policy(22)));
    claims.add(Claim.of("policy.rapl-dis", policy(23)));
    claims.add(Claim.of("policy.ciphertext-hiding", policy(24)));
    claims.add(Claim.of("policy.page-swap-disable", policy(25)));
    claims.add(Claim.of("family-id", bytes.slice(SnpReportLayout.FAMILY_ID, 16)));
    claims.add(Claim.of("image-id", bytes.slice(SnpReportLayout.IMAGE_ID, 16)));
    claims.add(Claim.of("vmpl", vmpl()));
    claims.add(Claim.of("platform-info", hex(SnpReportLayout.PLATFORM_INFO, 8)));
    claims.add(Claim.of("platform-info.smt", platformInfo(0)));
    claims.add(Claim.of("platform-info.tsme", platformInfo(1)));
    claims.add(Claim.of("platform-info.ecc", platformInfo(2)));
    claims.add(Claim.of("platform-info.rapl-dis", platformInfo(3)));
    claims.add(Claim.of("platform-info.ciphertext-hiding", platformInfo(4)));
    claims.add(Claim.of("platform-info.alias-check-complete", aliasCheckComplete()));
    claims.add(Claim.of("platform-info.tio", platformInfo(7)));
    claims.add(Claim.of("flags.author-key", (flags() & 1) != 0));
    claims.add(Claim.of("flags.mask-chip-key", chipMasked()));
    claims.add(Claim.of("flags.signing-key", signingKey() == null ? "NONE" : signingKey()));
    claims.add(Claim.of("report-data", reportData()));
    claims.add(Claim.of("measurement", measurement()));
    claims.add(Claim.of("host-data", hostData()));
    claims.add(Claim.of("id-key-digest", idKeyDigest()));
    claims.add(Claim.of("author-key-digest", authorKeyDigest()));
    claims.add(Claim.of("report-id", bytes.slice(SnpReportLayout.REPORT_ID, 32)));
    claims.add(Claim.of("report-id-ma", bytes.slice(SnpReportLayout.REPORT_ID_MA, 32)));
    tcbClaims(claims, "current-tcb", SnpReportLayout.CURRENT_TCB, product);
    tcbClaims(claims, "reported-tcb", SnpReportLayout.REPORTED_TCB, product);
    tcbClaims(claims, "committed-tcb", SnpReportLayout.COMMITTED_TCB, product);
    tcbClaims(claims, "launch-tcb", SnpReportLayout.LAUNCH_TCB, product);
    if (version() >= 3) {
      claims.add(
          Claim.of(
              "cpuid",
              "family 0x%02x model 0x%02x stepping %d"
                  .formatted(
                      bytes.unsignedByte(SnpReportLayout.CPUID),
                      bytes.unsignedByte(SnpReportLayout.CPUID + 1),
                      bytes.unsignedByte(SnpReportLayout.CPUID + 2))));
    }
    claims.add(Claim.of("chip-id", chipId()));
    claims.add(Claim.of("current-firmware", firmware(SnpReportLayout.CURRENT_BUILD)));
    claims.add(Claim.of("committed-firmware", firmware(SnpReportLayout.COMMITTED_BUILD)));
    if (version() >= MOST_VERSION) {
      claims.add(Claim.of("launch-mitigations", hex(SnpReportLayout.LAUNCH_MITIGATIONS, 8)));
      claims.add(Claim.of("current-mitigations", hex(SnpReportLayout.CURRENT_MITIGATIONS, 8)));
    }
    claims.add(Claim.of("signature", signature()));
    return List.copyOf(claims);
  }

  private void tcbClaims(List<Claim> claims, String name, int offset, String product) {
    claims.add(Claim.of(name, bytes.slice(offset, 8)));
    if (!product.isEmpty()) {
      claims.add(Claim.of(name + ".versions", tcb(offset, product)));
    }
  }

  private String hex(int offset, int count) {
    return "0x" + bytes.slice(offset, count).reversed().hex();
  }

  private String firmware(int offset) {
    return bytes.unsignedByte(offset + 2)
        + "."
        + bytes.unsignedByte(offset + 1)
        + "."
        + bytes.unsignedByte(offset);
  }
}
