package io.capsuledb.replication.protocol;

import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;

/**
 * What a replica has promised about one writer; docs/consistency.md.
 *
 * @param promised the highest ballot it has promised to; {@link Ballot#NONE} if the writer is open
 * @param head what it held when it promised: it takes nothing beyond, except up to {@code last}
 * @param accepted the ballot of the final head it accepted; {@link Ballot#NONE} if it has not
 * @param last the final head it accepted; {@link ChainHead#NONE} also if the writer is sealed at 0
 */
public record SealState(Ballot promised, ChainHead head, Ballot accepted, ChainHead last) {

  /** Of a writer nobody seals. */
  public static final SealState OPEN =
      new SealState(Ballot.NONE, ChainHead.NONE, Ballot.NONE, ChainHead.NONE);

  /** Checks that nothing was accepted beyond what was promised. */
  public SealState {
    if (accepted.compareTo(promised) > 0) {
      throw new IllegalArgumentException("accepted " + accepted + " beyond promised " + promised);
    }
  }

  /** Whether a ballot was promised. */
  public boolean isSealed() {
    return !promised.equals(Ballot.NONE);
  }

  /** Whether a final head was accepted. */
  public boolean isFinal() {
    return !accepted.equals(Ballot.NONE);
  }

  /** The last sequence number of the writer that may be stored. */
  public long limit() {
    return isFinal() ? last.sequence() : isSealed() ? head.sequence() : Long.MAX_VALUE;
  }
}
