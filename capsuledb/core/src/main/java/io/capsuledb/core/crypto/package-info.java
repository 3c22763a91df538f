/**
 * Hashes, signatures, AEAD and key derivation over fixed algorithms; secrets that can be cleared.
 */
package io.capsuledb.core.crypto;
