/** Evidence inside certificates: RA-TLS. */
package io.capsuledb.host.attest.ratls;
