/** Intel's evidence: SGX and TDX quotes of DCAP, and the collateral they are judged with. */
package io.capsuledb.host.attest.intel;
