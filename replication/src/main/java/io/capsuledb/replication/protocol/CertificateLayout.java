package io.capsuledb.replication.protocol;

import java.nio.charset.StandardCharsets;

/**
 * Where the fields of a durability certificate are: format 1, little endian, specified byte by byte
 * in docs/format/replication.md.
 *
 * <pre>
 *  0  "CAPSCERT"       8  format u16     10  reserved u16
 * 12  number of memberships u32
 * 16  number of statements u32           20  number of headers u32
 * 24  claim: writer u64, sequence u64, record hash (32)
 * 72  length u32 and bytes: metadata, then memberships, then statements, then headers
 * </pre>
 */
public final class CertificateLayout {

  /** Most bytes of a certificate. */
  public static final int MAX_BYTES = 16 << 20;

  static final byte[] MAGIC = "CAPSCERT".getBytes(StandardCharsets.US_ASCII);
  static final int FORMAT = 1;
  static final int RESERVED_BYTES = 2;

  private CertificateLayout() {}
}
