package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import org.jspecify.annotations.Nullable;

/** Checks that the records a joining record names are stored, intact, and older than it. */
final class Joins {

  private Joins() {}

  /** What is wrong with the parents of {@code record}, or null. */
  static @Nullable Rejection check(RecordStore store, CapsuleName capsule, CapsuleRecord record) {
    for (Hash32 parent : record.header().parents()) {
      byte[] bytes;
      try {
        bytes = store.read(parent);
      } catch (IntegrityException damaged) {
        return damaged.rejection();
      }
      if (bytes == null) {
        return Rejection.of(Reason.MISSING_RECORD, record + " names parent " + parent);
      }
      switch (RecordCodec.decode(capsule, bytes)) {
        case Decoded.Rejected<CapsuleRecord>(Rejection r) -> {
          return Rejection.of(r.reason(), "parent " + parent + ": " + r.detail());
        }
        case Decoded.Accepted<CapsuleRecord>(CapsuleRecord found) -> {
          if (!found.hash().equals(parent)) {
            return Rejection.of(Reason.MISPLACED, found + " is stored as " + parent);
          }
          if (found.header().lamport() >= record.header().lamport()) {
            return Rejection.of(Reason.LAMPORT_ORDER, record + " is not later than " + found);
          }
        }
      }
    }
    return null;
  }
}
