package io.capsuledb.host.replica;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.MembershipChain;
import io.capsuledb.replication.protocol.Message;
import java.util.List;

/**
 * What a replica described of a capsule, verified: the metadata has the capsule's name, and each
 * membership is signed by the owner and follows the one before it.
 *
 * @param name the capsule
 * @param metadata what the capsule is
 * @param signedMetadata its bytes
 * @param memberships signed memberships from version 1 on
 * @param chain where they end
 */
public record CapsuleView(
    CapsuleName name,
    CapsuleMetadata metadata,
    Blob signedMetadata,
    List<Blob> memberships,
    MembershipChain chain) {

  /** Keeps a copy of the list. */
  public CapsuleView {
    memberships = List.copyOf(memberships);
  }

  /** Verifies what a replica described. */
  public static Decoded<CapsuleView> of(CapsuleName name, Message.Described described) {
    return of(name, described.metadata(), described.memberships());
  }

  /** Verifies metadata and memberships of a capsule. Takes any bytes. */
  public static Decoded<CapsuleView> of(
      CapsuleName name, Blob signedMetadata, List<Blob> memberships) {
    Secp256k1 curve = Secp256k1.best();
    if (!MetadataCodec.nameOf(signedMetadata.bytes()).equals(name)) {
      return Decoded.reject(
          Rejection.Reason.MISPLACED, "the metadata are those of another capsule");
    }
    return MetadataCodec.decode(signedMetadata.bytes(), curve)
        .then(
            metadata -> {
              MembershipChain chain = MembershipChain.of(name, metadata);
              for (Blob membership : memberships) {
                switch (chain.then(membership.bytes(), curve)) {
                  case Decoded.Accepted<MembershipChain>(MembershipChain longer) -> chain = longer;
                  case Decoded.Rejected<MembershipChain>(Rejection rejection) -> {
                    return new Decoded.Rejected<>(rejection);
                  }
                }
              }
              return Decoded.accept(
                  new CapsuleView(name, metadata, signedMetadata, memberships, chain));
            });
  }

  /** The newest membership. */
  public Membership membership() {
    return chain.newest();
  }

  /** This view with one membership more, or why it does not follow. */
  public Decoded<CapsuleView> then(Blob membership) {
    return chain
        .then(membership.bytes(), Secp256k1.best())
        .then(
            longer -> {
              List<Blob> all = new java.util.ArrayList<>(memberships);
              all.add(membership);
              return Decoded.accept(new CapsuleView(name, metadata, signedMetadata, all, longer));
            });
  }
}
