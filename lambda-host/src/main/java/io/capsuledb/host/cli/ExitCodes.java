package io.capsuledb.host.cli;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/** What the exit codes of {@code capsule} mean. They never change meaning. */
final class ExitCodes {

  static final int OK = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;
  static final int UNAVAILABLE = 3;
  static final int INTEGRITY = 4;
  static final int DENIED = 5;
  static final int STORAGE = 6;
  static final int OUTCOME_UNKNOWN = 7;

  /** For help texts. */
  static final NavigableMap<String, String> DESCRIPTIONS =
      new TreeMap<>(
          Map.of(
              "0", "done",
              "1", "failed: no such key, some operations failed, or a defect",
              "2", "the command line, a settings file or the request is wrong",
              "3", "unavailable: cannot connect, full or overloaded; try again later",
              "4", "integrity: bytes are not what was signed, or evidence is rejected",
              "5", "denied: wrong password, passphrase or permission",
              "6", "storage: the disk or the store failed",
              "7", "outcome unknown: the change may or may not have been made"));

  private ExitCodes() {}

  static int of(CapsuleException failure) {
    return switch (failure) {
      case InvalidRequestException _ -> USAGE;
      case UnavailableException _ -> UNAVAILABLE;
      case IntegrityException _ -> INTEGRITY;
      case DeniedException _ -> DENIED;
      case StorageException _ -> STORAGE;
      case OutcomeUnknownException _ -> OUTCOME_UNKNOWN;
    };
  }
}
