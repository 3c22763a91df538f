package io.capsuledb.host.channel;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import org.jspecify.annotations.Nullable;

/**
 * What one TLS connection is, as one side sees it.
 *
 * @param server whether this side is the server
 * @param ownKey this side's SubjectPublicKeyInfo; empty without a certificate
 * @param peer the other side's certificate; null without one
 * @param exporter 32 bytes that both sides of this connection know and nobody else
 */
record TlsFacts(boolean server, Octets ownKey, @Nullable Certificate peer, Octets exporter) {

  /** The other side's SubjectPublicKeyInfo; empty without a certificate. */
  Octets peerKey() {
    Certificate certificate = peer;
    return certificate == null ? Octets.EMPTY : certificate.publicKeyInfo();
  }
}
