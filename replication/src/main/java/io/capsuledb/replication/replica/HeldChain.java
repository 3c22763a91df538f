package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.SealState;

/**
 * What a replica has of one chain. {@code accepted} is ahead of {@code durable} while a commit is
 * under way. A plain object of the core's.
 */
final class HeldChain {

  final RosterEntry entry;

  /** The newest record that was taken, and its Lamport time. */
  ChainHead accepted;

  long lamport;

  /** The newest promise about the writer. */
  SealState seal;

  /** The newest record that is on the disk. */
  ChainHead durable;

  /** The newest promise that is on the disk. */
  SealState durableSeal;

  /** Records held as stubs that no CHECKPOINT held here is known to release. */
  final Ranges unjustified = new Ranges();

  /** The record before the first unjustified stub, once it was looked up; else null. */
  @org.jspecify.annotations.Nullable ChainHead beforeUnjustified;

  /** Whether there is proof that the writer equivocated. */
  boolean convicted;

  HeldChain(RosterEntry entry, ChainHead head, long lamport, SealState seal) {
    this.entry = entry;
    this.accepted = head;
    this.lamport = lamport;
    this.seal = seal;
    this.durable = head;
    this.durableSeal = seal;
  }
}
