package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;
import java.util.List;

/**
 * A record's header, decoded.
 *
 * @param type what the record is for
 * @param generation the key generation it was written in, from 0
 * @param writer whose chain it is in, 1 to 2^62 - 1
 * @param sequence its place in that chain, from 1
 * @param epoch the SCL epoch it belongs to; 0 before the first
 * @param lamport Lamport time of its first operation
 * @param payloadLength bytes of payload as stored
 * @param previous hash of the writer's previous record; zero at sequence 1
 * @param payloadHash SHA-256 of the payload as stored
 * @param parents hashes of further records this one joins
 */
public record RecordHeader(
    RecordType type,
    int generation,
    long writer,
    long sequence,
    long epoch,
    long lamport,
    int payloadLength,
    Hash32 previous,
    Hash32 payloadHash,
    List<Hash32> parents) {}
