package io.capsuledb.host.node;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.keys.KeyFile;
import io.capsuledb.core.keys.Protection;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A key file on disk: the entropy of an owner's words, protected or, in development, not. Readable
 * by its user only, written whole or not at all.
 */
public final class OwnerKeyFile {

  private final Path path;
  private final KeyFile file;

  private OwnerKeyFile(Path path, KeyFile file) {
    this.path = path;
    this.file = file;
  }

  /**
   * Reads a key file; needs no passphrase.
   *
   * @throws InvalidRequestException if it cannot be read
   * @throws IntegrityException if it is no key file, or a damaged one
   */
  public static OwnerKeyFile read(Path path) {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(path)) {
      bytes = in.readNBytes(KeyFile.MAX_BYTES + 1);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the key file " + path + ": check that it exists and is readable", e);
    }
    return switch (KeyFile.decode(bytes)) {
      case Decoded.Accepted<KeyFile>(KeyFile file) -> new OwnerKeyFile(path, file);
      case Decoded.Rejected<KeyFile>(Rejection rejection) ->
          throw new IntegrityException(
              Rejection.of(
                  rejection.reason(),
                  path + " is no intact key file (" + rejection.detail() + "): restore a copy"));
    };
  }

  /**
   * Writes a key file, durably.
   *
   * @param words the entropy of the words; stays the caller's
   * @param passphrase what protects it; null: nothing does, which is for development only
   * @param replace whether a file that is there already may be replaced
   * @throws InvalidRequestException if there is a file already and it may not
   * @throws StorageException if it cannot be written
   */
  public static OwnerKeyFile write(
      Path path,
      SecretBytes words,
      char @Nullable [] passphrase,
      boolean replace,
      Entropy entropy) {
    byte[] sealed =
        passphrase == null
            ? KeyFile.sealForDevelopment(words, entropy)
            : KeyFile.seal(words, passphrase, entropy);
    PrivateFile.write(path, sealed, replace);
    return new OwnerKeyFile(path, KeyFile.decode(sealed).orThrow());
  }

  /** Where it is. */
  public Path path() {
    return path;
  }

  /** What it says of itself in clear. */
  public KeyFile file() {
    return file;
  }

  /** Whether a passphrase protects it. */
  public boolean isProtected() {
    return file.protection() == Protection.PASSPHRASE;
  }

  /**
   * The entropy of the words, to be closed by the caller.
   *
   * @param passphrase cleared here; null if there is none
   * @throws DeniedException if a passphrase is needed and there is none, or the wrong one
   * @throws InvalidRequestException if there is a passphrase and none is needed: whoever gave it
   *     believes the file to be protected
   */
  public SecretBytes open(char @Nullable [] passphrase) {
    if (!isProtected()) {
      if (passphrase != null) {
        Arrays.fill(passphrase, '\0');
        throw new InvalidRequestException(
            "a passphrase was given, but the key file "
                + path
                + " is a development one that nothing protects: protect it with 'capsule keys"
                + " protect "
                + path
                + "', or give no passphrase");
      }
      return file.openDevelopment().orThrow();
    }
    if (passphrase == null) {
      throw new DeniedException(
          "the key file "
              + path
              + " is protected and there is no passphrase: give it with --passphrase-file FILE or"
              + " in the environment variable CAPSULE_PASSPHRASE");
    }
    Decoded<SecretBytes> opened;
    try {
      opened = file.open(passphrase);
    } finally {
      Arrays.fill(passphrase, '\0');
    }
    return switch (opened) {
      case Decoded.Accepted<SecretBytes>(SecretBytes words) -> words;
      case Decoded.Rejected<SecretBytes>(Rejection rejection) ->
          throw new DeniedException(
              "the key file " + path + " does not open: " + rejection.detail());
    };
  }
}
