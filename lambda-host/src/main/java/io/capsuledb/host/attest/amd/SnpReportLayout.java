package io.capsuledb.host.attest.amd;

/**
 * Offsets and sizes of SEV-SNP attestation reports, versions 2 to 5 (AMD SEV Secure Nested Paging
 * Firmware ABI, MSG_REPORT_RSP). Bytes; integers are little-endian, r and s of the signature too.
 */
public final class SnpReportLayout {

  public static final int VERSION = 0x000;
  public static final int GUEST_SVN = 0x004;
  public static final int POLICY = 0x008;
  public static final int FAMILY_ID = 0x010;
  public static final int IMAGE_ID = 0x020;
  public static final int VMPL = 0x030;
  public static final int SIGNATURE_ALGORITHM = 0x034;
  public static final int CURRENT_TCB = 0x038;
  public static final int PLATFORM_INFO = 0x040;
  public static final int FLAGS = 0x048;
  public static final int RESERVED_FLAGS = 0x04C;
  public static final int REPORT_DATA = 0x050;
  public static final int MEASUREMENT = 0x090;
  public static final int HOST_DATA = 0x0C0;
  public static final int ID_KEY_DIGEST = 0x0E0;
  public static final int AUTHOR_KEY_DIGEST = 0x110;
  public static final int REPORT_ID = 0x140;
  public static final int REPORT_ID_MA = 0x160;
  public static final int REPORTED_TCB = 0x180;

  /** Family, model and stepping, from version 3 on. */
  public static final int CPUID = 0x188;

  public static final int RESERVED_CPUID = 0x18B;
  public static final int CHIP_ID = 0x1A0;
  public static final int COMMITTED_TCB = 0x1E0;
  public static final int CURRENT_BUILD = 0x1E8;
  public static final int RESERVED_CURRENT = 0x1EB;
  public static final int COMMITTED_BUILD = 0x1EC;
  public static final int RESERVED_COMMITTED = 0x1EF;
  public static final int LAUNCH_TCB = 0x1F0;

  /** From version 5 on. */
  public static final int LAUNCH_MITIGATIONS = 0x1F8;

  public static final int CURRENT_MITIGATIONS = 0x200;
  public static final int RESERVED_V5 = 0x208;
  public static final int SIGNATURE = 0x2A0;
  public static final int SIGNATURE_R = 0x2A0;
  public static final int SIGNATURE_S = 0x2E8;
  public static final int SIGNATURE_REST = 0x330;
  public static final int BYTES = 0x4A0;

  public static final int SCALAR_BYTES = 48;
  public static final int SCALAR_FIELD_BYTES = 72;
  public static final int DIGEST_BYTES = 48;
  public static final int REPORT_DATA_BYTES = 64;
  public static final int CHIP_ID_BYTES = 64;
  public static final int ECDSA_P384_SHA384 = 1;

  private SnpReportLayout() {}
}
