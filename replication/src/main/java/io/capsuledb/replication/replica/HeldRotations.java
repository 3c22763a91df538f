package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.rotation.Rotation;
import io.capsuledb.core.rotation.RotationCodec;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The ROTATE records that a replica holds, and what they forbid: a chain of a retired generation
 * goes no further than the rotation to the next generation says, and one that this does not name
 * does not begin. docs/keys.md.
 *
 * <p>Invariant: follows from the records held and from nothing else, in whatever order they came.
 */
final class HeldRotations {

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;

  /** By the writer in whose chain they are. */
  private final Map<Long, Rotation> byWriter = new TreeMap<>();

  HeldRotations(CapsuleName capsule, CapsuleMetadata metadata, Secp256k1 curve) {
    this.capsule = capsule;
    this.metadata = metadata;
    this.curve = curve;
  }

  /**
   * Checks a record that may be a ROTATE of a writer.
   *
   * @return what is wrong with it, or null, also if it is none
   */
  @Nullable Rejection check(SignedHeader record, RosterEntry writer) {
    return record.header().type() == RecordType.ROTATE
            && decode(record, writer) instanceof Decoded.Rejected<Rotation>(Rejection r)
        ? Rejection.of(r.reason(), record + ": " + r.detail())
        : null;
  }

  /** Obeys a record that was checked, if it is a ROTATE. */
  void take(SignedHeader record, RosterEntry writer) {
    if (record.header().type() == RecordType.ROTATE
        && decode(record, writer) instanceof Decoded.Accepted<Rotation>(Rotation rotation)) {
      byWriter.put(writer.writer(), rotation);
    }
  }

  /** Takes up what a chain that is held says. */
  void recover(ReplicaLog log, RosterEntry writer, long newest) {
    if (writer.generation() == 0
        || writer.role() == RosterEntry.Role.COMPACTOR
        || newest < RotationCodec.SEQUENCE) {
      return;
    }
    byte[] bytes;
    try {
      bytes = log.read(capsule, writer.writer(), RotationCodec.SEQUENCE);
    } catch (IntegrityException damaged) {
      // It is healed like every damaged record, and then taken.
      return;
    }
    if (bytes != null
        && RecordCodec.decodeStored(capsule, bytes)
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)) {
      take(record, writer);
    }
  }

  /** Notes that of a chain nothing after a record is held any more. */
  void truncated(long writer, long newest) {
    if (newest < RotationCodec.SEQUENCE) {
      byWriter.remove(writer);
    }
  }

  /** The last sequence number that counts in a writer's chain. */
  long limit(RosterEntry writer) {
    long limit = Long.MAX_VALUE;
    for (Rotation rotation : byWriter.values()) {
      if (rotation.generation() == writer.generation() + 1) {
        limit = Math.min(limit, rotation.endOf(writer.writer()).sequence());
      }
    }
    return limit;
  }

  private Decoded<Rotation> decode(SignedHeader record, RosterEntry writer) {
    if (!(record instanceof CapsuleRecord whole)
        || record.header().sequence() != RotationCodec.SEQUENCE
        || writer.role() == RosterEntry.Role.COMPACTOR) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE, "a ROTATE is the second record of who is no compactor");
    }
    return RotationCodec.decode(capsule, whole.payload(), metadata, curve)
        .then(
            rotation ->
                rotation.generation() == writer.generation()
                    ? Decoded.accept(rotation)
                    : Decoded.reject(
                        Reason.KEY_GENERATION,
                        "it begins generation "
                            + rotation.generation()
                            + " and is of a writer of "
                            + writer.generation()));
  }
}
