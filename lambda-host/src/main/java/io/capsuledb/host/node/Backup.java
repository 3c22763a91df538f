package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.replication.replica.ReplicaSeed;
import io.capsuledb.replication.store.RocksReplicaLog;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
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
 * <p>Invariants: the mark of a backup says how far the chains went when it was whole for the last
 * time, and that much can be restored whatever happened since: what is copied after that comes in
 * addition, and payloads are dropped only when the mark covers the checkpoints that release them. A
 * directory is being restored until its store is moved to its place in one step, and until then no
 * server founds another capsule in it.
 */
public final class Backup {

  private static final String STORE = "store";
  private static final String RESTORING = "restoring";
  private static final String NAME = "capsule";

  private Backup() {}

  /**
   * Copies a data directory's records to a backup; only what is new, if there is one already.
   *
   * @throws InvalidRequestException if {@code data} is no data directory, or {@code to} holds
   *     something that is no backup of its capsule
   * @throws io.capsuledb.core.error.UnavailableException if a server has the directory open
   * @throws IntegrityException if something does not verify, or the backup holds what the directory
   *     does not; what the backup held can still be restored
   */
  public static CapsuleCopy.Summary backUp(Path data, Path to, CapsuleCopy.Progress progress) {
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.requireExisting();
    BackupMark mark = markIn(to, "");
    try (RocksStorage source =
        RocksStorage.openReadOnly(directory.store(), RocksStorageOptions.defaults())) {
      CapsuleName name = only(source, data);
      CapsuleName known = directory.name();
      if (known != null && !known.equals(name)) {
        throw new IntegrityException(
            Rejection.of(
                Rejection.Reason.MISSING_RECORD,
                "capsule " + known + " belongs into " + data + ", and " + name + " is there"));
      }
      requireOf(mark, to, name);
      new CapsuleDirectory(to).create();
      return copyTo(source, to, name, null, mark, progress);
    }
  }

  /**
   * The mark of what is to become a backup of a capsule, or a newer one; makes the directory.
   *
   * @param beside what may lie in it though it never was a backup
   * @throws InvalidRequestException if it holds something else
   */
  static @Nullable BackupMark markFor(Path to, CapsuleName name, String beside) {
    BackupMark mark = markIn(to, beside);
    requireOf(mark, to, name);
    new CapsuleDirectory(to).create();
    return mark;
  }

  private static @Nullable BackupMark markIn(Path to, String beside) {
    BackupMark mark = BackupMark.read(to);
    if (mark == null && !Set.of(beside).containsAll(list(to))) {
      throw new InvalidRequestException(
          to + " holds something that is no backup: name a new or empty directory");
    }
    return mark;
  }

  private static void requireOf(@Nullable BackupMark mark, Path to, CapsuleName name) {
    if (mark != null && !mark.capsule().equals(name)) {
      throw new InvalidRequestException(
          to + " is a backup of capsule " + mark.capsule() + ", and not of " + name);
    }
  }

  /**
   * Copies a store to a backup.
   *
   * @param upTo where the chains end; null for all there is
   * @param mark of the backup as it is; null if it is new
   */
  static CapsuleCopy.Summary copyTo(
      RocksStorage source,
      Path to,
      CapsuleName name,
      @Nullable List<ChainVerifier.Head> upTo,
      @Nullable BackupMark mark,
      CapsuleCopy.Progress progress) {
    boolean afresh = mark != null && !mark.complete();
    new BackupMark(name, false, mark == null ? List.of() : mark.heads()).write(to);
    List<ChainVerifier.Head> reached = new ArrayList<>();
    CapsuleCopy.Summary summary =
        copy(
            source,
            to.resolve(STORE),
            name,
            upTo,
            afresh,
            heads -> {
              reached.addAll(heads);
              new BackupMark(name, false, heads).write(to);
            },
            progress);
    new BackupMark(name, true, reached).write(to);
    return summary;
  }

  /**
   * Makes a data directory out of a backup, of the state it was in when it was whole for the last
   * time. One that was interrupted goes on where it was.
   *
   * @throws InvalidRequestException if there is no backup, or {@code data} holds something
   * @throws IntegrityException if something in the backup does not verify
   */
  public static CapsuleCopy.Summary restore(Path from, Path data, CapsuleCopy.Progress progress) {
    return restore(from, data, false, progress);
  }

