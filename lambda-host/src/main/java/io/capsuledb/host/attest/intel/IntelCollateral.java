package io.capsuledb.host.attest.intel;

import io.capsuledb.host.attest.encoding.Octets;
import org.jspecify.annotations.Nullable;

/**
 * The files that a quote is judged with, as Intel's provisioning certification service gives them;
 * null where one is missing, which is for the verdict to say.
 *
 * @param tcbInfo TCB info, JSON
 * @param tcbInfoChain the chain of its signer, PEM
 * @param qeIdentity the quoting enclave's identity, JSON
 * @param qeIdentityChain the chain of its signer, PEM
 * @param rootCrl the root's revocation list
 * @param pckCrl the revocation list of the PCK certificate's issuer
 * @param pckChain the PCK certificate's chain, PEM, for quotes that do not carry it
 */
public record IntelCollateral(
    @Nullable Octets tcbInfo,
    @Nullable Octets tcbInfoChain,
    @Nullable Octets qeIdentity,
    @Nullable Octets qeIdentityChain,
    @Nullable Octets rootCrl,
    @Nullable Octets pckCrl,
    @Nullable Octets pckChain) {

  /** Nothing. */
  public static final IntelCollateral NONE =
      new IntelCollateral(null, null, null, null, null, null, null);
}
