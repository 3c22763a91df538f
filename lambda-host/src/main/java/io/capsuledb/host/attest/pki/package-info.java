/** Certificates, revocation lists, signatures, and the anchors that evidence may lead to. */
package io.capsuledb.host.attest.pki;
