package io.capsuledb.replication.store;

import io.capsuledb.core.error.UnavailableException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Who may have a storage directory open: one writer, or any number of processes that only read.
 * RocksDB's own lock does not keep readers out.
 *
 * <p>Invariant: within this process a directory is held at most once. POSIX record locks belong to
 * the process and vanish when it closes <em>any</em> descriptor of the file, so the file must not
 * even be opened while we hold it; the set of held directories prevents that.
 */
final class DirectoryLock implements AutoCloseable {

  private static final Set<Path> HELD = new HashSet<>();
  private static final int MAX_PID_BYTES = 20;

  private final Path directory;
  private final @Nullable RandomAccessFile file;

  private DirectoryLock(Path directory, @Nullable RandomAccessFile file) {
    this.directory = directory;
    this.file = file;
  }

  /**
   * Takes the directory for writing.
   *
   * @throws UnavailableException if anybody else has it
   */
  static DirectoryLock exclusive(Path directory) {
    return take(directory, false);
  }

  /**
   * Takes the directory for reading; modifies nothing.
   *
   * @throws UnavailableException if a writer has it
   */
  static DirectoryLock shared(Path directory) {
    return take(directory, true);
  }

  private static DirectoryLock take(Path directory, boolean shared) {
    Path real;
    try {
      real = directory.toRealPath();
    } catch (IOException e) {
      throw RocksFailures.io(e, directory, "opening");
    }
    synchronized (HELD) {
      if (!HELD.add(real)) {
        throw new UnavailableException(real + " is in use by this process already");
      }
    }
    boolean taken = false;
    try {
      DirectoryLock lock = new DirectoryLock(real, lockFile(real, shared));
      taken = true;
      return lock;
    } catch (IOException e) {
      throw RocksFailures.io(e, real.resolve(StoreLayout.LOCK_FILE), "locking");
    } finally {
      if (!taken) {
        release(real);
      }
    }
  }

  private static @Nullable RandomAccessFile lockFile(Path directory, boolean shared)
      throws IOException {
    Path path = directory.resolve(StoreLayout.LOCK_FILE);
    if (shared && !Files.exists(path)) {
      // No server of ours ever had this directory, or it is a copy: there is nobody to keep out.
      return null;
    }
    RandomAccessFile file;
    try {
      file = new RandomAccessFile(path.toFile(), shared ? "r" : "rw");
    } catch (FileNotFoundException e) {
      throw new IOException(e.getMessage(), e);
    }
    boolean locked = false;
    try {
      FileLock lock = file.getChannel().tryLock(0, Long.MAX_VALUE, shared);
      if (lock == null) {
        throw new UnavailableException(
            directory + " is in use by " + holder(file) + "; stop it first");
      }
      if (!shared) {
        file.setLength(0);
        file.write((ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.US_ASCII));
      }
      locked = true;
      return file;
    } finally {
      if (!locked) {
        file.close();
      }
    }
  }

  private static String holder(RandomAccessFile file) throws IOException {
    byte[] bytes = new byte[MAX_PID_BYTES];
    int length = Math.max(0, file.read(bytes));
    String pid = new String(bytes, 0, length, StandardCharsets.US_ASCII).strip();
    return pid.matches("[0-9]+") ? "process " + pid : "another process";
  }

  private static void release(Path directory) {
    synchronized (HELD) {
      HELD.remove(directory);
    }
  }

  @Override
  public void close() {
    try {
      if (file != null) {
        file.close();
      }
    } catch (IOException e) {
      throw RocksFailures.io(e, directory.resolve(StoreLayout.LOCK_FILE), "unlocking");
    } finally {
      release(directory);
    }
  }
}
