package io.capsuledb.replication.store;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.WriteBatch;

/**
 * One directory that durably holds the records of any number of capsules.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>an append that returned is on stable storage. Opening refuses with an {@link
 *       IntegrityException} if anything that was acknowledged is no longer there, as far as the
 *       directory itself can tell, and leaves the evidence untouched;
 *   <li>any single damaged byte of a stored value is found when the value is read;
 *   <li>at most one process has the directory open for writing, and then none for reading only;
 *   <li>after a failed write nothing more is written until the storage is opened again.
 * </ul>
 *
 * <p>Thread-safe. The layout is specified in docs/format/store.md.
 */
public final class RocksStorage implements AutoCloseable {

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");

  private final DirectoryLock lock;
  private final OpenDatabase database;
  private final @Nullable AcknowledgedMark mark;
  private final AppendGate gate = new AppendGate();

  /** Why nothing more may be written; null while all is well. */
  private volatile @Nullable String failure;

  private RocksStorage(DirectoryLock lock, OpenDatabase database, @Nullable AcknowledgedMark mark) {
    this.lock = lock;
    this.database = database;
    this.mark = mark;
  }

  // ------------------------------------------------------------------ opening

  /**
   * Opens the storage in {@code directory}, which is created if it is not there.
   *
   * @throws io.capsuledb.core.error.UnavailableException if another process has it open
   * @throws IntegrityException if something that was stored is damaged or gone
   * @throws StorageException if the directory cannot be read or written
   * @throws InvalidRequestException if it holds a database that is not ours, or is a replica's
   */
  public static RocksStorage open(Path directory, RocksStorageOptions options) {
    RocksLibrary.load(options.nativeLibraryDirectory());
    createDirectory(directory);
    return open(directory, options, OpenDatabase.Mode.STORE, (made, rows) -> {});
  }

  /** Adds to the first rows of a store that is being made. */
  @FunctionalInterface
  interface Founding {
    void addTo(OpenDatabase made, WriteBatch rows);
  }

  /**
   * Opens the storage of a replica in {@code directory}, which is created if it is not there;
   * tables are mended first if that was asked for.
   *
   * @param founding adds the replica's rows to a new store
   * @throws InvalidRequestException if it is a node's store
   */
  static RocksStorage openReplica(Path directory, RocksStorageOptions options, Founding founding) {
    RocksLibrary.load(options.nativeLibraryDirectory());
    createDirectory(directory);
    return open(directory, options, OpenDatabase.Mode.REPLICA, founding);
  }

  /**
   * Opens the storage in {@code directory} to look at it: everything that was stored is seen, also
   * what is only in the write-ahead log, and nothing in the directory is changed.
   *
   * @throws io.capsuledb.core.error.UnavailableException if a process has it open for writing
   * @throws IntegrityException if something that was stored is damaged or gone
   * @throws StorageException if the directory cannot be read
   * @throws InvalidRequestException if there is no storage there
   */
  public static RocksStorage openReadOnly(Path directory, RocksStorageOptions options) {
    RocksLibrary.load(options.nativeLibraryDirectory());
    if (!Files.isDirectory(directory)) {
      throw new InvalidRequestException("there is no store in " + directory);
    }
    return open(directory, options, OpenDatabase.Mode.READ_ONLY, (made, rows) -> {});
  }

  private static RocksStorage open(
      Path directory, RocksStorageOptions options, OpenDatabase.Mode mode, Founding founding) {
    boolean readOnly = mode == OpenDatabase.Mode.READ_ONLY;
    DirectoryLock lock =
        readOnly ? DirectoryLock.shared(directory) : DirectoryLock.exclusive(directory);
    OpenDatabase database = null;
    AcknowledgedMark mark = null;
    boolean opened = false;
    try {
      boolean exists = databaseExists(directory);
      if (readOnly && !exists) {
        throw new InvalidRequestException("there is no store in " + directory);
      }
      if (exists && (readOnly || options.durable())) {
        database = openChecked(directory, options);
        refuseStoreAsReplica(database, mode);
      }
      if (!readOnly) {
        if (database != null) {
          database.close();
        }
        if (exists && mode == OpenDatabase.Mode.REPLICA) {
          TableMending.mendIfAsked(directory, options);
        }
        database = new OpenDatabase(directory, options, mode);
        database.dropLeftOver();
        if (options.durable()) {
          mark = AcknowledgedMark.open(directory, database.latestSequence());
        }
      }
      if (database == null) {
        throw new AssertionError("a store that exists was opened");
      }
      RocksStorage storage = new RocksStorage(lock, database, mark);
      storage.checkFormat(founding);
      opened = true;
      return storage;
    } finally {
      if (!opened) {
        if (mark != null) {
          mark.close();
        }
        if (database != null) {
          database.close();
        }
        lock.close();
      }
    }
  }

