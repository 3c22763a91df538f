/** Commitments to data, and proofs against them that need no key. */
package io.capsuledb.core.proof;
