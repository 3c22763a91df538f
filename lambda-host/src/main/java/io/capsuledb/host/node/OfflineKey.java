package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The owner's keys of a directory whose server is stopped. */
final class OfflineKey {

  private OfflineKey() {}

  /**
   * The keys in a file.
   *
   * @param passphrase asked if the file is protected
   * @return to be closed; null if it is protected and there is no passphrase
   * @throws io.capsuledb.core.error.DeniedException if the passphrase is wrong
   */
  static @Nullable KeyTree open(OwnerKeyFile file, Supplier<char @Nullable []> passphrase) {
    char[] given = file.isProtected() ? passphrase.get() : null;
    if (file.isProtected() && given == null) {
      return null;
    }
    try (SecretBytes opened = file.open(given);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      return KeyTree.fromMnemonic(words, "");
    }
  }

  /** The key that decrypts a capsule, to be closed; null if the owner is not this one. */
  static @Nullable ApplicationKey of(byte[] signedMetadata, KeyTree owner, Secp256k1 curve) {
    if (!(MetadataCodec.decode(signedMetadata, curve)
        instanceof Decoded.Accepted<CapsuleMetadata>(CapsuleMetadata metadata))) {
      return null;
    }
    ApplicationKey key = owner.application(Node.APPLICATION, 0);
    if (key.publicKey().equals(metadata.applicationKey())) {
      return key;
    }
    key.close();
    return null;
  }
}