  private static void refuseStoreAsReplica(OpenDatabase database, OpenDatabase.Mode mode) {
    if (mode == OpenDatabase.Mode.REPLICA
        && !database.families().contains(OpenDatabase.Family.REPLICA)
        && database.get(OpenDatabase.Family.DEFAULT, StoreLayout.formatKey(), "the store's format")
            != null) {
      Path directory = database.directory();
      database.close();
      throw new InvalidRequestException(directory + " is a node's store, not a replica's");
    }
  }

  /**
   * Opens the database without writing to it, and checks that recovery finds everything that its
   * logs hold and that was acknowledged. Only then may it be opened for writing: that deletes the
   * logs, and with them the evidence.
   */
  private static OpenDatabase openChecked(Path directory, RocksStorageOptions options) {
    if (!options.durable()) {
      return new OpenDatabase(directory, options, OpenDatabase.Mode.READ_ONLY);
    }
    RocksLogCheck logs = RocksLogCheck.of(directory);
    long acknowledged = AcknowledgedMark.read(directory);
    OpenDatabase database = new OpenDatabase(directory, options, OpenDatabase.Mode.READ_ONLY);
    long recovered = database.latestSequence();
    if (recovered >= Math.max(acknowledged, logs.highestSequence())) {
      return database;
    }
    database.close();
    throw RocksFailures.damaged(
        "the write-ahead log in "
            + directory
            + ": recovery ends at write "
            + recovered
            + ", but write "
            + Math.max(acknowledged, logs.highestSequence())
            + (acknowledged > recovered ? " was acknowledged" : " is in the log")
            + (logs.tornEnds().isEmpty()
                ? ""
                : "; entries that are not whole: " + logs.tornEnds()));
  }

  private static boolean databaseExists(Path directory) {
    try {
      if (Files.exists(directory.resolve("CURRENT"))) {
        return true;
      }
      if (RocksLogCheck.holdsData(directory)) {
        throw RocksFailures.damaged(
            "the file CURRENT is missing in " + directory + ", which holds data");
      }
      return false;
    } catch (IOException e) {
      throw RocksFailures.io(e, directory, "reading");
    }
  }

