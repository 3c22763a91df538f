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
          && range.fromSequence() <= last.toSequence() + 1) {
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
}
