package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;

/**
 * The owner's keys and the paths CapsuleDB takes through them. Everything is hardened, so that no
 * key that leaves the owner tells anything about its parent or its siblings:
 *
 * <table>
 * <caption>Paths (BIP 32)</caption>
 * <tr><th>path</th><th>key</th></tr>
 * <tr><td>{@code m/4407632'/0'}</td><td>owner: its public key is in every capsule's metadata, which
 * it signs</td></tr>
 * <tr><td>{@code m/4407632'/1'/a'/g'}</td><td>key generation g of application a: the only private
 * key that ever leaves the owner, and only to an attested leader</td></tr>
 * <tr><td>{@code m/4407632'/1'/a'/g'/h'/l'}</td><td>writer h · 2³¹ + l, see {@link
 * ApplicationKey}</td></tr>
 * </table>
 *
 * <p>4407632 is 0x434150, the letters "CAP". Invariant: the master key itself is not kept, only the
 * two keys below which everything lies. Thread-safe; {@link #close} clears it.
 */
public final class KeyTree implements AutoCloseable {

  /** The purpose, in the sense of BIP 43, below which all keys of CapsuleDB lie. */
  public static final int PURPOSE = 0x434150;

  static final HdPath OWNER = HdPath.MASTER.hardened(PURPOSE).hardened(0);
  static final HdPath APPLICATIONS = HdPath.MASTER.hardened(PURPOSE).hardened(1);

  private final HdKey owner;
  private final HdKey applications;

  private KeyTree(HdKey owner, HdKey applications) {
    this.owner = owner;
    this.applications = applications;
  }

  /**
   * The keys of a seed.
   *
   * @param seed 16 to 64 bytes; stays the caller's
   * @throws IllegalArgumentException if it has another length
   */
  public static KeyTree fromSeed(SecretBytes seed) {
    try (HdKey master = HdKey.fromSeed(seed)) {
      return new KeyTree(master.derive(OWNER), master.derive(APPLICATIONS));
    }
  }

  /**
   * The keys of a mnemonic.
   *
   * @param mnemonic stays the caller's
   * @param passphrase the optional "25th word"; empty for none
   */
  public static KeyTree fromMnemonic(Mnemonic mnemonic, String passphrase) {
    try (SecretBytes seed = mnemonic.toSeed(passphrase)) {
      return fromSeed(seed);
    }
  }

  /** The key that owns capsules. */
  public PublicKey ownerPublicKey() {
    return owner.publicKey();
  }

  /**
   * Signs as the owner: 64 bytes, see {@link Secp256k1#sign}.
   *
   * @throws IllegalStateException if closed
   */
  public byte[] signAsOwner(Hash32 digest) {
    return Secp256k1.best().sign(digest, owner.privateKey());
  }

  /**
   * The key of one generation of an application, with the owner's certificate of it; to be closed
   * by the caller.
   *
   * @param application from 0 to 2³¹ - 1
   * @param generation from 0 to 2³¹ - 1
   * @throws IllegalArgumentException if one of them is negative
   * @throws IllegalStateException if closed
   */
  public ApplicationKey application(int application, int generation) {
    HdPath below = HdPath.MASTER.hardened(application).hardened(generation);
    HdKey key = applications.derive(below);
    HdPath path = APPLICATIONS.hardened(application).hardened(generation);
    GenerationCertificate certificate =
        generation == 0
            ? null
            : GenerationCertificate.sign(path, key.publicKey(), this::signAsOwner);
    return new ApplicationKey(application, key, certificate, true);
  }

  /** Clears all keys of this tree, not those it has given out. Idempotent. */
  @Override
  public void close() {
    owner.close();
    applications.close();
  }

  @Override
  public String toString() {
    return "KeyTree[owner " + owner.publicKey() + "]";
  }
}