  /**
   * The same, perhaps for a capsule that replicas are to hold again.
   *
   * @param forReplicas whether the records become the cache of a server or worker with replicas,
   *     which brings to them what they do not have
   */
  public static CapsuleCopy.Summary restore(
      Path from, Path data, boolean forReplicas, CapsuleCopy.Progress progress) {
    BackupMark mark = wholeMark(from);
    CapsuleName name = mark.capsule();
    try (RocksStorage source =
        RocksStorage.openReadOnly(from.resolve(STORE), RocksStorageOptions.defaults())) {
      CapsuleDirectory directory = new CapsuleDirectory(data);
      requireRestorable(data, directory, name);
      directory.create();
      // From here on a server that is started in it misses the store instead of founding one.
      directory.name(name);
      Path part = data.resolve(RESTORING);
      CapsuleCopy.Summary summary =
          copy(source, part, name, mark.heads(), true, heads -> {}, progress);
      Path into = forReplicas ? directory.cache() : directory.store();
      try {
        Files.move(part, into, StandardCopyOption.ATOMIC_MOVE);
      } catch (IOException e) {
        throw new StorageException("cannot move " + part + " to " + into + " (" + e + ")", e);
      }
      // Makes the directory's entries durable, the moved one too.
      directory.name(name);
      return summary;
    }
  }

  /**
   * Makes a replica's directory out of a backup, for when the disks of all replicas are lost: one
   * replica that is started in it, with the key of its own that the membership names, hands on
   * everything to the others. An interrupted one begins again.
   *
   * @return how many records the replica holds
   * @throws InvalidRequestException if there is no backup, or {@code data} holds something
   * @throws IntegrityException if something in the backup does not verify
   */
  public static long restoreReplica(Path from, Path data, CapsuleCopy.Progress progress) {
    BackupMark mark = wholeMark(from);
    CapsuleName name = mark.capsule();
    if (!Set.of(RESTORING).containsAll(list(data))) {
      throw new InvalidRequestException(
          data + " is not empty: restore into a new directory, and move it into place");
    }
    CapsuleDirectory directory = new CapsuleDirectory(data);
    directory.create();
    Path part = data.resolve(RESTORING);
    DirectoryTree.remove(part);
    long records;
    try (RocksStorage source =
            RocksStorage.openReadOnly(from.resolve(STORE), RocksStorageOptions.defaults());
        RecordStore copy = source.capsule(name.toBytes());
        RocksReplicaLog log =
            RocksReplicaLog.open(part, RocksStorageOptions.defaults(), new SystemEntropy())) {
      records =
          ReplicaSeed.seed(
              log,
              name,
              copy,
              mark.heads(),
              Secp256k1.best(),
              (stored, total) -> progress.copied(stored, total, 0));
    }
    try {
      Files.move(part, directory.store(), StandardCopyOption.ATOMIC_MOVE);
      try (FileChannel entries = FileChannel.open(data, StandardOpenOption.READ)) {
        entries.force(true);
      }
    } catch (IOException e) {
      throw new StorageException(
          "cannot move " + part + " to " + directory.store() + " (" + e + ")", e);
    }
    return records;
  }

  /** The mark of a backup that can be restored. */
  private static BackupMark wholeMark(Path from) {
    BackupMark mark = BackupMark.read(from);
    if (mark == null) {
      throw new InvalidRequestException(
          from + " is no backup: it holds no file " + BackupMark.FILE);
    }
    if (mark.heads().isEmpty()) {
      throw new InvalidRequestException(
          from + " is a backup that was interrupted: run 'capsule backup' again first");
    }
    return mark;
  }

  /** The one capsule that a data directory holds. */
  private static CapsuleName only(RocksStorage source, Path data) {
    List<byte[]> names = source.capsules();
    if (names.size() != 1) {
      throw new InvalidRequestException(
          data + " holds " + names.size() + " capsules, and a backup is of one");
    }
    return new CapsuleName(Hash32.of(names.getFirst()));
  }

  private static CapsuleCopy.Summary copy(
      RocksStorage source,
      Path to,
      CapsuleName name,
      @Nullable List<ChainVerifier.Head> heads,
      boolean afresh,
      CapsuleCopy.Copied whole,
      CapsuleCopy.Progress progress) {
    try (RocksStorage target = RocksStorage.open(to, RocksStorageOptions.defaults());
        RecordStore from = source.capsule(name.toBytes());
        RecordStore into = target.capsule(name.toBytes())) {
      CapsuleCopy.Summary summary =
          new CapsuleCopy(from, into, Secp256k1.best(), progress).run(heads, afresh, whole);
      if (summary.released() > 0) {
        target.compact();
      }
      return summary;
    }
  }

  private static void requireRestorable(Path data, CapsuleDirectory directory, CapsuleName name) {
    Set<String> there = list(data);
    if (!Set.of(NAME, RESTORING).containsAll(there)) {
      throw new InvalidRequestException(
          data + " is not empty: restore into a new directory, and move it into place");
    }
    if (!there.isEmpty() && !name.equals(directory.name())) {
      throw new InvalidRequestException(
          data + " holds an interrupted restore of another capsule: remove it, or name another");
    }
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
}
