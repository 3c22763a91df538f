package io.capsuledb.core.record;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What those without keys may know about a manifest: which one it is, a commitment to the state it
 * describes, and whose payloads it makes superfluous. Immutable, and always in the one form that
 * {@link CheckpointCodec} writes: ranges in ascending order of writer and sequence, without
 * overlap.
 *
 * @param manifest hash of the MANIFEST record; zero for a checkpoint that only releases
 * @param stateRoot commitment to all live entries; zero if {@code manifest} is
 * @param coveredLamport everything up to this Lamport time is in the manifest's blocks; 0 to {@link
 *     RecordLayout#MAX_LAMPORT}
 * @param released records whose payloads may be dropped; at most {@link
 *     CheckpointLayout#MAX_RANGES}
 */
public record Checkpoint(
    Hash32 manifest, Hash32 stateRoot, long coveredLamport, List<Range> released) {

  /**
   * Records of one writer that follow each other.
   *
   * @param writer 1 to 2^62 - 1
   * @param fromSequence the first, from 1
   * @param toSequence the last, inclusive
   */
  public record Range(long writer, long fromSequence, long toSequence) {

    /** Whether the record at this position is in the range. */
    public boolean contains(long writer, long sequence) {
      return this.writer == writer && fromSequence <= sequence && sequence <= toSequence;
    }

    private boolean isBefore(Range other) {
      return writer < other.writer || (writer == other.writer && toSequence < other.fromSequence);
    }
  }

  /**
   * Checks the fields.
   *
   * @throws IllegalArgumentException if one is out of its range; the message names it
   */
  public Checkpoint {
    released = List.copyOf(released);
    String wrong = wrong(manifest, stateRoot, coveredLamport, released);
    if (wrong != null) {
      throw new IllegalArgumentException("checkpoint with " + wrong);
    }
  }

  /** What is not allowed in a checkpoint of these fields, or null. */
  static @Nullable String wrong(
      Hash32 manifest, Hash32 stateRoot, long coveredLamport, List<Range> released) {
    if (manifest.isZero() && !stateRoot.isZero()) {
      return "a state root and no manifest";
    }
    if (coveredLamport < 0 || coveredLamport > RecordLayout.MAX_LAMPORT) {
      return "covered Lamport time " + coveredLamport;
    }
    if (released.size() > CheckpointLayout.MAX_RANGES) {
      return released.size() + " ranges";
    }
    Range before = null;
    for (Range range : released) {
      if (range.writer < 1
          || range.writer > RosterEntry.MAX_WRITER
          || range.fromSequence < 1
          || range.toSequence < range.fromSequence) {
        return "a range of " + describe(range);
      }
      if (before != null && !before.isBefore(range)) {
        return describe(range) + " after " + describe(before);
      }
      before = range;
    }
    return null;
  }

  /** Whether the payload of the record at this position is released by this checkpoint. */
  public boolean releases(long writer, long sequence) {
    int low = 0;
    int high = released.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Range range = released.get(middle);
      if (range.contains(writer, sequence)) {
        return true;
      }
      if (range.writer < writer || (range.writer == writer && range.toSequence < sequence)) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return false;
  }

  private static String describe(Range range) {
    return CapsuleRecord.describe(range.writer, range.fromSequence) + " to " + range.toSequence;
  }
}
