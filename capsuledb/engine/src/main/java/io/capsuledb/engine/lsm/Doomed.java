package io.capsuledb.engine.lsm;

import io.capsuledb.core.record.Checkpoint;
import java.util.List;

/**
 * Records that no manifest needs any more, but perhaps a reader: their payloads may be released
 * when the views that refer to them are gone.
 */
final class Doomed {

  /** No view made later refers to them. */
  final ReadView lastView;

  final List<Checkpoint.Range> ranges;

  Doomed(ReadView lastView, List<Checkpoint.Range> ranges) {
    this.lastView = lastView;
    this.ranges = List.copyOf(ranges);
  }
}
