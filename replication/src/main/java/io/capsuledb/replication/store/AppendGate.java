package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore.StoredRecord;
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
 * bytes, or stored; a batch passes only if each of its positions is free or has the same bytes.
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
   * @throws IntegrityException if another record is at the position of one of them; then nothing
   *     has passed
   */
  synchronized void enter(Hash32 capsule, List<StoredRecord> batch, Stored stored) {
    int passed = 0;
    try {
      for (StoredRecord r : batch) {
        Place place = new Place(capsule, r.writer(), r.sequence());
        Passing other = passing.get(place);
        byte[] present = other != null ? other.bytes : present(capsule, r, stored);
        if (present != null && !Arrays.equals(present, r.bytes())) {
          throw new IntegrityException(
              Rejection.of(
                  Rejection.Reason.EQUIVOCATION,
                  "another record is stored already at "
                      + StoreCodec.describe(r.writer(), r.sequence())
                      + " of capsule "
                      + capsule));
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
