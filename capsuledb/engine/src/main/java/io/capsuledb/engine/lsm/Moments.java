package io.capsuledb.engine.lsm;

import io.capsuledb.engine.lsm.Manifest.Moment;
import java.util.ArrayList;
import java.util.List;

/**
 * Which Lamport time was reached when: turns a retention window in milliseconds into a Lamport
 * time. Coarse on purpose: it errs towards keeping more. One thread at a time.
 */
final class Moments {

  private final List<Moment> moments = new ArrayList<>();
  private final long windowMs;
  private final long stepMs;

  /**
   * Nothing noted yet.
   *
   * @param windowMs how far back matters
   */
  Moments(long windowMs, List<Moment> known) {
    this.windowMs = windowMs;
    this.stepMs = Math.max(1, windowMs / (Manifest.MAX_MOMENTS / 2));
    moments.addAll(known);
  }

  /** Notes that everything up to a Lamport time was made by now. */
  void note(long lamport, long nowMs) {
    if (!moments.isEmpty()) {
      Moment last = moments.getLast();
      if (lamport <= last.lamport() || nowMs - last.wallMs() < stepMs) {
        return;
      }
    }
    moments.add(new Moment(lamport, nowMs));
    floor(nowMs);
    while (moments.size() > Manifest.MAX_MOMENTS) {
      moments.removeFirst();
    }
  }

  /** The newest Lamport time known to be older than the window; 0 if none is. */
  long floor(long nowMs) {
    // The newest moment outside the window is the answer; those before it are of no use.
    while (moments.size() > 1 && moments.get(1).wallMs() <= nowMs - windowMs) {
      moments.removeFirst();
    }
    return !moments.isEmpty() && moments.getFirst().wallMs() <= nowMs - windowMs
        ? moments.getFirst().lamport()
        : 0;
  }

  List<Moment> list() {
    return List.copyOf(moments);
  }
}
