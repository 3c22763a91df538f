package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.function.Predicate;

/**
 * Which replicas hold a capsule, and how many of them make a write durable. Version 0 is in the
 * capsule's metadata; each later one is signed by the owner and names its predecessor.
 *
 * @param capsule the capsule
 * @param version from 0
 * @param previous hash of the encoding of the membership before; the capsule's name in version 1,
 *     zero in version 0
 * @param current the replicas, with their quorum
 * @param outgoing the replicas before, while a change is under way: then a quorum of both sets is
 *     needed for everything; else with no replicas and quorum 0
 */
public record Membership(
    CapsuleName capsule, int version, Hash32 previous, ReplicaSet current, ReplicaSet outgoing) {

  /**
   * Replicas and how many of them are a quorum.
   *
   * @param replicas distinct; at most {@link CapsuleMetadata#MAX_REPLICAS}
   * @param quorum a majority or more; 0 without replicas
   */
  public record ReplicaSet(List<PublicKey> replicas, int quorum) {

    /** Of nobody. */
    public static final ReplicaSet EMPTY = new ReplicaSet(List.of(), 0);

    /** Checks the bounds. */
    public ReplicaSet {
      replicas = List.copyOf(replicas);
      int least = replicas.isEmpty() ? 0 : replicas.size() / 2 + 1;
      if (replicas.size() > CapsuleMetadata.MAX_REPLICAS
          || new HashSet<>(replicas).size() != replicas.size()
          || quorum < least
          || quorum > replicas.size()) {
        throw new IllegalArgumentException(
            "quorum " + quorum + " of " + replicas.size() + " replicas");
      }
    }

    /** Whether those that {@code agrees} are a quorum; nobody is one of an empty set. */
    public boolean isQuorum(Predicate<PublicKey> agrees) {
      int count = 0;
      for (PublicKey replica : replicas) {
        count += agrees.test(replica) ? 1 : 0;
      }
      return count >= quorum;
    }
  }

  /** Checks what the types cannot. */
  public Membership {
    if (version < 0
        || (version == 0) != previous.isZero()
        || (version == 0 && !outgoing.replicas.isEmpty())) {
      throw new IllegalArgumentException("membership version " + version);
    }
  }

  /** The membership that a capsule begins with. */
  public static Membership initial(CapsuleName capsule, CapsuleMetadata metadata) {
    return new Membership(
        capsule,
        0,
        Hash32.ZERO,
        new ReplicaSet(metadata.replicas(), metadata.quorum()),
        ReplicaSet.EMPTY);
  }

  /** Whether a change is under way. */
  public boolean isJoint() {
    return !outgoing.replicas.isEmpty();
  }

  /** Whether those that {@code agrees} are enough: a quorum of each set. */
  public boolean isQuorum(Predicate<PublicKey> agrees) {
    return current.isQuorum(agrees) && (!isJoint() || outgoing.isQuorum(agrees));
  }

  /** Everybody in either set, each once: the current ones first. */
  public List<PublicKey> everybody() {
    List<PublicKey> all = new ArrayList<>(current.replicas);
    for (PublicKey replica : outgoing.replicas) {
      if (!all.contains(replica)) {
        all.add(replica);
      }
    }
    return all;
  }

  /** Whether it is in either set. */
  public boolean names(PublicKey replica) {
    return current.replicas.contains(replica) || outgoing.replicas.contains(replica);
  }
}
