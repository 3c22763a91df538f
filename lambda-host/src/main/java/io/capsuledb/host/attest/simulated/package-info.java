/**
 * insecure-simulated: a platform made up in software, whose quotes have the real layout and are
 * judged by the real verifier, under a root that says of itself that it is simulated.
 */
package io.capsuledb.host.attest.simulated;
