package io.capsuledb.host.files;

import io.capsuledb.core.error.StorageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A directory with all that is in it. */
public final class DirectoryTree {

  private DirectoryTree() {}

  /**
   * Removes a directory with all that is in it; nothing if it is not there. Symbolic links are
   * removed, not followed. What somebody else removes meanwhile is not missed.
   *
   * @throws StorageException if something of it stays
   */
  public static void remove(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    List<Path> deepestFirst;
    try (Stream<Path> walk = Files.walk(directory)) {
      deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
      for (Path file : deepestFirst) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new StorageException("cannot remove " + directory + " (" + e + ")", e);
    }
  }
}
