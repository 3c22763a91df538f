package io.capsuledb.host.attest.pki;

import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The rules of certification paths (RFC 5280, 6.1) for the short, fixed paths of attestation: each
 * certificate named, signed, in force, and allowed to do what it does. Revocation is checked apart.
 */
public final class Chain {

  private static final int DIGITAL_SIGNATURE = 0;
  private static final int KEY_CERT_SIGN = 5;

  private static final String KEY_USAGE = "2.5.29.15";
  private static final String BASIC_CONSTRAINTS = "2.5.29.19";
  private static final Set<String> UNDERSTOOD = Set.of(KEY_USAGE, BASIC_CONSTRAINTS);

  private Chain() {}

  /**
   * What is wrong with a path at {@code now}.
   *
   * @param path from the leaf to the root, which signs itself; whether the root is trusted is not
   *     asked here
   * @param leafHasUsage whether the leaf has to say that its key signs
   * @return one sentence, or null if nothing is
   */
  public static @Nullable String fault(List<Certificate> path, Instant now, boolean leafHasUsage) {
    for (int i = path.size() - 1; i >= 0; i--) {
      Certificate certificate = path.get(i);
      Certificate issuer = path.get(Math.min(i + 1, path.size() - 1));
      String fault = fault(certificate, issuer, i, now, leafHasUsage);
      if (fault != null) {
        return "'" + certificate.subjectCommonName() + "': " + fault;
      }
    }
    return null;
  }

  private static @Nullable String fault(
      Certificate certificate,
      Certificate issuer,
      int position,
      Instant now,
      boolean leafHasUsage) {
    if (!certificate.issuer().equals(issuer.subject())) {
      return "its issuer is '"
          + certificate.issuerCommonName()
          + "', not '"
          + issuer.subjectCommonName()
          + "'";
    }
    if (!certificate.isSignedBy(issuer.publicKey())) {
      return "its signature is not of its issuer";
    }
    if (!UNDERSTOOD.containsAll(certificate.criticalExtensions())) {
      return "it has a critical extension that is not understood";
    }
    boolean leaf = position == 0;
    if (leaf && certificate.pathLength() >= 0) {
      return "an authority's certificate in the place of a leaf";
    }
    if (leaf && leafHasUsage && !certificate.mayUse(DIGITAL_SIGNATURE)) {
      return "its key is not for signatures";
    }
    // Below an authority there are position - 1 more of them.
    if (!leaf && (certificate.pathLength() < position - 1 || !certificate.mayUse(KEY_CERT_SIGN))) {
      return "it may not issue certificates, or not so deep a chain";
    }
    return validity(certificate, now);
  }

  /** What is wrong with the time of a certificate, or null. */
  public static @Nullable String validity(Certificate certificate, Instant now) {
    if (now.isBefore(certificate.notBefore())) {
      return "not yet valid: it begins at " + certificate.notBefore();
    }
    return now.isAfter(certificate.notAfter()) ? "expired at " + certificate.notAfter() : null;
  }
}
