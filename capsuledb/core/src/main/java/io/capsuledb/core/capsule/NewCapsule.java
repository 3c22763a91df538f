package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.HdPath;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Entropy;
import java.util.List;
import java.util.stream.IntStream;

/** Founds capsules: the one thing besides rotation that needs the owner's own key. */
public final class NewCapsule {

  private NewCapsule() {}

  /**
   * Signed metadata of a new capsule, whose name follows by {@link MetadataCodec#nameOf}.
   *
   * @param owner signs, and names the application key of generation 0
   * @param application which of the owner's applications writes in it, from 0
   * @param replicas public keys of its replicas; empty for one that lives on one node
   * @param quorum how many of them make a write durable
   * @param entropy for the salt
   */
  public static byte[] sign(
      KeyTree owner, int application, List<PublicKey> replicas, int quorum, Entropy entropy) {
    return sign(
        owner, application, replicas, quorum, CapsuleMetadata.DirectoryMode.ROSTER, entropy);
  }

  /**
   * The same with a choice of key directory.
   *
   * @param directory how the public keys of writers are known; for ever
   */
  public static byte[] sign(
      KeyTree owner,
      int application,
      List<PublicKey> replicas,
      int quorum,
      CapsuleMetadata.DirectoryMode directory,
      Entropy entropy) {
    byte[] salt = new byte[Hash32.BYTES];
    entropy.fill(salt);
    try (ApplicationKey key = owner.application(application, 0)) {
      HdPath path = key.path();
      CapsuleMetadata metadata =
          new CapsuleMetadata(
              owner.ownerPublicKey(),
              key.publicKey(),
              IntStream.range(0, path.length()).mapToObj(path::index).toList(),
              replicas,
              quorum,
              directory,
              Hash32.of(salt));
      return MetadataCodec.encode(metadata, owner::signAsOwner);
    }
  }
}
