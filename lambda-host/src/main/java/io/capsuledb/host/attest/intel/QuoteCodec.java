package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Octets;

/**
 * Reads DCAP quotes. Every length is checked against what is there before it is used, in 64 bits;
 * the lengths of nested parts have to use up exactly what is around them.
 *
 * <p>What follows the signature data is kept and not judged: buffers of fixed size are common.
 */
public final class QuoteCodec {

  private QuoteCodec() {}

  /**
   * Whether these bytes want to be a quote: either the version or the quoting enclave's vendor says
   * so.
   */
  public static boolean looksLike(Octets bytes) {
    if (bytes.length() < QuoteLayout.HEADER_BYTES) {
      return false;
    }
    int version = bytes.unsignedShort(QuoteLayout.VERSION);
    int keyType = bytes.unsignedShort(QuoteLayout.KEY_TYPE);
    return (version >= 1 && version <= 5 && (keyType == 2 || keyType == 3))
        || vendor(bytes).hex().equals(QuoteLayout.INTEL_QE_VENDOR);
  }

  /** What to call bytes that {@link #looksLike} a quote, before they are read. */
  public static String typeOf(Octets bytes) {
    boolean tdx = bytes.unsignedInt(QuoteLayout.TEE_TYPE) == QuoteLayout.TEE_TDX;
    return (tdx ? "tdx" : "sgx") + "-quote-v" + bytes.unsignedShort(QuoteLayout.VERSION);
  }

  private static Octets vendor(Octets bytes) {
    return bytes.slice(QuoteLayout.QE_VENDOR, QuoteLayout.QE_VENDOR_BYTES);
  }

  /** Reads a quote. */
  public static Decoded<Quote> decode(Octets bytes) {
    return Decoding.of(() -> read(bytes));
  }

  private static Quote read(Octets bytes) {
    if (bytes.length() > QuoteLayout.MAX_BYTES) {
      throw malformed(Reason.TOO_LARGE, "a quote of " + bytes.length() + " bytes");
    }
    Octets header = bytes.slice(0, QuoteLayout.HEADER_BYTES);
    int version = header.unsignedShort(QuoteLayout.VERSION);
    if (version < 3 || version > 5) {
      throw malformed(Reason.UNKNOWN_FORMAT, "quote version " + version);
    }
    if (header.unsignedShort(QuoteLayout.KEY_TYPE) != QuoteLayout.ECDSA_P256) {
      throw malformed(Reason.UNKNOWN_TYPE, "attestation key type, or not ECDSA on P-256");
    }
    long tee = header.unsignedInt(QuoteLayout.TEE_TYPE);
    if (tee != QuoteLayout.TEE_SGX && (tee != QuoteLayout.TEE_TDX || version == 3)) {
      throw malformed(Reason.UNKNOWN_TYPE, "TEE type " + tee + " in quote version " + version);
    }
    if (!vendor(bytes).hex().equals(QuoteLayout.INTEL_QE_VENDOR)) {
      throw malformed(Reason.UNKNOWN_TYPE, "the quoting enclave is not of Intel");
    }
    boolean tdx = tee == QuoteLayout.TEE_TDX;
    int bodyAt = QuoteLayout.HEADER_BYTES;
    int bodyBytes = tdx ? QuoteLayout.TD_10_BYTES : QuoteLayout.SGX_BODY_BYTES;
    if (version == 5) {
      bodyAt += QuoteLayout.DESCRIPTOR_BYTES;
      bodyBytes = describedBytes(bytes, tdx);
    }
    Octets body = bytes.slice(bodyAt, bodyBytes);
    int lengthAt = bodyAt + bodyBytes;
    Octets data = bytes.slice(lengthAt + 4L, bytes.unsignedInt(lengthAt));
    Octets padding = bytes.from(lengthAt + 4 + data.length());
    Parts parts = version == 3 ? readV3(data) : readV4(data);
    return new Quote(
        version,
        header,
        bytes.slice(0, lengthAt),
        tdx ? null : new EnclaveReport(body),
        tdx ? new TdReport(body) : null,
        data.slice(0, QuoteLayout.SIGNATURE_BYTES),
        data.slice(QuoteLayout.SIGNATURE_BYTES, QuoteLayout.POINT_BYTES),
        new EnclaveReport(parts.qeReport),
        parts.qeReportSignature,
        parts.qeAuthData,
        parts.type,
        parts.certification,
        padding);
  }

  private static int describedBytes(Octets bytes, boolean tdx) {
    int type = bytes.unsignedShort(QuoteLayout.DESCRIPTOR_TYPE);
    int expected =
        switch (type) {
          case QuoteLayout.BODY_SGX -> QuoteLayout.SGX_BODY_BYTES;
          case QuoteLayout.BODY_TD_10 -> QuoteLayout.TD_10_BYTES;
          case QuoteLayout.BODY_TD_15 -> QuoteLayout.TD_15_BYTES;
          default -> throw malformed(Reason.UNKNOWN_TYPE, "quote body type " + type);
        };
    if (bytes.unsignedInt(QuoteLayout.DESCRIPTOR_SIZE) != expected
        || tdx == (type == QuoteLayout.BODY_SGX)) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "quote body type, size and TEE type do not agree");
    }
    return expected;
  }

  /** What both versions of the signature data have, after signature and key. */
  private record Parts(
      Octets qeReport,
      Octets qeReportSignature,
      Octets qeAuthData,
      int type,
      Octets certification) {}

  private static Parts readV3(Octets data) {
    return readQe(data.from(signatureAndKey(data)));
  }

  private static int signatureAndKey(Octets data) {
    int bytes = QuoteLayout.SIGNATURE_BYTES + QuoteLayout.POINT_BYTES;
    data.slice(0, bytes);
    return bytes;
  }

  private static Parts readV4(Octets data) {
    int at = signatureAndKey(data);
    if (data.unsignedShort(at) != QuoteLayout.CERTIFICATION_QE_REPORT) {
      throw malformed(
          Reason.UNKNOWN_TYPE, "certification data type " + data.unsignedShort(at) + ", not 6");
    }
    return readQe(rest(data, at + 2));
  }

  private static Parts readQe(Octets data) {
    int authAt = QuoteLayout.SGX_BODY_BYTES + QuoteLayout.SIGNATURE_BYTES;
    int authBytes = data.unsignedShort(authAt);
    int typeAt = authAt + 2 + authBytes;
    return new Parts(
        data.slice(0, QuoteLayout.SGX_BODY_BYTES),
        data.slice(QuoteLayout.SGX_BODY_BYTES, QuoteLayout.SIGNATURE_BYTES),
        data.slice(authAt + 2L, authBytes),
        data.unsignedShort(typeAt),
        rest(data, typeAt + 2));
  }

  /** What a 32-bit length at {@code offset} announces, which is all that is left. */
  private static Octets rest(Octets data, int offset) {
    long length = data.unsignedInt(offset);
    Octets rest = data.slice(offset + 4L, length);
    if (offset + 4L + length != data.length()) {
      throw malformed(
          length > data.length() ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
          "certification data of " + length + " bytes does not end where what is around it ends");
    }
    return rest;
  }
}
