/** Strict, bounded readers of the encodings that attestation evidence comes in. */
package io.capsuledb.host.attest.encoding;
