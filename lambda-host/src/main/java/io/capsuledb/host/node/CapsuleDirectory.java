package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;

/**
 * A data directory:
 *
 * <ul>
 *   <li>{@code store/}: the records; or {@code cache/}, copies of them, if replicas hold them;
 *   <li>{@code owner.key}: the owner's key file;
 *   <li>{@code capsule}: the capsule's name in hex and a line feed. It makes sure that a store that
 *       got lost is missed, instead of a new, empty capsule being founded in its place.
 * </ul>
 *
 * <p>A replica's directory has {@code store/}, its key file {@code replica.key} unless that is
 * elsewhere, and {@code replica}: the replica's public key in hex and a line feed, which makes sure
 * that what one replica held is not taken for another's.
 *
 * <p>They come into being in the order key, capsule in the store, name: a crash in between is
 * repaired by the next start.
 */
public final class CapsuleDirectory {

  private static final FileAttribute<?> OWNER_ONLY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  private final Path path;

  /** A directory that need not exist yet. */
  public CapsuleDirectory(Path path) {
    this.path = path;
  }

  /** The directory itself. */
  public Path path() {
    return path;
  }

  /** Where the records are. */
  public Path store() {
    return path.resolve("store");
  }

  /** Where copies of the records are that replicas hold. */
  public Path cache() {
    return path.resolve("cache");
  }

  /** Where the owner's key is. */
  public Path ownerKey() {
    return path.resolve("owner.key");
  }

  private Path nameFile() {
    return path.resolve("capsule");
  }

  /**
   * Makes the directory, if it does not exist.
   *
   * @throws StorageException if that fails
   */
  void create() {
    try {
      Files.createDirectories(path, OWNER_ONLY);
    } catch (IOException e) {
      throw new StorageException(
          "cannot make the data directory " + path + " (" + e + "): check the path and permissions",
          e);
    }
  }

  /**
   * Checks that no records are kept here, for they are to be on replicas.
   *
   * @throws InvalidRequestException if there are
   */
  void requireNoLocalStore() {
    if (Files.exists(store())) {
      throw new InvalidRequestException(
          "the data of "
              + path
              + " are on this disk, and stay there: leave out --replicas, or begin in a new"
              + " directory; a backup of what replicas hold is made ready for them by capsule"
              + " restore --for-replicas");
    }
  }

  /**
   * Checks that there is one.
   *
   * @throws InvalidRequestException if there is none
   */
  public void requireExisting() {
    if (!Files.isDirectory(store()) && Files.isDirectory(cache())) {
      throw new InvalidRequestException(
          "the data of " + path + " are on replicas: name the directory of one of them");
    }
    if (!Files.isDirectory(store())) {
      throw new InvalidRequestException(
          path + " is no data directory of a server: there is no " + store());
    }
  }

  /**
   * The name of the capsule that belongs here, or null if that is not written down.
   *
   * @throws IntegrityException if what is written down is no name
   * @throws StorageException if it cannot be read
   */
  public @Nullable CapsuleName name() {
    Path file = nameFile();
    if (!Files.exists(file)) {
      return null;
    }
    String text;
    try {
      text = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
    } catch (IOException e) {
      throw new StorageException("cannot read " + file + " (" + e + ")", e);
    }
    try {
      return new CapsuleName(Hash32.parse(text));
    } catch (IllegalArgumentException e) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.FIELD_OUT_OF_RANGE,
              file + " holds no capsule name, which is 64 hex digits: restore it"));
    }
  }

  /** Writes the name down, durably. */
  void name(CapsuleName name) {
    PrivateFile.write(nameFile(), (name + "\n").getBytes(StandardCharsets.US_ASCII), true);
  }

  private Path replicaFile() {
    return path.resolve("replica");
  }

  /** Whether it is a replica's. */
  public boolean isReplica() {
    return Files.exists(replicaFile());
  }

  /**
   * Makes it the directory of a replica, if it is not yet.
   *
   * @throws InvalidRequestException if it is another replica's, or a server's
   */
  void markReplica(PublicKey key) {
    if (Files.exists(ownerKey()) || Files.exists(nameFile())) {
      throw new InvalidRequestException(
          path + " is the data directory of a server: name another one for the replica");
    }
    Path file = replicaFile();
    if (!Files.exists(file)) {
      PrivateFile.write(file, (key + "\n").getBytes(StandardCharsets.US_ASCII), false);
      return;
    }
    String known;
    try {
      known = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
    } catch (IOException e) {
      throw new StorageException("cannot read " + file + " (" + e + ")", e);
    }
    if (!known.equals(key.toString())) {
      throw new InvalidRequestException(
          path
              + " belongs to the replica "
              + known
              + ", and the key file is that of "
              + key
              + ": name the right key file with --key, or another directory");
    }
  }
}
