package io.capsuledb.scl.lock;

/**
 * A lock with the number under which a worker asked for it: what requests, grants, recalls and
 * releases are about.
 *
 * @param lock the lock's number, any 64 bits: {@link #ALL}, or the keyed hash of a key
 * @param mode how it is or will be held
 * @param id the worker's request, from 1, never used twice by a worker
 */
public record LockGrant(long lock, LockMode mode, long id) {

  /**
   * The lock over everything. An ordinary transaction takes it shared before its keys, so that
   * whoever takes it exclusively is alone.
   */
  public static final long ALL = 0;

  /** Checks the ranges. */
  public LockGrant {
    if (id < 1) {
      throw new IllegalArgumentException("a lock request has a number from 1, not " + id);
    }
  }
}
