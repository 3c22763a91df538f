package io.capsuledb.host.node;

import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.HdKey;
import io.capsuledb.core.keys.HdPath;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.replication.replica.ReplicaIdentity;
import io.capsuledb.replication.session.Identity;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A replica's key, from its file: the same kind of file as an owner's, with words of its own, and
 * the replica's public key is the one that the file names. So what {@code capsule keys} does with
 * an owner's file it does with a replica's.
 *
 * <p>The private key is here twice, for statements and for links; {@link #close} clears both.
 */
final class ReplicaKeys implements AutoCloseable {

  /** The path of {@link KeyTree#ownerPublicKey}, which key files name. */
  private static final HdPath PATH = HdPath.MASTER.hardened(KeyTree.PURPOSE).hardened(0);

  private final ReplicaIdentity statements;
  private final SecretBytes linkKey;
  private final Identity links;

  private ReplicaKeys(SecretBytes privateKey) {
    statements = new ReplicaIdentity(Secp256k1.best(), SecretBytes.copyOf(privateKey.expose()));
    linkKey = SecretBytes.copyOf(privateKey.expose());
    links = Identity.of(linkKey);
  }

  /**
   * Opens the key in {@code path}, or makes one there.
   *
   * @param storeExists whether the replica has held something under its key before
   * @throws io.capsuledb.core.error.DeniedException if the passphrase is missing or wrong
   */
  static ReplicaKeys openOrMake(
      Path path, boolean storeExists, Node.PassphraseSource passphrases, Entropy entropy) {
    OwnerKeyFile file;
    char[] passphrase;
    if (Files.exists(path)) {
      file = OwnerKeyFile.read(path);
      passphrase = passphrases.passphrase(file.isProtected());
    } else {
      if (storeExists) {
        throw new io.capsuledb.core.error.DeniedException(
            "the replica's key "
                + path
                + " is gone, and under another one it is another replica: restore a copy, name the"
                + " file with --key, or begin in an empty directory and have the owner replace the"
                + " old replica by the new one with 'capsule replicas replace'");
      }
      passphrase = passphrases.passphrase(false);
      char[] kept = passphrase == null ? null : passphrase.clone();
      try (Mnemonic words = Mnemonic.generate(entropy)) {
        file = OwnerKeyFile.write(path, words.entropy(), kept, false, entropy);
      } finally {
        if (kept != null) {
          Arrays.fill(kept, '\0');
        }
      }
      EventLog.info("replica_key.made", "file", path, "key", file.file().ownerPublicKey());
    }
    if (!file.isProtected()) {
      EventLog.warn(
          "replica_key.unprotected",
          "mode",
          "DEVELOPMENT",
          "file",
          path,
          "advice",
          "whoever reads this file can speak for this replica; protect it with: capsule keys"
              + " protect "
              + path);
    }
    return open(file, passphrase);
  }

  private static ReplicaKeys open(OwnerKeyFile file, char @Nullable [] passphrase) {
    try (SecretBytes opened = file.open(passphrase);
        Mnemonic words = Mnemonic.fromEntropy(opened);
        SecretBytes seed = words.toSeed("");
        HdKey master = HdKey.fromSeed(seed);
        HdKey key = master.derive(PATH)) {
      return new ReplicaKeys(key.privateKey());
    }
  }

  /** Signs statements. */
  ReplicaIdentity statements() {
    return statements;
  }

  /** Proves to the other end of a link who is at this one. */
  Identity links() {
    return links;
  }

  @Override
  public void close() {
    statements.close();
    linkKey.close();
  }
}
