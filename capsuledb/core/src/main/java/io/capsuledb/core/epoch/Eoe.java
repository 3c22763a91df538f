package io.capsuledb.core.epoch;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.RecordLayout;
import org.jspecify.annotations.Nullable;

/**
 * End of epoch: what a worker's EOE record says. Every operation of the worker at or before the cut
 * time is in a record before this one, every later operation in a record after it.
 *
 * @param epoch the epoch that ends, from 1
 * @param attempt that of the RTS it answers, from 1
 * @param cutTime that of the RTS
 * @param rts hash of the RTS record, which is also a parent of the record
 */
public record Eoe(long epoch, int attempt, long cutTime, Hash32 rts) {

  /**
   * Checks the fields.
   *
   * @throws IllegalArgumentException if one is out of its range; the message names it
   */
  public Eoe {
    String wrong = wrong(epoch, attempt, cutTime, rts);
    if (wrong != null) {
      throw new IllegalArgumentException("EOE with " + wrong);
    }
  }

  /** What is not allowed in these fields, or null. */
  static @Nullable String wrong(long epoch, int attempt, long cutTime, Hash32 rts) {
    if (epoch < 1) {
      return "epoch " + epoch;
    }
    if (attempt < 1) {
      return "attempt " + attempt;
    }
    if (cutTime < 1 || cutTime > RecordLayout.MAX_LAMPORT) {
      return "cut time " + cutTime;
    }
    return rts.isZero() ? "no RTS" : null;
  }
}
