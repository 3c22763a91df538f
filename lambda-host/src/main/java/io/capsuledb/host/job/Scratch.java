package io.capsuledb.host.job;

import io.capsuledb.core.error.StorageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A directory of a worker that is emptied before and after each life of it. */
final class Scratch {

  private static final int MAX_FILES = 1_000_000;

  private Scratch() {}

  /** Removes a directory with all that is in it. */
  static void remove(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (Stream<Path> walk = Files.walk(directory)) {
      List<Path> files = walk.limit(MAX_FILES).sorted(Comparator.reverseOrder()).toList();
      for (Path file : files) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new StorageException("cannot empty " + directory + " (" + e + ")", e);
    }
  }
}
