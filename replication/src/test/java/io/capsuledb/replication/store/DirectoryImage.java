package io.capsuledb.replication.store;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The files of a storage directory, held in memory: to be damaged and written out again. An image
 * taken while the store is open is what {@code kill -9} would leave.
 */
final class DirectoryImage {

  private final SortedMap<String, byte[]> files = new TreeMap<>();

  private static final int MAX_ATTEMPTS = 1000;

  /** The image of a directory, taken when no background work changes it. */
  static DirectoryImage of(Path directory) {
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        DirectoryImage image = read(directory);
        Thread.onSpinWait();
        if (image.equalTo(read(directory))) {
          return image;
        }
      } catch (UncheckedIOException e) {
        if (!(e.getCause() instanceof NoSuchFileException)) {
          throw e;
        }
      }
    }
    throw new AssertionError(directory + " does not come to rest");
  }

  private boolean equalTo(DirectoryImage other) {
    return files.keySet().equals(other.files.keySet())
        && files.entrySet().stream()
            .allMatch(file -> Arrays.equals(file.getValue(), other.files.get(file.getKey())));
  }

  private static DirectoryImage read(Path directory) {
    DirectoryImage image = new DirectoryImage();
    try (Stream<Path> paths = Files.list(directory)) {
      for (Path path : paths.toList()) {
        image.files.put(path.getFileName().toString(), Files.readAllBytes(path));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return image;
  }

  DirectoryImage copy() {
    DirectoryImage copy = new DirectoryImage();
    files.forEach((name, bytes) -> copy.files.put(name, bytes.clone()));
    return copy;
  }

  SortedMap<String, byte[]> files() {
    return files;
  }

  /** The only file whose name matches. */
  String only(String pattern) {
    List<String> names = files.keySet().stream().filter(name -> name.matches(pattern)).toList();
    if (names.size() != 1) {
      throw new AssertionError(pattern + " matches " + names + " of " + files.keySet());
    }
    return names.getFirst();
  }

  DirectoryImage without(String pattern) {
    DirectoryImage rest = copy();
    if (!rest.files.keySet().removeIf(name -> name.matches(pattern))) {
      throw new AssertionError(pattern + " matches none of " + files.keySet());
    }
    return rest;
  }

  DirectoryImage flipped(String name, int at, int mask) {
    DirectoryImage damaged = copy();
    damaged.files.get(name)[at] ^= (byte) mask;
    return damaged;
  }

  DirectoryImage truncated(String name, int length) {
    DirectoryImage damaged = copy();
    damaged.files.put(name, Arrays.copyOf(files.get(name), length));
    return damaged;
  }

  /** Makes {@code directory} hold exactly these files. */
  Path writeTo(Path directory) {
    try {
      delete(directory);
      Files.createDirectories(directory);
      for (var file : files.entrySet()) {
        Files.write(directory.resolve(file.getKey()), file.getValue());
      }
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void delete(Path directory) {
    if (!Files.exists(directory)) {
      return;
    }
    try (Stream<Path> paths = Files.walk(directory)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Names, contents and times of the files in {@code directory}, to see that nothing changed. */
  static List<String> fingerprint(Path directory) {
    try (Stream<Path> paths = Files.walk(directory)) {
      return paths
          .sorted()
          .map(
              path -> {
                try {
                  return path
                      + " "
                      + Files.getLastModifiedTime(path)
                      + " "
                      + (Files.isDirectory(path) ? "" : Arrays.hashCode(Files.readAllBytes(path)));
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              })
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
