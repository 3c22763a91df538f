package io.capsuledb.host.attest.pki;

import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes certificates and revocation lists (RFC 5280): for our own RA-TLS keys and for simulated
 * platforms. Keys on P-256 sign with SHA-256, RSA keys by PSS with SHA-384.
 *
 * <p>Not thread-safe.
 */
public final class CertificateWriter {

  private static final String ECDSA_SHA256 = "1.2.840.10045.4.3.2";
  private static final String RSA_PSS = "1.2.840.113549.1.1.10";
  private static final String MGF1 = "1.2.840.113549.1.1.8";
  private static final String SHA384 = "2.16.840.1.101.3.4.2.2";
  private static final String COMMON_NAME = "2.5.4.3";
  private static final String BASIC_CONSTRAINTS = "2.5.29.19";
  private static final String KEY_USAGE = "2.5.29.15";
  private static final String CRL_NUMBER = "2.5.29.20";
  private static final int EXPLICIT = 0xA0;
  private static final int SALT_BYTES = 48;

  /** keyCertSign and cRLSign, and digitalSignature: bits of KeyUsage and how many are unused. */
  private static final int AUTHORITY_USAGE = 0x06;

  private static final int AUTHORITY_UNUSED = 1;
  private static final int SIGNATURE_USAGE = 0x80;
  private static final int SIGNATURE_UNUSED = 7;

  private final String subject;
  private final PublicKey key;
  private BigInteger serial = BigInteger.ONE;
  private Instant notBefore = Instant.EPOCH;
  private Instant notAfter = Instant.EPOCH;
  private final List<Octets> extensions = new ArrayList<>();

  /** A certificate of {@code key} for a common name. */
  public CertificateWriter(String subject, PublicKey key) {
    this.subject = subject;
    this.key = key;
  }

  public CertificateWriter serial(BigInteger value) {
    this.serial = value;
    return this;
  }

  /** Both ends of its validity, in whole seconds. */
  public CertificateWriter valid(Instant from, Instant to) {
    this.notBefore = from;
    this.notAfter = to;
    return this;
  }

  /** An authority with at most {@code pathLength} more below it. */
  public CertificateWriter authority(int pathLength) {
    extension(
        BASIC_CONSTRAINTS,
        true,
        DerWriter.sequence(DerWriter.bool(true), DerWriter.integer(pathLength)));
    return usage(AUTHORITY_UNUSED, AUTHORITY_USAGE);
  }

  /** A leaf whose key signs. */
  public CertificateWriter leaf() {
    extension(BASIC_CONSTRAINTS, true, DerWriter.sequence());
    return usage(SIGNATURE_UNUSED, SIGNATURE_USAGE);
  }

  private CertificateWriter usage(int unused, int bits) {
    return extension(
        KEY_USAGE, true, DerWriter.bitString(unused, Octets.own(new byte[] {(byte) bits})));
  }

  /** Adds an extension with these contents. */
  public CertificateWriter extension(String oid, boolean critical, Octets contents) {
    Octets name = DerWriter.objectIdentifier(oid);
    Octets value = DerWriter.octetString(contents);
    extensions.add(
        critical
            ? DerWriter.sequence(name, DerWriter.bool(true), value)
            : DerWriter.sequence(name, value));
    return this;
  }

  /** Signs as {@code issuer}. */
  public Certificate sign(String issuer, PrivateKey issuerKey) {
    Octets algorithm = algorithm(issuerKey);
    Octets body =
        DerWriter.sequence(
            DerWriter.element(EXPLICIT, DerWriter.integer(2)),
            DerWriter.integer(serial),
            algorithm,
            name(issuer),
            DerWriter.sequence(DerWriter.time(notBefore), DerWriter.time(notAfter)),
            name(subject),
            Octets.copyOf(key.getEncoded()),
            DerWriter.element(EXPLICIT | 3, DerWriter.sequence(extensions.toArray(Octets[]::new))));
    return Certificate.parse(signed(body, algorithm, issuerKey));
  }

  /** A revocation list, in DER. */
  public static Octets revocationList(
      String issuer,
      PrivateKey issuerKey,
      Instant thisUpdate,
      Instant nextUpdate,
      List<BigInteger> revoked) {
    Octets algorithm = algorithm(issuerKey);
    List<Octets> fields =
        new ArrayList<>(
            List.of(
                DerWriter.integer(1),
                algorithm,
                name(issuer),
                DerWriter.time(thisUpdate),
                DerWriter.time(nextUpdate)));
    if (!revoked.isEmpty()) {
      fields.add(
          DerWriter.sequence(
              revoked.stream()
                  .map(
                      serial ->
                          DerWriter.sequence(DerWriter.integer(serial), DerWriter.time(thisUpdate)))
                  .toArray(Octets[]::new)));
    }
    fields.add(
        DerWriter.element(
            EXPLICIT,
            DerWriter.sequence(
                DerWriter.sequence(
                    DerWriter.objectIdentifier(CRL_NUMBER),
                    DerWriter.octetString(DerWriter.integer(1))))));
    return signed(DerWriter.sequence(fields.toArray(Octets[]::new)), algorithm, issuerKey);
  }

  private static Octets name(String commonName) {
    return DerWriter.sequence(
        DerWriter.element(
            DerReader.SET,
            DerWriter.sequence(
                DerWriter.objectIdentifier(COMMON_NAME), DerWriter.utf8(commonName))));
  }

  private static Octets algorithm(PrivateKey key) {
    if (key.getAlgorithm().equals("EC")) {
      return DerWriter.sequence(DerWriter.objectIdentifier(ECDSA_SHA256));
    }
    Octets hash = DerWriter.sequence(DerWriter.objectIdentifier(SHA384));
    return DerWriter.sequence(
        DerWriter.objectIdentifier(RSA_PSS),
        DerWriter.sequence(
            DerWriter.element(EXPLICIT, hash),
            DerWriter.element(
                EXPLICIT | 1, DerWriter.sequence(DerWriter.objectIdentifier(MGF1), hash)),
            DerWriter.element(EXPLICIT | 2, DerWriter.integer(SALT_BYTES))));
  }

  private static Octets signed(Octets body, Octets algorithm, PrivateKey key) {
    return DerWriter.sequence(body, algorithm, DerWriter.bitString(0, signature(body, key)));
  }

  private static Octets signature(Octets body, PrivateKey key) {
    try {
      Signature signer;
      if (key.getAlgorithm().equals("EC")) {
        signer = Signature.getInstance("SHA256withECDSA");
      } else {
        signer = Signature.getInstance("RSASSA-PSS");
        signer.setParameter(
            new PSSParameterSpec("SHA-384", "MGF1", MGF1ParameterSpec.SHA384, SALT_BYTES, 1));
      }
      signer.initSign(key);
      signer.update(body.buffer());
      return Octets.own(signer.sign());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK signs with these", e);
    }
  }

  /** The subject's name, for messages. */
  @Override
  public String toString() {
    return "CertificateWriter[" + subject + "]";
  }
}
