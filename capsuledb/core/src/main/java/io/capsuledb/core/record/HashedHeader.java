package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;

/**
 * A header without signature or payload, and the hash of the record it is of. Nobody vouches for it
 * but who vouches for the hash.
 *
 * @param header the header
 * @param hash the record hash: SHA-256(tag ‖ capsule name ‖ header)
 */
public record HashedHeader(RecordHeader header, Hash32 hash) {}
