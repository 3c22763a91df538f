package io.capsuledb.host.attest;

import io.capsuledb.host.attest.amd.SnpReport;
import io.capsuledb.host.attest.encoding.CborReader;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteCodec;
import io.capsuledb.host.attest.pki.Pem;

/** What bytes want to be, by how they begin: to choose a reader, and for nothing else. */
public enum EvidenceKind {
  /** A certificate that carries evidence, in PEM or DER. */
  CERTIFICATE,
  /** Evidence as it stands in a certificate, in CBOR. */
  WRAPPED,
  /** A quote of SGX or TDX. */
  QUOTE,
  /** A report of SEV-SNP. */
  REPORT,
  /** Nothing we know. */
  UNKNOWN;

  private static final int LONG_DER_LENGTH = 0x82;

  /** The kind of {@code bytes}. */
  public static EvidenceKind of(Octets bytes) {
    if (Pem.looksLike(bytes)) {
      return CERTIFICATE;
    }
    if (SnpReport.looksLike(bytes)) {
      return REPORT;
    }
    if (QuoteCodec.looksLike(bytes)) {
      return QUOTE;
    }
    if (bytes.length() < 4) {
      return UNKNOWN;
    }
    int first = bytes.unsignedByte(0);
    if (first == DerReader.SEQUENCE && bytes.unsignedByte(1) == LONG_DER_LENGTH) {
      return CERTIFICATE;
    }
    int type = first >>> 5;
    boolean record = type == CborReader.ARRAY && bytes.unsignedByte(1) >>> 5 == CborReader.TEXT;
    boolean tagged = first == (CborReader.TAG << 5 | 25) && bytes.unsignedByte(1) == 0xEA;
    return record || tagged ? WRAPPED : UNKNOWN;
  }
}
