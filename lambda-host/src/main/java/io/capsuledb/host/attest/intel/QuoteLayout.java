package io.capsuledb.host.attest.intel;

/**
 * Offsets and sizes of DCAP quotes, versions 3 to 5 (Intel SGX ECDSA QuoteLibReference, Intel TDX
 * DCAP Quote Generation Library), and of EREPORT's structures. Bytes; integers are little-endian.
 */
public final class QuoteLayout {

  /** Longest quote that is read. */
  public static final int MAX_BYTES = 1 << 16;

  // The header.
  public static final int VERSION = 0;
  public static final int KEY_TYPE = 2;
  public static final int TEE_TYPE = 4;
  public static final int QE_SVN = 8;
  public static final int PCE_SVN = 10;
  public static final int QE_VENDOR = 12;
  public static final int QE_VENDOR_BYTES = 16;
  public static final int USER_DATA = 28;
  public static final int USER_DATA_BYTES = 20;
  public static final int HEADER_BYTES = 48;

  public static final String INTEL_QE_VENDOR = "939a7233f79c4ca9940a0db3957f0607";
  public static final int ECDSA_P256 = 2;
  public static final int TEE_SGX = 0;
  public static final int TEE_TDX = 0x81;

  // Version 5 describes the body between header and body.
  public static final int DESCRIPTOR_TYPE = 48;
  public static final int DESCRIPTOR_SIZE = 50;
  public static final int DESCRIPTOR_BYTES = 6;
  public static final int BODY_SGX = 1;
  public static final int BODY_TD_10 = 2;
  public static final int BODY_TD_15 = 3;

  // An SGX report's body.
  public static final int SGX_CPUSVN = 0;
  public static final int SGX_MISCSELECT = 16;
  public static final int SGX_EXTENDED_PRODUCT = 32;
  public static final int SGX_ATTRIBUTES = 48;
  public static final int SGX_XFRM = 56;
  public static final int SGX_MRENCLAVE = 64;
  public static final int SGX_MRSIGNER = 128;
  public static final int SGX_CONFIGID = 192;
  public static final int SGX_PRODUCT = 256;
  public static final int SGX_SVN = 258;
  public static final int SGX_CONFIGSVN = 260;
  public static final int SGX_FAMILY = 304;
  public static final int SGX_REPORT_DATA = 320;
  public static final int SGX_BODY_BYTES = 384;

  // A TD report's body.
  public static final int TD_TCB_SVN = 0;
  public static final int TD_MRSEAM = 16;
  public static final int TD_MRSIGNERSEAM = 64;
  public static final int TD_SEAM_ATTRIBUTES = 112;
  public static final int TD_ATTRIBUTES = 120;
  public static final int TD_XFAM = 128;
  public static final int TD_MRTD = 136;
  public static final int TD_MRCONFIGID = 184;
  public static final int TD_MROWNER = 232;
  public static final int TD_MROWNERCONFIG = 280;
  public static final int TD_RTMR = 328;
  public static final int TD_REPORT_DATA = 520;
  public static final int TD_10_BYTES = 584;
  public static final int TD_TCB_SVN2 = 584;
  public static final int TD_MRSERVICETD = 600;
  public static final int TD_15_BYTES = 648;

  public static final int SVN_COMPONENTS = 16;
  public static final int SHA256_BYTES = 32;
  public static final int SHA384_BYTES = 48;
  public static final int REPORT_DATA_BYTES = 64;

  // The signature data.
  public static final int SIGNATURE_BYTES = 64;
  public static final int POINT_BYTES = 64;

  /** Certification data: a chain of certificates in PEM. */
  public static final int CERTIFICATION_CHAIN = 5;

  /** Certification data: a report of the quoting enclave, with certification data of its own. */
  public static final int CERTIFICATION_QE_REPORT = 6;

  private QuoteLayout() {}
}
