package io.capsuledb.core.epoch;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The join of all chains at the end of an epoch: what a coordinator's SYNC record says. A durable
 * one is a consistent cut: the operations of the records up to the positions are exactly those at
 * or before the cut time. Immutable; positions ascend by writer, each writer once.
 *
 * @param epoch the epoch that has ended, from 1
 * @param attempt that of the RTS that the positions answer, from 1
 * @param term the coordinator's, from 1
 * @param cutTime that of the RTS
 * @param generation the key generation in force, from 0
 * @param compactor the writer whose MANIFESTs count from now on, or 0 if nobody is appointed
 * @param previous hash of the SYNC record before; zero for the first
 * @param positions where the chains of the writers that live, or went since the SYNC before, are
 *     cut; at most {@link #MAX_POSITIONS}
 */
public record Sync(
    long epoch,
    int attempt,
    long term,
    long cutTime,
    int generation,
    long compactor,
    Hash32 previous,
    List<Position> positions) {

  /** Most positions: all of them, and the SYNC before, can be parents of one record. */
  public static final int MAX_POSITIONS = RecordLayout.MAX_PARENTS - 1;

  /** What has become of a writer; the numbers are persisted. */
  public enum State {
    /** It writes on. */
    LIVE(1),
    /** It was sealed because it was silent; its position is where its part of the epoch ended. */
    GONE(2),
    /** It said that it ends. */
    ENDED(3);

    private final int number;

    State(int number) {
      this.number = number;
    }

    int number() {
      return number;
    }

    static @Nullable State ofNumber(int number) {
      for (State state : values()) {
        if (state.number == number) {
          return state;
        }
      }
      return null;
    }
  }

  /**
   * Where one chain is cut.
   *
   * @param writer whose chain, 1 to 2^62 - 1
   * @param role what its roster says it is
   * @param state whether it goes on
   * @param head the last record that belongs to the epoch or one before; {@link ChainHead#NONE} if
   *     none does
   */
  public record Position(long writer, RosterEntry.Role role, State state, ChainHead head) {}

  /**
   * Checks the fields.
   *
   * @throws IllegalArgumentException if one is out of its range; the message names it
   */
  public Sync {
    positions = List.copyOf(positions);
    String wrong = wrong(epoch, attempt, term, cutTime, generation, compactor, positions);
    if (wrong != null) {
      throw new IllegalArgumentException("SYNC with " + wrong);
    }
  }

  /** What is not allowed in these fields, or null. */
  static @Nullable String wrong(
      long epoch,
      int attempt,
      long term,
      long cutTime,
      int generation,
      long compactor,
      List<Position> positions) {
    String wrong = Rts.wrong(epoch, attempt, term, cutTime, 1);
    if (wrong != null) {
      return wrong;
    }
    if (generation < 0) {
      return "key generation " + generation;
    }
    if (compactor < 0 || compactor > RosterEntry.MAX_WRITER) {
      return "compactor " + Long.toHexString(compactor);
    }
    if (positions.size() > MAX_POSITIONS) {
      return positions.size() + " positions";
    }
    long before = 0;
    for (Position position : positions) {
      if (position.writer <= before || position.writer > RosterEntry.MAX_WRITER) {
        return "writer " + Long.toHexString(position.writer) + " after " + Long.toHexString(before);
      }
      before = position.writer;
    }
    return null;
  }

  /** Where a writer's chain is cut, or null if it is not listed. */
  public @Nullable Position of(long writer) {
    int low = 0;
    int high = positions.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Position position = positions.get(middle);
      if (position.writer == writer) {
        return position;
      }
      if (position.writer < writer) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return null;
  }
}