  private static void createDirectory(Path directory) {
    try {
      if (Files.exists(directory) && !Files.isDirectory(directory)) {
        throw new NotDirectoryException(directory.toString());
      }
      boolean posix = directory.getFileSystem().supportedFileAttributeViews().contains("posix");
      FileAttribute<?>[] attributes =
          posix
              ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNER_ONLY)}
              : new FileAttribute<?>[0];
      Files.createDirectories(directory, attributes);
    } catch (IOException e) {
      throw RocksFailures.io(e, directory, "creating");
    }
  }

  /** Checks that the database has the format this version reads; gives a new one its format. */
  private void checkFormat(Founding founding) {
    byte[] key = StoreLayout.formatKey();
    byte[] value = database.get(OpenDatabase.Family.DEFAULT, key, "the store's format");
    if (value == null) {
      if (database.readOnly()) {
        throw new InvalidRequestException(
            "there is no store in " + database.directory() + ": making one was never finished");
      }
      for (OpenDatabase.Family family : database.families()) {
        try (OpenDatabase.Cursor cursor = database.cursor(family, new byte[0])) {
          cursor.seek(new byte[0]);
          if (cursor.valid("the first key")) {
            throw RocksFailures.damaged("the store's format is missing in " + database.directory());
          }
        }
      }
      byte[] sealed = StoreCodec.seal(key, StoreCodec.formatBody(StoreLayout.FORMAT));
      try (WriteBatch batch = new WriteBatch()) {
        database.put(batch, OpenDatabase.Family.DEFAULT, key, sealed);
        founding.addTo(database, batch);
        commit(batch);
      }
      return;
    }
    byte[] body = StoreCodec.open(key, value);
    if (body == null) {
      throw RocksFailures.damaged("the store's format in " + database.directory());
    }
    int format = StoreCodec.format(body);
    if (format != StoreLayout.FORMAT) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.UNKNOWN_FORMAT,
              "the store in "
                  + database.directory()
                  + " has format "
                  + format
                  + "; this version reads format "
                  + StoreLayout.FORMAT));
    }
  }

  // ------------------------------------------------------------------ use

  /**
   * The records of one capsule; it need not exist yet. Closing what this returns leaves the storage
   * open.
   *
   * @param name the capsule's name, 32 bytes
   */
  public RocksRecordStore capsule(byte[] name) {
    if (name.length != StoreLayout.CAPSULE_BYTES) {
      throw new InvalidRequestException(
          "a capsule's name has " + StoreLayout.CAPSULE_BYTES + " bytes, not " + name.length);
    }
    database.enter();
    try {
      return new RocksRecordStore(this, database, name.clone());
    } finally {
      database.exit();
    }
  }

  /** The names of the capsules that were initialised here, 32 bytes each, in ascending order. */
  public List<byte[]> capsules() {
    List<byte[]> names = new ArrayList<>();
    database.enter();
    try (OpenDatabase.Cursor cursor = database.cursor(OpenDatabase.Family.CAPSULES, new byte[0])) {
      cursor.seek(new byte[0]);
      while (cursor.valid("the list of capsules")) {
        names.add(cursor.key());
        cursor.next();
      }
    } finally {
      database.exit();
    }
    return names;
  }

  /** Where it is. */
  public Path directory() {
    return database.directory();
  }

  /** Whether it was opened with {@link #openReadOnly}. */
  public boolean readOnly() {
    return database.readOnly();
  }

  /** Bytes of all files in the directory. */
  public long sizeBytes() {
    return sizeBytes(name -> true);
  }

  /** Bytes of the write-ahead logs among them: room is set aside for these in advance. */
  public long logBytes() {
    return sizeBytes(name -> name.endsWith(".log"));
  }

  private long sizeBytes(Predicate<String> counted) {
    database.enter();
    try (Stream<Path> files = Files.list(database.directory())) {
      long total = 0;
      for (Path file : (Iterable<Path>) files::iterator) {
        if (counted.test(file.toFile().getName())) {
          // RocksDB may delete a file between listing and looking.
          total += file.toFile().length();
        }
      }
      return total;
    } catch (IOException e) {
      throw RocksFailures.io(e, database.directory(), "reading");
    } finally {
      database.exit();
    }
  }

  /**
   * Gives back the space of what was released and waits for it: for tools, on a storage that need
   * not answer quickly meanwhile. Without it the space comes back bit by bit.
   */
  public void compact() {
    database.enter();
    try {
      checkWritable();
      database.compact();
    } finally {
      database.exit();
    }
  }

  /** Whether tables are being written or merged in the background. */
  boolean isBusy() {
    database.enter();
    try {
      return database.isBusy();
    } finally {
      database.exit();
    }
  }

  /**
   * Waits for operations under way, then closes the storage and every capsule's store. Closing
   * twice is allowed.
   *
   * @throws IllegalStateException if called from within a scan's visitor
   */
  @Override
  public void close() {
    database.close();
    if (mark != null) {
      mark.close();
    }
    lock.close();
  }

  // ------------------------------------------------------------------ for the capsules' stores

  AppendGate gate() {
    return gate;
  }

  OpenDatabase database() {
    return database;
  }

  /** Refuses what would write, if nothing may be written. */
  void checkWritable() {
    if (database.readOnly()) {
      throw new InvalidRequestException(
          "the store in " + database.directory() + " is open for reading only");
    }
    String reason = failure;
    if (reason != null) {
      throw new StorageException(
          "an earlier write to the store failed; open it again. The first failure: " + reason);
    }
  }

  /** Writes a batch durably, and remembers that; see the class comment. */
  void commit(WriteBatch batch) {
    try {
      database.write(batch);
      if (mark != null) {
        mark.advance(database.latestSequence());
      }
    } catch (CapsuleException e) {
      failure = String.valueOf(e.getMessage());
      throw e;
    }
  }

  @Override
  public String toString() {
    return "store in " + database.directory();
  }
}
