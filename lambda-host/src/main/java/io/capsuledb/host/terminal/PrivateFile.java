package io.capsuledb.host.terminal;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Files that only their user may read, such as keys and password hashes. Written to a name of their
 * own first, made durable, then put in place in one step: a crash leaves the old file or the new
 * one.
 */
public final class PrivateFile {

  private static final String FILE_MODE = "rw-------";

  private PrivateFile() {}

  /**
   * Writes a file.
   *
   * @param replace whether a file that is there already may be replaced
   * @throws InvalidRequestException if there is a file already and it may not
   * @throws StorageException if it cannot be written
   */
  public static void write(Path path, byte[] bytes, boolean replace) {
    Path target = path.toAbsolutePath();
    Path directory = target.getParent();
    if (directory == null) {
      throw new InvalidRequestException(path + " is no file name");
    }
    if (!replace && Files.exists(target)) {
      throw exists(path);
    }
    try {
      Path part =
          Files.createTempFile(
              directory,
              "." + target.getFileName(),
              ".part",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(FILE_MODE)));
      try {
        writeDurably(part, bytes);
        if (replace) {
          Files.move(
              part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } else {
          // Unlike a move, a link never replaces what somebody else put there meanwhile.
          Files.createLink(target, part);
        }
      } finally {
        Files.deleteIfExists(part);
      }
      try (FileChannel entries = FileChannel.open(directory, StandardOpenOption.READ)) {
        entries.force(true);
      }
    } catch (FileAlreadyExistsException e) {
      throw exists(path);
    } catch (IOException e) {
      throw new StorageException(
          "cannot write " + path + " (" + e + "): check the directory, its permissions and space",
          e);
    }
  }

  private static void writeDurably(Path part, byte[] bytes) throws IOException {
    try (FileChannel out = FileChannel.open(part, Set.of(StandardOpenOption.WRITE))) {
      ByteBuffer rest = ByteBuffer.wrap(bytes);
      while (rest.hasRemaining()) {
        out.write(rest);
      }
      out.force(true);
    }
  }

  private static InvalidRequestException exists(Path path) {
    return new InvalidRequestException(
        path + " is there already and is not replaced: choose another name, or use --force");
  }
}
