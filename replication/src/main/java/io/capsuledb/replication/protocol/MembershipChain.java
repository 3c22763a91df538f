package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.List;

/**
 * The memberships of a capsule, from the metadata on: each signed by the owner, each naming the one
 * before it by hash, and each a step that loses nothing:
 *
 * <ul>
 *   <li>from one set of replicas to a <i>joint</i> membership of a new set and that one;
 *   <li>from a joint membership to its new set alone, or back to its old set alone.
 * </ul>
 *
 * <p>So two memberships that follow each other always have quorums that meet. Immutable.
 */
public final class MembershipChain {

  private final PublicKey owner;
  private final Membership newest;
  private final Hash32 hash;

  private MembershipChain(PublicKey owner, Membership newest, Hash32 hash) {
    this.owner = owner;
    this.newest = newest;
    this.hash = hash;
  }

  /**
   * The chain that a capsule begins with.
   *
   * @param capsule the name of {@code metadata}, which the caller has checked
   */
  public static MembershipChain of(CapsuleName capsule, CapsuleMetadata metadata) {
    return new MembershipChain(
        metadata.ownerKey(), Membership.initial(capsule, metadata), capsule.hash());
  }

  /**
   * Checks all memberships of a capsule.
   *
   * @param capsule the name of {@code metadata}, which the caller has checked
   * @param memberships signed memberships from version 1 on, any bytes
   * @return the newest membership, or what is wrong with the first that is
   */
  public static Decoded<Membership> verify(
      CapsuleName capsule, CapsuleMetadata metadata, List<Blob> memberships, Secp256k1 curve) {
    MembershipChain chain = of(capsule, metadata);
    for (Blob next : memberships) {
      switch (chain.then(next.bytes(), curve)) {
        case Decoded.Accepted<MembershipChain>(MembershipChain longer) -> chain = longer;
        case Decoded.Rejected<MembershipChain>(Rejection rejection) -> {
          return new Decoded.Rejected<>(rejection);
        }
      }
    }
    return Decoded.accept(chain.newest);
  }

  /** The newest membership. */
  public Membership newest() {
    return newest;
  }

  /** What the next membership has to name as its previous one. */
  public Hash32 hash() {
    return hash;
  }

  /** The chain with one more membership; takes any bytes. */
  public Decoded<MembershipChain> then(byte[] signedMembership, Secp256k1 curve) {
    return MembershipCodec.decode(signedMembership, owner, curve)
        .then(next -> follow(next, MembershipCodec.hashOf(signedMembership)));
  }

  private Decoded<MembershipChain> follow(Membership next, Hash32 nextHash) {
    if (!next.capsule().equals(newest.capsule())) {
      return Decoded.reject(
          Reason.MISPLACED,
          "the membership is of capsule " + next.capsule() + ", not of " + newest.capsule());
    }
    // Of versions 1 to 2^31 - 1: the difference does not overflow.
    if (next.version() - newest.version() != 1) {
      return Decoded.reject(
          Reason.SEQUENCE_GAP,
          "membership version " + next.version() + " after version " + newest.version());
    }
    if (!next.previous().equals(hash)) {
      return Decoded.reject(
          Reason.PREVIOUS_HASH,
          "membership version "
              + next.version()
              + " follows "
              + next.previous()
              + " where "
              + hash
              + " is");
    }
    boolean allowed =
        newest.isJoint()
            ? !next.isJoint()
                && (next.current().equals(newest.current())
                    || next.current().equals(newest.outgoing()))
            : next.isJoint() && next.outgoing().equals(newest.current());
    if (!allowed) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE,
          "membership version "
              + next.version()
              + (newest.isJoint()
                  ? " is neither the new nor the old replicas alone"
                  : " is not of new replicas joint with those before"));
    }
    return Decoded.accept(new MembershipChain(owner, next, nextHash));
  }
}
