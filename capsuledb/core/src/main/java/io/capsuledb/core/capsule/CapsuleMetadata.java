package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.keys.HdPath;
import java.util.HashSet;
import java.util.List;

/**
 * What a capsule is, fixed at its creation and signed by its owner: who owns it, under which key
 * its application acts, which replicas hold it, how writers' keys are published.
 *
 * @param ownerKey verifies the metadata's own signature
 * @param applicationKey public key of generation 0 of the application key; signs rosters
 * @param applicationPath BIP32 path of the application key below the owner's master key, hardened
 *     components with the top bit set; at most {@link #MAX_PATH_LENGTH}
 * @param replicas public keys of the replicas, distinct, at most {@link #MAX_REPLICAS}; empty for a
 *     capsule that lives on one node
 * @param quorum how many replicas make a write durable: a majority or more; 0 without replicas
 * @param directoryMode how writers' public keys are known
 * @param salt 32 random bytes that make the name unique
 */
public record CapsuleMetadata(
    PublicKey ownerKey,
    PublicKey applicationKey,
    List<Integer> applicationPath,
    List<PublicKey> replicas,
    int quorum,
    DirectoryMode directoryMode,
    Hash32 salt) {

  /** Most components of the application key's path. */
  public static final int MAX_PATH_LENGTH = 16;

  /** Most replicas of one capsule. */
  public static final int MAX_REPLICAS = 64;

  /** The last key generation a capsule can have: each costs records and chains. */
  public static final int MAX_GENERATION = (1 << 16) - 1;

  /** How the public keys of writers are known; the numbers are persisted. */
  public enum DirectoryMode {
    /** Writer keys are hardened children; signed rosters publish them. The default. */
    ROSTER(1),
    /**
     * Writer keys are derived from the application's extended public key: one leaked writer's key
     * together with that is the application key, docs/keys.md.
     */
    DERIVED(2);

    private final int number;

    DirectoryMode(int number) {
      this.number = number;
    }

    int number() {
      return number;
    }
  }

  /**
   * Checks what the type system cannot.
   *
   * @throws InvalidRequestException if a bound or rule above is broken
   */
  public CapsuleMetadata {
    applicationPath = List.copyOf(applicationPath);
    replicas = List.copyOf(replicas);
    if (applicationPath.size() > MAX_PATH_LENGTH) {
      throw new InvalidRequestException(
          "the application key path has "
              + applicationPath.size()
              + " components; at most "
              + MAX_PATH_LENGTH
              + " are allowed");
    }
    if (replicas.size() > MAX_REPLICAS) {
      throw new InvalidRequestException(
          "the capsule names " + replicas.size() + " replicas; at most " + MAX_REPLICAS);
    }
    if (new HashSet<>(replicas).size() != replicas.size()) {
      throw new InvalidRequestException("a replica is named twice in the capsule's metadata");
    }
    int least = replicas.isEmpty() ? 0 : replicas.size() / 2 + 1;
    if (quorum < least || quorum > replicas.size()) {
      throw new InvalidRequestException(
          "quorum "
              + quorum
              + " of "
              + replicas.size()
              + " replicas; allowed is "
              + least
              + " to "
              + replicas.size());
    }
  }

  /**
   * Reads the owner's certificate of the application key of a later generation, and checks that it
   * is that. Takes any bytes.
   *
   * @param generation from 1
   */
  public Decoded<GenerationCertificate> certified(
      byte[] bytes, int offset, int generation, Secp256k1 curve) {
    if (generation < 1 || generation > MAX_GENERATION || applicationPath.isEmpty()) {
      return Decoded.reject(
          Reason.KEY_GENERATION,
          "generation " + generation + "; allowed are 0 to " + MAX_GENERATION);
    }
    return GenerationCertificate.decode(bytes, offset)
        .then(
            certificate ->
                certificate.isBy(ownerKey, applicationPath(generation), curve)
                    ? Decoded.accept(certificate)
                    : Decoded.reject(
                        Reason.SIGNATURE,
                        "the owner has not signed that this is the key of generation "
                            + generation));
  }

  /** Where the application key of a generation lies: beside that of generation 0. */
  private HdPath applicationPath(int generation) {
    HdPath path = HdPath.MASTER;
    for (int component : applicationPath.subList(0, applicationPath.size() - 1)) {
      path = path.child(component);
    }
    return path.hardened(generation);
  }
}
