/**
 * Judging of attestation evidence: bytes, collateral, an instant and a policy in, a verdict out.
 * Nothing here opens a file or a socket, or reads a clock.
 */
package io.capsuledb.host.attest;
