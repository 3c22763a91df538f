package io.capsuledb.host.channel;

import io.capsuledb.core.port.Clock;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.CertificateWriter;
import io.capsuledb.host.attest.pki.Digests;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/**
 * The key of an enclave for TLS, with a certificate that carries evidence about it.
 *
 * <p>Invariants: a certificate is valid for a day at most, and not offered any more when half of
 * that is over; each has a key of its own, which exists in this process only. Thread-safe.
 */
public final class EnclaveKeys extends X509ExtendedKeyManager {

  /** How long a certificate is valid. */
  public static final Duration VALIDITY = Duration.ofHours(24);

  /** Clocks of two machines may differ by so much. */
  private static final Duration SKEW = Duration.ofMinutes(5);

  private static final String ALIAS = "enclave";
  private static final String KEY_TYPE = "EC";
  private static final int REPORT_DATA_BYTES = 64;

  private final Attester attester;
  private final Clock clock;
  private @Nullable Issued current;

  /** A certificate with its key. */
  private record Issued(KeyPair key, X509Certificate certificate, Instant renewal) {}

  /** Keys of the enclave that {@code attester} vouches for. */
  public EnclaveKeys(Attester attester, Clock clock) {
    this.attester = attester;
    this.clock = clock;
  }

  /** What vouches for this enclave. */
  Attester attester() {
    return attester;
  }

  /**
   * A certificate of {@code key} with evidence about it.
   *
   * @param until end of its validity
   */
  public static Certificate certificate(
      Attester attester, KeyPair key, Instant from, Instant until) {
    Octets info = Octets.copyOf(key.getPublic().getEncoded());
    Octets claims = CertificateEvidence.encodeClaims(info, null);
    Octets evidence = attester.attest(Digests.sha256(claims).paddedTo(REPORT_DATA_BYTES)).bytes();
    Octets wrapped =
        isQuote(evidence)
            ? CertificateEvidence.encodeQuote(evidence, claims)
            : CertificateEvidence.encodeRecord(evidence, claims);
    return new CertificateWriter("capsuledb enclave, " + attester.name(), key.getPublic())
        .serial(new BigInteger(1, Digests.sha256(info).slice(0, 16).toArray()))
        .valid(from, until)
        .leaf()
        .extension(CertificateEvidence.DICE_WRAPPER, false, wrapped)
        .sign("capsuledb enclave, " + attester.name(), key.getPrivate());
  }

  private static boolean isQuote(Octets evidence) {
    return io.capsuledb.host.attest.EvidenceKind.of(evidence)
        == io.capsuledb.host.attest.EvidenceKind.QUOTE;
  }

  /** A new key on P-256. */
  public static KeyPair newKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance(KEY_TYPE);
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has P-256", e);
    }
  }

  /** A certificate as the JDK has them. */
  static X509Certificate toJdk(Certificate certificate) {
    try {
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(certificate.encoded().toArray()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("the certificate was written here", e);
    }
  }

  private synchronized Issued issued() {
    Instant now = Instant.ofEpochMilli(clock.wallMs());
    Issued known = current;
    if (known == null || now.isAfter(known.renewal())) {
      KeyPair key = newKey();
      Instant from = now.minus(SKEW).truncatedTo(ChronoUnit.SECONDS);
      Instant until = from.plus(VALIDITY);
      known =
          new Issued(
              key, toJdk(certificate(attester, key, from, until)), now.plus(VALIDITY.dividedBy(2)));
      current = known;
    }
    return known;
  }

  @Override
  public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
    return new String[] {ALIAS};
  }

  @Override
  public String @Nullable [] getServerAliases(String keyType, Principal @Nullable [] issuers) {
    return new String[] {ALIAS};
  }

  @Override
  public @Nullable String chooseClientAlias(
      String[] keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
    return ALIAS;
  }

  @Override
  public @Nullable String chooseServerAlias(
      String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
    return keyType.equals(KEY_TYPE) ? ALIAS : null;
  }

  @Override
  public @Nullable String chooseEngineClientAlias(
      String[] keyType, Principal @Nullable [] issuers, @Nullable SSLEngine engine) {
    for (String type : keyType) {
      if (type.equals(KEY_TYPE)) {
        return ALIAS;
      }
    }
    return null;
  }

  @Override
  public @Nullable String chooseEngineServerAlias(
      String keyType, Principal @Nullable [] issuers, @Nullable SSLEngine engine) {
    return keyType.equals(KEY_TYPE) ? ALIAS : null;
  }

  @Override
  public X509Certificate @Nullable [] getCertificateChain(String alias) {
    return new X509Certificate[] {issued().certificate()};
  }

  @Override
  public @Nullable PrivateKey getPrivateKey(String alias) {
    return issued().key().getPrivate();
  }
}
