package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.epoch.Eoe;
import io.capsuledb.core.epoch.EoeCodec;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.rotation.RotationCodec;
import io.capsuledb.core.seal.SealOrderCodec;
import java.util.Arrays;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** What the engine asks of a linked record beyond its chain. */
final class RecordChecks {

  private static final int EVIDENCE_FORMAT = 1;
  private static final int EVIDENCE_OF_REPLICA = 2;
  private static final int EVIDENCE_HEADER_BYTES = 8;

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
          case ROSTER, EVIDENCE -> role;
          case DATA, EOE -> RosterEntry.Role.WORKER;
          case RTS, SYNC -> RosterEntry.Role.COORDINATOR;
          case BLOCK, MANIFEST, CHECKPOINT -> RosterEntry.Role.COMPACTOR;
          case SEAL -> FinalHeads.maySeal(role) ? role : RosterEntry.Role.LEADER;
          case ROTATE -> FinalHeads.mayRotate(role) ? role : RosterEntry.Role.LEADER;
        };
    if (type == RecordType.ROTATE && record.header().sequence() != RotationCodec.SEQUENCE) {
      return Rejection.of(
          Reason.FIELD_OUT_OF_RANGE, record + " is a ROTATE that does not begin its chain");
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

  /**
   * Checks the form of a payload that everybody can read and that changes no data: of a SEAL, a
   * ROTATE and of EVIDENCE. Evidence against a replica has no form here beyond its first bytes; it
   * is checked by whoever knows replicas.
   *
   * @return what is wrong, or null, also for other types
   */
  static @Nullable Rejection form(
      CapsuleRecord record, CapsuleName capsule, CapsuleMetadata metadata, Secp256k1 curve) {
    Decoded<?> decoded =
        switch (record.header().type()) {
          case SEAL -> SealOrderCodec.decode(record.payload());
          case EVIDENCE -> evidence(record.payload(), capsule);
          case ROTATE ->
              RotationCodec.decode(capsule, record.payload(), metadata, curve)
                  .then(
                      rotation ->
                          rotation.generation() == record.header().generation()
                              ? Decoded.accept(rotation)
                              : Decoded.reject(
                                  Reason.KEY_GENERATION,
                                  "it begins generation " + rotation.generation()));
          default -> Decoded.accept(record);
        };
    return decoded instanceof Decoded.Rejected<?>(Rejection r)
        ? Rejection.of(r.reason(), record + ": " + r.detail())
        : null;
  }

  /**
   * Checks what a record that ends an epoch says, as far as its header can contradict it.
   *
   * @param clear its payload, decrypted
   * @return what is wrong, or null, also for other types
   */
  static @Nullable Rejection epoch(SignedHeader record, byte[] clear) {
    return switch (record.header().type()) {
      case RTS -> epoch(record, RtsCodec.decode(clear), Rts::epoch);
      case EOE -> {
        Decoded<Eoe> decoded = EoeCodec.decode(clear);
        Rejection wrong = epoch(record, decoded, Eoe::epoch);
        yield wrong != null || record.header().parents().contains(decoded.orThrow().rts())
            ? wrong
            : Rejection.of(Reason.PAYLOAD, record + " has no RTS among its parents");
      }
      case SYNC -> epoch(record, SyncCodec.decode(clear), Sync::epoch);
      default -> null;
    };
  }

  private static <T> @Nullable Rejection epoch(
      SignedHeader record, Decoded<T> decoded, ToLongFunction<T> epoch) {
    return switch (decoded) {
      case Decoded.Rejected<T>(Rejection r) -> Rejection.of(r.reason(), record + ": " + r.detail());
      case Decoded.Accepted<T>(T value) ->
          epoch.applyAsLong(value) == record.header().epoch()
              ? null
              : Rejection.of(Reason.PAYLOAD, record + " ends epoch " + epoch.applyAsLong(value));
    };
  }

  /**
   * Checks that the records a SYNC cuts chains at are those that are stored there.
   *
   * @return what is wrong, or null
   */
  static @Nullable Rejection positions(
      RecordStore store, CapsuleName capsule, SignedHeader record, Sync sync) {
    for (Sync.Position position : sync.positions()) {
      long sequence = position.head().sequence();
      if (sequence == 0) {
        continue;
      }
      byte[] bytes;
      try {
        bytes = store.read(position.writer(), sequence);
      } catch (IntegrityException damaged) {
        return damaged.rejection();
      }
      if (bytes == null) {
        return Rejection.of(
            Reason.MISSING_RECORD,
            CapsuleRecord.describe(position.writer(), sequence)
                + " is not stored, though "
                + record
                + " joins it");
      }
      if (RecordCodec.decodeStored(capsule, bytes)
              instanceof Decoded.Accepted<SignedHeader>(SignedHeader found)
          && !found.hash().equals(position.head().hash())) {
        return Rejection.of(
            Reason.PREVIOUS_HASH,
            found + " is where " + record + " joins " + position.head().hash());
      }
    }
    return null;
  }

  private static Decoded<?> evidence(byte[] payload, CapsuleName capsule) {
    if (payload.length < EVIDENCE_HEADER_BYTES
        || payload[0] != EVIDENCE_FORMAT
        || payload[1] != EVIDENCE_OF_REPLICA) {
      return EquivocationProof.accused(capsule, payload);
    }
    int first = LittleEndian.getInt(payload, EVIDENCE_HEADER_BYTES - Integer.BYTES);
    return first < 1 || first >= payload.length - EVIDENCE_HEADER_BYTES
        ? Decoded.reject(Reason.TRUNCATED, "evidence announces " + first + " bytes")
        : Decoded.accept(payload);
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
