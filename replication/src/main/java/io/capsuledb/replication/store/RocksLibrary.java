package io.capsuledb.replication.store;

import io.capsuledb.core.error.StorageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.NativeLibraryLoader;
import org.rocksdb.RocksDB;

/**
 * Loads RocksDB's native library, once per process. It is unpacked from its jar into a directory of
 * its own and deleted as soon as it is mapped: RocksDB's loader deletes its copy only when the JVM
 * exits in order, which leaves 17 MB behind for every kill.
 */
final class RocksLibrary {

  private static final String DIRECTORY_VARIABLE = "ROCKSDB_SHAREDLIB_DIR";

  private static boolean loaded;

  private RocksLibrary() {}

  /**
   * Loads the library if it is not loaded yet.
   *
   * @param directory where to unpack it, or null for the default
   * @throws StorageException if it cannot be unpacked or loaded; the message says what to do
   */
  static synchronized void load(@Nullable Path directory) {
    if (loaded) {
      return;
    }
    Path parent = directory == null ? defaultDirectory() : directory;
    Path unpacked = null;
    try {
      Files.createDirectories(parent);
      unpacked = Files.createTempDirectory(parent, "capsuledb-native");
      NativeLibraryLoader.getInstance().loadLibrary(unpacked.toString());
      RocksDB.loadLibrary();
      loaded = true;
    } catch (IOException | UnsatisfiedLinkError | RuntimeException e) {
      throw new StorageException(
          "the RocksDB library could not be loaded from "
              + parent
              + ": "
              + e
              + "; that directory must be writable and on a file system not mounted noexec: name"
              + " another one in the environment variable "
              + DIRECTORY_VARIABLE
              + " or with -Djava.io.tmpdir=DIRECTORY",
          e);
    } finally {
      if (unpacked != null) {
        delete(unpacked);
      }
    }
  }

  private static Path defaultDirectory() {
    String named = System.getenv(DIRECTORY_VARIABLE);
    return Path.of(
        named == null || named.isEmpty() ? System.getProperty("java.io.tmpdir", "/tmp") : named);
  }

  private static void delete(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      List<Path> deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
      for (Path file : deepestFirst) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // The library works; what is left behind is a file in a directory for temporary ones.
      System.getLogger(RocksLibrary.class.getName())
          .log(System.Logger.Level.WARNING, "cannot delete {0}: {1}", directory, e);
    }
  }
}
