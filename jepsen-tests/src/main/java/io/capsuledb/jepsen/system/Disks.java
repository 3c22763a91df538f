package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** File systems of a limited size, and damage to what is in them. Used by one thread at a time. */
final class Disks implements AutoCloseable {

  private static final int SIZE_MB = 1024;
  private static final String BALLAST = "ballast";
  private static final int CHUNK_BYTES = 1 << 20;

  private final List<Path> mounts = new ArrayList<>();
  private final Set<Path> frozen = ConcurrentHashMap.newKeySet();

  /** Why small disks cannot be had, or nothing. */
  static List<String> obstacles() {
    List<String> missing = new ArrayList<>();
    if (!isRoot()) {
      missing.add("mounting a small disk needs root");
    }
    if (!Commands.exists("mount")) {
      missing.add("there is no program mount");
    }
    return missing;
  }

  /** Why disks cannot be made to hang, or nothing. */
  static List<String> slownessObstacles() {
    List<String> missing = new ArrayList<>(obstacles());
    for (String program : List.of("fsfreeze", "mkfs.ext4", "losetup")) {
      if (!Commands.exists(program)) {
        missing.add("there is no program " + program);
      }
    }
    if (missing.isEmpty()) {
      try {
        Commands.run(List.of("losetup", "--find"));
      } catch (IOException none) {
        missing.add("there is no loop device: " + none.getMessage());
      }
    }
    return missing;
  }

  /** Holds every write back, and whoever asks for it, until {@link #thaw}. */
  void freeze(Path mount) throws IOException {
    if (frozen.add(mount)) {
      Commands.run(List.of("fsfreeze", "--freeze", mount.toString()));
    }
  }

  /** Lets a disk go on that hangs. */
  void thaw(Path mount) throws IOException {
    if (frozen.remove(mount)) {
      Commands.run(List.of("fsfreeze", "--unfreeze", mount.toString()));
    }
  }

  /** Whether this process is root. */
  static boolean isRoot() {
    return "root".equals(System.getProperty("user.name"));
  }

  /** Mounts a small disk: ext4 on a sparse file, or memory where that cannot be had. */
  void mount(Path directory) throws IOException {
    Files.createDirectories(directory);
    Path image = directory.resolveSibling(directory.getFileName() + ".img");
    try {
      try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
        file.setLength((long) SIZE_MB << 20);
      }
      Commands.run(List.of("mkfs.ext4", "-q", "-m", "0", "-F", image.toString()));
      Commands.run(List.of("mount", "-o", "loop", image.toString(), directory.toString()));
    } catch (IOException noLoopDevice) {
      Files.deleteIfExists(image);
      Commands.run(
          List.of(
              "mount",
              "-t",
              "tmpfs",
              "-o",
              String.format(Locale.ROOT, "size=%dm", SIZE_MB),
              "tmpfs",
              directory.toString()));
    }
    mounts.add(directory);
  }

  /** Fills what is left. */
  void fill(Path mount) throws IOException {
    Path ballast = mount.resolve(BALLAST);
    // Taken at once where the file system can; what little is left is written.
    long free = Files.getFileStore(mount).getUsableSpace();
    Commands.outcome(List.of("fallocate", "-l", Long.toString(free), ballast.toString()), Map.of());
    try (RandomAccessFile file = new RandomAccessFile(ballast.toFile(), "rw")) {
      file.seek(file.length());
      byte[] chunk = new byte[CHUNK_BYTES];
      int length = chunk.length;
      while (length > 0) {
        try {
          file.write(chunk, 0, length);
        } catch (IOException full) {
          length /= 2;
        }
      }
    }
  }

  /** Takes away what {@link #fill} wrote. */
  void free(Path mount) throws IOException {
    Files.deleteIfExists(mount.resolve(BALLAST));
  }

  /**
   * Flips one bit of one table file.
   *
   * @return what was done, or that there is no table file yet, while everything is in the log
   */
  static String flip(Path directory, RandomGenerator random) throws IOException {
    List<Path> tables = new ArrayList<>();
    try (var files = Files.walk(directory)) {
      files.filter(file -> file.toString().endsWith(".sst")).sorted().forEach(tables::add);
    }
    if (tables.isEmpty()) {
      return "nothing was damaged: there is no table file yet";
    }
    Path table = tables.get(random.nextInt(tables.size()));
    try (RandomAccessFile file = new RandomAccessFile(table.toFile(), "rw")) {
      long at = random.nextLong(file.length());
      int bit = random.nextInt(8);
      file.seek(at);
      int old = file.read();
      file.seek(at);
      file.write(old ^ (1 << bit));
      return "bit " + bit + " of byte " + at + " of " + table.getFileName();
    }
  }

  /** Deletes what is in a directory, and not the directory. */
  static void empty(Path directory) throws IOException {
    Files.walkFileTree(
        directory,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException failure)
              throws IOException {
            if (failure != null) {
              throw failure;
            }
            if (!visited.equals(directory) && !visited.endsWith("lost+found")) {
              Files.delete(visited);
            }
            return FileVisitResult.CONTINUE;
          }
        });
  }

  @Override
  public void close() throws IOException {
    for (Path mount : List.copyOf(frozen)) {
      thaw(mount);
    }
    for (Path mount : mounts) {
      // One that is in use, by a run that was interrupted, goes when it no longer is.
      Commands.run(List.of("umount", "--lazy", mount.toString()));
      Files.deleteIfExists(mount.resolveSibling(mount.getFileName() + ".img"));
    }
    mounts.clear();
  }
}
