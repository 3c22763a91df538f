package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Intel's identity of its quoting enclave, version 2.
 *
 * @param id QE or TD_QE
 * @param issued when it was issued
 * @param nextUpdate until when it holds
 * @param evaluationNumber Intel's number of the evaluation it comes from
 * @param miscSelect MISCSELECT under its mask, 4 bytes each
 * @param attributes ATTRIBUTES under its mask, 16 bytes each
 * @param signer MRSIGNER
 * @param productId ISVPRODID
 * @param levels its versions
 */
record QeIdentity(
    String id,
    Instant issued,
    Instant nextUpdate,
    int evaluationNumber,
    Octets miscSelect,
    Octets miscSelectMask,
    Octets attributes,
    Octets attributesMask,
    Octets signer,
    int productId,
    List<SvnLevel> levels) {

  private static final int MAX_EVALUATION = 1 << 20;

  QeIdentity {
    levels = List.copyOf(levels);
  }

  /** Reads the signed value of an enclave identity document. */
  static QeIdentity read(Json identity) {
    int version = identity.get("version").integer(0xFF);
    if (version != 2) {
      throw malformed(Reason.UNKNOWN_FORMAT, "enclave identity version " + version);
    }
    return new QeIdentity(
        identity.get("id").text(),
        identity.get("issueDate").instant(),
        identity.get("nextUpdate").instant(),
        identity.get("tcbEvaluationDataNumber").integer(MAX_EVALUATION),
        // The bytes in their order in reports, whatever it looks like as a number.
        identity.get("miscselect").hex(4),
        identity.get("miscselectMask").hex(4),
        identity.get("attributes").hex(16),
        identity.get("attributesMask").hex(16),
        identity.get("mrsigner").hex(QuoteLayout.SHA256_BYTES),
        identity.get("isvprodid").integer(0xFFFF),
        SvnLevel.read(identity.get("tcbLevels")));
  }

  /**
   * What is wrong with a quoting enclave that says of itself what is in {@code report}, or null.
   */
  @Nullable String fault(EnclaveReport report) {
    if (!report.signer().equals(signer)) {
      return "the quoting enclave's MRSIGNER is not Intel's";
    }
    if (report.productId() != productId) {
      return "the quoting enclave's ISVPRODID is "
          + report.productId()
          + " instead of "
          + productId;
    }
    if (!masked(report.miscSelect(), miscSelectMask).equals(masked(miscSelect, miscSelectMask))) {
      return "the quoting enclave's MISCSELECT is " + report.miscSelect();
    }
    if (!masked(report.attributes(), attributesMask).equals(masked(attributes, attributesMask))) {
      return "the quoting enclave's ATTRIBUTES are " + report.attributes();
    }
    return null;
  }

  /** {@code value} where {@code mask} has ones; both of one length. */
  static Octets masked(Octets value, Octets mask) {
    byte[] bytes = value.toArray();
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] &= (byte) mask.unsignedByte(i);
    }
    return Octets.own(bytes);
  }
}
