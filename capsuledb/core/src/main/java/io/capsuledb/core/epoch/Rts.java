package io.capsuledb.core.epoch;

import io.capsuledb.core.record.RecordLayout;
import org.jspecify.annotations.Nullable;

/**
 * "Report at the end of the epoch": what a coordinator's RTS record says. Every worker that takes
 * it up ends its epoch there and then: what it does from then on has a Lamport time after the cut
 * time.
 *
 * @param epoch the epoch that is to end, from 1
 * @param attempt how often the coordinator has called for the end of this epoch, from 1
 * @param term the coordinator's, from 1
 * @param cutTime Lamport time, 1 to {@link RecordLayout#MAX_LAMPORT}: operations at or before it
 *     are in the epoch, later ones are not
 * @param deadlineMs how long the coordinator waits before it has a silent worker sealed, from 1
 */
public record Rts(long epoch, int attempt, long term, long cutTime, int deadlineMs) {

  /**
   * Checks the fields.
   *
   * @throws IllegalArgumentException if one is out of its range; the message names it
   */
  public Rts {
    String wrong = wrong(epoch, attempt, term, cutTime, deadlineMs);
    if (wrong != null) {
      throw new IllegalArgumentException("RTS with " + wrong);
    }
  }

  /** What is not allowed in these fields, or null. */
  static @Nullable String wrong(long epoch, int attempt, long term, long cutTime, int deadlineMs) {
    if (epoch < 1) {
      return "epoch " + epoch;
    }
    if (attempt < 1) {
      return "attempt " + attempt;
    }
    if (term < 1) {
      return "term " + term;
    }
    if (cutTime < 1 || cutTime > RecordLayout.MAX_LAMPORT) {
      return "cut time " + cutTime;
    }
    return deadlineMs < 1 ? "a deadline of " + deadlineMs + " ms" : null;
  }
}
