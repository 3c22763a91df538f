package io.capsuledb.host.attest.pki;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.DerReader;
import io.capsuledb.host.attest.encoding.Octets;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.cert.CRLException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A complete revocation list of one authority (RFC 5280, 5). Nothing about it is verified. */
public final class RevocationList {

  /** Longest list, in bytes. */
  public static final int MAX_BYTES = 1 << 20;

  private static final int MAX_HEX_PREFIX = 4;

  private final X509CRL list;

  private RevocationList(X509CRL list) {
    this.list = list;
  }

  /**
   * Parses a file: DER, PEM, or DER in hexadecimal digits, as Intel's service also gives it.
   *
   * @throws io.capsuledb.core.error.IntegrityException if it is not one list and nothing else
   */
  public static RevocationList parseFile(Octets file) {
    if (file.length() > 2L * MAX_BYTES) {
      throw malformed(Reason.TOO_LARGE, "a revocation list of " + file.length() + " bytes");
    }
    if (Pem.looksLike(file)) {
      List<Octets> blocks = Pem.blocks("X509 CRL", file);
      if (blocks.size() != 1) {
        throw malformed(Reason.UNKNOWN_FORMAT, blocks.size() + " revocation lists instead of one");
      }
      return parse(blocks.getFirst());
    }
    if (file.length() > MAX_HEX_PREFIX && file.unsignedByte(0) == '3') {
      String digits = new String(file.toArray(), StandardCharsets.US_ASCII).strip();
      return parse(Octets.ofHex(digits));
    }
    return parse(file);
  }

  private static RevocationList parse(Octets der) {
    DerReader outer = new DerReader(der);
    outer.read(DerReader.SEQUENCE);
    outer.end();
    try {
      return new RevocationList(
          (X509CRL)
              CertificateFactory.getInstance("X.509")
                  .generateCRL(new ByteArrayInputStream(der.toArray())));
    } catch (CertificateException | CRLException e) {
      var failure = malformed(Reason.UNKNOWN_FORMAT, "not a revocation list");
      failure.initCause(e);
      throw failure;
    }
  }

  public Instant thisUpdate() {
    return list.getThisUpdate().toInstant();
  }

  /** When the next list is due at the latest, or null if the list does not say. */
  public @Nullable Instant nextUpdate() {
    Date next = list.getNextUpdate();
    return next == null ? null : next.toInstant();
  }

  /** The issuer's name, in DER. */
  public Octets issuer() {
    return Octets.own(list.getIssuerX500Principal().getEncoded());
  }

  /** The issuer's common name; empty if it has none, or several. */
  public String issuerCommonName() {
    return Certificate.commonName(issuer());
  }

  /** Critical extensions, by object identifier: delta lists and partial lists have some. */
  boolean hasCriticalExtensions() {
    Set<String> critical = list.getCriticalExtensionOIDs();
    return critical != null && !critical.isEmpty();
  }

  /** Whether {@code certificate}'s serial number is on the list. */
  public boolean revokes(Certificate certificate) {
    return list.getRevokedCertificate(certificate.serial()) != null;
  }

  boolean isSignedBy(PublicKey signer) {
    try {
      list.verify(signer);
      return true;
    } catch (GeneralSecurityException | IllegalArgumentException _) {
      // What cannot be verified is not signed.
      return false;
    }
  }

  /**
   * What is wrong with this as the list of {@code issuer}, at {@code now}.
   *
   * @return one sentence, or null if nothing is
   */
  public @Nullable String fault(Certificate issuer, Instant now) {
    if (!issuer().equals(issuer.subject())) {
      return "the list is of '"
          + issuerCommonName()
          + "', not of '"
          + issuer.subjectCommonName()
          + "'";
    }
    if (!isSignedBy(issuer.publicKey())) {
      return "the list's signature is not of its issuer";
    }
    if (hasCriticalExtensions()) {
      return "the list has critical extensions: it may not be complete";
    }
    Instant next = nextUpdate();
    if (next == null) {
      return "the list does not say until when it holds";
    }
    if (now.isBefore(thisUpdate())) {
      return "the list is not yet valid: it begins at " + thisUpdate();
    }
    return now.isAfter(next) ? "the list expired at " + next : null;
  }
}
