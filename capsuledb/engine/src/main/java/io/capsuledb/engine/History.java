package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.TreeSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The versions of one key, and the records that vouch for them. For one call. */
final class History {

  private static final byte[] NOTHING = {};

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final RecordStore store;

  History(CapsuleName capsule, CapsuleMetadata metadata, Secp256k1 curve, RecordStore store) {
    this.capsule = capsule;
    this.metadata = metadata;
    this.curve = curve;
    this.store = store;
  }

  /** The newest versions, newest first, as far back as they are complete. */
  List<KeyVersion> of(TreeSnapshot tree, byte[] key, int most) {
    List<Version> clears = new ArrayList<>(tree.clears());
    List<KeyVersion> versions = new ArrayList<>();
    EntryCursor cursor = tree.cursor();
    boolean there = cursor.seek(key);
    boolean settled = false;
    while (there
        && !settled
        && versions.size() < most
        && Arrays.equals(cursor.entry().key(), key)) {
      Entry entry = cursor.entry();
      if (entry.time() <= tree.time()) {
        while (!clears.isEmpty()
            && clears.getLast().compareTo(entry.version()) > 0
            && versions.size() < most) {
          versions.add(cleared(clears.removeLast()));
        }
        if (versions.size() < most) {
          versions.add(version(tree, tree.settled(entry)));
        }
        // Below the floor only the newest version is complete.
        settled = entry.time() <= tree.floorTime();
      }
      there = cursor.next();
    }
    return List.copyOf(versions);
  }

  private KeyVersion cleared(Version clear) {
    return found(clear, true, ValueType.STRING, 0, NOTHING);
  }

  private KeyVersion version(TreeSnapshot tree, Entry entry) {
    return found(
        entry.version(),
        entry.isTombstone(),
        ValueType.of(entry),
        entry.expiryAtMs(),
        tree.value(entry));
  }

  private KeyVersion found(
      Version version, boolean deleted, ValueType type, long expiryAtMs, byte[] value) {
    SignedHeader record = null;
    Rejection rejection;
    try {
      record = locate(version);
      rejection =
          record == null
              ? Rejection.of(Reason.MISSING_RECORD, "its record is not stored")
              : check(record);
    } catch (IntegrityException damaged) {
      rejection = damaged.rejection();
    }
    return new KeyVersion(
        version.time(),
        version.writer(),
        version.index(),
        deleted,
        type,
        expiryAtMs,
        value,
        record == null ? null : record.hash(),
        rejection);
  }

  /** The record whose first operation has the Lamport time that follows from a version. */
  private @Nullable SignedHeader locate(Version version) {
    long firstTime = version.time() - version.index();
    long low = 1;
    long high = store.newestSequence(version.writer());
    while (low <= high) {
      long middle = (low + high) >>> 1;
      SignedHeader record = read(version.writer(), middle);
      if (record == null) {
        return null;
      }
      long lamport = record.header().lamport();
      if (lamport == firstTime) {
        return record;
      }
      if (lamport < firstTime) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return null;
  }

  private @Nullable SignedHeader read(long writer, long sequence) {
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null) {
      return null;
    }
    Decoded<SignedHeader> decoded = RecordCodec.decodeStored(capsule, bytes);
    SignedHeader record = decoded.orThrow();
    if (record.header().writer() != writer || record.header().sequence() != sequence) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISPLACED,
              record + " is stored as " + CapsuleRecord.describe(writer, sequence)));
    }
    return record;
  }

  private @Nullable Rejection check(SignedHeader record) {
    long writer = record.header().writer();
    if (!(read(writer, 1) instanceof CapsuleRecord roster)) {
      return Rejection.of(Reason.UNKNOWN_WRITER, "the writer's roster is not stored");
    }
    for (RosterEntry entry :
        RosterCodec.decode(capsule, roster.payload(), metadata, curve).orThrow()) {
      if (entry.writer() == writer) {
        return record.isSignedBy(entry.key(), curve)
            ? null
            : Rejection.of(Reason.SIGNATURE, record + " is not signed by its writer's key");
      }
    }
    return Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer");
  }
}
