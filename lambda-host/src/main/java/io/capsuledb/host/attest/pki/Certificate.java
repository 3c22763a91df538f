package io.capsuledb.host.attest.pki;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.DerWriter;
import io.capsuledb.host.attest.encoding.Octets;
import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An X.509 certificate (RFC 5280) as evidence uses it: parsed by the JDK, with those of its parts
 * as bytes that are compared or hashed.
 *
 * <p>Nothing about it is verified: that is {@link Chain}'s. Immutable.
 */
public final class Certificate {

  /** Longest certificate, in bytes: RA-TLS carries whole quotes with their chains in one. */
  public static final int MAX_BYTES = 1 << 16;

  /** What the vendors and we sign with. */
  private static final Set<String> ALGORITHMS =
      Set.of("SHA256withECDSA", "SHA384withECDSA", "RSASSA-PSS");

  private static final int EXPLICIT_VERSION = 0xA0;

  /** Serial number, algorithm, issuer, validity, subject (RFC 5280, 4.1). */
  private static final int FIELDS_BEFORE_KEY = 5;

  private static final String COMMON_NAME = "2.5.4.3";

  private final X509Certificate x509;

  private Certificate(X509Certificate x509) {
    this.x509 = x509;
  }

  /**
   * Parses DER.
   *
   * @throws io.capsuledb.core.error.IntegrityException if it is not one certificate and nothing
   *     else
   */
  public static Certificate parse(Octets der) {
    if (der.length() > MAX_BYTES) {
      throw malformed(Reason.TOO_LARGE, "a certificate of " + der.length() + " bytes");
    }
    // The factory would read PEM and PKCS #7 as well, and leave alone what follows.
    DerReader outer = new DerReader(der);
    outer.read(DerReader.SEQUENCE);
    outer.end();
    try {
      return new Certificate(
          (X509Certificate)
              CertificateFactory.getInstance("X.509")
                  .generateCertificate(new ByteArrayInputStream(der.toArray())));
    } catch (CertificateException e) {
      var failure = malformed(Reason.UNKNOWN_FORMAT, "not a certificate: " + rootMessage(e));
      failure.initCause(e);
      throw failure;
    }
  }

  private static String rootMessage(Throwable failure) {
    Throwable root = failure;
    for (int depth = 0; depth < 8; depth++) {
      Throwable cause = root.getCause();
      if (cause == null) {
        break;
      }
      root = cause;
    }
    return String.valueOf(root.getMessage());
  }

  /** Parses one certificate, in DER or PEM. */
  public static Certificate parseFile(Octets file) {
    if (!Pem.looksLike(file)) {
      return parse(file);
    }
    List<Certificate> chain = parseChain(file);
    if (chain.size() != 1) {
      throw malformed(Reason.TRAILING_BYTES, chain.size() + " certificates instead of one");
    }
    return chain.getFirst();
  }

  /** Parses the certificates of a PEM file, in its order. */
  public static List<Certificate> parseChain(Octets pem) {
    List<Certificate> chain = new ArrayList<>();
    for (Octets der : Pem.blocks("CERTIFICATE", pem)) {
      chain.add(parse(der));
    }
    return List.copyOf(chain);
  }

  /** Its encoding. */
  public Octets encoded() {
    try {
      return Octets.own(x509.getEncoded());
    } catch (CertificateException e) {
      throw new IllegalStateException("it was parsed from its encoding", e);
    }
  }

  public PublicKey publicKey() {
    return x509.getPublicKey();
  }

  /** The SubjectPublicKeyInfo, in DER, as it stands in the certificate. */
  public Octets publicKeyInfo() {
    DerReader fields = new DerReader(encoded()).sequence().sequence();
    if (fields.nextTag() == EXPLICIT_VERSION) {
      fields.readAny();
    }
    for (int i = 0; i < FIELDS_BEFORE_KEY; i++) {
      fields.readAny();
    }
    return DerWriter.sequence(fields.read(DerReader.SEQUENCE));
  }

  public BigInteger serial() {
    return x509.getSerialNumber();
  }

  public Instant notBefore() {
    return x509.getNotBefore().toInstant();
  }

  public Instant notAfter() {
    return x509.getNotAfter().toInstant();
  }

  /** The subject's name, in DER. */
  public Octets subject() {
    return Octets.own(x509.getSubjectX500Principal().getEncoded());
  }

  /** The issuer's name, in DER. */
  public Octets issuer() {
    return Octets.own(x509.getIssuerX500Principal().getEncoded());
  }

  /** The subject's common name; empty if it has none, or several. */
  public String subjectCommonName() {
    return commonName(subject());
  }

  /** The issuer's common name; empty if it has none, or several. */
  public String issuerCommonName() {
    return commonName(issuer());
  }

  /** The common name in a distinguished name; empty if it has none, or several, or odd ones. */
  static String commonName(Octets name) {
    try {
      return onlyCommonName(name);
    } catch (IntegrityException _) {
      // Names are compared with known ones, which can be read.
      return "";
    }
  }

  private static String onlyCommonName(Octets name) {
    List<String> found = new ArrayList<>();
    DerReader sets = new DerReader(name).sequence();
    while (!sets.atEnd()) {
      DerReader set = new DerReader(sets.read(DerReader.SET));
      while (!set.atEnd()) {
        DerReader attribute = set.sequence();
        if (attribute.objectIdentifier().equals(COMMON_NAME)) {
          found.add(attribute.text());
        }
      }
    }
    return found.size() == 1 ? found.getFirst() : "";
  }

  /** The contents of an extension, or null: what is inside the OCTET STRING around it. */
  public @Nullable Octets extension(String objectIdentifier) {
    byte[] value = x509.getExtensionValue(objectIdentifier);
    if (value == null) {
      return null;
    }
    DerReader outer = new DerReader(Octets.own(value));
    Octets contents = outer.octetString();
    outer.end();
    return contents;
  }

  /** Critical extensions, by object identifier. */
  Set<String> criticalExtensions() {
    return orEmpty(x509.getCriticalExtensionOIDs());
  }

  private static Set<String> orEmpty(@Nullable Collection<String> names) {
    return names == null ? Set.of() : Set.copyOf(names);
  }

  /** Whether the key may do what bit {@code bit} of KeyUsage says (RFC 5280, 4.2.1.3). */
  boolean mayUse(int bit) {
    boolean[] usage = x509.getKeyUsage();
    return usage != null && usage[bit];
  }

  /** Longest path below this authority; negative if this is no authority. */
  int pathLength() {
    return x509.getBasicConstraints();
  }

  /** Whether {@code signer} signed this. */
  boolean isSignedBy(PublicKey signer) {
    if (!ALGORITHMS.contains(x509.getSigAlgName())) {
      return false;
    }
    try {
      x509.verify(signer);
      return true;
    } catch (GeneralSecurityException | IllegalArgumentException _) {
      // What cannot be verified is not signed.
      return false;
    }
  }

  X509Certificate x509() {
    return x509;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Certificate certificate && x509.equals(certificate.x509);
  }

  @Override
  public int hashCode() {
    return Objects.hash(x509);
  }

  @Override
  public String toString() {
    return "Certificate[" + x509.getSubjectX500Principal() + "]";
  }
}
