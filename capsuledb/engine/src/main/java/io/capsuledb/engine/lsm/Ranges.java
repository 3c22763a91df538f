package io.capsuledb.engine.lsm;

import io.capsuledb.core.record.Checkpoint;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Sets of records as ranges. */
final class Ranges {

  private Ranges() {}

  /** The same records in as few ranges as possible, in order of writer and sequence. */
  static List<Checkpoint.Range> normalise(List<Checkpoint.Range> ranges) {
    List<Checkpoint.Range> sorted = new ArrayList<>(ranges);
    sorted.sort(
        Comparator.comparingLong(Checkpoint.Range::writer)
            .thenComparingLong(Checkpoint.Range::fromSequence));
    List<Checkpoint.Range> merged = new ArrayList<>();
    for (Checkpoint.Range range : sorted) {
      Checkpoint.Range last = merged.isEmpty() ? null : merged.getLast();
      if (last != null
          && last.writer() == range.writer()
          && range.fromSequence() - 1 <= last.toSequence()) {
        merged.set(
            merged.size() - 1,
            new Checkpoint.Range(
                last.writer(),
                last.fromSequence(),
                Math.max(last.toSequence(), range.toSequence())));
      } else {
        merged.add(range);
      }
    }
    return merged;
  }

  /**
   * Whether any of some records is in a set.
   *
   * @param normalised the set, as {@link #normalise} orders it
   */
  static boolean intersects(
      List<Checkpoint.Range> normalised, long writer, long fromSequence, long toSequence) {
    int low = 0;
    int high = normalised.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Checkpoint.Range range = normalised.get(middle);
      if (range.writer() < writer
          || (range.writer() == writer && range.toSequence() < fromSequence)) {
        low = middle + 1;
      } else if (range.writer() > writer || range.fromSequence() > toSequence) {
        high = middle - 1;
      } else {
        return true;
      }
    }
    return false;
  }
}
