package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.SealState;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One step in sealing a writer, seen from its sealer: what replicas have to say for it to be done,
 * docs/consistency.md. A plain function of what they said so far.
 *
 * @param ticket names it
 * @param order the step; its SEAL record is appended by the caller
 * @param ballot the order's term and sealer
 * @param disbelieved replicas whose word does not count
 */
record SealRound(long ticket, SealOrder order, Ballot ballot, Set<PublicKey> disbelieved) {
  SealRound {
    disbelieved = Set.copyOf(disbelieved);
  }

  /** How far the round is; null: replicas have to say more. */
  @Nullable QuorumOutput outcome(Membership membership, Map<PublicKey, SealState> said) {
    if (order.kind() == SealOrder.Kind.PREPARE) {
      if (membership.isQuorum(r -> of(said, r).promised().equals(ballot))) {
        return new QuorumOutput.SealReached(ticket, value(membership, said), said);
      }
    } else if (membership.isQuorum(r -> hasAccepted(of(said, r)))) {
      return new QuorumOutput.SealReached(ticket, order.last(), said);
    }
    if (!membership.isQuorum(r -> of(said, r).promised().compareTo(ballot) <= 0)) {
      return new QuorumOutput.SealOverruled(ticket, beyond(membership, said));
    }
    return null;
  }

  /**
   * In this ballot and no other: a quorum that accepted one head in several ballots has not chosen
   * it. Whoever meets a later one begins again.
   */
  private boolean hasAccepted(SealState state) {
    return state.accepted().equals(ballot) && state.last().equals(order.last());
  }

  /** Accepted under the highest ballot, else the largest head at which somebody promised. */
  private ChainHead value(Membership membership, Map<PublicKey, SealState> said) {
    Ballot highest = Ballot.NONE;
    ChainHead accepted = ChainHead.NONE;
    ChainHead largest = ChainHead.NONE;
    for (PublicKey replica : membership.everybody()) {
      SealState state = of(said, replica);
      if (state.accepted().compareTo(highest) > 0) {
        highest = state.accepted();
        accepted = state.last();
      }
      if (state.isSealed() && state.head().sequence() > largest.sequence()) {
        largest = state.head();
      }
    }
    return highest.equals(Ballot.NONE) ? largest : accepted;
  }

  /**
   * The smallest ballot that a quorum is not beyond: one replica that claims the largest ballot
   * there is does not end all sealing.
   */
  private static Ballot beyond(Membership membership, Map<PublicKey, SealState> said) {
    TreeSet<Ballot> promised = new TreeSet<>(Comparator.naturalOrder());
    for (PublicKey replica : membership.everybody()) {
      promised.add(of(said, replica).promised());
    }
    for (Ballot candidate : promised) {
      if (membership.isQuorum(r -> of(said, r).promised().compareTo(candidate) <= 0)) {
        return candidate;
      }
    }
    return promised.last();
  }

  private static SealState of(Map<PublicKey, SealState> said, PublicKey replica) {
    return said.getOrDefault(replica, SealState.OPEN);
  }
}
