package io.capsuledb.host.attest.amd;

import io.capsuledb.host.attest.encoding.Octets;
import org.jspecify.annotations.Nullable;

/**
 * The certificates a report is judged with, each in DER or PEM; null where one is missing, which is
 * for the verdict to say.
 *
 * @param vek the VCEK's or VLEK's
 * @param ask its issuer's: ASK or ASVK
 * @param ark the root's
 * @param crl the root's revocation list
 */
public record AmdCollateral(
    @Nullable Octets vek, @Nullable Octets ask, @Nullable Octets ark, @Nullable Octets crl) {

  /** Nothing. */
  public static final AmdCollateral NONE = new AmdCollateral(null, null, null, null);
}
