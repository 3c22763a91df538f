package io.capsuledb.replication.store;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/** What RocksDB's and the file system's failures mean to a caller. */
final class RocksFailures {

  private RocksFailures() {}

  /**
   * The failure of an operation on an open database.
   *
   * @param what what was being done, and to what, for the message
   */
  static CapsuleException of(RocksDBException e, Path directory, String what) {
    Status status = e.getStatus();
    Status.Code code = status == null ? Status.Code.Undefined : status.getCode();
    if (code == Status.Code.Corruption) {
      return damaged(what + " in " + directory + ": " + e.getMessage());
    }
    boolean full = status != null && status.getSubCode() == Status.SubCode.NoSpace;
    return new StorageException(
        what
            + " in "
            + directory
            + " failed: "
            + e.getMessage()
            + (full
                ? "; the disk is full: make room on it, then open the store again"
                : "; check the disk and the permissions, then open the store again"),
        e);
  }

  /** Whether a failure is that of a write for which there was no space. */
  static boolean isFull(CapsuleException e) {
    return e.getCause() instanceof RocksDBException cause
        && cause.getStatus() != null
        && cause.getStatus().getSubCode() == Status.SubCode.NoSpace;
  }

  /** The failure to open a database. */
  static CapsuleException opening(RocksDBException e, Path directory) {
    Status status = e.getStatus();
    Status.Code code = status == null ? Status.Code.Undefined : status.getCode();
    String message = String.valueOf(e.getMessage());
    if (code == Status.Code.InvalidArgument) {
      return new InvalidRequestException(
          directory + " is a RocksDB database, but not one of CapsuleDB: " + message, e);
    }
    if (code == Status.Code.IOError && message.toLowerCase(Locale.ROOT).contains("lock")) {
      return new UnavailableException(directory + " is in use by another process: " + message, e);
    }
    return of(e, directory, "opening the store");
  }

  /** An I/O failure outside RocksDB. */
  static StorageException io(IOException e, Path path, String what) {
    return new StorageException(
        what + " " + path + " failed: " + e + "; check the disk and the permissions", e);
  }

  /** Stored bytes are not the bytes that were written. */
  static IntegrityException damaged(String what) {
    return new IntegrityException(Rejection.of(Rejection.Reason.STORAGE_CHECKSUM, what));
  }
}
