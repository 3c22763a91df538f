package io.capsuledb.engine;

/** The newest Lamport time of an operation. Set under the engine's lock, read by anybody. */
final class LamportClock {

  private volatile long newest;

  long newest() {
    return newest;
  }

  void advance(long time) {
    if (time > newest) {
      newest = time;
    }
  }
}
