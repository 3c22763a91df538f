package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** What the engine asks of a linked record beyond its chain. */
final class RecordChecks {

  private RecordChecks() {}

  /**
   * Whether this version understands what a linked record says, and its writer's role lets it say
   * that. A record it does not understand may change what others mean (a seal, a rotation), so it
   * is refused rather than passed over.
   *
   * @return why not, or null
   */
  static @Nullable Rejection understood(SignedHeader record, ChainVerifier verifier) {
    RosterEntry entry = verifier.writer(record.header().writer());
    return entry == null
        ? Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer")
        : understood(record, entry.role());
  }

  /** Whether this version understands what the record says, and {@code role} may say that. */
  static @Nullable Rejection understood(SignedHeader record, RosterEntry.Role role) {
    RecordType type = record.header().type();
    RosterEntry.Role allowed =
        switch (type) {
          case ROSTER -> role;
          case DATA -> RosterEntry.Role.WORKER;
          case BLOCK, MANIFEST, CHECKPOINT -> RosterEntry.Role.COMPACTOR;
          case RTS, EOE, SYNC, ROTATE, SEAL, EVIDENCE -> null;
        };
    if (allowed == null) {
      return Rejection.of(
          Reason.UNKNOWN_TYPE,
          record
              + " is a "
              + type
              + ", of which this version knows"
              + " nothing: open the capsule with a newer one");
    }
    return role == allowed
        ? null
        : Rejection.of(Reason.ROLE, record + " is a " + type + " of a " + role);
  }

  /** Whether bytes are those of a record, perhaps released since it was read. */
  static boolean isSame(byte[] found, SignedHeader record) {
    return Arrays.equals(found, record.bytes())
        || (record instanceof CapsuleRecord
            && RecordCodec.isStub(found)
            && RecordCodec.typeOf(found) == record.header().type()
            && Arrays.equals(found, RecordCodec.stub(record.bytes())));
  }

  /** Checks that the store finds a record by its hash. */
  static @Nullable Rejection indexed(RecordStore store, SignedHeader record) {
    try {
      byte[] found = store.read(record.hash());
      return found != null && isSame(found, record)
          ? null
          : Rejection.of(
              Reason.MISPLACED,
              "the store's index "
                  + (found == null ? "does not know " : "finds another record for ")
                  + record);
    } catch (IntegrityException damaged) {
      return damaged.rejection();
    }
  }

  /**
   * Checks that the records a joining record names are stored, intact, and older than it.
   *
   * @return what is wrong with the parents of {@code record}, or null
   */
  static @Nullable Rejection parents(RecordStore store, CapsuleName capsule, SignedHeader record) {
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
      // A parent may have been released; its hash and time are in its header.
      switch (RecordCodec.decodeStored(capsule, bytes)) {
        case Decoded.Rejected<SignedHeader>(Rejection r) -> {
          return Rejection.of(r.reason(), "parent " + parent + ": " + r.detail());
        }
        case Decoded.Accepted<SignedHeader>(SignedHeader found) -> {
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
