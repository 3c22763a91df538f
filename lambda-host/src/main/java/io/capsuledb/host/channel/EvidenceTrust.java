package io.capsuledb.host.channel;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.log.EventLog;
import java.net.Socket;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.function.Consumer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/** Trusts certificates for the evidence in them, and for nothing else. Thread-safe. */
final class EvidenceTrust extends X509ExtendedTrustManager {

  private final PeerRules rules;
  private final Consumer<String> refused;

  EvidenceTrust(PeerRules rules) {
    this(rules, _ -> {});
  }

  /**
   * By rules.
   *
   * @param refused hears whom it refuses, and why
   */
  EvidenceTrust(PeerRules rules, Consumer<String> refused) {
    this.rules = rules;
    this.refused = refused;
  }

  private void judge(X509Certificate @Nullable [] chain) throws CertificateException {
    if (chain == null || chain.length != 1) {
      throw new CertificateException("one certificate that carries evidence is wanted");
    }
    Verdict verdict;
    try {
      verdict = rules.certificate(Certificate.parse(Octets.own(chain[0].getEncoded())));
    } catch (CapsuleException e) {
      throw new CertificateException("the certificate cannot be judged: " + e.getMessage(), e);
    }
    if (!verdict.accepted()) {
      String reason = PeerRules.describe(verdict);
      EventLog.warn(
          "attest.refused",
          "measurement",
          PeerRules.measurement(verdict),
          "type",
          verdict.type(),
          "reason",
          reason);
      refused.accept(reason);
      throw new CertificateException(reason);
    }
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    judge(chain);
  }

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }
}
