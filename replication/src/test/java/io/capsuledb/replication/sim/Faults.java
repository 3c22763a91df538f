package io.capsuledb.replication.sim;

/**
 * What a simulated network does to frames.
 *
 * @param loss chance that a frame is lost
 * @param duplicate chance that it arrives twice
 * @param reorder whether frames of a link may overtake one another
 * @param minDelayNanos least delay of a frame
 * @param maxDelayNanos most
 */
public record Faults(
    double loss, double duplicate, boolean reorder, long minDelayNanos, long maxDelayNanos) {

  /** Everything arrives at the next {@link SimNetwork#advance}. */
  public static final Faults NONE = new Faults(0, 0, false, 0, 0);

  /** Nothing is lost; each frame takes between a tenth of a millisecond and two. */
  public static final Faults DELAYS = new Faults(0, 0, false, 100_000, 2_000_000);

  /** Five of a hundred frames are lost, two doubled, and they overtake one another. */
  public static final Faults ROUGH = new Faults(0.05, 0.02, true, 100_000, 20_000_000);
}
