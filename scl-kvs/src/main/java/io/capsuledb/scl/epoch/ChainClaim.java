package io.capsuledb.scl.epoch;

import io.capsuledb.core.seal.ChainHead;
import org.jspecify.annotations.Nullable;

/**
 * What a quorum of replicas said of one chain in answer to a frontier read.
 *
 * @param writer whose chain
 * @param durable the newest record that their answers show to be durable; {@link ChainHead#NONE} if
 *     none is
 * @param claimed the largest sequence number that one of them claims: whatever was durable when the
 *     read began is at or below it
 * @param accepted whether one of them has accepted a final head of the chain: while none has, the
 *     chain was not sealed when the read began
 * @param last the final head, if the answers show that a quorum has accepted it in one ballot
 */
public record ChainClaim(
    long writer, ChainHead durable, long claimed, boolean accepted, @Nullable ChainHead last) {}
