/** AMD's evidence: SEV-SNP attestation reports, and the certificates they are judged with. */
package io.capsuledb.host.attest.amd;
