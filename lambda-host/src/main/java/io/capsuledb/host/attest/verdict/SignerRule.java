package io.capsuledb.host.attest.verdict;

import io.capsuledb.host.attest.encoding.Octets;

/**
 * Enclaves of one product of one signer, from one version on. The signer alone says little: it
 * signs every product of its owner, debugging tools included.
 *
 * @param signer MRSIGNER, 32 bytes
 * @param productId ISVPRODID
 * @param minimumVersion least ISVSVN
 */
public record SignerRule(Octets signer, int productId, int minimumVersion) {}
