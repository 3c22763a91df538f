/** Making evidence about the process or machine this runs in. */
package io.capsuledb.host.attest.attester;
