package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.EnclaveReport;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Digests;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What the CPU does for local attestation, made up: EREPORT and EGETKEY for report keys. All
 * simulated enclaves of a machine have to share one secret, as they share one CPU; whoever has it
 * can forge every report, which is why this is insecure.
 *
 * <p>Thread-safe.
 */
public final class SimulatedCpu {

  /** Bytes of the secret that stands for the CPU's fuses. */
  public static final int SECRET_BYTES = 32;

  /** A report: body, key id, MAC (Intel SDM, EREPORT). */
  public static final int REPORT_BYTES = QuoteLayout.SGX_BODY_BYTES + 32 + AesCmac.BYTES;

  private static final int KEY_ID_BYTES = 32;

  /** INIT, MODE64 and the legacy register sets. */
  private static final int ATTRIBUTES = 0x05;

  private static final int LEGACY_XFRM = 0x03;
  private static final int SECURITY_VERSION = 1;

  private final SecretBytes secret;
  private final Entropy entropy;

  public SimulatedCpu(SecretBytes secret, Entropy entropy) {
    if (secret.length() != SECRET_BYTES) {
      throw new IllegalArgumentException("a simulated CPU's secret has 32 bytes");
    }
    this.secret = secret;
    this.entropy = entropy;
  }

  /**
   * EREPORT: a report of the enclave {@code self} that only {@code target} can check.
   *
   * @param self the measurement of who asks
   * @param target the measurement of who is to check
   * @param reportData 64 bytes of the caller's choice
   */
  public Octets report(Octets self, Octets target, Octets reportData) {
    byte[] keyId = new byte[KEY_ID_BYTES];
    entropy.fill(keyId);
    Octets body = body(self, reportData);
    Octets id = Octets.own(keyId);
    return body.then(id).then(mac(target, id, body));
  }

  /** Whether {@code report} was made by this CPU for the enclave {@code self}. */
  public boolean verify(Octets self, Octets report) {
    if (report.length() != REPORT_BYTES) {
      return false;
    }
    Octets body = report.slice(0, QuoteLayout.SGX_BODY_BYTES);
    Octets id = report.slice(QuoteLayout.SGX_BODY_BYTES, KEY_ID_BYTES);
    return mac(self, id, body).equals(report.from(QuoteLayout.SGX_BODY_BYTES + KEY_ID_BYTES));
  }

  private Octets mac(Octets target, Octets keyId, Octets body) {
    byte[] derived =
        Digests.sha256(
                Octets.own("capsule/simulated-report-key/v1".getBytes(StandardCharsets.US_ASCII)),
                Octets.copyOf(secret.expose()),
                target,
                keyId)
            .toArray();
    try (SecretBytes key = SecretBytes.own(Arrays.copyOf(derived, AesCmac.BYTES))) {
      return AesCmac.mac(key, body);
    }
  }

  /** The body of a report of an enclave that was not built for debugging. */
  static Octets body(Octets measurement, Octets reportData) {
    ByteBuffer body =
        ByteBuffer.allocate(QuoteLayout.SGX_BODY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < QuoteLayout.SVN_COMPONENTS; i++) {
      body.put(i, (byte) SECURITY_VERSION);
    }
    body.put(QuoteLayout.SGX_ATTRIBUTES, (byte) ATTRIBUTES);
    body.put(QuoteLayout.SGX_XFRM, (byte) LEGACY_XFRM);
    body.put(QuoteLayout.SGX_MRENCLAVE, measurement.toArray());
    body.put(QuoteLayout.SGX_MRSIGNER, SimulatedPlatform.SIGNER.toArray());
    body.putShort(QuoteLayout.SGX_SVN, (short) SECURITY_VERSION);
    body.put(QuoteLayout.SGX_REPORT_DATA, reportData.toArray());
    return new EnclaveReport(Octets.own(body.array())).body();
  }
}
