package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.terminal.PrivateFile;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Copies the records of a data directory whose server is stopped to another place, and back. Needs
 * no key: records are copied encrypted, as they are stored, and verified on the way. The format of
 * a backup is specified in docs/format/backup.md.
 *
 * <p>Invariants: a backup is marked complete only while it holds a state the directory was in as a
 * whole; a directory is being restored until its store is moved to its place in one step, and until
 * then no server founds another capsule in it.
 */
public final class Backup {

  /** The mark of a backup: its first word is the format, the second its state. */
  private static final String MARK = "backup";

  private static final String FORMAT = "capsuledb-backup-1 ";
  private static final String COMPLETE = FORMAT + "complete\n";
  private static final String INCOMPLETE = FORMAT + "incomplete\n";
  private static final String STORE = "store";
  private static final String RESTORING = "restoring";
  private static final String NAME = "capsule";

  private Backup() {}

  /**
   * Copies a data directory's records to a backup; only what is new, if there is one already.
   *
   * @throws InvalidRequestException if {@code data} is no data directory, or {@code to} holds
   *     something that is no backup
   * @throws io.capsuledb.core.error.UnavailableException if a server has the directory open
   * @throws IntegrityException if something does not verify, or the backup is of something else;
   *     the backup is then incomplete, and what it holds is intact
   */
  public static List<CapsuleCopy.Summary> backUp(
      Path data, Path to, CapsuleCopy.Progress progress) {
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.requireExisting();
    String state = stateOf(to);
    if (state == null && !isEmpty(to)) {
      throw new InvalidRequestException(
          to + " holds something that is no backup: name a new or empty directory");
    }
    try (RocksStorage source =
        RocksStorage.openReadOnly(directory.store(), RocksStorageOptions.defaults())) {
      CapsuleName known = directory.name();
      new CapsuleDirectory(to).create();
      PrivateFile.write(to.resolve(MARK), ascii(INCOMPLETE), true);
      List<CapsuleCopy.Summary> copied =
          copy(source, to.resolve(STORE), known, INCOMPLETE.equals(state), progress);
      PrivateFile.write(to.resolve(MARK), ascii(COMPLETE), true);
      return copied;
    }
  }

  /**
   * Makes a data directory out of a backup. One that was interrupted goes on where it was.
   *
   * @throws InvalidRequestException if there is no complete backup, or {@code data} holds something
   * @throws IntegrityException if something in the backup does not verify
   */
  public static List<CapsuleCopy.Summary> restore(
      Path from, Path data, CapsuleCopy.Progress progress) {
    String state = stateOf(from);
    if (!COMPLETE.equals(state)) {
      throw new InvalidRequestException(
          from
              + (state == null
                  ? " is no backup: it holds no file " + MARK
                  : " is a backup that was interrupted: run 'capsule backup' again first"));
    }
    try (RocksStorage source =
        RocksStorage.openReadOnly(from.resolve(STORE), RocksStorageOptions.defaults())) {
      List<byte[]> names = source.capsules();
      if (names.size() != 1) {
        throw new InvalidRequestException(
            from + " holds " + names.size() + " capsules, and a data directory holds one");
      }
      CapsuleName name = new CapsuleName(Hash32.of(names.getFirst()));
      CapsuleDirectory directory = new CapsuleDirectory(data);
      requireRestorable(data, directory, name);
      directory.create();
      // From here on a server that is started in it misses the store instead of founding one.
      directory.name(name);
      Path part = data.resolve(RESTORING);
      List<CapsuleCopy.Summary> copied = copy(source, part, name, true, progress);
      try {
        Files.move(part, directory.store(), StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        throw new StorageException(
            "cannot move " + part + " to " + directory.store() + " (" + e + ")", e);
      }
      // Makes the directory's entries durable, the moved one too.
      directory.name(name);
      return copied;
    }
  }

  private static List<CapsuleCopy.Summary> copy(
      RocksStorage source,
      Path to,
      @Nullable CapsuleName known,
      boolean afresh,
      CapsuleCopy.Progress progress) {
    List<byte[]> names = source.capsules();
    if (known != null && names.stream().noneMatch(n -> Hash32.of(n).equals(known.hash()))) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.MISSING_RECORD,
              "capsule " + known + " belongs here and is not in the store"));
    }
    List<CapsuleCopy.Summary> copied = new ArrayList<>();
    try (RocksStorage target = RocksStorage.open(to, RocksStorageOptions.defaults())) {
      for (byte[] name : names) {
        try (RecordStore from = source.capsule(name);
            RecordStore into = target.capsule(name)) {
          copied.add(new CapsuleCopy(from, into, Secp256k1.best(), progress).run(afresh));
        }
      }
      if (copied.stream().anyMatch(summary -> summary.released() > 0)) {
        target.compact();
      }
    }
    return copied;
  }

  private static void requireRestorable(Path data, CapsuleDirectory directory, CapsuleName name) {
    Set<String> there = list(data);
    boolean interrupted = Set.of(NAME, RESTORING).containsAll(there);
    if (!there.isEmpty() && !interrupted) {
      throw new InvalidRequestException(
          data + " is not empty: restore into a new directory, and move it into place");
    }
    if (!there.isEmpty() && !name.equals(directory.name())) {
      throw new InvalidRequestException(
          data + " holds an interrupted restore of another capsule: remove it, or name another");
    }
  }

  /** What the mark says, or null if there is none. */
  private static @Nullable String stateOf(Path backup) {
    Path mark = backup.resolve(MARK);
    if (!Files.exists(mark)) {
      return null;
    }
    String text;
    try {
      text = Files.readString(mark, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      throw new StorageException("cannot read " + mark + " (" + e + ")", e);
    }
    if (!text.equals(COMPLETE) && !text.equals(INCOMPLETE)) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.UNKNOWN_FORMAT,
              mark + " is not of a format this version knows: use a newer one"));
    }
    return text;
  }

  private static boolean isEmpty(Path directory) {
    return list(directory).isEmpty();
  }

  private static Set<String> list(Path directory) {
    if (!Files.exists(directory)) {
      return Set.of();
    }
    if (!Files.isDirectory(directory)) {
      throw new InvalidRequestException(directory + " is no directory");
    }
    try (Stream<Path> entries = Files.list(directory)) {
      // Files that were being written when the power went have names like .capsule123.part.
      return entries
          .map(entry -> entry.getFileName().toString())
          .filter(entry -> !(entry.startsWith(".") && entry.endsWith(".part")))
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new StorageException("cannot read " + directory + " (" + e + ")", e);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
