package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a second record from taking the place of a first: positions are written once.
 *
 * <p>Invariants: a position is either free, or in one or more batches on their way with the same
 * bytes, or stored; a batch passes only if each of its positions is free or has the same record.
 * While a record is on its way in one form, whole or as a stub, it does not pass in the other: of
 * two writes at once nobody could say which stays.
 *
 * <p>Asking the database for every record would cost a read each. A position beyond the newest of
 * its writer is free, and that is nearly every one; the newest ones are remembered. Thread-safe.
 */
final class AppendGate {

  /** Writers whose newest sequence number is remembered; about 2 MiB. */
  private static final int REMEMBERED_WRITERS = 16_384;

  private record Writer(Hash32 capsule, long writer) {}

  private record Place(Hash32 capsule, long writer, long sequence) {}

  /** Bytes on their way, and how many batches they are in. */
  private static final class Passing {
    final byte[] bytes;
    int batches;

    Passing(byte[] bytes) {
      this.bytes = bytes;
    }
  }

  /** What the database holds. */
  interface Stored {
    long newestSequence(long writer);

    byte @Nullable [] read(long writer, long sequence);
  }

  private final Map<Place, Passing> passing = new HashMap<>();

  private final Map<Writer, Long> newest =
      new LinkedHashMap<>(64, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Writer, Long> eldest) {
          return size() > REMEMBERED_WRITERS;
        }
      };

  /**
   * Lets a batch pass; {@link #leave} must follow, whatever becomes of it.
   *
   * @return those of the batch to write: all but those stored in their other form, which stays
   * @throws IntegrityException if another record is at the position of one of them; then nothing
   *     has passed
   * @throws UnavailableException if one is on its way in its other form; then nothing has passed
   */
  synchronized List<StoredRecord> enter(Hash32 capsule, List<StoredRecord> batch, Stored stored) {
    int passed = 0;
    List<StoredRecord> toWrite = new ArrayList<>(batch.size());
    try {
      for (StoredRecord r : batch) {
        Place place = new Place(capsule, r.writer(), r.sequence());
        Passing other = passing.get(place);
        byte[] present = other != null ? other.bytes : present(capsule, r, stored);
        if (present == null || Arrays.equals(present, r.bytes())) {
          toWrite.add(r);
        } else if (!areForms(present, r.bytes())) {
          throw new IntegrityException(
              Rejection.of(
                  Rejection.Reason.EQUIVOCATION,
                  "another record is stored already at "
                      + StoreCodec.describe(r.writer(), r.sequence())
                      + " of capsule "
                      + capsule));
        } else if (other != null) {
          throw onItsWay(r);
        }
        if (other == null) {
          other = new Passing(r.bytes());
          passing.put(place, other);
        }
        other.batches++;
        passed++;
      }
    } finally {
      if (passed < batch.size()) {
        leave(capsule, batch.subList(0, passed));
      }
    }
    for (StoredRecord r : batch) {
      newest.merge(new Writer(capsule, r.writer()), r.sequence(), AppendGate::later);
    }
    return toWrite;
  }

  private static boolean areForms(byte[] one, byte[] other) {
    return RecordCodec.isStubOf(one, other) || RecordCodec.isStubOf(other, one);
  }

  private static UnavailableException onItsWay(StoredRecord r) {
    return new UnavailableException(
        "the record of "
            + StoreCodec.describe(r.writer(), r.sequence())
            + " is being stored in another form; try again");
  }

  /**
   * Lets stubs pass on their way to the places of their records; {@link #leave} must follow,
   * whatever becomes of them. Whether the records are there is the caller's to check, after this.
   *
   * @throws UnavailableException if a record is on its way; then nothing has passed
   */
  synchronized void enterRelease(Hash32 capsule, List<StoredRecord> stubs) {
    for (StoredRecord stub : stubs) {
      Passing other = passing.get(new Place(capsule, stub.writer(), stub.sequence()));
      if (other != null && !Arrays.equals(other.bytes, stub.bytes())) {
        throw onItsWay(stub);
      }
    }
    for (StoredRecord stub : stubs) {
      passing.computeIfAbsent(
              new Place(capsule, stub.writer(), stub.sequence()), p -> new Passing(stub.bytes()))
          .batches++;
    }
  }

  private byte @Nullable [] present(Hash32 capsule, StoredRecord r, Stored stored) {
    long newestSequence =
        newest.computeIfAbsent(
            new Writer(capsule, r.writer()), w -> stored.newestSequence(r.writer()));
    return Long.compareUnsigned(r.sequence(), newestSequence) > 0
        ? null
        : stored.read(r.writer(), r.sequence());
  }

  private static long later(long a, long b) {
    return Long.compareUnsigned(a, b) > 0 ? a : b;
  }

  /** Remembers that a record was stored by other ways than {@link #enter}. */
  synchronized void stored(Hash32 capsule, StoredRecord r) {
    newest.computeIfPresent(
        new Writer(capsule, r.writer()), (w, known) -> later(known, r.sequence()));
  }

  /** Forgets how far a chain goes: its newest records were dropped. */
  synchronized void truncated(Hash32 capsule, long writer) {
    newest.remove(new Writer(capsule, writer));
  }

  /** Ends what {@link #enter} began, after the batch is written or not. */
  synchronized void leave(Hash32 capsule, List<StoredRecord> batch) {
    for (StoredRecord r : batch) {
      Place place = new Place(capsule, r.writer(), r.sequence());
      Passing at = passing.get(place);
      if (at != null && --at.batches == 0) {
        passing.remove(place);
      }
    }
  }
}
